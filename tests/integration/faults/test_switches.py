# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole life of a workload comes out right under every value of every open point of the Run:ai API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from typing import Any, get_type_hints

import pytest
from support.modules import run_module
from support.results import only_error, went_well
from support.sandbox import DISTRIBUTED, INFERENCES, SandboxHandle, until

from gpuops_sandbox.control_plane.switches import Switches

Apply = Callable[..., dict[str, Any]]

# Values of the switches that are neither choices nor yes or no. Seconds that only slow the sandbox down stay short.
VALUES: dict[str, tuple[Any, ...]] = {
    "token_lifetime_seconds": (1.0, 90.0),
    "workload_type_literal": ("DistributedInference", "Distributed", "Inference", "distributed-inference", ""),
    "deletion_seconds": (0.0, 0.5),
    "creation_seconds": (0.0, 0.3),
    "crash_loop_restarts": (1,),
    "restart_backoff_seconds": (0.0,),
    "recreate_seconds": (0.0,),
    "image_backoff_seconds": (0.0,),
    "event_repeat_seconds": (0.0,),
    "scheduler_message": ("", "Workload is waiting for its turn in the queue."),
}
# Under these the platform refuses or cannot start what is asked for: test_fault_starts and test_fault_writes.
REFUSING = {
    ("policy_violation", "error"),
    ("policy_violation", "compliance_issues"),
    ("lws_installed", False),
    ("inference_available", False),
}
# Older versions refuse `preemptibility` and scaling in place: test_versions.
ELSEWHERE = ("version",)
KINDS = {"distributed": {}, "single": {"pods": 1}}


def values_of(name: str, kind: Any) -> tuple[Any, ...]:
    """Return the values of a switch that are tried."""
    if kind is bool:
        return (True, False)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(member.value for member in kind)
    assert name in VALUES, f"the switch {name} is new: say in VALUES which of its values are tried"
    return VALUES[name]


def cases() -> list[Any]:
    """Return all defaults together, and every other value of every switch alone."""
    kinds = get_type_hints(Switches)
    defaults = Switches().as_json()
    names = [item.name for item in fields(Switches) if item.name not in ELSEWHERE]
    every = [(name, value) for name in names for value in values_of(name, kinds[name]) if value != defaults[name]]
    others = [
        pytest.param({name: value}, id=f"{name}={value}") for name, value in every if (name, value) not in REFUSING
    ]
    return [pytest.param({}, id="defaults"), *others]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("switch", cases())
def test_the_whole_life_of_a_workload(quick: SandboxHandle, apply: Apply, switch: dict[str, Any], kind: str) -> None:
    quick.switch(**switch)
    name = quick.unique_name()
    options: dict[str, Any] = {**KINDS[kind], "env": {"A": "one two  three", "B": "a $(PATH) $HOME 'b' \"c\""}}

    created = went_well(apply(name, **options))
    assert created["changed"]
    assert created["workload"]["phase"] == "running"
    assert created["workload"]["endpoint"]["url"].startswith("https://")
    assert not went_well(apply(name, **options))["changed"]
    prove(quick, name)

    assert went_well(apply(name, replicas=2, **options))["changed"]
    assert not went_well(apply(name, replicas=2, **options))["changed"]
    pods = 2 * options.get("pods", 2)
    until(lambda: quick.the_one(name)["pods"], "both replicas have their pods", good=lambda found: len(found) == pods)

    changed = {**options, "env": {"A": "2"}}
    before = quick.spec(name)
    assert only_error(apply(name, **changed))["cause"] == "disruption_refused"
    assert quick.spec(name) == before

    assert went_well(apply(name, on_disruption="allow", **changed))["changed"]
    assert not went_well(apply(name, **changed))["changed"]
    creations = 2 if kind == "distributed" else 1
    assert [write for write in quick.writes() if write.startswith("POST")] == creations * [
        f"POST {DISTRIBUTED if kind == 'distributed' else INFERENCES}"
    ]

    if kind == "distributed":
        stop_and_start(quick, apply, name, changed)
    assert went_well(apply(name, state="absent"))["changed"]
    assert quick.living(name) == []
    assert not went_well(apply(name, state="absent"))["changed"]


def prove(sandbox: SandboxHandle, name: str) -> None:
    """Prove by the smoke test that the workload answers."""
    params = {**sandbox.connection, **sandbox.endpoint_connection, "name": name}
    assert went_well(run_module("vllm_smoke_test", params))["verdict"] == "passed"


def stop_and_start(sandbox: SandboxHandle, apply: Apply, name: str, options: dict[str, Any]) -> None:
    """Stop the workload in place and start it again; twice each changes something only once."""
    assert went_well(apply(name, state="stopped"))["changed"]
    assert not went_well(apply(name, state="stopped"))["changed"]
    until(lambda: not sandbox.the_one(name)["pods"], "no pod is left")
    assert went_well(apply(name, **options))["changed"]
    assert not went_well(apply(name, **options))["changed"]
    assert sandbox.spec(name)["replicas"] == 1


@pytest.mark.parametrize("how", ["refused", "fails_later"])
def test_a_name_that_the_platform_could_not_use_is_refused_by_us(quick: SandboxHandle, apply: Apply, how: str) -> None:
    quick.switch(invalid_name=how)
    for name in ("Upper", "under_score", "1digit", "x" * 46):
        assert only_error(apply(name))["object"] == "name"
    assert quick.writes() == []
