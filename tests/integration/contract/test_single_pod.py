# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload of one pod is an inference: changed in place, with permission, and watched until the new pod serves."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations import reconcile
from support.modules import run_module
from support.sandbox import INFERENCES, SandboxHandle
from test_sticky_decisions import of_a_newer_collection

MODULE = "vllm_workload"
NEWER = "registry.example.com/stand-in:v0.34.0"


def single(sandbox: SandboxHandle, name: str, **options: Any) -> dict[str, Any]:
    """Return the parameters of a workload of one pod."""
    return sandbox.workload(name, pods=1, gpus_per_pod=2, **options)


def variables(sandbox: SandboxHandle, name: str) -> dict[str, Any]:
    """Return the environment as the API shows it."""
    return {entry["name"]: entry.get("value") for entry in sandbox.spec(name)["environmentVariables"]}


@pytest.fixture
def name(sandbox: SandboxHandle) -> str:
    """The name of an inference that serves."""
    name = sandbox.unique_name("single")
    result = run_module(MODULE, single(sandbox, name, env={"MY_FLAG": "1"}))
    assert result["rc"] == 0, result
    sandbox.forget_requests()
    return name


def test_a_second_run_changes_nothing(sandbox: SandboxHandle, name: str) -> None:
    result = run_module(MODULE, single(sandbox, name, env={"MY_FLAG": "1"}))
    assert result["changed"] is False and result["findings"] is not None
    assert sandbox.writes() == []


def test_a_change_of_the_image_is_refused_without_permission(sandbox: SandboxHandle, name: str) -> None:
    result = run_module(MODULE, single(sandbox, name, env={"MY_FLAG": "1"}, image=NEWER))
    assert result["failed"] and result["disruption"] == "rolling" and result["changed"] is False
    assert sandbox.writes() == []


def test_check_mode_says_that_permission_is_needed(sandbox: SandboxHandle, name: str) -> None:
    parameters = single(sandbox, name, env={"MY_FLAG": "1"}, image=NEWER)
    result = run_module(MODULE, parameters, check_mode=True)
    assert result["changed"] is True
    assert "disruption_needs_permission" in {finding["cause"] for finding in result["findings"]}
    assert sandbox.writes() == []


def test_a_change_in_place_keeps_the_workload_and_is_remembered(sandbox: SandboxHandle, name: str) -> None:
    before = sandbox.the_one(name)
    wanted = single(sandbox, name, env={"MY_FLAG": "2"}, image=NEWER, on_disruption="allow")
    result = run_module(MODULE, wanted)
    assert result["rc"] == 0 and result["changed"], result
    assert {change["path"] for change in result["changes"]} == {
        "spec.image",
        "spec.environmentVariables[MY_FLAG].value",
    }
    after = sandbox.the_one(name)
    assert after["id"] == before["id"]
    assert sandbox.spec(name)["image"] == NEWER and variables(sandbox, name)["MY_FLAG"] == "2"
    known = {pod["id"] for pod in before["pods"]}
    assert [pod["ready"] for pod in after["pods"] if pod["id"] not in known] == [True], "the new pod serves"
    assert [write for write in sandbox.writes() if not write.startswith("PATCH")] == []
    sandbox.forget_requests()
    assert run_module(MODULE, wanted)["changed"] is False
    info = run_module("vllm_workload_info", {**sandbox.connection, "name": name})
    assert info["workloads"][0]["drift"] == []
    assert sandbox.writes() == []


def test_a_dropped_variable_goes_also_after_a_change_in_place(sandbox: SandboxHandle, name: str) -> None:
    assert run_module(MODULE, single(sandbox, name, env={"OTHER": "1"}, on_disruption="allow"))["changed"]
    assert "MY_FLAG" not in variables(sandbox, name)
    assert run_module(MODULE, single(sandbox, name, on_disruption="allow"))["changed"]
    assert "OTHER" not in variables(sandbox, name)
    assert run_module(MODULE, single(sandbox, name))["changed"] is False


def test_decisions_stay_after_a_change_in_place(sandbox: SandboxHandle, name: str) -> None:
    wanted = single(sandbox, name, env={"MY_FLAG": "2"})
    assert run_module(MODULE, {**wanted, "on_disruption": "allow"})["changed"]
    sandbox.forget_requests()
    with mock.patch.object(reconcile, "plan_workload", of_a_newer_collection):
        result = run_module(MODULE, wanted)
    assert result["changed"] is False and sandbox.writes() == []
    assert result["plan"]["kept"] is True
    assert "plan_opinion_differs" in {finding["cause"] for finding in result["findings"]}


def test_drift_is_repaired_once_also_by_a_newer_collection(sandbox: SandboxHandle, name: str) -> None:
    handle = sandbox.the_one(name)["id"]
    assert (
        sandbox.api("PATCH", f"{INFERENCES}/{handle}", {"spec": {"image": "registry.example.com/stand-in:hand"}})[0]
        == 202
    )
    wanted = single(sandbox, name, env={"MY_FLAG": "1"}, on_disruption="allow")
    with mock.patch.object(reconcile, "plan_workload", of_a_newer_collection):
        repaired = run_module(MODULE, wanted)
        again = run_module(MODULE, wanted)
    assert repaired["rc"] == 0 and repaired["changed"], repaired
    assert "drift" in {change["origin"] for change in repaired["changes"]}
    assert sandbox.spec(name)["image"] == wanted["image"]
    assert again["changed"] is False


def test_scaling_is_no_disruption(sandbox: SandboxHandle, name: str) -> None:
    result = run_module(MODULE, single(sandbox, name, env={"MY_FLAG": "1"}, replicas=2))
    assert result["rc"] == 0 and result["disruption"] == "none"
    assert sandbox.spec(name)["autoscaling"]["maxReplicas"] == 2
    assert run_module(MODULE, single(sandbox, name, env={"MY_FLAG": "1"}))["changed"] is False


@pytest.mark.parametrize("check_mode", [True, False])
def test_it_cannot_be_stopped_and_says_so(sandbox: SandboxHandle, name: str, check_mode: bool) -> None:
    result = run_module(MODULE, {**sandbox.connection, "name": name, "state": "stopped"}, check_mode=check_mode)
    assert result["failed"] and result["findings"][0]["cause"] == "stop_not_supported"
    assert sandbox.writes() == []
