# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the recipe on Kubernetes, with the commands that it shows for looking at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.cluster import NAMESPACE, ClusterHandle
from support.kubernetes_place import SERVICES, KubernetesPlace
from support.results import causes, went_well

Apply = Callable[..., dict[str, Any]]
ETHERNET = {
    "kind": "tcp",
    "confidence": "stated",
    "variables": [{"name": "NCCL_SOCKET_IFNAME", "value": "=eth0"}, {"name": "NCCL_IB_DISABLE", "value": "1"}],
}
INFINIBAND = {
    "kind": "infiniband",
    "confidence": "stated",
    "variables": [{"name": "NCCL_IB_HCA", "value": "=mlx5_0:1"}, {"name": "NCCL_SOCKET_IFNAME", "value": "=ib0"}],
    "resources": {"rdma/rdma_shared_device_a": 1},
}


@pytest.mark.parametrize("controller", ["leaderworkerset", "deployments"])
@pytest.mark.parametrize(("pods", "gpus"), [(2, 2), (4, 4)])
@pytest.mark.parametrize("fabric", [ETHERNET, INFINIBAND], ids=["ethernet", "infiniband"])
def test_several_pods(
    cluster: ClusterHandle,
    kubernetes: KubernetesPlace,
    apply: Apply,
    controller: str,
    pods: int,
    gpus: int,
    fabric: dict[str, Any],
) -> None:
    name = "my-llm-inference"
    options = {
        "controller": controller,
        "pods": pods,
        "gpus_per_pod": gpus,
        "fabric": fabric,
        "run_as": {"uid": 2000, "gid": 2000},
        "preemptibility": "preemptible",
        "priority_class": "gpuops-low",
    }
    result = went_well(apply(name, **options))
    assert ("not_self_healing" in causes(result)) == (controller == "deployments")
    listed = cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", f"run.ai/workload={name}", "-o", "name").split()
    assert len(listed) == pods
    selector = f"run.ai/workload={name},run.ai/role=head"
    [head] = cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "name").split()
    log = cluster.kubectl("logs", "-n", NAMESPACE, "-l", "run.ai/role=head", "--tail=-1")
    assert "Application startup complete" in log
    known = {pod["metadata"]["name"]: pod["spec"] for pod in cluster.pods(name)}
    for spec in known.values():
        container = spec["containers"][0]
        clear = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert {entry["name"]: entry["value"] for entry in fabric["variables"]}.items() <= clear.items()
        limits = container["resources"]["limits"]
        assert limits["nvidia.com/gpu"] == str(gpus)
        assert {name: str(count) for name, count in fabric.get("resources", {}).items()}.items() <= limits.items()
        security = {**spec["securityContext"], **container["securityContext"]}
        assert (security["runAsUser"], security["runAsGroup"], security["runAsNonRoot"]) == (2000, 2000, True)
        assert spec["priorityClassName"] == "gpuops-low"
    words = {name: " ".join(spec["containers"][0].get("args", [])) for name, spec in known.items()}
    assert [name for name, text in words.items() if "--headless" not in text] == [head.removeprefix("pod/")]
    service = cluster.get(f"{SERVICES}/{name}")["spec"]
    assert [port["port"] for port in service["ports"]] == [8000]
    picked = ",".join(f"{label}={value}" for label, value in service["selector"].items())
    assert cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", picked, "-o", "name").split() == [head]
    assert went_well(apply(name, **options))["changed"] is False


def test_one_pod(cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply) -> None:
    went_well(apply("single", pods=1, gpus_per_pod=4))
    selector = "run.ai/workload=single,run.ai/role=head"
    assert len(cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "name").split()) == 1
    assert cluster.kubectl("get", "deployments", "-n", NAMESPACE, "-o", "name").split() == ["deployment.apps/single"]
    assert [port["port"] for port in cluster.get(f"{SERVICES}/single")["spec"]["ports"]] == [8000]
