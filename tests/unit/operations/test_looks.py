# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks: waited for, read, removed and counted; and every way in which one tells nothing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import Looks, NotLooked
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    DELETING,
    INITIALIZING,
    PENDING,
    RUNNING,
    LookStatus,
    PlatformUnreachable,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, InterruptedByParent
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec
from scripted_platform import NAME, ScriptedPlatform, Stage, event

LOOK = Look(NAME, "leaders", LookPlace("registry.example.com/vllm:v1", RunAsSpec()), ("python3", "-c", "..."), 30.0)
SUBJECT = "what the leaders answer"


def state(phase: str, *messages: str, machine: str | None = "gpu-1", **more: Any) -> LookStatus:
    """Return a look whose pod is in this phase."""
    pod = PodStatus("look-1", "uid-1", phase, machine=machine, messages=messages)
    return LookStatus(WorkloadStatus(phase, pods=(pod,)), **more)


def ended(report: str, exit_status: int | None = 0, *messages: str) -> LookStatus:
    """Return a look that has ended."""
    return state("succeeded", *messages, is_over=True, exit_status=exit_status, report=report)


DONE = ended('{"answers": []}')
GONE = LookStatus(WorkloadStatus(DELETING, deleted=True), is_over=True)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def platform(stage: Stage) -> ScriptedPlatform:
    return ScriptedPlatform(stage.clock)


def carried_out(platform: ScriptedPlatform, *states: LookStatus) -> None:
    platform.carry_out = lambda look: list(states)


def failure(platform: ScriptedPlatform, stage: Stage, *states: LookStatus) -> NotLooked:
    carried_out(platform, *states)
    with pytest.raises(NotLooked) as caught:
        Looks(platform, stage.host, in_check_mode=False).run(LOOK, SUBJECT)
    assert platform.looks[-1][1].is_removed
    return caught.value


def test_a_look_is_waited_for_read_and_removed(platform: ScriptedPlatform, stage: Stage) -> None:
    carried_out(platform, state(CREATING, machine=None), state(INITIALIZING), state(RUNNING), DONE)
    looks = Looks(platform, stage.host, in_check_mode=False)
    assert looks.run(LOOK, SUBJECT) == {"answers": []}
    assert platform.looks[0][1].is_removed
    assert (looks.started, looks.not_looked_at) == (1, [])
    lines = [line.partition("] ")[2] for line in stage.lines]
    phases = [CREATING, INITIALIZING, RUNNING, "ended"]
    assert lines == [f"{NAME}: looking inside the cluster at {SUBJECT}: {phase}" for phase in phases]


def test_one_whose_time_was_up_tells_how_far_it_came(platform: ScriptedPlatform, stage: Stage) -> None:
    carried_out(platform, ended('{"finished": false}', 3))
    assert Looks(platform, stage.host, in_check_mode=False).run(LOOK, SUBJECT) == {"finished": False}


def test_in_check_mode_none_is_started_unless_it_is_wanted(platform: ScriptedPlatform) -> None:
    stage = Stage(clock=platform.clock, check_mode=True)
    carried_out(platform, DONE)
    looks = Looks(platform, stage.host, in_check_mode=False)
    for _turn in range(2):
        with pytest.raises(NotLooked, match="looks_in_check_mode") as caught:
            looks.run(LOOK, SUBJECT)
    assert caught.value.findings[0].cause == "not_looked_at"
    assert (looks.started, looks.not_looked_at, platform.looks) == (0, [SUBJECT], [])
    wanted = Looks(platform, stage.host, in_check_mode=True)
    assert wanted.run(LOOK, SUBJECT) == {"answers": []}
    assert (wanted.started, wanted.not_looked_at) == (1, [])


def test_a_platform_without_looks(platform: ScriptedPlatform, stage: Stage) -> None:
    looks = Looks(platform, stage.host, in_check_mode=False)
    with pytest.raises(NotLooked) as caught:
        looks.run(LOOK, SUBJECT)
    assert (caught.value.findings[0].cause, looks.started) == ("no_looks", 0)


def test_a_look_that_may_not_be_started(platform: ScriptedPlatform, stage: Stage) -> None:
    denied = Finding(ERROR, "permission_denied", "user me may not create jobs.", "Give the user the Role.", "Job")
    platform.carry_out = lambda look: GpuopsError.from_finding(denied)
    looks = Looks(platform, stage.host, in_check_mode=False)
    with pytest.raises(NotLooked, match="may not create jobs") as caught:
        looks.run(LOOK, SUBJECT)
    assert caught.value.findings == [denied]
    assert looks.started == 0


def test_an_api_server_that_is_away_is_no_answer_about_the_look(platform: ScriptedPlatform, stage: Stage) -> None:
    away = Finding(ERROR, "api_server_unreachable", "could not list jobs.", "", "host")
    platform.carry_out = lambda look: PlatformUnreachable.from_finding(away)
    with pytest.raises(PlatformUnreachable):
        Looks(platform, stage.host, in_check_mode=False).run(LOOK, SUBJECT)


def test_an_image_that_is_missing_ends_the_wait_at_once(platform: ScriptedPlatform, stage: Stage) -> None:
    pulling = state(INITIALIZING, 'ErrImagePull: failed to resolve reference "registry.example.com/vllm:v1": not found')
    error = failure(platform, stage, state(CREATING, machine=None), pulling)
    assert error.findings[0].cause == "image_pull_failed"
    assert "not found" in error.message and SUBJECT in error.message
    assert stage.clock.now - 1000 < 5


def test_a_machine_that_never_comes_ends_the_wait_in_time(platform: ScriptedPlatform, stage: Stage) -> None:
    waiting = state(PENDING, "Unschedulable: 0/4 nodes are available: 4 Insufficient cpu.", machine=None)
    error = failure(platform, stage, waiting)
    assert error.findings[0].cause == "look_not_started"
    assert "Insufficient cpu" in error.findings[0].evidence
    assert LOOK.start_limit <= stage.clock.now - 1000 < LOOK.start_limit + 5


def test_pods_that_a_quota_refuses_are_explained(platform: ScriptedPlatform, stage: Stage) -> None:
    said = event("FailedCreate", 'pods "look-1" is forbidden: exceeded quota: gpus', "Job/look-1")
    error = failure(platform, stage, LookStatus(WorkloadStatus(CREATING, events=(said,))))
    assert "exceeded quota: gpus" in error.message


def test_one_that_runs_on_is_given_up_after_its_own_limit(platform: ScriptedPlatform, stage: Stage) -> None:
    error = failure(platform, stage, state(RUNNING))
    assert error.findings[0].cause == "time_limit"
    limit = LOOK.start_limit + LOOK.time_limit
    assert limit < stage.clock.now - 1000 < limit + 30


@pytest.mark.parametrize(
    ("last", "cause", "told"),
    [
        (ended("Traceback ...\nMemoryError", 1), "look_failed", "with exit status 1: MemoryError."),
        (
            ended("", 128, 'container look ended: StartError (exit code 128): exec: "python3": not found in $PATH'),
            "look_failed",
            "not found in $PATH",
        ),
        (ended("", None, "DeadlineExceeded: Job was active too long"), "look_failed", "without an exit status"),
        (ended(""), "look_failed", "nothing at all"),
        (ended("no json"), "look_failed", "no json"),
        (ended("[1]"), "look_failed", "[1]"),
        (ended("[1]", 3), "look_failed", "with exit status 3"),
        (ended('{"answers": []}', 2), "look_failed", "with exit status 2"),
        (GONE, "look_removed", "somebody removed it"),
    ],
)
def test_one_that_tells_nothing_says_why(
    platform: ScriptedPlatform, stage: Stage, last: LookStatus, cause: str, told: str
) -> None:
    error = failure(platform, stage, last)
    assert error.findings[0].cause == cause
    assert told in error.message
    assert error.findings[0].object == SUBJECT


def test_a_parent_that_is_gone_starts_none(platform: ScriptedPlatform) -> None:
    def gone() -> None:
        raise InterruptedByParent("ansible-playbook has ended.")

    carried_out(platform, DONE)
    with pytest.raises(InterruptedByParent):
        Looks(platform, Stage(clock=platform.clock, alive=gone).host, in_check_mode=False).run(LOOK, SUBJECT)
    assert platform.looks == []
