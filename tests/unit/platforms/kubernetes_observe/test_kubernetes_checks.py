# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster cannot do of a plan is said before anything is written."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.checks import of_plan
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    CLAIMS,
    LEADERWORKERSETS,
    NAMESPACES,
    NODES,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    SERVICE_ACCOUNTS,
    SERVICE_MONITORS,
    STORAGE_CLASSES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENTS,
    LEADERWORKERSET,
    TRAITS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    REQUIRED,
    KubernetesSpec,
    ModelSpec,
    PlacementSpec,
    ServingSpec,
    TolerationSpec,
    VolumeSpec,
    WorkloadSpec,
)
from fake_cluster import FakeCluster, claim, machine, quota

SPEC = WorkloadSpec(
    name="w",
    image="registry.example.com/vllm:v0.33.0",
    model=ModelSpec("/data/model", ("m",)),
    serving=ServingSpec("cluster_internal"),
    pods=2,
    gpus_per_pod=4,
    volumes=(VolumeSpec("models", "/data", read_only=True),),
)


def plan(**changes: Any) -> Plan:
    return plan_workload(dataclasses.replace(SPEC, **changes), TRAITS)


def judged(cluster: FakeCluster, kind: str = LEADERWORKERSET, **changes: Any) -> list[tuple[str, str, str]]:
    findings = of_plan(plan(**changes), kind, cluster)
    assert all(finding.hint for finding in findings)
    return [(finding.severity, finding.cause, finding.object) for finding in findings]


def test_a_ready_cluster_has_no_finding_and_few_requests() -> None:
    cluster = FakeCluster()
    assert judged(cluster) == []
    assert sorted(cluster.asked) == ["namespaces", "nodes", "persistentvolumeclaims", "resourcequotas"]


def test_what_may_not_be_seen_is_not_judged() -> None:
    cluster = FakeCluster()
    cluster.objects = {}
    cluster.forbidden = {NAMESPACES, CLAIMS, NODES, RESOURCE_QUOTAS, PRIORITY_CLASSES, SERVICE_ACCOUNTS}
    own = KubernetesSpec(priority_class="gold", service_account="serving")
    assert judged(cluster, kubernetes=own) == [(INFO, "machines_not_checked", "gpus_per_pod")]


def test_the_namespace() -> None:
    cluster = FakeCluster()
    cluster.objects[NAMESPACES] = []
    assert (ERROR, "namespace_not_found", "namespace") in judged(cluster)
    cluster.objects[NAMESPACES] = [{"metadata": {"name": "my-project", "deletionTimestamp": "2026-11-23T10:00:00Z"}}]
    assert (ERROR, "namespace_terminating", "namespace") in judged(cluster)


@pytest.mark.parametrize(
    ("level", "capability", "is_refused"),
    [
        ("restricted", "IPC_LOCK", True),
        ("baseline", "IPC_LOCK", True),
        ("privileged", "IPC_LOCK", False),
        ("restricted", "CHOWN", True),
        ("baseline", "CHOWN", False),
        ("restricted", None, False),
        ("nonsense", "IPC_LOCK", False),
    ],
)
def test_the_level_that_the_namespace_enforces(level: str, capability: str | None, is_refused: bool) -> None:
    cluster = FakeCluster()
    labels = {"pod-security.kubernetes.io/enforce": level}
    cluster.objects[NAMESPACES] = [{"metadata": {"name": "my-project", "labels": labels}}]
    own = KubernetesSpec(capabilities=(capability,) if capability else ())
    assert ((WARNING, "pod_security_refused", "namespace") in judged(cluster, kubernetes=own)) is is_refused


@pytest.mark.parametrize(
    ("found", "changes", "expected"),
    [
        (None, {}, (ERROR, "volume_claim_missing")),
        ({**claim(), "metadata": {"name": "models", "deletionTimestamp": "x"}}, {}, (ERROR, "volume_claim_ending")),
        (claim(phase="Lost"), {}, (ERROR, "volume_claim_lost")),
        ({**claim(), "spec": {"volumeMode": "Block"}}, {}, (ERROR, "volume_claim_is_block")),
        (claim(phase="Pending"), {}, (WARNING, "volume_claim_unbound")),
        (claim(modes=("ReadWriteOnce",)), {}, (WARNING, "volume_claim_not_shared")),
        (
            claim(modes=("ReadWriteOnce",)),
            {"placement": PlacementSpec(spread=REQUIRED)},
            (ERROR, "volume_claim_not_shared"),
        ),
        (claim(modes=("ReadWriteOncePod",)), {}, (ERROR, "volume_claim_not_shared")),
        (claim(modes=("ReadWriteOnce",)), {"pods": 1}, None),
        (claim(modes=("ReadWriteOnce",)), {"pods": 1, "replicas": 2}, (WARNING, "volume_claim_not_shared")),
        (claim(modes=("ReadOnlyMany",)), {}, None),
        (
            claim(modes=("ReadOnlyMany",)),
            {"volumes": (VolumeSpec("models", "/data"),)},
            (WARNING, "volume_claim_read_only"),
        ),
    ],
)
def test_volume_claims(found: dict[str, Any] | None, changes: dict[str, Any], expected: tuple[str, str] | None) -> None:
    cluster = FakeCluster()
    cluster.objects[CLAIMS] = [found] if found else []
    of_claims = [one for one in judged(cluster, **changes) if one[2].startswith("volumes")]
    assert of_claims == ([(*expected, "volumes[0].claim")] if expected else [])


@pytest.mark.parametrize(("mode", "is_told"), [("WaitForFirstConsumer", False), ("Immediate", True), (None, True)])
def test_a_claim_that_waits_for_its_first_pod_is_fine(mode: str | None, is_told: bool) -> None:
    cluster = FakeCluster()
    cluster.objects[CLAIMS] = [claim(phase="Pending")]
    cluster.objects[STORAGE_CLASSES] = [{"metadata": {"name": "shared"}, "volumeBindingMode": mode}] if mode else []
    assert bool(judged(cluster)) is is_told


def test_names_that_are_not_there() -> None:
    own = KubernetesSpec(priority_class="gold", service_account="serving")
    cluster = FakeCluster()
    assert judged(cluster, kubernetes=own) == [
        (ERROR, "priority_class_missing", "priority_class"),
        (ERROR, "service_account_missing", "service_account"),
    ]
    cluster.objects[PRIORITY_CLASSES] = [{"metadata": {"name": "gold"}}]
    cluster.objects[SERVICE_ACCOUNTS] = [{"metadata": {"name": "serving"}}]
    assert judged(cluster, kubernetes=own) == []


def test_kinds_that_are_not_served() -> None:
    cluster = FakeCluster()
    cluster.unserved = {LEADERWORKERSETS, SERVICE_MONITORS}
    assert judged(cluster) == [(ERROR, "lws_missing", "controller")]
    own = KubernetesSpec(service_monitor=True)
    assert judged(cluster, DEPLOYMENTS, kubernetes=own) == [(ERROR, "service_monitor_missing", "service_monitor")]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (quota(4, 0), [(ERROR, "quota_exceeded", "quota")]),
        (quota(8, 4), [(WARNING, "quota_exceeded", "quota")]),
        (quota(8, 0), []),
        (quota(1, 0, resource="pods"), [(ERROR, "quota_exceeded", "quota")]),
        (quota(0, 0, scopes=["NotTerminating"]), []),
        (quota(0, 0, resource="requests.cpu"), []),
    ],
)
def test_quotas(entry: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    cluster = FakeCluster()
    cluster.objects[RESOURCE_QUOTAS] = [entry]
    assert judged(cluster) == expected


TAINT = {"key": "team", "value": "a", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("machines", "changes", "is_enough"),
    [
        ([machine("a", 4), machine("b", 4)], {}, True),
        ([machine("a", 8)], {}, True),
        ([machine("a", 2), machine("b", 2)], {}, False),
        ([machine("a", 4)], {}, False),
        ([], {}, False),
        ([machine("a", 8, unschedulable=True)], {}, False),
        ([machine("a", 8, taints=[TAINT])], {}, False),
        ([machine("a", 8, taints=[{**TAINT, "effect": "PreferNoSchedule"}])], {}, True),
        ([machine("a", 8, taints=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}])], {}, True),
        (
            [machine("a", 8, taints=[TAINT])],
            {"placement": PlacementSpec(tolerations=(TolerationSpec("team", "Equal", "a", "NoSchedule"),))},
            True,
        ),
        (
            [machine("a", 8, taints=[TAINT])],
            {"placement": PlacementSpec(tolerations=(TolerationSpec("team", "Equal", "b"),))},
            False,
        ),
        ([machine("a", 8, taints=[TAINT])], {"placement": PlacementSpec(tolerations=(TolerationSpec("team"),))}, True),
        ([machine("a"), machine("b")], {"placement": PlacementSpec(exclude_machines=("a",))}, True),
        ([machine("a")], {"placement": PlacementSpec(exclude_machines=("a",))}, False),
    ],
)
def test_machines(machines: list[dict[str, Any]], changes: dict[str, Any], is_enough: bool) -> None:
    cluster = FakeCluster()
    cluster.objects[NODES] = machines
    assert judged(cluster, **changes) == ([] if is_enough else [(WARNING, "machines_too_few", "gpus_per_pod")])


def test_devices_that_the_fabric_asks_for() -> None:
    def fabric(resource: str, count: int) -> FabricDecision:
        return FabricDecision("infiniband", "stated", {"mode": "infiniband"}, (), {resource: count}, {})

    assert judged(FakeCluster(), fabric=fabric("rdma/shared", 1000)) == []
    assert judged(FakeCluster(), fabric=fabric("rdma/other", 1)) == [(WARNING, "fabric_resource_missing", "fabric")]
