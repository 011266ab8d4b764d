# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories that say what an environment has: what is decided for them where it is so."""

from __future__ import annotations

import fabric_builders as fabric
import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import decide
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ETHERNET,
    DeviceResource,
    Evidence,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision
from support.inventories import inventory_hosts


def decided(name: str, evidence: Evidence) -> FabricDecision:
    """Return what is decided for the workload of an inventory, as the role ``nccl_fabric`` would ask."""
    (variables,) = inventory_hosts(name).values()
    asked = {
        "mode": variables.get("gpuops_fabric_mode", "auto"),
        "expect": variables.get("gpuops_fabric_expect"),
        "pods": variables["gpuops_pods"],
        "gpus_per_pod": variables["gpuops_gpus_per_pod"],
        "uid": variables["gpuops_run_as_uid"],
        **{part: variables.get(f"gpuops_fabric_{part}", {}) for part in ("variables", "resources", "annotations")},
    }
    return decide(FabricInputs(**asked), evidence).decision


def values(decision: FabricDecision) -> dict[str, str]:
    """Return the variables without those that only let NCCL say what it does."""
    found = {variable.name: variable.value for variable in decision.variables}
    return {name: value for name, value in found.items() if not name.startswith("NCCL_DEBUG")}


INFINIBAND_PODS = fabric.pods(
    [fabric.infiniband("mlx5_0"), fabric.infiniband("mlx5_1")], requested_resources={"rdma/rdma_shared_device_a": 1}
)


def test_staging_ethernet_is_the_recipes_first_variant() -> None:
    """It means NCCL over eth0 and nothing else; its NCCL_P2P_DISABLE=0 is NCCL's default."""
    decision = decided("staging-ethernet", Evidence())
    assert decision.kind == "tcp"
    assert values(decision) == {"NCCL_NET": "Socket", "NCCL_SOCKET_IFNAME": "=eth0"}
    assert decision.resources == {}


def test_prod_infiniband_is_the_recipes_second_variant() -> None:
    """It means RDMA over the devices that lead to the fabric, and no way back to TCP."""
    stated = decided("prod-infiniband", Evidence())
    assert (stated.kind, stated.confidence) == ("infiniband", "stated")
    assert values(stated) == {"NCCL_NET": "IB"}
    assert stated.resources == {"rdma/rdma_shared_device_a": 1}
    seen = decided(
        "prod-infiniband", Evidence(cluster=fabric.cluster({"rdma/rdma_shared_device_a": 63}), pods=INFINIBAND_PODS)
    )
    assert (seen.kind, seen.confidence) == ("infiniband", "usable")
    assert values(seen)["NCCL_IB_HCA"] == "=mlx5_0:1,mlx5_1:1"
    assert values(seen)["NCCL_NET"] == "IB"
    assert not {"NCCL_NET_GDR_LEVEL", "NCCL_P2P_DISABLE", "NCCL_IB_GID_INDEX"} & values(seen).keys()


def test_prod_infiniband_refuses_pods_that_see_none() -> None:
    pods = fabric.pods(requested_resources={"rdma/rdma_shared_device_a": 1})
    with pytest.raises(GpuopsError, match="require_rdma"):
        decided("prod-infiniband", Evidence(cluster=fabric.cluster({"rdma/rdma_shared_device_a": 63}), pods=pods))


def test_prod_roce_takes_the_function_and_its_network() -> None:
    resource = DeviceResource(
        "nvidia.com/rdma-vf", ETHERNET, "virtual", True, ("inference/roce-net",), "SriovNetworkNodePolicy/roce"
    )
    evidence = Evidence(
        cluster=fabric.cluster({"nvidia.com/rdma-vf": 8}, [resource]),
        pods=fabric.two_interfaces(
            [fabric.roce("mlx5_7", is_virtual=True)], requested_resources={"nvidia.com/rdma-vf": 1}
        ),
    )
    decision = decided("prod-roce", evidence)
    assert (decision.kind, decision.confidence) == ("roce", "usable")
    assert values(decision)["NCCL_IB_TC"] == "106", "what the owner of the network says"
    assert values(decision)["NCCL_NET"] == "IB"
    assert not values(decision).get("NCCL_IB_HCA", "").startswith("="), "functions have other names in other pods"
    assert decision.annotations.keys() == {"k8s.v1.cni.cncf.io/networks"}


def test_air_gapped_takes_what_is_there() -> None:
    assert decided("air-gapped", Evidence(cluster=fabric.cluster(), pods=fabric.pods())).kind == "tcp"
    cluster = fabric.cluster({"rdma/rdma_shared_device_a": 63})
    assert decided("air-gapped", Evidence(cluster=cluster, pods=INFINIBAND_PODS)).kind == "infiniband"
