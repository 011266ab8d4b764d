# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping, starting, replacing and taking over, judged by the API."""

from __future__ import annotations

import pytest
from support.modules import run_module
from support.sandbox import IMAGE, SandboxHandle, until

MODULE = "vllm_workload"


@pytest.fixture
def name(sandbox: SandboxHandle) -> str:
    """The name of a workload that serves."""
    name = sandbox.unique_name("life")
    assert run_module(MODULE, sandbox.workload(name))["rc"] == 0
    sandbox.forget_requests()
    return name


def causes(result: dict[str, object]) -> set[str]:
    """Return the causes of a result's findings."""
    findings = result["findings"]
    assert isinstance(findings, list)
    return {finding["cause"] for finding in findings}


def test_stop_and_start_again(sandbox: SandboxHandle, name: str) -> None:
    stop = {**sandbox.connection, "name": name, "state": "stopped"}
    assert run_module(MODULE, stop, check_mode=True)["changed"] is True
    assert sandbox.writes() == []
    stopped = run_module(MODULE, stop)
    assert stopped["changed"] and stopped["workload"]["phase"] == "stopped"
    assert sandbox.the_one(name)["pods"] == []
    assert run_module(MODULE, stop)["changed"] is False
    started = run_module(MODULE, sandbox.workload(name))
    assert started["changed"] and started["disruption"] == "none"
    assert len(sandbox.the_one(name)["pods"]) == 2
    assert run_module(MODULE, sandbox.workload(name))["changed"] is False


def test_a_stopped_workload_can_be_changed_without_permission(sandbox: SandboxHandle, name: str) -> None:
    assert run_module(MODULE, {**sandbox.connection, "name": name, "state": "stopped"})["changed"]
    result = run_module(MODULE, sandbox.workload(name, vllm_args=["--max-model-len", "128"]))
    assert result["rc"] == 0 and result["changed"] and result["disruption"] == "none"


def test_absent_twice(sandbox: SandboxHandle, name: str) -> None:
    absent = {**sandbox.connection, "name": name, "state": "absent"}
    assert run_module(MODULE, absent, check_mode=True)["changed"] is True
    assert sandbox.writes() == []
    first = run_module(MODULE, absent)
    assert first["changed"] and first["workload"]["phase"] == "absent"
    assert run_module(MODULE, absent)["changed"] is False


def test_absent_without_waiting_says_that_it_is_under_way(sandbox: SandboxHandle, name: str) -> None:
    sandbox.switch(deletion_seconds=3)
    absent = {**sandbox.connection, "name": name, "state": "absent", "wait": False}
    first = run_module(MODULE, absent)
    assert first["changed"] and first["workload"]["phase"] == "deleting"
    assert run_module(MODULE, absent)["changed"] is False
    until(lambda: not sandbox.living(name), "the workload is gone")


def test_a_foreign_workload_is_left_alone_unless_it_is_adopted(sandbox: SandboxHandle) -> None:
    name = sandbox.unique_name("foreign")
    sandbox.create_foreign(name)
    handle, spec = sandbox.the_one(name)["id"], sandbox.spec(name)
    sandbox.forget_requests()
    for parameters in (sandbox.workload(name), {**sandbox.connection, "name": name, "state": "absent"}):
        refused = run_module(MODULE, parameters)
        assert (refused["failed"] and causes(refused) == {"name_in_use"}) or "name_in_use" in causes(refused)
    assert sandbox.writes() == []
    assert (sandbox.the_one(name)["id"], sandbox.spec(name)) == (handle, spec)
    adopted = run_module(MODULE, sandbox.workload(name, adopt=True, on_disruption="allow"))
    assert adopted["rc"] == 0 and adopted["changed"]
    assert sandbox.spec(name)["leader"]["image"] == IMAGE and sandbox.spec(name)["workers"] == 1
    assert run_module(MODULE, sandbox.workload(name))["changed"] is False


def test_the_order_of_a_list_of_claims_is_no_change_but_a_path_is(sandbox: SandboxHandle, name: str) -> None:
    two = [{"claim": "my-project-models", "path": "/data"}, {"claim": "my-project-models", "path": "/more"}]
    assert run_module(MODULE, sandbox.workload(name, volumes=two, on_disruption="allow"))["changed"]
    assert run_module(MODULE, sandbox.workload(name, volumes=two[::-1]))["changed"] is False
    moved = [two[0], {"claim": "my-project-models", "path": "/other"}]
    result = run_module(MODULE, sandbox.workload(name, volumes=moved), check_mode=True)
    assert result["changed"] and {"spec.leader.storage.pvc[my-project-models,/other].path"} <= {
        change["path"] for change in result["changes"]
    }


def test_bad_options_are_refused_without_asking_the_platform(sandbox: SandboxHandle) -> None:
    nowhere = {**sandbox.workload("bad", vllm_args=["two words"]), "runai_url": "https://127.0.0.1:9"}
    result = run_module(MODULE, nowhere)
    assert result["failed"] and result["findings"][0]["object"].startswith("vllm_args")


def test_an_expression_that_does_not_fit_is_the_users(sandbox: SandboxHandle, name: str) -> None:
    parameters = {**sandbox.connection, "name": name, "query": "length(@[0].replicas)"}
    result = run_module("vllm_workload_info", parameters)
    assert result["failed"] and result["msg"].startswith("query: ")
    assert "internal_error" not in causes(result)
