# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods whose machine is lost: when the machine is read, what is said of it, and which pods are deleted by force.

Pods and Node objects are written as the control plane of Kubernetes 1.36 leaves them after a kubelet was stopped
(tests/integration/kubernetes_behaviour plays it on a real one).
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, cast

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import diagnose
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    INITIALIZING,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.lost_machines import LostMachines
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_states import pod_status
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import Refused
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    NODES,
    PODS,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    DEPLOYMENTS,
    LEADERWORKERSET,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.times import seconds_of

Object = dict[str, Any]
LOST_AT = "2026-11-23T10:00:00Z"
# The taint manager deletes after five minutes, the pods get a minute to end.
TO_END_BY = "2026-11-23T10:06:00Z"
NAME = "my-llm-0-1"


def at(clock: str) -> float:
    """Return a moment of that day as seconds since 1970."""
    seconds = seconds_of(f"2026-11-23T{clock}Z")
    assert seconds is not None
    return seconds


def node(status: str = "Unknown", name: str = "gpu-1") -> Object:
    """Return a machine; one that is not ready is as the node controller leaves it."""
    ready = {
        "type": "Ready",
        "status": status,
        "reason": "KubeletReady" if status == "True" else "NodeStatusUnknown",
        "message": "" if status == "True" else "Kubelet stopped posting node status.",
        "lastTransitionTime": LOST_AT,
    }
    taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": LOST_AT}
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {} if status == "True" else {"taints": [taint]},
        "status": {"conditions": [{"type": "MemoryPressure", "status": status}, ready]},
    }


def pod(name: str = NAME, uid: str = "uid-1", machine: str = "gpu-1", **metadata: Any) -> Object:
    """Return a pod that runs and is ready."""
    return {
        "metadata": {"name": name, "uid": uid, "labels": {}, **metadata},
        "spec": {"nodeName": machine, "containers": [{"name": "vllm", "image": "r/x:v1"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}],
            "containerStatuses": [{"name": "vllm", "ready": True, "state": {"running": {}}}],
        },
    }


def unheard(one: Object) -> Object:
    """Return the pod as the node controller leaves it when the machine is not heard of: only that it is not ready."""
    marked = copy.deepcopy(one)
    marked["status"]["conditions"][0]["status"] = "False"
    return marked


def leaving(one: Object, **metadata: Any) -> Object:
    """Return the pod Terminating since the taint manager has deleted it."""
    marked = unheard(one)
    target = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
    }
    marked["status"]["conditions"].append(target)
    marked["metadata"].update({"deletionTimestamp": TO_END_BY, "deletionGracePeriodSeconds": 60, **metadata})
    return marked


class Cluster:
    """Objects by path; ``calls`` lists what was asked. ``hidden``: machines may not be read."""

    def __init__(self, *objects: Object) -> None:
        self.pods = {one["metadata"]["name"]: one for one in objects if "containers" in one["spec"]}
        self.nodes = {one["metadata"]["name"]: one for one in objects if "containers" not in one["spec"]}
        self.hidden = False
        self.calls: list[str] = []

    def get(self, resource: Resource, name: str) -> Object | None:
        self.calls.append(f"get {resource.plural} {name}")
        if resource == NODES and self.hidden:
            raise Refused([Finding(ERROR, "permission_denied", "get nodes")], 403)
        return copy.deepcopy((self.pods if resource == PODS else self.nodes).get(name))

    def delete(self, resource: Resource, name: str, uid: str | None = None, grace_seconds: int | None = None) -> None:
        self.calls.append(f"delete {resource.plural} {name} {uid} {grace_seconds}")
        metadata = self.pods[name]["metadata"]
        if metadata.get("finalizers"):
            metadata["deletionGracePeriodSeconds"] = 0
        else:
            del self.pods[name]


class Stage:
    """The cluster, a clock that a test sets, and what looks at them; the wall clock may be ``ahead`` by seconds."""

    def __init__(self, cluster: Cluster, now: str = "10:30:00", ahead: float = 0.0) -> None:
        self.cluster = cluster
        self.now = at(now)
        self.lost = LostMachines(cast(Any, cluster), Host(clock=lambda: self.now), lambda: self.now + ahead)

    def statuses(self, kind: str = LEADERWORKERSET) -> tuple[PodStatus, ...]:
        pods = list(self.cluster.pods.values())
        return self.lost.told(tuple(pod_status(one, kind, is_serving=False) for one in pods), pods, kind)

    def causes(self, kind: str = LEADERWORKERSET) -> list[tuple[str, str]]:
        history, status = StatusHistory(), WorkloadStatus(INITIALIZING, pods=self.statuses(kind))
        history.observe(status, 0.0)
        return [(finding.severity, finding.cause) for finding in diagnose(status, history)]

    def release(self) -> list[Finding]:
        return self.lost.release(list(copy.deepcopy(self.cluster.pods).values()))

    def look_for(self, seconds: float) -> None:
        """Look once and, after so many seconds, again."""
        self.statuses()
        self.now += seconds
        self.statuses()

    def deletions(self) -> list[str]:
        return [call for call in self.cluster.calls if call.startswith("delete")]


def test_ordinary_pods_cost_no_request() -> None:
    starting = replace_status(pod("a"), phase="Pending", conditions=[], containerStatuses=[])
    unready = unheard(pod("b"))
    unready["status"]["conditions"][1]["status"] = "False"
    ending = pod("c", deletionTimestamp=TO_END_BY, deletionGracePeriodSeconds=60)
    queued = pod("d", machine="")
    stage = Stage(Cluster(pod(), starting, unready, ending, queued, node()), "10:06:29")
    assert "Machine" not in str([status.messages for status in stage.statuses()])
    assert stage.cluster.calls == []


def replace_status(one: Object, **status: Any) -> Object:
    return {**one, "status": {**one["status"], **status}}


def test_a_machine_that_is_not_heard_of_is_named_before_its_pods_are_deleted() -> None:
    stage = Stage(Cluster(unheard(pod()), node()), "10:01:00")
    (status,) = stage.statuses()
    assert status.messages[0] == (
        "MachineNotReady: machine gpu-1 is not ready since 2026-11-23T10:00:00Z (NodeStatusUnknown: Kubelet stopped "
        "posting node status.; tainted node.kubernetes.io/unreachable)"
    )
    assert stage.causes() == [(WARNING, "machine_lost")]


def test_a_pod_that_its_machines_taint_takes_away_is_looked_at_before_its_time_is_over() -> None:
    taken = leaving(pod())
    taken["status"]["conditions"][0]["status"] = "True"
    stage = Stage(Cluster(taken, node()), "10:05:30")
    assert stage.causes()[0] == (WARNING, "machine_lost")
    drained = Stage(Cluster(taken, node("True")), "10:05:30")
    assert drained.causes() == [(WARNING, "evicted")]


def test_a_pod_that_cannot_end_says_by_when_it_should_have() -> None:
    stage = Stage(Cluster(leaving(pod()), node()), "10:07:00")
    (status,) = stage.statuses()
    assert status.phase == "terminating"
    assert status.messages[0].endswith("; the pod was to end by 2026-11-23T10:06:00Z")
    assert (WARNING, "machine_lost") in stage.causes(), "a machine that boots is back within a quarter of an hour"


def test_after_a_quarter_of_an_hour_it_is_lost_and_ends_the_wait() -> None:
    stage = Stage(Cluster(leaving(pod()), node()), "10:14:00")
    assert stage.causes()[0] == (WARNING, "machine_lost")
    stage.now = at("10:15:00")
    assert stage.causes()[0] == (ERROR, "machine_lost")


def test_the_sentence_stays_the_same_while_nothing_changes() -> None:
    stage = Stage(Cluster(leaving(pod()), node()), "10:20:00")
    before = stage.statuses()
    stage.now = at("11:20:00")
    assert stage.statuses() == before


def test_a_machine_is_read_at_most_every_ten_seconds_however_many_pods_it_has() -> None:
    stage = Stage(Cluster(leaving(pod("a", "1")), leaving(pod("b", "2")), node()))
    for _look in range(5):
        stage.statuses()
        stage.now += 1
    assert stage.cluster.calls == ["get nodes gpu-1"]
    stage.now += 10
    stage.statuses()
    assert len(stage.cluster.calls) == 2


def test_a_machine_that_comes_back_is_no_trouble_any_more() -> None:
    cluster = Cluster(leaving(pod()), node())
    stage = Stage(cluster)
    assert stage.causes()[0] == (ERROR, "machine_lost")
    cluster.nodes["gpu-1"] = node("True")
    stage.now += 11
    assert "machine_lost" not in {cause for _severity, cause in stage.causes()}


def test_a_machine_without_a_node_object_is_told_and_its_pods_go_by_themselves() -> None:
    stage = Stage(Cluster(leaving(pod())))
    assert "not part of the cluster any more" in stage.statuses()[0].messages[0]
    assert stage.causes()[0] == (WARNING, "machine_lost")
    stage.look_for(60)
    assert stage.release() == []


@pytest.mark.parametrize(
    ("ready", "hidden", "finalizers", "words"),
    [
        ("True", False, ["example.com/hold"], ("finalizer example.com/hold", "machine gpu-1 is ready")),
        ("True", False, None, ("to end by 2026-11-23T10:06:00Z", "machine gpu-1 is ready")),
        ("Unknown", True, None, ("may not be looked at (get nodes)",)),
    ],
)
def test_other_pods_that_do_not_end(ready: str, hidden: bool, finalizers: Any, words: tuple[str, ...]) -> None:
    stage = Stage(Cluster(leaving(pod(), finalizers=finalizers), node(ready)))
    stage.cluster.hidden = hidden
    stage.look_for(60)
    (status,) = stage.statuses()
    assert status.messages[0].startswith("PodNotEnding: ")
    assert all(word in status.messages[0] for word in words), status.messages[0]
    assert (WARNING, "pod_not_ending") in stage.causes()
    assert stage.release() == [], "only where it is known that the machine is lost"
    assert stage.deletions() == []


@pytest.mark.parametrize("kind", [DEPLOYMENT, DEPLOYMENTS])
def test_a_pod_whose_place_is_taken_ends_no_wait(kind: str) -> None:
    """A Deployment makes the next pod beside one that cannot end; a LeaderWorkerSet's pods have names of their own."""
    index = {"labels": {"gpuops.inference/pod-index": "1"}}
    old, new = leaving(pod("w-a", "1", **index)), pod("w-b", "2", machine="gpu-2", **index)
    stage = Stage(Cluster(old, new, node(), node("True", "gpu-2")))
    assert stage.causes(kind)[0] == (WARNING, "machine_lost")
    assert stage.causes(LEADERWORKERSET)[0] == (ERROR, "machine_lost")
    alone = Stage(Cluster(old, node()))
    assert alone.causes(kind)[0] == (ERROR, "machine_lost")


class TestForced:
    def test_the_very_pod_is_deleted_without_a_grace_after_pod_and_machine_were_read_again(self) -> None:
        stage = Stage(Cluster(leaving(pod()), node()))
        stage.look_for(60)
        stage.cluster.calls.clear()
        (finding,) = stage.release()
        assert stage.cluster.calls == [f"get pods {NAME}", "get nodes gpu-1", f"delete pods {NAME} uid-1 0"]
        assert (finding.severity, finding.cause, finding.object) == (WARNING, "lost_pod_deleted", NAME)
        assert "gpu-1 is not ready since 2026-11-23T10:00:00Z" in finding.evidence

    def test_pods_of_other_machines_stay(self) -> None:
        ready, slow = leaving(pod("b", "2", machine="gpu-2")), leaving(pod("c", "3", machine="gpu-3"))
        stage = Stage(Cluster(leaving(pod("a", "1")), ready, slow, node(), node("True", "gpu-2")))
        stage.look_for(60)
        stage.release()
        assert stage.deletions() == ["delete pods a 1 0"]

    @pytest.mark.parametrize("now", ["10:05:00", "10:06:29"])
    def test_pods_within_their_grace_stay(self, now: str) -> None:
        stage = Stage(Cluster(leaving(pod()), node()), now)
        assert stage.release() == []
        assert stage.cluster.calls == []

    def test_pods_that_nobody_asked_to_end_stay(self) -> None:
        stage = Stage(Cluster(unheard(pod()), node()))
        assert stage.release() == []
        assert stage.cluster.calls == []

    def test_a_machine_that_is_away_for_some_seconds_only_may_just_be_starting_its_kubelet_again(self) -> None:
        late = leaving(pod(), deletionTimestamp="2026-11-23T09:50:00Z")
        stage = Stage(Cluster(late, node()), "10:00:00")
        stage.look_for(59)
        assert stage.release() == []
        stage.now = at("10:01:00")
        assert len(stage.release()) == 1

    @pytest.mark.parametrize("ahead", [120.0, 86400.0])
    def test_a_controller_whose_clock_is_ahead_looks_for_a_minute_itself(self, ahead: float) -> None:
        stage = Stage(Cluster(leaving(pod()), node()), "10:06:00", ahead)
        stage.statuses()
        assert stage.release() == []
        stage.look_for(59)
        assert stage.release() == [] and stage.deletions() == []
        stage.look_for(1)
        assert len(stage.release()) == 1

    def test_a_pod_is_looked_at_for_half_a_minute_however_long_its_machine_was(self) -> None:
        stage = Stage(Cluster(unheard(pod()), node()), "10:06:00", ahead=120.0)
        stage.look_for(60)
        stage.cluster.pods[NAME] = leaving(pod())
        stage.look_for(29)
        assert stage.release() == []
        stage.look_for(1)
        assert len(stage.release()) == 1

    def test_a_machine_that_was_ready_in_between_is_looked_at_anew(self) -> None:
        cluster = Cluster(leaving(pod()), node())
        stage = Stage(cluster)
        stage.look_for(50)
        cluster.nodes["gpu-1"] = node("True")
        stage.look_for(10)
        cluster.nodes["gpu-1"] = node()
        stage.look_for(50)
        assert stage.release() == []
        stage.look_for(60)
        assert len(stage.release()) == 1

    def test_a_machine_that_came_back_in_between_keeps_its_pods(self) -> None:
        stage = Stage(Cluster(leaving(pod()), node()))
        stage.look_for(60)
        stage.cluster.nodes["gpu-1"] = node("True")
        assert stage.release() == []
        assert stage.deletions() == []

    def test_a_successor_of_the_same_name_stays(self) -> None:
        stage = Stage(Cluster(leaving(pod()), node()))
        stage.look_for(60)
        seen = [copy.deepcopy(stage.cluster.pods[NAME])]
        stage.cluster.pods[NAME] = leaving(pod(uid="uid-2"))
        assert stage.lost.release(seen) == []
        assert stage.deletions() == []

    def test_a_pod_that_is_gone_already_is_as_good(self) -> None:
        stage = Stage(Cluster(leaving(pod()), node()))
        stage.look_for(60)
        seen = [stage.cluster.pods.pop(NAME)]
        assert stage.lost.release(seen) == []

    def test_what_a_finalizer_holds_is_deleted_once(self) -> None:
        stage = Stage(Cluster(leaving(pod(), finalizers=["foregroundDeletion"]), node()))
        stage.look_for(60)
        assert len(stage.release()) == 1
        assert stage.release() == []
        assert len(stage.deletions()) == 1

    def test_the_age_of_a_machines_trouble_that_is_not_told_counts_for_nothing(self) -> None:
        silent = node()
        del silent["status"]["conditions"][1]["lastTransitionTime"]
        del silent["metadata"]["creationTimestamp"]
        stage = Stage(Cluster(leaving(pod()), silent))
        assert stage.causes()[0] == (WARNING, "machine_lost")
        stage.look_for(60)
        assert stage.release() == []


def test_statuses_without_trouble_are_left_as_they_are() -> None:
    stage = Stage(Cluster(pod(), node("True")))
    (status,) = stage.statuses()
    assert status == replace(status, messages=())
