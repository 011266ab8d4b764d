# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting: success, hopeless states at once, two budgets, back-off, and what the error says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import Watcher
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    DEGRADED,
    FAILED,
    INITIALIZING,
    PENDING,
    RUNNING,
    STOPPED,
    LiveWorkload,
    PlatformUnreachable,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, InterruptedByParent
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from scripted_platform import NAME, SERVING, ScriptedPlatform, Stage, event, pod, two_pods

CREATED = WorkloadStatus(CREATING, pods_expected=2)
QUEUED = WorkloadStatus(PENDING, pods=two_pods("Pending", machine=None), pods_expected=2)
LOADING = WorkloadStatus(INITIALIZING, pods=two_pods(), pods_expected=2)
Timeline = list[tuple[float, WorkloadStatus]]
LIVE = LiveWorkload(NAME, "distributed", "id-1", CREATING, True, {})


def start(
    timeline: Timeline, schedule_timeout: float = 600, start_timeout: float = 600, expected: int | None = 2
) -> tuple[Stage, ScriptedPlatform, Any]:
    """Wait for the timeline's workload; return the stage, the platform and what came out."""
    stage = Stage()
    platform = ScriptedPlatform(stage.clock, timeline)
    outcome: Any
    try:
        outcome = Watcher(platform, stage.host).wait_until_running(LIVE, schedule_timeout, start_timeout, expected)
    except GpuopsError as error:
        outcome = error
    return stage, platform, outcome


def causes(error: GpuopsError) -> list[str]:
    return [finding.cause for finding in error.findings]


def test_success_gives_seconds_per_phase_and_one_line_per_change() -> None:
    stage, _platform, waited = start([(0, CREATED), (2, QUEUED), (10, LOADING), (40, SERVING)])
    assert waited.status.phase == RUNNING
    assert 9 <= waited.seconds["queue"] <= 13
    assert 27 <= waited.seconds["start"] <= 33
    assert [line.split("] ", 1)[1] for line in stage.lines] == [
        f"{NAME}: creating: 0/2 pods running",
        f"{NAME}: pending: 0/2 pods running, 2 waiting for a machine",
        f"{NAME}: initializing: 2/2 pods running, leader loading",
        f"{NAME}: running: 2/2 pods running",
    ]


def test_back_off_grows_from_one_second_to_two_and_a_half_and_starts_anew_on_a_change() -> None:
    stage, _platform, _waited = start([(0, QUEUED), (300, LOADING), (330, SERVING)])
    assert stage.clock.slept[0] == 1
    assert max(stage.clock.slept) == 2.5
    assert min(stage.clock.slept[-10:]) == 1
    queue = stage.clock.slept[: stage.clock.slept.index(2.5)]
    assert queue == sorted(queue)


def test_a_workload_that_runs_already_is_looked_at_once() -> None:
    stage, platform, waited = start([(0, SERVING)])
    assert platform.calls == ["status"]
    assert stage.clock.slept == []
    assert waited.seconds == {"queue": 0.0, "start": 0.0}


def test_phase_running_with_a_missing_pod_is_not_the_end() -> None:
    half = replace(SERVING, pods=two_pods()[:1])
    _stage, _platform, waited = start([(0, half), (20, SERVING)])
    assert len(waited.status.pods) == 2
    _stage, _platform, error = start([(0, half)])
    assert causes(error)[0] == "pods_missing"
    assert "1/2 pods running" in error.message


def test_hopeless_image_is_reported_at_the_first_look_that_shows_it() -> None:
    pulling = replace(
        LOADING,
        pods=two_pods("Pending"),
        events=(event("Failed", 'Failed to pull image "r/x:nope": rpc error: code = NotFound desc = not found'),),
    )
    stage, _platform, error = start([(0, QUEUED), (10, pulling)])
    assert stage.clock.now - 1000 < 15
    assert causes(error)[0] == "image_pull_failed"
    assert "r/x:nope" in error.message
    assert error.message.endswith("Last seen: my-llm-inference: initializing: 0/2 pods running.")
    assert error.findings[0].severity == ERROR


def test_crash_loop_is_seen_by_pods_that_change_although_no_event_tells() -> None:
    def group(number: int) -> WorkloadStatus:
        return replace(LOADING, pods=(pod(f"{NAME}-0", handle=str(number)), pod(f"{NAME}-0-1", handle=str(number))))

    stage, _platform, error = start([(0, group(1)), (10, group(2)), (20, group(3))])
    assert causes(error)[0] == "crash_loop"
    assert "recreated 2 times" in error.message
    assert stage.clock.now - 1000 < 25


def test_one_recreation_is_forgiven() -> None:
    again = replace(LOADING, pods=two_pods(handle="2"))
    _stage, _platform, waited = start([(0, LOADING), (10, again), (40, replace(SERVING, pods=two_pods(handle="2")))])
    assert waited.status.phase == RUNNING


def test_queue_budget_explains_itself_with_the_quota_message() -> None:
    quota = replace(QUEUED, messages=("NonPreemptibleOverQuota: Workload requested 4 GPUs, but quota is 2 GPUs",))
    stage, _platform, error = start([(0, quota)], schedule_timeout=60)
    assert causes(error) == ["schedule_timeout", "quota_exceeded"]
    assert "Workload requested 4 GPUs" in error.message
    assert 60 <= stage.clock.now - 1000 < 66
    assert any("quota_exceeded" in line for line in stage.lines)


def test_start_budget_counts_from_the_scheduling() -> None:
    stage, _platform, error = start([(0, QUEUED), (50, LOADING)], schedule_timeout=60, start_timeout=100)
    assert causes(error)[0] == "start_timeout"
    assert 150 <= stage.clock.now - 1000 < 161


def test_waiting_in_the_queue_is_remembered_as_a_warning_when_it_ends_well() -> None:
    scarce = replace(
        QUEUED, events=(event("FailedScheduling", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),)
    )
    _stage, _platform, waited = start([(0, scarce), (30, LOADING), (40, SERVING)])
    assert [finding.cause for finding in waited.findings] == ["unschedulable"]
    assert waited.findings[0].severity == "warning"


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (WorkloadStatus(FAILED, messages=("boom",)), "platform_failed"),
        (replace(LOADING, deleted=True), "deleted_meanwhile"),
        (WorkloadStatus(STOPPED), "stopped_meanwhile"),
        (
            replace(LOADING, events=(event("OOMKilling", "Memory cgroup out of memory: Killed process 1"),)),
            "out_of_memory",
        ),
        (
            replace(LOADING, messages=("pod x: CrashLoopBackOff: back-off 10s restarting failed container",)),
            "crash_loop",
        ),
    ],
)
def test_hopeless_states(status: WorkloadStatus, cause: str) -> None:
    stage, _platform, error = start([(0, LOADING), (5, status)])
    assert causes(error)[0] == cause
    assert stage.clock.now - 1000 < 75


def test_unexplained_warnings_are_shown_at_the_limit() -> None:
    odd = replace(LOADING, events=(event("Strange", "the moon is full"),))
    _stage, _platform, error = start([(0, odd)], start_timeout=30)
    assert causes(error) == ["start_timeout", "platform_event"]
    assert error.findings[1].evidence == "Strange: the moon is full"


def test_a_state_that_stays_is_said_once() -> None:
    stage, _platform, error = start([(0, CREATED)], schedule_timeout=400)
    assert causes(error) == ["schedule_timeout", "pods_not_created"]
    assert len(stage.lines) == 2


def test_the_trouble_of_pods_that_are_replaced_does_not_count() -> None:
    crash = event("BackOff", "Back-off restarting failed container", about="old-abc")
    missing = event("Failed", 'Failed to pull image "r/x:v1": manifest unknown', about="old-abc")
    old = PodStatus("old-abc", "old", "Pending", "leader", "gpu-1", created="2026-11-23T09:00:00Z")
    new = PodStatus("new-abc", "new", "Running", "leader", "gpu-1", created="2026-11-23T10:10:00Z")
    broken = WorkloadStatus(INITIALIZING, pods=(old,), events=(crash, missing), pods_expected=1)
    loading = replace(broken, pods=(old, new))
    alone = replace(broken, pods=(new,))
    timeline: Timeline = [(0, broken), (10, loading), (20, alone), (30, replace(alone, phase=RUNNING))]
    stage = Stage()
    watcher = Watcher(ScriptedPlatform(stage.clock, timeline), stage.host)
    waited = watcher.wait_until_running(LIVE, 600, 600, 1, frozenset({"old"}))
    assert waited.status is not None
    assert waited.status.phase == RUNNING
    assert isinstance(start([(0, broken)], expected=1)[2], GpuopsError)


def rolling(*pods: PodStatus) -> WorkloadStatus:
    """Return the status of a single-pod workload that serves all the time while its pod is replaced."""
    return WorkloadStatus(RUNNING, pods=pods, pods_expected=1)


OLD = PodStatus("old-abc", "old", "Running", "leader", "gpu-1", created="2026-11-23T09:00:00Z")
NEW = PodStatus("new-abc", "new", "Pending", "leader", "gpu-1", created="2026-11-23T10:10:00Z")


def test_a_rolling_change_is_done_when_the_new_pod_runs_and_not_before() -> None:
    timeline: Timeline = [(0, rolling(OLD)), (10, rolling(OLD, NEW)), (300, rolling(replace(NEW, phase="Running")))]
    stage = Stage()
    watcher = Watcher(ScriptedPlatform(stage.clock, timeline), stage.host)
    waited = watcher.wait_until_running(LIVE, 600, 600, 1, frozenset({"old"}))
    assert waited.status is not None
    assert [pod.handle for pod in waited.status.pods] == ["new"]
    assert stage.clock.now - 1000 >= 300
    assert any("0/1 pods running" in line for line in stage.lines), "the old pod is not counted"


def test_a_change_that_needs_no_new_pod_is_done_after_a_while() -> None:
    stage = Stage()
    watcher = Watcher(ScriptedPlatform(stage.clock, [(0, rolling(OLD))]), stage.host)
    waited = watcher.wait_until_running(LIVE, 600, 600, 1, frozenset({"old"}))
    assert waited.status is not None
    assert 60 <= stage.clock.now - 1000 < 120


def test_a_rolling_change_to_a_broken_image_fails_although_the_old_pod_serves() -> None:
    text = 'Failed to pull image "r/x:v1": manifest unknown'
    missing = event("Failed", text, about="new-abc", time="2026-11-23T10:11:00Z")
    broken = replace(rolling(OLD, NEW), events=(missing,))
    stage = Stage()
    watcher = Watcher(ScriptedPlatform(stage.clock, [(0, rolling(OLD)), (10, broken)]), stage.host)
    with pytest.raises(GpuopsError) as caught:
        watcher.wait_until_running(LIVE, 600, 600, 1, frozenset({"old"}))
    assert causes(caught.value)[0] == "image_pull_failed"


def test_a_stopped_workload_is_waited_for_until_no_pod_is_left() -> None:
    stage = Stage()
    timeline: Timeline = [(0, rolling(OLD)), (8, WorkloadStatus(STOPPED))]
    waited = Watcher(ScriptedPlatform(stage.clock, timeline), stage.host).wait_until_stopped(LIVE, 60)
    assert waited.seconds["stop"] >= 8


def test_degraded_goes_on_waiting() -> None:
    _stage, _platform, waited = start([(0, LOADING), (5, replace(LOADING, phase=DEGRADED)), (30, SERVING)])
    assert waited.status.phase == RUNNING


def test_secrets_do_not_reach_progress_or_error() -> None:
    stage = Stage(secrets=("hunter2hunter2",))
    leaky = replace(QUEUED, messages=("cannot use hunter2hunter2 here",))
    platform = ScriptedPlatform(stage.clock, [(0, leaky)])
    with pytest.raises(GpuopsError):
        Watcher(platform, stage.host).wait_until_running(LIVE, 10, 10, 2)
    assert "hunter2" not in " ".join(stage.lines)


def test_nothing_is_asked_any_more_when_the_parent_is_gone() -> None:
    def gone() -> None:
        raise InterruptedByParent("gone")

    stage = Stage(alive=gone)
    platform = ScriptedPlatform(stage.clock)
    with pytest.raises(InterruptedByParent):
        Watcher(platform, stage.host).wait_until_running(LIVE, 10, 10, 2)
    assert platform.calls == []


def test_deletion_is_waited_for() -> None:
    stage = Stage()
    platform = ScriptedPlatform(stage.clock)
    platform.delete(LIVE)
    waited = Watcher(platform, stage.host).wait_until_gone(LIVE, 60)
    assert waited.seconds["delete"] >= platform.deletion_seconds
    assert "deleting" in stage.lines[0]
    assert "gone" in stage.lines[-1]


class BusyPlatform(ScriptedPlatform):
    """Has news every hundredth of a second, as a busy namespace has."""

    def await_news(self, live: LiveWorkload, seconds: float) -> None:
        """Let a moment pass."""
        self.clock.sleep(min(seconds, 0.01))


def test_a_busy_namespace_does_not_make_the_end_asked_for_without_a_pause() -> None:
    stage = Stage()
    platform = BusyPlatform(stage.clock)
    platform.delete(LIVE)
    Watcher(platform, stage.host).wait_until_gone(LIVE, 60)
    assert platform.deletion_seconds <= stage.clock.now - 1000 <= platform.deletion_seconds + 0.6
    assert platform.calls.count("gone") <= 8
    stopping = BusyPlatform(stage.clock, [(0, rolling(OLD)), (8, WorkloadStatus(STOPPED))])
    Watcher(stopping, stage.host).wait_until_stopped(LIVE, 60)
    assert stopping.calls.count("status") <= 18


def test_a_stuck_deletion_says_what_is_left() -> None:
    stage = Stage()
    platform = ScriptedPlatform(stage.clock, [(0, replace(SERVING, phase="deleting", pods=two_pods("Terminating")))])
    platform.deletion_seconds = 1e9
    platform.delete(LIVE)
    with pytest.raises(GpuopsError) as caught:
        Watcher(platform, stage.host).wait_until_gone(LIVE, 30)
    assert causes(caught.value) == ["time_limit", "deletion_stuck"]
    assert f"{NAME}-0-1 (Terminating)" in caught.value.message
    assert stage.clock.now - 1000 <= 31


def test_a_platform_that_does_not_answer_for_a_while_ends_no_wait() -> None:
    stage = Stage()
    looks = iter([PlatformUnreachable("no answer"), PlatformUnreachable("no answer"), 1])

    def observe() -> int:
        look = next(looks)
        if isinstance(look, PlatformUnreachable):
            stage.clock.sleep(120)
            raise look
        return look

    watcher = Watcher(ScriptedPlatform(stage.clock), stage.host)
    assert watcher.wait(observe, bool, lambda state, seconds: None, str, 600, "it is there") == 1
    assert any("no answer" in line for line in stage.lines)


def test_a_platform_that_never_answers_ends_the_wait_at_the_limit() -> None:
    stage = Stage()

    def observe() -> int:
        stage.clock.sleep(30)
        raise PlatformUnreachable("no answer")

    watcher = Watcher(ScriptedPlatform(stage.clock), stage.host)
    with pytest.raises(GpuopsError, match="Gave up waiting until it is there: no answer"):
        watcher.wait(observe, bool, lambda state, seconds: None, str, 60, "it is there")
    assert stage.clock.now - 1000 < 120


def test_generic_wait_polls_until_the_last_moment_and_not_longer() -> None:
    stage = Stage()
    polls: list[float] = []

    def observe() -> int:
        polls.append(stage.clock.now - 1000)
        return len(polls)

    def never(state: int, seconds: float) -> Finding | None:
        return None

    with pytest.raises(GpuopsError, match=r"Gave up waiting until pigs fly after 10 s. Last seen: pigs walk"):
        Watcher(ScriptedPlatform(stage.clock), stage.host).wait(
            observe, lambda state: False, never, lambda state: "pigs walk", 10, "pigs fly"
        )
    assert polls[-1] == 10
