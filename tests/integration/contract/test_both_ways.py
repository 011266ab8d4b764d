# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In the controller's process (action plugin) and as a module: the same results, no secret in any output."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.examples import CREATING_MODULE, connected, first_example
from support.modules import module_names
from support.playbook import Playbooks
from support.sandbox import SandboxHandle

# Root becomes root: nothing changes but that the task cannot run in the controller's own process.
AS_MODULE = {"become": True, "become_user": "root", "become_method": "ansible.builtin.su"}
IN_BACKGROUND = {"async": 60, "poll": 1}
VARYING = (
    "timings", "invocation", "diff", "task", "host", "status", "ansible_job_id", "started", "finished",
    "stdout", "stdout_lines", "stderr", "stderr_lines", "results_file", "ansible_facts", "answer", "levels",
)  # fmt: skip
# One for each way in, so that masking one of them does not hide that another one gets out.
ENVIRONMENT_CANARY = "canary-of-an-environment-variable"
NUMBER_CANARY = 78123465
CONNECTION_CANARY = "canary-of-the-connection"
ENDPOINT_CANARY = "canary-of-the-endpoint"
CANARIES = (ENVIRONMENT_CANARY, str(NUMBER_CANARY), CONNECTION_CANARY, ENDPOINT_CANARY)
# What the tokens of the control plane look like.
TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{16,}")


def task(module: str, parameters: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    """Return one task of a playbook."""
    return {"name": f"Run {module}", f"gpuops.inference.{module}": parameters, **keywords}


def bare(result: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a result that both ways have in common."""
    return {key: value for key, value in result.items() if key not in VARYING and not key.startswith("_ansible")}


def test_module_and_action_agree(sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    names = module_names()
    tasks = [task(CREATING_MODULE, connected(first_example(CREATING_MODULE), sandbox))]
    for module in names:
        parameters = connected(first_example(module), sandbox)
        tasks += [task(module, parameters), task(module, parameters, **AS_MODULE)]
    results = playbooks.run(tasks).check().results[1:]
    finished = [result for result in results if result["status"] == "ok"]
    assert len(finished) == 2 * len(names)
    for in_process, as_module in zip(finished[::2], finished[1::2], strict=True):
        assert bare(in_process) == bare(as_module)
        assert in_process["invocation"]["module_args"] == as_module["invocation"]["module_args"]


@pytest.mark.parametrize("keywords", [{}, AS_MODULE], ids=["in process", "as module"])
def test_no_secret_in_any_output(keywords: dict[str, Any], sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    tasks = []
    for module in [CREATING_MODULE, *module_names()]:
        parameters = connected(first_example(module), sandbox)
        if module == CREATING_MODULE:
            parameters["env"] = {"HF_TOKEN": ENVIRONMENT_CANARY, "DB_PASSWORD": NUMBER_CANARY}
        if module == "vllm_smoke_test":
            parameters["endpoint_token"] = ENDPOINT_CANARY
        tasks.append(task(module, parameters, ignore_errors=True, **keywords))
        wrong = {**parameters, "runai_client_secret": CONNECTION_CANARY, "project": "no-such-project"}
        tasks.append(task(module, wrong, ignore_errors=True, **keywords))
    outcome = playbooks.run(tasks, "-vvvv", "--diff", environment={"RUNAI_TOKEN": CONNECTION_CANARY})
    everything = outcome.stdout + outcome.stderr + str(outcome.results)
    assert len(outcome.results) >= len(tasks)
    assert [canary for canary in CANARIES if canary in everything] == []
    assert sandbox.description["client_secret"] not in everything
    assert not TOKEN.search(everything)


def test_a_play_leaves_nothing_in_the_current_folder(sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    running = playbooks.start([task(CREATING_MODULE, connected(first_example(CREATING_MODULE), sandbox))])
    running.wait().check()
    assert sorted(path.name for path in running.folder.iterdir()) == ["play.yml", "results.jsonl", "stderr", "stdout"]


def test_progress_goes_to_stderr_with_the_host_in_front(sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    parameters = connected(first_example(CREATING_MODULE), sandbox) | {"progress": "changes"}
    outcome = playbooks.run([task(CREATING_MODULE, parameters)], inventory="first-host,").check()
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("first-host | [")]
    assert any("running: 2/2 pods running" in line for line in lines)
    assert "pods running" not in outcome.stdout


def test_a_task_under_no_log_says_nothing(sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    parameters = connected(first_example(CREATING_MODULE), sandbox) | {"progress": "interval"}
    outcome = playbooks.run([task(CREATING_MODULE, parameters, no_log=True)], "-vvvv").check()
    assert "pods running" not in outcome.stdout + outcome.stderr


def test_environment_counts_for_its_task_only(sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    options = {
        "RUNAI_URL": sandbox.connection["runai_url"],
        "RUNAI_CLIENT_ID": sandbox.connection["runai_client_id"],
        "RUNAI_CLIENT_SECRET": "{{ secret }}",
        "RUNAI_CA_PATH": sandbox.connection["runai_ca_path"],
    }
    parameters = {"platform": "runai", "project": sandbox.connection["project"], "name": "nothing"}
    outcome = playbooks.run(
        [
            task("vllm_workload_info", parameters, environment=options),
            task("vllm_workload_info", parameters, environment=options, **IN_BACKGROUND),
            task("vllm_workload_info", parameters, ignore_errors=True),
        ],
        play={
            "vars": {
                "secret": sandbox.connection["runai_client_secret"],
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            }
        },
    ).check()
    assert outcome.results[0]["workloads"] == []
    assert outcome.last["msg"].startswith("runai_url: ")


def test_the_connection_can_stand_in_module_defaults(sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    tasks = []
    for module in [CREATING_MODULE, *module_names()]:
        own = {key: value for key, value in first_example(module).items() if key not in sandbox.connection}
        tasks.append(task(module, own))
    play = {
        "module_defaults": {"group/gpuops.inference.all": sandbox.connection},
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
    }
    outcome = playbooks.run(tasks, play=play).check()
    assert outcome.changed == 1


def test_wrong_options_are_named_the_same_way(sandbox: SandboxHandle, playbooks: Playbooks) -> None:
    wrong: list[dict[str, Any]] = [
        {"no_such_option": 1},
        {"pods": "two"},
        {"fabric": 0},
        {"serving": {"access": "everybody"}},
        {"model": None},
    ]
    tasks = []
    for change in wrong:
        parameters = connected(first_example(CREATING_MODULE), sandbox) | change
        parameters = {key: value for key, value in parameters.items() if value is not None}
        tasks += [task(CREATING_MODULE, parameters, ignore_errors=True, **keywords) for keywords in ({}, AS_MODULE)]
    results = [result for result in playbooks.run(tasks).check().results if result.get("msg")]
    for change, in_process, as_module in zip(wrong, results[::2], results[1::2], strict=True):
        assert in_process["msg"] == as_module["msg"]
        assert next(iter(change)) in in_process["msg"]
    assert sandbox.living() == []
