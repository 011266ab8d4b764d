# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What objects of the Kubernetes API mean.

``recorded`` holds what a real API server with its real controllers had (tests/cluster; the kubelet is KWOK there, the
texts are a kubelet's), some fields left out: environment, commands, probes, managed fields.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import diagnose
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    DEGRADED,
    DELETING,
    INITIALIZING,
    PENDING,
    RUNNING,
    STOPPED,
    AppliedRecord,
    LiveWorkload,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import observe
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING
from hypothesis import given
from hypothesis import strategies as st

# After everything that was recorded.
LATER = "2026-11-24T10:00:00Z"
RECORDED = Path(__file__).parent / "recorded"


class Case:
    """A recorded workload: its objects by body key, its pods and the events about it; free to be changed."""

    def __init__(self, name: str) -> None:
        content = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
        self.name: str = content["name"]
        self.kind: str = content["kind"]
        self.objects: dict[str, dict[str, Any]] = content["objects"]
        self.pods: list[dict[str, Any]] = content["pods"]
        self.events: list[dict[str, Any]] = content["events"]

    @property
    def main(self) -> dict[str, Any]:
        kind = "LeaderWorkerSet" if self.kind == "leaderworkerset" else "Deployment"
        return self.objects[f"{kind}/{self.name}{'-head' if self.kind == 'deployments' else ''}"]

    def live(self, record: AppliedRecord | None = None) -> LiveWorkload:
        return observe.live_workload(self.name, self.kind, self.objects, record)

    def status(self) -> WorkloadStatus:
        return observe.workload_status(self.live(), self.objects, self.pods, self.events)

    def causes(self) -> list[tuple[str, str]]:
        history, status = StatusHistory(), self.status()
        history.observe(status, 0.0)
        return [(finding.severity, finding.cause) for finding in diagnose(status, history)]


# Name, phase with pods, phase without a look at them, and what the first look says.
CASES: list[tuple[str, str, str, list[tuple[str, str]]]] = [
    ("lws_running", RUNNING, RUNNING, []),
    ("lws_two_replicas", RUNNING, RUNNING, []),
    ("deployments_running", RUNNING, RUNNING, []),
    ("deployment_running", RUNNING, RUNNING, []),
    ("lws_never_ready", INITIALIZING, INITIALIZING, [(INFO, "readiness_failing")]),
    ("lws_crash_loop", INITIALIZING, INITIALIZING, [(ERROR, "unknown_flag"), (WARNING, "container_ended")]),
    (
        "deployment_crash_loop",
        INITIALIZING,
        INITIALIZING,
        [(ERROR, "model_path_missing"), (ERROR, "crash_loop"), (WARNING, "container_ended")],
    ),
    ("lws_image_missing", INITIALIZING, INITIALIZING, [(ERROR, "image_pull_failed")]),
    ("deployment_oom", INITIALIZING, INITIALIZING, [(ERROR, "out_of_memory"), (ERROR, "crash_loop")]),
    ("lws_no_program", PENDING, CREATING, [(ERROR, "container_start_failed")]),
    ("deployment_config_error", INITIALIZING, CREATING, [(ERROR, "run_as_root_refused")]),
    ("deployment_evicted", RUNNING, RUNNING, [(WARNING, "disk_pressure")]),
    ("lws_unschedulable", PENDING, INITIALIZING, [(WARNING, "unschedulable")]),
    ("lws_pod_security", CREATING, CREATING, [(ERROR, "pod_security_refused")]),
    ("deployment_pod_security", CREATING, CREATING, [(ERROR, "pod_security_refused")]),
    ("lws_quota", PENDING, INITIALIZING, [(WARNING, "quota_exceeded")]),
    ("deployment_quota", CREATING, CREATING, [(WARNING, "quota_exceeded")]),
    ("lws_claim_missing", PENDING, INITIALIZING, [(WARNING, "volume_claim_missing")]),
    ("lws_claim_pending", PENDING, INITIALIZING, [(WARNING, "volume_claim_unbound")]),
    ("lws_priority_class", CREATING, CREATING, [(ERROR, "priority_class_missing")]),
    ("deployment_service_account", CREATING, CREATING, [(WARNING, "service_account_missing")]),
]


@pytest.mark.parametrize(("name", "phase", "phase_alone", "causes"), CASES, ids=[case[0] for case in CASES])
def test_recorded(name: str, phase: str, phase_alone: str, causes: list[tuple[str, str]]) -> None:
    case = Case(name)
    assert case.status().phase == phase
    assert case.live().phase == phase_alone
    assert case.causes() == causes


def test_every_recorded_case_is_judged() -> None:
    assert {path.stem for path in RECORDED.glob("*.json")} == {case[0] for case in CASES}


@pytest.mark.parametrize(
    ("name", "expected"), [("lws_running", 2), ("lws_two_replicas", 4), ("deployments_running", 2)]
)
def test_pods_have_roles_and_machines(name: str, expected: int) -> None:
    status = Case(name).status()
    assert status.pods_expected == len(status.pods) == expected
    leaders = [pod for pod in status.pods if pod.role == "leader"]
    followers = [pod for pod in status.pods if pod.role == "follower"]
    assert len(leaders) == len(followers)
    for pod in status.pods:
        assert pod.phase == "running"
        assert pod.machine and pod.machine.startswith("gpu-")
        assert pod.address and pod.created and pod.handle and pod.image
        assert pod.messages == ()


def test_the_live_workload_is_ours_and_says_where_it_answers() -> None:
    live = Case("lws_running").live()
    assert (live.managed, live.supported, live.replicas) == (True, True, 1)
    assert live.replica_paths == ("LeaderWorkerSet/lws-running.spec.replicas",)
    assert live.endpoint is not None
    assert (live.endpoint.url, live.endpoint.external) == ("http://lws-running.my-project:8000", False)
    assert live.handle


def test_several_deployments_hold_the_replicas_together() -> None:
    paths = Case("deployments_running").live().replica_paths
    assert paths == (
        "Deployment/deployments-running-head.spec.replicas",
        "Deployment/deployments-running-worker-0.spec.replicas",
    )


def test_a_load_balancer_with_an_address_is_reached_from_outside() -> None:
    case = Case("deployment_running")
    case.objects["Service/deployment-running"]["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}
    endpoint = case.live().endpoint
    assert endpoint is not None
    assert (endpoint.url, endpoint.external) == ("http://192.0.2.7:8000", True)


def test_with_a_record_the_body_is_what_was_applied() -> None:
    case = Case("lws_running")
    key = "LeaderWorkerSet/lws-running"
    like = {key: {"kind": "LeaderWorkerSet", "spec": {"leaderWorkerTemplate": {"size": 2}}}, "Service/gone": {}}
    live = case.live(AppliedRecord(inputs={}, body=like))
    assert live.body == {key: like[key]}
    assert set(case.live().body) == set(case.objects)


def test_objects_without_our_label_are_foreign_and_their_pods_are_not_looked_for() -> None:
    case = Case("lws_running")
    case.main["metadata"]["labels"] = {}
    live = case.live()
    assert not live.managed and live.supported
    assert observe.workload_status(live, case.objects, [], []).phase == RUNNING


def test_a_deletion_that_was_asked_for_has_begun() -> None:
    case = Case("lws_running")
    case.main["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z"
    assert case.live().phase == case.status().phase == DELETING


def test_what_is_gone_is_deleted() -> None:
    case = Case("lws_running")
    live = case.live()
    status = observe.workload_status(live, {}, case.pods[:1], [])
    assert (status.phase, status.deleted, len(status.pods)) == (DELETING, True, 1)


def test_no_replicas_is_stopped() -> None:
    case = Case("lws_running")
    case.main["spec"]["replicas"] = 0
    assert case.live().phase == STOPPED
    assert case.status().phase == STOPPED
    assert case.status().pods_expected == 0


@pytest.mark.parametrize("name", ["lws_running", "deployments_running", "deployment_running"])
def test_a_change_that_the_controller_has_not_seen_is_not_running(name: str) -> None:
    case = Case(name)
    case.main["metadata"]["generation"] += 1
    assert case.status().phase == DEGRADED
    assert case.live().phase != RUNNING


def test_a_rolling_update_is_not_running_yet() -> None:
    case = Case("lws_two_replicas")
    case.main["status"]["conditions"].append({"type": "UpdateInProgress", "status": "True"})
    assert case.status().phase == DEGRADED
    case = Case("lws_two_replicas")
    case.pods[0]["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/template-revision-hash"] = "another"
    assert case.status().phase == DEGRADED


def test_one_of_two_replicas_is_degraded_and_none_is_not() -> None:
    case = Case("lws_two_replicas")
    followers = [pod for pod in case.pods if pod["metadata"]["labels"]["run.ai/role"] == "worker"]
    followers[0]["status"]["phase"] = "Pending"
    assert case.status().phase == DEGRADED
    followers[1]["status"]["phase"] = "Pending"
    assert case.status().phase == INITIALIZING, "a leader without its follower serves nobody"


def test_a_pod_that_is_being_deleted_says_so_and_does_not_count() -> None:
    case = Case("lws_running")
    case.pods[0]["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z"
    status = case.status()
    assert status.pods[0].phase == "terminating"
    assert status.phase != RUNNING


def test_evicted_pods_that_were_replaced_are_left_out() -> None:
    case = Case("deployment_evicted")
    assert len(case.pods) > 1
    status = case.status()
    assert [pod.phase for pod in status.pods] == ["running"]
    alone = [pod for pod in case.pods if pod["status"]["phase"] == "Failed"][:1]
    (evicted,) = observe.workload_status(case.live(), case.objects, alone, []).pods
    assert evicted.phase == "failed"
    assert evicted.messages[0].startswith(("TerminationByKubelet: ", "Evicted: "))


def test_what_once_ended_in_a_workload_that_serves_is_past() -> None:
    case = Case("deployments_running")
    follower = next(pod for pod in case.pods if pod["metadata"]["labels"]["run.ai/role"] == "worker")
    ended = {"terminated": {"reason": "Error", "exitCode": 1, "message": "vllm: error: unrecognized arguments: --x"}}
    follower["status"]["containerStatuses"][0].update({"lastState": ended, "restartCount": 1})
    assert all(pod.messages == () and not pod.last_words for pod in case.status().pods)
    leader = next(pod for pod in case.pods if pod is not follower)
    leader["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    (telling,) = [pod for pod in case.status().pods if pod.last_words]
    assert telling.role == "follower"
    assert telling.messages == ("container vllm ended: Error (exit code 1)",)


def test_the_end_of_a_container_in_a_pod_that_is_deleted_was_asked_for() -> None:
    case = Case("lws_running")
    pod = case.pods[0]
    pod["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z"
    pod["status"]["containerStatuses"][0]["state"] = {"terminated": {"reason": "Error", "exitCode": 143}}
    assert case.status().pods[0].messages == ()


def test_a_follower_that_waits_to_be_started_again_does_not_run_whatever_its_phase_says() -> None:
    case = Case("deployments_running")
    follower = next(pod for pod in case.pods if pod["metadata"]["labels"]["run.ai/role"] == "worker")
    follower["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    assert follower["status"]["phase"] == "Running"
    status = case.status()
    assert {pod.role: pod.phase for pod in status.pods} == {"leader": "running", "follower": "restarting"}
    assert status.phase == INITIALIZING


@pytest.mark.parametrize(("count", "ready", "expected"), [(0, False, False), (1, False, True), (1, True, False)])
def test_whose_log_tells_more(count: int, ready: bool, expected: bool) -> None:
    pod = {"status": {"containerStatuses": [{"restartCount": count, "ready": ready}]}}
    assert observe.was_restarted(pod) is expected


def test_a_preempted_pod_says_by_whom() -> None:
    case = Case("lws_running")
    text = "default-scheduler: preempting to accommodate a higher priority pod"
    case.pods[0]["status"]["conditions"].append(
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": text}
    )
    case.pods[0]["metadata"]["deletionTimestamp"] = "2026-11-23T10:00:00Z"
    assert case.status().pods[0].messages == (f"PreemptionByScheduler: {text}",)
    assert case.causes() == [(WARNING, "preempted")]


def test_pods_that_no_scheduler_looks_at_say_which() -> None:
    case = Case("lws_unschedulable")
    for pod in case.pods:
        pod["status"]["conditions"] = []
        pod["spec"]["schedulerName"] = "kai-scheduler"
    assert case.status().pods[0].messages == ("NotScheduled: scheduler kai-scheduler has not looked at it yet.",)


def test_deployments_say_why_there_are_no_pods_when_the_events_are_gone() -> None:
    case = Case("deployment_pod_security")
    case.events = []
    assert "violates PodSecurity" in case.status().messages[0]
    assert case.causes() == [(ERROR, "pod_security_refused")]


def test_the_random_names_of_pods_that_were_not_created_are_left_out() -> None:
    texts = {event.message for event in Case("deployment_quota").status().events if event.reason == "FailedCreate"}
    assert len(texts) == 1, "the same state has to read the same at every look"


def event(kind: str, name: str, reason: str = "Failed", uid: str = "", **times: Any) -> dict[str, Any]:
    return {
        "involvedObject": {"kind": kind, "name": name, "uid": uid},
        "reason": reason,
        "message": "text",
        "type": "Warning",
        **(times or {"lastTimestamp": LATER}),
    }


@pytest.mark.parametrize(
    ("kind", "name", "is_ours"),
    [
        ("LeaderWorkerSet", "lws-running", True),
        ("StatefulSet", "lws-running", True),
        ("StatefulSet", "lws-running-1", True),
        ("Pod", "lws-running-1-3", True),
        ("Service", "lws-running", True),
        ("PersistentVolumeClaim", "my-project-models", True),
        ("LeaderWorkerSet", "lws-running-b", False),
        ("StatefulSet", "lws-running-b", False),
        ("Pod", "lws-running-b-0", False),
        ("Pod", "other", False),
        ("PersistentVolumeClaim", "other", False),
        ("Node", "gpu-1", False),
    ],
)
def test_only_events_about_the_workload_count(kind: str, name: str, is_ours: bool) -> None:
    case = Case("lws_running")
    case.events = [event(kind, name)]
    assert bool(case.status().events) is is_ours


@pytest.mark.parametrize(
    ("kind", "name", "is_ours"),
    [
        ("ReplicaSet", "deployments-running-head-5f6cf744f5", True),
        ("Pod", "deployments-running-worker-0-7fcbd699f7-gd8tq", True),
        ("Deployment", "deployments-running-worker-0", True),
        ("Pod", "deployments-running-worker-1-7fcbd699f7-gd8tq", False),
        ("ReplicaSet", "deployments-running-5f6cf744f5", False),
    ],
)
def test_events_of_what_deployments_make(kind: str, name: str, is_ours: bool) -> None:
    case = Case("deployments_running")
    case.events = [event(kind, name)]
    assert bool(case.status().events) is is_ours


def test_events_of_an_earlier_object_of_the_name_do_not_count() -> None:
    case = Case("lws_running")
    case.events = [event("LeaderWorkerSet", "lws-running", uid="another")]
    assert case.status().events == ()
    case.events = [event("StatefulSet", "lws-running", lastTimestamp="2026-11-23T10:00:00Z")]
    assert case.status().events == (), "seen before the workload was made"
    case.events = [event("LeaderWorkerSet", "renamed", uid=case.main["metadata"]["uid"])]
    assert len(case.status().events) == 1


@pytest.mark.parametrize(
    "times",
    [
        {"lastTimestamp": LATER, "firstTimestamp": "2026-11-23T09:00:00Z"},
        {"eventTime": "2026-11-23T09:00:00Z", "series": {"count": 2, "lastObservedTime": LATER}},
        {"lastTimestamp": None, "eventTime": LATER},
        {"metadata": {"creationTimestamp": LATER}},
    ],
    ids=["old", "series", "new", "created"],
)
def test_events_have_the_time_when_they_were_seen_last(times: dict[str, Any]) -> None:
    case = Case("lws_running")
    case.events = [event("Pod", "lws-running-0", **times)]
    (seen,) = case.status().events
    assert (seen.time, seen.object) == (LATER, "lws-running-0")


def test_events_are_in_order_whatever_the_precision_of_their_times() -> None:
    case = Case("lws_running")
    times = ["2026-11-24T10:00:01Z", "2026-11-24T10:00:00.38Z", "2026-11-24T10:00:00Z"]
    case.events = [event("Pod", "lws-running-0", lastTimestamp=time) for time in times]
    assert [seen.time for seen in case.status().events] == times[::-1]


def test_events_of_the_newer_api_are_read_too() -> None:
    case = Case("lws_running")
    about = {"kind": "StatefulSet", "name": "lws-running"}
    case.events = [{"regarding": about, "note": "text", "reason": "Failed", "eventTime": LATER}]
    (seen,) = case.status().events
    assert (seen.object, seen.message) == ("StatefulSet/lws-running", "text")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(st.sampled_from([case[0] for case in CASES]), st.data())
def test_any_shape_is_accepted(name: str, data: st.DataObject) -> None:
    """Replace a random part of a random object by anything: it counts as not there."""
    case = Case(name)
    whole: dict[str, Any] = {"objects": case.objects, "pods": case.pods, "events": case.events}
    there: Any = whole
    for _step in range(data.draw(st.integers(3, 8))):
        keys = list(there) if isinstance(there, dict) else list(range(len(there))) if isinstance(there, list) else []
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(there[key], (dict, list)) or (_step >= 2 and data.draw(st.booleans())):
            there[key] = data.draw(JSON)
            break
        there = there[key]
    before = copy.deepcopy(whole)
    status = case.status()
    case.causes()
    assert isinstance(status.phase, str)
    assert whole == before, "nothing that was read is changed"
