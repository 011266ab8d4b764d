# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a cluster's pods and events to phases, pods and events of Run:ai."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_workloads import pod, view, workload
from support.control_plane_client import changed

from gpuops_sandbox.cluster.events import record
from gpuops_sandbox.cluster.objects import Kind
from gpuops_sandbox.cluster.phases import phase_of
from gpuops_sandbox.control_plane.switches import Switches
from gpuops_sandbox.kubernetes.observe import observed_event, observed_machine, observed_pod, outcome_of, seconds_of
from gpuops_sandbox.kubernetes.view import View


def phase(seen: View) -> str:
    """Return the phase that Run:ai would show."""
    return phase_of(seen.workload, seen.states(), Switches()).phase


def unscheduled(content: dict[str, Any], message: str) -> dict[str, Any]:
    """Return a pod that the scheduler has not placed."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    content = changed(content, "status", {"phase": "Pending", "conditions": [condition]})
    return changed(content, "spec.nodeName", None)


def test_a_pod_is_read() -> None:
    found = observed_pod(workload(), pod("a", member=1))
    assert (found.name, found.id, found.member_index, found.machine) == ("my-llm-0-1", "a", 1, "gpu-1")
    assert found.ready and found.running and found.address == "10.0.0.1" and found.plan.gpus == 2
    assert found.started_at == seconds_of("2026-01-01T00:00:02Z")


def test_a_container_that_waits_says_why() -> None:
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    ended = {"terminated": {"exitCode": 137}}
    content = changed(pod("a", ready=False), "status.containerStatuses.0.state", waiting)
    content = changed(content, "status.containerStatuses.0.lastState", ended)
    found = observed_pod(workload(), changed(content, "status.containerStatuses.0.restartCount", 2))
    assert (found.waiting_reason, found.waiting_message) == ("CrashLoopBackOff", "back-off 10s")
    assert found.exit_code == 137 and found.restarts == 2 and not found.running and not found.ready


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_an_ordinary_beginning_is_no_reason(reason: str) -> None:
    content = changed(pod("a"), "status.containerStatuses.0.state", {"waiting": {"reason": reason}})
    assert observed_pod(workload(), content).waiting_reason is None


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    content = changed(pod("a"), "metadata.deletionTimestamp", "2026-01-01T00:01:00Z")
    assert not observed_pod(workload(), content).ready


def test_phases_of_a_beginning() -> None:
    new = workload()
    assert phase(View(new)) == "Creating"
    assert phase(view(new)) == "Pending"
    leader, follower = pod("a", ready=False), pod("b", member=1, ready=False)
    assert phase(view(new, leader)) == "Pending"
    waiting = view(new, leader, unscheduled(follower, "0/4 nodes are available"))
    assert phase(waiting) == "Pending"
    assert "0/4 nodes" in phase_of(new, waiting.states(), Switches()).message
    assert phase(view(new, leader, follower)) == "Initializing"
    assert phase(view(new, pod("a"), pod("b", member=1))) == "Running"


def test_followers_are_not_missed_before_the_leader_is_ready() -> None:
    assert phase(view(workload(startupPolicy="LeaderReady"), pod("a", ready=False))) == "Initializing"
    assert phase(view(workload(startupPolicy="LeaderReady"), pod("a"))) == "Initializing"


def test_a_new_leader_is_a_recreated_group() -> None:
    seen = view(workload(), pod("a"), pod("b", member=1))
    assert [state.restarts for state in seen.states()] == [0]
    seen.lose("b")
    assert phase(seen) == "Degraded"
    seen.lose("a")
    assert phase(seen) == "Initializing"
    seen.see(observed_pod(seen.workload, pod("c", ready=False)))
    assert [state.restarts for state in seen.states()] == [1] and phase(seen) == "Pending"
    assert {gone.id for gone in seen.workload.deleted_pods} == {"a", "b"}
    assert all(gone.deleted_at and gone.address is None for gone in seen.workload.deleted_pods)


def test_a_pod_that_gets_unready_degrades_its_workload() -> None:
    seen = view(workload(), pod("a"), pod("b", member=1))
    assert phase(seen) == "Running"
    seen.see(observed_pod(seen.workload, pod("b", member=1, ready=False)))
    assert phase(seen) == "Degraded"


def test_a_replica_that_comes_back_after_scaling_is_new() -> None:
    seen = view(workload(), pod("a"), pod("b", member=1))
    assert phase(seen) == "Running"
    seen.workload.spec["replicas"] = 0
    assert seen.states() == []
    seen.workload.spec["replicas"] = 1
    for uid, member in (("a", 0), ("b", 1)):
        seen.lose(uid)
        seen.see(observed_pod(seen.workload, pod(f"{uid}-later", member=member)))
    assert [state.restarts for state in seen.states()] == [0]


def test_an_old_revision_serves_until_the_new_one_is_ready() -> None:
    single = workload(Kind.SINGLE)
    single.revision = 2
    seen = view(single, pod("old", **{"gpuops-sandbox/revision": "1"}))
    assert not seen.is_rolled_out(2) and phase(seen) == "Degraded"
    seen.see(observed_pod(single, pod("new", **{"gpuops-sandbox/revision": "2"})))
    assert seen.is_rolled_out(2) and phase(seen) == "Running"


def event(uid: str, **changes: Any) -> dict[str, Any]:
    """Return an event about a pod, as the API shows it."""
    involved = {"kind": "Pod", "name": "my-llm-0", "namespace": "runai-my-project", "uid": "a"}
    return {
        "metadata": {"uid": uid, "namespace": "runai-my-project", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "involvedObject": involved,
        "type": "Warning",
        "reason": "BackOff",
        "message": "Back-off pulling image",
        "source": {"component": "kubelet"},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "time"),
    [
        ({}, "2026-01-01T00:00:00Z"),
        ({"eventTime": "2026-01-01T00:00:01.500000Z"}, "2026-01-01T00:00:01.5Z"),
        ({"lastTimestamp": "2026-01-01T00:00:02Z", "eventTime": None}, "2026-01-01T00:00:02Z"),
        ({"series": {"lastObservedTime": "2026-01-01T00:00:03.000000Z"}}, "2026-01-01T00:00:03Z"),
    ],
)
def test_an_event_has_the_time_of_its_last_repeat(changes: dict[str, Any], time: str) -> None:
    assert observed_event(event("e", **changes)).created_at == seconds_of(time)


def test_a_repeated_event_is_listed_again_only_after_a_while() -> None:
    listener = workload()
    listener.event_repeat_seconds = 2.0
    for second in (0, 1, 5):
        record(listener, observed_event(event("e", lastTimestamp=f"2026-01-01T00:00:0{second}Z")))
    assert [one.created_at - seconds_of("2026-01-01T00:00:00Z") for one in listener.events] == [0, 5]


def test_a_machine_without_gpus_has_none() -> None:
    assert observed_machine({"metadata": {"name": "m"}, "status": {"allocatable": {"cpu": "8"}}}).gpus == 0


def test_a_training_is_what_its_running_pod_is() -> None:
    run = workload(Kind.TRAINING)
    assert phase(view(run)) == "Pending"
    failed = changed(pod("a", ready=False), "status.phase", "Failed")
    seen = view(run, failed, pod("b"))
    assert phase(seen) == "Running"
    assert [one.plan.gpus for one in seen.pods] == [0, 2]


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [("SuccessCriteriaMet", None), ("Complete", "Completed"), ("FailureTarget", None), ("Failed", "Failed")],
)
def test_a_job_s_end_is_the_outcome(condition: str, outcome: str | None) -> None:
    assert outcome_of({"status": {"conditions": [{"type": condition, "status": "True"}]}}) == outcome
