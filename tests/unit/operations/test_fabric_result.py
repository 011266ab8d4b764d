# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of a fabric as results show it."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ClusterEvidence,
    DeviceResource,
    Evidence,
    FabricMachine,
    Gid,
    PodEvidence,
    ProofEvidence,
    RdmaPort,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric_result import evidence_as_dict
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import to_plain


def machine(number: int, gpus: int = 8, **resources: int) -> FabricMachine:
    labels = {"ib.coreweave.cloud/speed": "400G", "oci.oraclecloud.com/rdma.host_id": f"h-{number}"}
    return FabricMachine(f"gpu-{number}", gpus, "H100", labels, resources or {"rdma/ib": 8})


def test_machines_that_are_alike_stand_together() -> None:
    machines = (machine(1), machine(2), machine(3, 4), machine(4))
    assert evidence_as_dict(Evidence(ClusterEvidence(machines)))["cluster"]["machines"] == [
        {
            "names": ["gpu-1", "gpu-2", "gpu-4"],
            "gpus": 8,
            "gpu_product": "H100",
            "resources": {"rdma/ib": 8},
            "labels": {"ib.coreweave.cloud/speed": "400G"},
            "differing_labels": ["oci.oraclecloud.com/rdma.host_id"],
        },
        {
            "names": ["gpu-3"],
            "gpus": 4,
            "gpu_product": "H100",
            "resources": {"rdma/ib": 8},
            "labels": {"ib.coreweave.cloud/speed": "400G", "oci.oraclecloud.com/rdma.host_id": "h-3"},
            "differing_labels": [],
        },
    ]


def test_a_label_that_some_lack_differs() -> None:
    bare = FabricMachine("gpu-2", 8, "H100", {}, {"rdma/ib": 8})
    (group,) = evidence_as_dict(Evidence(ClusterEvidence((machine(1), bare))))["cluster"]["machines"]
    assert group["labels"] == {}
    assert group["differing_labels"] == ["ib.coreweave.cloud/speed", "oci.oraclecloud.com/rdma.host_id"]


def test_nothing_seen_is_not_the_same_as_nothing_there() -> None:
    assert evidence_as_dict(Evidence())["cluster"] is None
    assert evidence_as_dict(Evidence(ClusterEvidence()))["cluster"]["machines"] is None
    assert evidence_as_dict(Evidence(ClusterEvidence(())))["cluster"]["machines"] == []


def test_everything_is_plain() -> None:
    pod = PodEvidence("gpu-1", (RdmaPort("mlx5_0", 1, "InfiniBand", "ACTIVE", gids=(Gid(0, "fe80::1"),)),))
    cluster = ClusterEvidence((machine(1),), (DeviceResource("rdma/ib"),), ("default/net",), {"Node": "no"}, ("note",))
    whole = evidence_as_dict(Evidence(cluster, (pod,), ProofEvidence("IB", 40.0, ("line",)), "why"))
    assert to_plain(whole) == whole
    assert whole["pods"][0]["ports"][0]["gids"] == [{"index": 0, "value": "fe80::1", "kind": None, "interface": None}]
    assert whole["proof"]["network"] == "IB"
    assert whole["cluster"]["notes"] == ["note"]
