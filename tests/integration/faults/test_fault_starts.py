# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts that fail: one clear finding at once instead of the whole wait, and the corrected play converges."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from support.results import first_error, went_well
from support.sandbox import DISTRIBUTED, SandboxHandle, until

Apply = Callable[..., dict[str, Any]]
ApplyBeside = Callable[..., Future[dict[str, Any]]]

CRASHING = {"STAND_IN_EXIT_CODE": "1"}


@pytest.mark.parametrize("messages", [True, False], ids=["with messages", "without messages"])
@pytest.mark.parametrize("phase", ["Initializing", "Failed", "Degraded"])
@pytest.mark.parametrize("topology", [{}, {"pods": 1}], ids=["distributed", "single"])
def test_a_crash_loop_is_reported_with_its_cause(
    quick: SandboxHandle, apply: Apply, phase: str, messages: bool, topology: dict[str, Any]
) -> None:
    name = quick.unique_name()
    quick.switch(crash_loop_phase=phase, phase_messages=messages)
    result = apply(name, env=CRASHING, **topology)
    assert first_error(result)["cause"] == "crash_loop"
    quick.the_one(name)
    corrected = {"on_disruption": "allow", **topology}
    assert went_well(apply(name, **corrected))["changed"]
    assert quick.the_one(name)["phase"] == "Running"
    assert not went_well(apply(name, **corrected))["changed"]


def test_a_crash_loop_is_reported_again_by_the_next_run_which_changes_nothing(
    quick: SandboxHandle, apply: Apply
) -> None:
    name = quick.unique_name()
    for _run in range(2):
        assert first_error(apply(name, env=CRASHING))["cause"] == "crash_loop"
    assert len(quick.writes()) == 1


@pytest.mark.parametrize("topology", [{}, {"pods": 1}], ids=["distributed", "single"])
def test_an_image_that_does_not_exist_is_reported(quick: SandboxHandle, apply: Apply, topology: dict[str, Any]) -> None:
    name = quick.unique_name()
    finding = first_error(apply(name, image="registry.example.com/stand-in:no-such-tag", **topology))
    assert finding["cause"] == "image_pull_failed"
    assert went_well(apply(name, on_disruption="allow", **topology))["changed"]
    assert not went_well(apply(name, on_disruption="allow", **topology))["changed"]
    quick.the_one(name)


@pytest.mark.parametrize(
    ("switch", "topology", "cause", "part"),
    [
        ({"lws_installed": False}, {}, "lws_missing", "LeaderWorkerSet"),
        ({"inference_available": False}, {"pods": 1}, "platform_failed", "knative"),
    ],
)
def test_a_cluster_without_the_part_that_it_needs_is_reported(
    quick: SandboxHandle, apply: Apply, switch: dict[str, Any], topology: dict[str, Any], cause: str, part: str
) -> None:
    name = quick.unique_name()
    quick.switch(**switch)
    finding = first_error(apply(name, **topology))
    assert (finding["cause"], part in finding["evidence"]) == (cause, True)
    quick.switch(**dict.fromkeys(switch, True))
    assert went_well(apply(name, **topology))["changed"]
    assert not went_well(apply(name, **topology))["changed"]
    quick.the_one(name)


def test_a_queue_that_does_not_move_is_reported_with_the_reason(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    result = apply(name, gpus_per_pod=9, schedule_timeout=20)
    assert first_error(result)["cause"] == "schedule_timeout"
    assert "GPU" in result["msg"]
    assert went_well(apply(name, state="absent"))["changed"]
    assert quick.living(name) == []


def test_a_claim_that_does_not_exist_is_reported(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    result = apply(name, volumes=[{"claim": "no-such-claim", "path": "/data"}], schedule_timeout=60)
    assert result["failed"]
    assert "no-such-claim" in result["msg"]
    assert went_well(apply(name, on_disruption="allow"))["changed"]
    quick.the_one(name)


def test_a_workload_that_somebody_deletes_meanwhile_is_reported(
    quick: SandboxHandle, apply: Apply, apply_beside: ApplyBeside
) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "hold"}, "GET", "/workloads/[0-9a-f-]{36}$")
    running = apply_beside(name)
    quick.until_hit()
    quick.api("DELETE", f"{DISTRIBUTED}/{quick.the_one(name)['id']}")
    until(lambda: not quick.living(name), "it is gone")
    quick.forget_faults()
    assert first_error(running.result(60))["cause"] == "deleted_meanwhile"
    assert went_well(apply(name))["changed"]
    quick.the_one(name)


def test_a_lost_pod_while_it_starts_is_waited_for(
    quick: SandboxHandle, apply: Apply, apply_beside: ApplyBeside
) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "hold"}, "GET", "/pods$", nth=2)
    running = apply_beside(name)
    quick.until_hit()
    quick.pod("kill", f"{name}-0-1")
    quick.forget_faults()
    went_well(running.result(60))
    assert not went_well(apply(name))["changed"]
