# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two plays at once on one name: one wins, the other agrees or says so, and there is one workload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.playbook import Playbooks
from support.results import went_well
from support.sandbox import SandboxHandle

Apply = Callable[..., dict[str, Any]]
TASK = "gpuops.inference.vllm_workload"
TIMES = 2


def play_both(playbooks: Playbooks, first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    """Run both tasks as two plays that are started together; return their results."""
    running = [playbooks.start([{TASK: params}]) for params in (first, second)]
    results = [play.wait().last for play in running]
    for result in results:
        causes = [finding["cause"] for finding in result["findings"]]
        assert "internal_error" not in causes, result["msg"]
    return results


@pytest.mark.parametrize("time", range(TIMES))
def test_two_plays_with_the_same_settings_both_go_well(
    quick: SandboxHandle, apply: Apply, playbooks: Playbooks, time: int
) -> None:
    name = quick.unique_name()
    params = quick.workload(name)
    results = play_both(playbooks, params, params)
    assert [result["status"] for result in results] == ["ok", "ok"]
    assert any(result["changed"] for result in results)
    quick.the_one(name)
    assert quick.writes().count("POST /api/v1/workloads/distributed-inferences") in (1, 2)
    assert not went_well(apply(name))["changed"]


@pytest.mark.parametrize("time", range(TIMES))
def test_of_two_plays_with_different_settings_one_wins_and_the_other_says_so(
    quick: SandboxHandle, apply: Apply, playbooks: Playbooks, time: int
) -> None:
    name = quick.unique_name()
    tasks = [quick.workload(name, env={"MINE": number}) for number in ("1", "2")]
    results = play_both(playbooks, *tasks)
    assert sorted(result["status"] for result in results) == ["failed", "ok"]
    lost = next(result for result in results if result["status"] == "failed")
    # The loser met the winner's workload when it looked or when it created its own; or the winner met the loser's
    # before it had ever served, and replaced it.
    assert lost["findings"][0]["cause"] in ("name_in_use", "disruption_refused", "deleted_meanwhile")
    assert lost["findings"][0]["evidence"] in lost["msg"]
    won = [result["status"] for result in results].index("ok")
    quick.the_one(name)
    assert not went_well(apply(name, env={"MINE": str(won + 1)}))["changed"]


def test_a_play_that_deletes_and_one_that_creates_leave_one_or_none(
    quick: SandboxHandle, apply: Apply, playbooks: Playbooks
) -> None:
    name = quick.unique_name()
    params = quick.workload(name)
    absent = {**params, "state": "absent"}
    went_well(apply(name))
    play_both(playbooks, params, absent)
    assert len(quick.living(name)) <= 1
    went_well(apply(name))
    quick.the_one(name)
    assert not went_well(apply(name))["changed"]
