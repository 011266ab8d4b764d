# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks with several copies: what comes of each, whatever becomes of the others."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import CopyOutcome, Looks, NotLooked
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DELETING,
    INITIALIZING,
    PENDING,
    RUNNING,
    LookStatus,
    PlatformUnreachable,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import (
    Look,
    LookCopies,
    LookNeeds,
    LookPlace,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec
from scripted_platform import NAME, ScriptedPlatform, Stage

LOOK = Look(
    NAME,
    "fabric",
    LookPlace("registry.example.com/vllm:v1", RunAsSpec()),
    ("python3", "-c", "..."),
    30.0,
    start_limit=60.0,
    copies=LookCopies(2),
    needs=LookNeeds(resources={"rdma/ib": 1}),
)
SUBJECT = "the fabric"


def one(phase: str, *messages: str, machine: str | None = "gpu-1", **more: Any) -> LookStatus:
    """Return a copy in this phase."""
    pod = PodStatus(f"look-{machine}", f"uid-{machine}", phase, machine=machine, messages=messages)
    return LookStatus(WorkloadStatus(phase, pods=(pod,)), **more)


def done(report: str, machine: str = "gpu-1", exit_status: int | None = 0) -> LookStatus:
    return one("succeeded", machine=machine, is_over=True, exit_status=exit_status, report=report)


def both(*copies: LookStatus) -> LookStatus:
    return LookStatus(WorkloadStatus(RUNNING), all(copy.is_over for copy in copies), copies=copies)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def platform(stage: Stage) -> ScriptedPlatform:
    return ScriptedPlatform(stage.clock)


def outcomes(platform: ScriptedPlatform, stage: Stage, *states: LookStatus) -> list[CopyOutcome]:
    platform.carry_out = lambda look: list(states)
    found = Looks(platform, stage.host, in_check_mode=False).run_copies(LOOK, SUBJECT)
    assert platform.looks[-1][1].is_removed
    return found


def test_every_copy_reports(platform: ScriptedPlatform, stage: Stage) -> None:
    found = outcomes(
        platform,
        stage,
        both(one(PENDING, machine=None), one(RUNNING, machine="gpu-2")),
        both(done('{"of": 0}'), one(RUNNING, machine="gpu-2")),
        both(done('{"of": 0}'), done('{"of": 1}', "gpu-2")),
    )
    assert found == [CopyOutcome(0, "gpu-1", {"of": 0}), CopyOutcome(1, "gpu-2", {"of": 1})]
    assert [line.partition("] ")[2].rpartition(" (")[2] for line in stage.lines] == [
        "0 of 2 ended)",
        "1 of 2 ended)",
        "2 of 2 ended)",
    ]


def test_one_that_is_not_scheduled_in_time_takes_nothing_from_the_other(
    platform: ScriptedPlatform, stage: Stage
) -> None:
    waiting = one(PENDING, "Unschedulable: 0/4 nodes are available: 4 Insufficient rdma/ib.", machine=None)
    found = outcomes(platform, stage, both(done('{"of": 0}'), waiting))
    assert found[0].report == {"of": 0}
    assert found[1].report is None and found[1].failure is not None
    assert found[1].failure.cause == "look_not_started"
    assert "Insufficient rdma/ib" in found[1].failure.evidence
    assert "1 rdma/ib, no GPU" in found[1].failure.hint
    assert LOOK.start_limit <= stage.clock.now - 1000 < LOOK.start_limit + 5


def test_nobody_waits_for_one_that_cannot_start_any_more(platform: ScriptedPlatform, stage: Stage) -> None:
    pulling = one(INITIALIZING, 'ErrImagePull: failed to resolve reference "registry.example.com/vllm:v1": not found')
    found = outcomes(platform, stage, both(done("{}"), pulling))
    assert found[1].failure is not None and found[1].failure.cause == "image_pull_failed"
    assert stage.clock.now - 1000 < 5


def test_one_that_fails_says_why(platform: ScriptedPlatform, stage: Stage) -> None:
    found = outcomes(platform, stage, both(done("Traceback\nMemoryError", exit_status=1), done("{}", "gpu-2")))
    assert found[0].failure is not None and "MemoryError" in found[0].failure.evidence
    assert found[1].report == {}


def test_one_that_is_removed_is_removed_for_all(platform: ScriptedPlatform, stage: Stage) -> None:
    gone = LookStatus(WorkloadStatus(DELETING, deleted=True), is_over=True)
    found = outcomes(platform, stage, both(one(RUNNING), one(RUNNING)), gone)
    assert [outcome.failure.cause for outcome in found if outcome.failure] == ["look_removed"] * 2


def test_copies_that_run_on_are_given_up(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.carry_out = lambda look: [both(one(RUNNING), one(RUNNING, machine="gpu-2"))]
    with pytest.raises(NotLooked) as caught:
        Looks(platform, stage.host, in_check_mode=False).run_copies(LOOK, SUBJECT)
    assert caught.value.findings[0].cause == "time_limit"


def test_what_has_ended_is_kept_where_another_one_runs_on(platform: ScriptedPlatform, stage: Stage) -> None:
    found = outcomes(platform, stage, both(done('{"of": 0}'), one(RUNNING, machine="gpu-2")))
    assert found[0].report == {"of": 0}
    assert found[1].failure is not None and found[1].failure.cause == "time_limit"


def test_in_check_mode_none_is_started(platform: ScriptedPlatform) -> None:
    looks = Looks(platform, Stage(clock=platform.clock, check_mode=True).host, in_check_mode=False)
    with pytest.raises(NotLooked):
        looks.run_copies(LOOK, SUBJECT)
    assert (looks.not_looked_at, platform.looks) == ([SUBJECT], [])


def test_an_api_server_that_is_away_is_no_answer(platform: ScriptedPlatform, stage: Stage) -> None:
    away = Finding(ERROR, "api_server_unreachable", "could not list jobs.", "", "host")
    platform.carry_out = lambda look: PlatformUnreachable.from_finding(away)
    with pytest.raises(PlatformUnreachable):
        Looks(platform, stage.host, in_check_mode=False).run_copies(LOOK, SUBJECT)


def test_of_a_single_pod_nothing_is_different(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.carry_out = lambda look: [done("{}")]
    look = dataclasses.replace(LOOK, copies=None)
    assert Looks(platform, stage.host, in_check_mode=False).run(look, SUBJECT) == {}
