# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as a user calls them, by name, on an inventory of two workloads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.playbook import Playbooks, PlayResult
from support.sandbox import CLAIM, IMAGE, PROJECT, SandboxHandle

DEPLOY = "gpuops.inference.deploy"
STATUS = "gpuops.inference.status"
SMOKE_TEST = "gpuops.inference.smoke_test"
TEARDOWN = "gpuops.inference.teardown"


class Workloads:
    """An inventory of two workloads in the sandbox, and the playbooks on it."""

    def __init__(self, sandbox: SandboxHandle, playbooks: Playbooks, folder: Path) -> None:
        self.names = (sandbox.unique_name("play"), sandbox.unique_name("play"))
        self._playbooks = playbooks
        self._inventory = folder / "inventory.json"
        self._environment = {
            "RUNAI_URL": sandbox.description["api_url"],
            "RUNAI_CLIENT_ID": sandbox.description["client_id"],
            "RUNAI_CLIENT_SECRET": sandbox.description["client_secret"],
            "RUNAI_CA_PATH": sandbox.description["ca_path"],
            "ANSIBLE_SHOW_CUSTOM_STATS": "True",
        }
        self.variables: dict[str, Any] = {
            "gpuops_platform": "runai",
            "gpuops_project": PROJECT,
            "gpuops_image": IMAGE,
            "gpuops_model_path": "/data/input/Models/Mistral-Small-4-119B-2603",
            "gpuops_served_names": ["mistral4"],
            "gpuops_claim": CLAIM,
            "gpuops_pods": 2,
            "gpuops_gpus_per_pod": 2,
            "gpuops_access": "authenticated_users",
            "gpuops_external": True,
        }

    def play(self, playbook: str, *arguments: str) -> PlayResult:
        """Run a playbook on the two workloads with the variables as they are now."""
        group = {"hosts": {name: {} for name in self.names}, "vars": self.variables}
        self._inventory.write_text(json.dumps({"vllm_workloads": group}), encoding="utf-8")
        return self._playbooks.run_playbook(
            playbook, *arguments, inventory=str(self._inventory), environment=self._environment
        )


@pytest.fixture
def workloads(sandbox: SandboxHandle, playbooks: Playbooks, tmp_path: Path) -> Workloads:
    """Two workloads that are not there yet."""
    return Workloads(sandbox, playbooks, tmp_path)


def statistics(result: PlayResult) -> dict[str, dict[str, Any]]:
    """Return what the playbook hands on to a workflow, by workload."""
    [line] = [line for line in result.stdout.splitlines() if line.strip().startswith("RUN: ")]
    handed_on = json.loads(line.split("RUN: ", 1)[1])
    assert list(handed_on) == ["gpuops_inference"]
    found: dict[str, dict[str, Any]] = handed_on["gpuops_inference"]["workloads"]
    return found


def verdict(result: PlayResult, host: str) -> str:
    """Return the lines that the playbook ends with for one workload."""
    message = [entry["msg"] for entry in result.results if entry["host"] == host and "msg" in entry][-1]
    return message if isinstance(message, str) else "\n".join(message)


def test_deploy_serves_proves_hands_on_and_changes_nothing_again(sandbox: SandboxHandle, workloads: Workloads) -> None:
    first = workloads.play(DEPLOY).check()
    handed_on = statistics(first)
    assert set(handed_on) == set(workloads.names)
    for name in workloads.names:
        assert first.stats[name]["changed"] == 1
        lines = verdict(first, name)
        assert lines.startswith(f"{name}: passed\nendpoint: https://")
        assert "pods seen: 2 of 2: " in lines
        assert "world size: 4 ranks, seen by " in lines
        assert "answer of mistral4: " in lines
        assert "seconds: queue " in lines
        assert handed_on[name] == {
            "endpoint": lines.splitlines()[1].removeprefix("endpoint: "),
            "served_names": ["mistral4"],
            "verdict": "passed",
            "plan_hash": handed_on[name]["plan_hash"],
        }
        assert handed_on[name]["plan_hash"]
    sandbox.forget_requests()
    second = workloads.play(DEPLOY).check()
    assert second.changed == 0
    assert sandbox.writes() == []
    assert statistics(second) == handed_on


def test_check_mode_shows_the_plan_and_writes_nothing(sandbox: SandboxHandle, workloads: Workloads) -> None:
    result = workloads.play(DEPLOY, "--check").check()
    assert sandbox.writes() == []
    for name in workloads.names:
        lines = verdict(result, name)
        assert lines.startswith(f"{name}: would be changed (disruption: none); nothing was written\ntarget: runai at ")
        assert "\ntensor_parallel_size = 2: " in lines
        assert "\nNCCL_DEBUG = INFO: " in lines, "two pods, and nobody saw what carries NCCL between them"
    with_difference = workloads.play(DEPLOY, "--check", "--diff").check()
    assert "tensor_parallel_size =" not in verdict(with_difference, workloads.names[0])
    assert "all 2 GPUs of a pod" in with_difference.stdout


def test_check_mode_says_that_a_change_needs_permission(sandbox: SandboxHandle, workloads: Workloads) -> None:
    one = workloads.names[0]
    workloads.play(DEPLOY, "--limit", one).check()
    workloads.variables["gpuops_port"] = 8001
    lines = verdict(workloads.play(DEPLOY, "--check", "--limit", one).check(), one)
    assert "It will be refused unless you set on_disruption: allow" in lines
    assert "spec.servingPort.port: 8000 -> 8001 (wanted)" in lines
    refused = workloads.play(DEPLOY, "--limit", one)
    assert refused.rc != 0
    assert refused.last["findings"][0]["cause"] == "disruption_refused"
    assert sandbox.spec(one)["servingPort"]["port"] == 8000
    allowed = workloads.play(DEPLOY, "--limit", one, "-e", "gpuops_on_disruption=allow").check()
    assert allowed.stats[one]["changed"] == 1
    assert sandbox.spec(one)["servingPort"]["port"] == 8001


def test_a_missing_variable_is_named_before_any_request(sandbox: SandboxHandle, workloads: Workloads) -> None:
    del workloads.variables["gpuops_image"], workloads.variables["gpuops_access"]
    workloads.variables["gpuops_pods"] = "two"
    result = workloads.play(DEPLOY)
    assert result.rc != 0
    assert "missing required arguments: gpuops_access, gpuops_image" in result.last["msg"]
    assert "argument 'gpuops_pods' is of type" in result.last["msg"]
    assert sandbox.requests() == []


def test_a_workload_that_does_not_answer_fails_alone(sandbox: SandboxHandle, workloads: Workloads) -> None:
    good, bad = workloads.names
    workloads.variables["gpuops_env"] = (
        "{{ {'STAND_IN_CHAT_STATUS': '500'} if inventory_hostname == '" + bad + "' else {} }}"
    )
    result = workloads.play(DEPLOY)
    assert result.rc != 0
    assert result.stats[good]["failures"] == 0
    assert result.stats[bad]["failures"] == 1
    assert {name: entry["verdict"] for name, entry in statistics(result).items()} == {good: "passed", bad: "failed"}


def test_an_endpoint_that_is_not_external_is_unknown(workloads: Workloads) -> None:
    one = workloads.names[0]
    workloads.variables["gpuops_external"] = False
    lines = verdict(workloads.play(DEPLOY, "--limit", one).check(), one)
    assert lines.startswith(f"{one}: unknown\nendpoint: ")
    assert "L1 model list unknown: " in lines
    strict = workloads.play(SMOKE_TEST, "--limit", one, "-e", "gpuops_smoke_test_fail_on=unknown")
    assert strict.rc != 0


def test_nothing_is_tested_that_is_not_waited_for_or_stopped(workloads: Workloads) -> None:
    one = workloads.names[0]
    lines = verdict(workloads.play(DEPLOY, "--limit", one, "-e", "gpuops_wait=false").check(), one)
    assert lines.splitlines()[0].endswith("not tested")
    workloads.play(DEPLOY, "--limit", one).check()
    stopped = workloads.play(DEPLOY, "--limit", one, "-e", "gpuops_state=stopped").check()
    assert stopped.stats[one]["changed"] == 1
    assert verdict(stopped, one).endswith("not tested")
    assert workloads.play(DEPLOY, "--limit", one, "-e", "gpuops_state=stopped").check().changed == 0
    gone = workloads.play(DEPLOY, "--limit", one, "-e", "gpuops_state=absent").check()
    assert verdict(gone, one) == f"{one}: absent, not tested"


def test_status_and_smoke_test_read_only(sandbox: SandboxHandle, workloads: Workloads) -> None:
    one, other = workloads.names
    workloads.play(DEPLOY, "--limit", one).check()
    sandbox.forget_requests()
    result = workloads.play(STATUS).check()
    assert verdict(result, one).startswith(f"{one}: running\nreplicas: 1\nendpoint: https://")
    assert f"pod: {one}-0, leader, running" in verdict(result, one)
    assert verdict(result, other).startswith(f"{other}: there is no workload of this name in runai at ")
    asked = workloads.play(STATUS, "--limit", one, "-e", '{"gpuops_query": "[].pods[].role"}').check()
    assert asked.last["msg"] == ["leader", "follower"]
    proved = workloads.play(SMOKE_TEST, "--limit", one, "-e", "gpuops_smoke_test_up_to=L0").check()
    assert verdict(proved, one).startswith(f"{one}: passed\n")
    assert sandbox.writes() == []


def test_teardown_deletes_and_says_what_stays(sandbox: SandboxHandle, workloads: Workloads) -> None:
    workloads.play(DEPLOY, "-e", "gpuops_wait=false").check()
    planned = workloads.play(TEARDOWN, "--check").check()
    assert verdict(planned, workloads.names[0]).startswith(f"{workloads.names[0]} would be deleted.")
    assert len(sandbox.living()) == 2
    done = workloads.play(TEARDOWN).check()
    for name in workloads.names:
        assert verdict(done, name) == f"{name} is deleted. Its volumes and their files stay: {CLAIM}."
    assert sandbox.living() == []
    again = workloads.play(TEARDOWN).check()
    assert again.changed == 0
    assert verdict(again, workloads.names[0]).startswith(f"{workloads.names[0]} was not there.")
