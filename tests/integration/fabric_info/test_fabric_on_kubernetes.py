# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``fabric_info`` against a real API server: labels, devices and custom resources are real objects there.

The machines and their devices are records: no such hardware is at hand.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    cluster_role_manifest,
    role_manifest,
)
from support.cluster import CLAIM, NAMESPACE
from support.fabric_objects import KINDS, network
from support.fabric_scenes import SCENES, FabricCluster, Scene
from support.modules import run_module

MODULE = "fabric_info"
ROLE = role_manifest(NAMESPACE)["rules"]
CLUSTER_ROLE = cluster_role_manifest()["rules"]
INFINIBAND = SCENES["InfiniBand, shared devices"]
MACHINES = ["gpu-1", "gpu-2", "gpu-3", "gpu-4"]


def look(connection: dict[str, Any], **options: Any) -> dict[str, Any]:
    return run_module(MODULE, {**connection, "pods": 2, "gpus_per_pod": 8, **options})


def seen(connection: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return what the API shows, of a task that went well."""
    result = look(connection, **options)
    assert (result["rc"], result["changed"]) == (0, False), result
    shown: dict[str, Any] = result["evidence"]["cluster"]
    return shown


def without(rules: list[dict[str, Any]], *plurals: str) -> list[dict[str, Any]]:
    """Return rules without those on some kinds."""
    return [rule for rule in rules if not set(plurals) & set(rule["resources"])]


@pytest.mark.parametrize("scene", SCENES.values(), ids=list(SCENES))
def test_what_the_cluster_shows_is_the_evidence(fabric_cluster: FabricCluster, scene: Scene) -> None:
    fabric_cluster.show(scene)
    shown = seen(fabric_cluster.cluster.connection)
    assert shown["unseen"] == {}
    (group,) = shown["machines"]
    assert (group["names"], group["gpus"], group["gpu_product"]) == (MACHINES, 8, "NVIDIA-H100-80GB-HBM3")
    assert (group["labels"], set(group["resources"])) == (scene.labels, set(scene.devices))
    assert {
        one["resource"]: (one["link_layer"], one["sharing"], one["is_rdma"], tuple(one["networks"]))
        for one in shown["resources"]
    } == scene.said
    assert tuple(shown["networks"]) == scene.networks
    assert fabric_cluster.cluster.writes() == []


@pytest.mark.parametrize(
    ("scene", "kind"),
    [
        ("InfiniBand, shared devices", "infiniband"),
        ("InfiniBand, whole devices", "infiniband"),
        ("InfiniBand, SR-IOV functions", "infiniband"),
        ("mixed", "infiniband"),
        ("RoCE, SR-IOV functions", "roce"),
        ("RoCE, shared devices", "roce"),
        ("EFA", "efa"),
        ("GKE", "gke"),
        ("CoreWeave", "infiniband"),
        ("AKS", "infiniband"),
    ],
)
def test_a_workload_is_made_as_decided(fabric_cluster: FabricCluster, scene: str, kind: str) -> None:
    fabric_cluster.show(SCENES[scene])
    cluster = fabric_cluster.cluster
    decision = look(cluster.connection)["decision"]
    assert (decision["kind"], decision["confidence"]) == (kind, "seen")
    name = cluster.unique_name()
    made = run_module("vllm_workload", cluster.workload(name, fabric=decision, gpus_per_pod=8))
    assert made["rc"] == 0, made
    pods = cluster.pods(name)
    assert len(pods) == 2
    for pod in pods:
        container = pod["spec"]["containers"][0]
        variables = {entry["name"]: entry.get("value") for entry in container["env"]}
        asked = {name: int(count) for name, count in container["resources"]["limits"].items() if "/" in name}
        assert {one["name"]: one["value"] for one in decision["variables"]}.items() <= variables.items()
        assert decision["resources"].items() <= asked.items()
        assert decision["annotations"].items() <= pod["metadata"]["annotations"].items()


def test_machines_that_differ_stand_apart(fabric_cluster: FabricCluster) -> None:
    fabric_cluster.show(INFINIBAND)
    fabric_cluster.change_machine("gpu-3", {}, {})
    groups = seen(fabric_cluster.cluster.connection)["machines"]
    assert [(group["names"], group["resources"]) for group in groups] == [
        (["gpu-1", "gpu-2", "gpu-4"], {"rdma/rdma_shared_device_a": 63}),
        (["gpu-3"], {}),
    ]


def test_only_machines_that_the_workload_may_use_count(fabric_cluster: FabricCluster) -> None:
    fabric_cluster.show(INFINIBAND)
    cluster = fabric_cluster.cluster
    cluster.kubectl("taint", "node", "gpu-1", "team=other:NoSchedule")
    cluster.kubectl("cordon", "gpu-2")
    cluster.kubectl("label", "node", "gpu-4", "pool=ours")

    def names(**options: Any) -> list[str]:
        return [name for group in seen(cluster.connection, **options)["machines"] for name in group["names"]]

    assert names() == ["gpu-3", "gpu-4"]
    assert names(tolerations=[{"key": "team"}]) == ["gpu-1", "gpu-3", "gpu-4"]
    assert names(node_selector={"pool": "ours"}) == ["gpu-4"]
    assert seen(cluster.connection)["notes"][0].startswith("2 of 4 machines with GPUs left out")


def test_the_generated_roles_are_enough(fabric_cluster: FabricCluster) -> None:
    fabric_cluster.show(INFINIBAND)
    cluster = fabric_cluster.cluster
    account = cluster.service_account("gpuops-fabric", ROLE, cluster_rules=CLUSTER_ROLE)
    assert seen(account) == seen(cluster.connection)
    assert seen(account)["unseen"] == {}


def test_with_the_role_alone_nothing_is_known_of_machines_and_nothing_is_ruled_out(
    fabric_cluster: FabricCluster,
) -> None:
    fabric_cluster.show(INFINIBAND)
    cluster = fabric_cluster.cluster
    cluster.apply(network("own", NAMESPACE, "example.com/x"), network("foreign", "my-project-open", "example.com/y"))
    result = look(cluster.service_account("gpuops-role-only", ROLE))
    shown = result["evidence"]["cluster"]
    assert (result["rc"], shown["machines"]) == (0, None)
    assert shown["networks"] == [f"{NAMESPACE}/own"]
    assert set(shown["unseen"]) == {
        "Node",
        "NetworkAttachmentDefinition of other namespaces",
        *(kind.kind for kind in KINDS if kind.kind != "NetworkAttachmentDefinition"),
    }
    assert all(reason.startswith("not permitted: list ") for reason in shown["unseen"].values())
    assert result["decision"]["kind"] == "unknown"


def test_each_kind_that_may_not_be_seen_is_named(fabric_cluster: FabricCluster) -> None:
    fabric_cluster.show(INFINIBAND)
    rules = without(CLUSTER_ROLE, "nicclusterpolicies", "sriovnetworknodestates")
    shown = seen(fabric_cluster.cluster.service_account("gpuops-partly", ROLE, cluster_rules=rules))
    assert shown["unseen"] == {
        "NicClusterPolicy": "not permitted: list nicclusterpolicies of the whole cluster",
        "SriovNetworkNodeState": "not permitted: list sriovnetworknodestates of the whole cluster",
    }
    assert shown["machines"] is not None


def test_preflight_names_the_rights_that_are_missing_and_is_ready(fabric_cluster: FabricCluster) -> None:
    rules = without(CLUSTER_ROLE, "nicclusterpolicies")
    account = fabric_cluster.cluster.service_account("gpuops-preflight", ROLE, cluster_rules=rules)
    result = run_module("preflight_info", {**account, "pods": 2, "gpus_per_pod": 2, "claims": [CLAIM]})
    not_passed = {check["name"]: check for check in result["checks"] if check["status"] != "passed"}
    assert (result["ready"], list(not_passed)) == (True, ["permissions"])
    check = not_passed["permissions"]
    assert check["status"] == "warning"
    assert "(list nicclusterpolicies)" in check["evidence"]


def test_what_is_required_and_not_there_fails_with_what_was_seen(fabric_cluster: FabricCluster) -> None:
    fabric_cluster.show(SCENES["no hardware"])
    result = look(fabric_cluster.cluster.connection, mode="require_rdma")
    assert result["failed"] and result["findings"][0]["severity"] == "error"
    assert result["evidence"]["cluster"]["machines"] and result["table"]
    assert result["msg"]


def test_requests_do_not_grow_with_machines(fabric_cluster: FabricCluster) -> None:
    fabric_cluster.show(INFINIBAND)
    cluster = fabric_cluster.cluster
    cluster.forget_requests()
    seen(cluster.connection)
    asked = sorted(f"{entry['method']} {entry['path']}" for entry in cluster.requests())
    assert asked == sorted(["GET /api/v1/nodes", *(f"GET {kind.path}" for kind in KINDS)])
