# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is not heard of any more: what Kubernetes' own controllers do about it is real here, only its kubelet,
which stops, is played."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations import lost_machines as waits
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import lost_machines, permissions
from support.cluster import NAMESPACE, PODS, ClusterHandle
from support.kubernetes_place import MERGE, SETS, STRATEGIC, KubernetesPlace
from support.modules import run_module
from support.results import causes, first_error, went_well
from support.sandbox import until

from gpuops_cluster.objects import machine

Apply = Callable[..., dict[str, Any]]
Beside = Callable[..., Future[dict[str, Any]]]
NAME = "stranded"
MACHINE = "gpu-9"
NODE = f"/api/v1/nodes/{MACHINE}"
SECONDS = 120
# Ready after a moment on any machine: its kubelet is played by a program of the test cluster.
OPTIONS = {
    "image": "registry.example.com/slow:300ms",
    "tolerations": [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "seconds": 1}],
    "start_timeout": 600,
}


def report(cluster: ClusterHandle, ready: str, minutes_ago: float = 0.0) -> None:
    """Write what the machine's kubelet says, or the control plane of one that it has not heard of for long enough."""
    now = datetime.datetime.now(datetime.timezone.utc)
    since = now - datetime.timedelta(minutes=minutes_ago)
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "KubeletReady" if ready == "True" else "NodeStatusUnknown",
        "message": "" if ready == "True" else "Kubelet stopped posting node status.",
        "lastHeartbeatTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    body = {"status": {"conditions": [condition]}}
    status, answer = cluster.api("PATCH", f"{NODE}/status", body, STRATEGIC)
    assert status == 200, answer


def close_other_machines(cluster: ClusterHandle, closed: bool) -> None:
    """Cordon all machines but the test's own, or open them again."""
    for entry in cluster.items("/api/v1/nodes"):
        name = entry["metadata"]["name"]
        if name != MACHINE:
            cluster.api("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": closed}}, MERGE)


@pytest.fixture
def stranded(cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply) -> Iterator[set[str]]:
    """A workload of two pods that serves, both on a machine of the test's own; the identities of the pods."""
    content = machine(9)
    # KWOK keeps all others ready.
    del content["metadata"]["annotations"]
    status, answer = cluster.api("POST", "/api/v1/nodes", content)
    assert status == 201, answer
    report(cluster, "True")
    until(lambda: not cluster.get(NODE)["spec"].get("taints"), "the machine takes pods", SECONDS)
    close_other_machines(cluster, True)
    went_well(apply(NAME, **OPTIONS))
    close_other_machines(cluster, False)
    assert {pod["spec"]["nodeName"] for pod in cluster.pods(NAME)} == {MACHINE}
    yield kubernetes.ready_pods(NAME)
    cluster.api("DELETE", NODE)
    for pod in cluster.pods(NAME):
        # What its kubelet cannot do any more.
        cluster.api("DELETE", f"{PODS}/{pod['metadata']['name']}", {"gracePeriodSeconds": 0})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods count as overdue at the end of their grace, machines as away at once, and both are asked about at once."""
    monkeypatch.setattr(lost_machines, "_OVERDUE_SECONDS", 0.0)
    monkeypatch.setattr(lost_machines, "_FORCED_SECONDS", 0.0)
    monkeypatch.setattr(waits, "_FIRST_QUESTION", 0.0)
    monkeypatch.setattr(waits, "_NEXT_QUESTION", 1.0)


def lose(cluster: ClusterHandle, minutes_ago: float) -> None:
    """Let the machine be away, and its pods be taken away with a grace of a second."""
    report(cluster, "Unknown", minutes_ago)
    for pod in cluster.pods(NAME):
        # As the node controller does once a kubelet's reports have stopped.
        path = f"{PODS}/{pod['metadata']['name']}/status"
        body = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
        assert cluster.api("PATCH", path, body, STRATEGIC)[0] == 200

    def leaving() -> list[str]:
        return [pod["metadata"]["name"] for pod in cluster.pods(NAME) if "deletionTimestamp" in pod["metadata"]]

    for name in until(leaving, "the taint manager takes the pods away", SECONDS, good=lambda names: len(names) == 2):
        # An API server takes a shorter grace for a pod that is ending already.
        status, answer = cluster.api("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 1})
        assert status == 200, answer
    until(lambda: cluster.get(NODE)["spec"].get("taints"), "the machine is tainted", SECONDS)


def absent(connection: dict[str, Any], **options: Any) -> dict[str, Any]:
    return run_module("vllm_workload", {**connection, "name": NAME, "state": "absent", **options})


def deleted_pods(cluster: ClusterHandle) -> list[str]:
    return sorted(write for write in cluster.writes() if write.startswith(f"DELETE {PODS}/"))


def test_a_group_that_cannot_be_made_anew_is_told_by_its_machine(
    cluster: ClusterHandle, apply: Apply, stranded: set[str]
) -> None:
    lose(cluster, minutes_ago=20)
    cluster.forget_requests()
    result = apply(NAME, **OPTIONS)
    error = first_error(result)
    assert (error["cause"], error["object"]) == ("machine_lost", f"{NAME}-0")
    assert MACHINE in error["evidence"] and "Kubelet stopped posting node status" in error["evidence"]
    assert "node.kubernetes.io/unreachable" in error["evidence"] and "force_lost_machines" in error["hint"]
    assert cluster.writes() == []


def test_a_machine_that_comes_back_heals_all_of_it(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, beside: Beside, stranded: set[str]
) -> None:
    lose(cluster, minutes_ago=0)
    cluster.forget_requests()
    running = beside(apply, NAME, **OPTIONS)
    until(lambda: [entry for entry in cluster.requests() if entry["path"] == NODE], "the machine is looked at", SECONDS)
    report(cluster, "True")
    result = went_well(running.result(SECONDS))
    assert result["workload"]["phase"] == "running" and "machine_lost" in causes(result)
    assert kubernetes.ready_pods(NAME).isdisjoint(stranded)


def test_a_deletion_names_the_machine(cluster: ClusterHandle, permitted: dict[str, Any], stranded: set[str]) -> None:
    lose(cluster, minutes_ago=2)
    result = absent(permitted, delete_timeout=3)
    assert causes(result)[:3] == ["time_limit", "machine_lost", "deletion_stuck"], result["msg"]
    assert MACHINE in result["msg"]
    assert {pod["metadata"]["uid"] for pod in cluster.pods(NAME)} == stranded


@pytest.mark.usefixtures("impatient")
def test_forced_a_deletion_comes_to_its_end(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, permitted: dict[str, Any], stranded: set[str]
) -> None:
    lose(cluster, minutes_ago=2)
    cluster.forget_requests()
    result = went_well(absent(permitted, force_lost_machines=True, delete_timeout=SECONDS))
    assert result["changed"]
    told = [finding for finding in result["findings"] if finding["cause"] == "lost_pod_deleted"]
    assert {finding["object"] for finding in told} == {f"{NAME}-0", f"{NAME}-0-1"}
    assert deleted_pods(cluster) == [f"DELETE {PODS}/{NAME}-0", f"DELETE {PODS}/{NAME}-0-1"]
    assert cluster.pods(NAME) == [] and NAME not in kubernetes.names()


@pytest.mark.usefixtures("impatient")
def test_forced_a_group_is_made_anew_on_other_machines(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, stranded: set[str]
) -> None:
    lose(cluster, minutes_ago=2)
    result = went_well(apply(NAME, **OPTIONS, force_lost_machines=True))
    assert result["changed"] and "lost_pod_deleted" in causes(result)
    assert kubernetes.ready_pods(NAME).isdisjoint(stranded) and len(kubernetes.ready_pods(NAME)) == 2
    assert MACHINE not in {pod["spec"]["nodeName"] for pod in cluster.pods(NAME)}
    assert went_well(apply(NAME, **OPTIONS, force_lost_machines=True))["changed"] is False


@pytest.mark.usefixtures("impatient")
def test_forced_or_not_pods_of_a_machine_that_is_ready_are_never_deleted(
    cluster: ClusterHandle, permitted: dict[str, Any], stranded: set[str]
) -> None:
    for name in (f"{NAME}-0", f"{NAME}-0-1"):
        body = {"metadata": {"finalizers": ["gpuops.test/hold"]}}
        assert cluster.api("PATCH", f"{PODS}/{name}", body, MERGE)[0] == 200
        assert cluster.api("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 1})[0] == 200
    result = absent(permitted, force_lost_machines=True, delete_timeout=5)
    assert "pod_not_ending" in causes(result) and "gpuops.test/hold" in str(result["findings"]), result["msg"]
    assert deleted_pods(cluster) == []
    assert {pod["metadata"]["uid"] for pod in cluster.pods(NAME)} == stranded


def test_pods_that_are_left_alone_by_their_set_still_count(
    cluster: ClusterHandle, permitted: dict[str, Any], stranded: set[str], kubernetes: KubernetesPlace
) -> None:
    """The garbage collector does not always wait for pods that were ending before their set was deleted."""
    lose(cluster, minutes_ago=2)
    assert cluster.api("DELETE", kubernetes.main_path(NAME), {"propagationPolicy": "Background"})[0] == 200
    until(lambda: cluster.api("GET", f"{SETS}/{NAME}")[0] == 404, "the set is gone", SECONDS)
    went_well(absent(permitted, wait=False))
    result = absent(permitted, delete_timeout=3)
    assert causes(result)[:2] == ["time_limit", "machine_lost"], result["msg"]
    assert {pod["metadata"]["uid"] for pod in cluster.pods(NAME)} == stranded


@pytest.mark.usefixtures("impatient")
def test_who_may_not_read_machines_or_delete_pods_is_told_so(cluster: ClusterHandle, stranded: set[str]) -> None:
    def without(verb: str, plural: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**rule, "verbs": [one for one in rule["verbs"] if plural not in rule["resources"] or one != verb]}
            for rule in rules
        ]

    rules = permissions.role_manifest(NAMESPACE)["rules"]
    of_cluster = permissions.cluster_role_manifest()["rules"]
    lose(cluster, minutes_ago=2)
    blind = cluster.user("gpuops-blind", rules, NAMESPACE, without("get", "nodes", of_cluster))
    result = absent(blind, force_lost_machines=True, delete_timeout=5)
    assert "pod_not_ending" in causes(result) and "get nodes" in str(result["findings"])
    tied = cluster.user("gpuops-tied", without("delete", "pods", rules), NAMESPACE, of_cluster)
    result = absent(tied, force_lost_machines=True, delete_timeout=SECONDS)
    assert first_error(result)["cause"] == "permission_denied" and "delete pods" in result["msg"]
    assert {pod["metadata"]["uid"] for pod in cluster.pods(NAME)} == stranded
