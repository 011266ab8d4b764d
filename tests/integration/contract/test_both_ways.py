# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In the controller's process (action plugin) and as a module: the same results, no secret in any output."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.examples import CREATING_MODULE
from support.modules import module_names
from support.playbook import Playbooks
from support.workload_place import WorkloadPlace

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
# Where the two platforms find a token that no option gives.
TOKEN_VARIABLES = ("RUNAI_TOKEN", "K8S_AUTH_API_KEY")
# What the tokens of the control plane look like.
TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{16,}")


def task(module: str, parameters: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    """Return one task of a playbook."""
    return {"name": f"Run {module}", f"gpuops.inference.{module}": parameters, **keywords}


def bare(result: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a result that both ways have in common."""
    common = {key: value for key, value in result.items() if key not in VARYING and not key.startswith("_ansible")}
    if common.get("evidence", {}).get("pods"):
        # What pods measure differs from run to run: they meet on random ports, at the speed of the moment.
        del common["evidence"], common["table"]
    return common


def test_module_and_action_agree(place: WorkloadPlace, playbooks: Playbooks) -> None:
    names = module_names()
    tasks = [task(CREATING_MODULE, place.example(CREATING_MODULE))]
    for module in names:
        parameters = place.example(module)
        tasks += [task(module, parameters), task(module, parameters, **AS_MODULE)]
    results = playbooks.run(tasks).check().results[1:]
    finished = [result for result in results if result["status"] == "ok"]
    assert len(finished) == 2 * len(names)
    for in_process, as_module in zip(finished[::2], finished[1::2], strict=True):
        assert bare(in_process) == bare(as_module)
        assert in_process["invocation"]["module_args"] == as_module["invocation"]["module_args"]


@pytest.mark.parametrize("keywords", [{}, AS_MODULE], ids=["in process", "as module"])
def test_no_secret_in_any_output(keywords: dict[str, Any], place: WorkloadPlace, playbooks: Playbooks) -> None:
    tasks = []
    for module in [CREATING_MODULE, *module_names()]:
        parameters = place.example(module)
        if module == CREATING_MODULE:
            parameters["env"] = {"HF_TOKEN": ENVIRONMENT_CANARY, "DB_PASSWORD": NUMBER_CANARY}
        if module == "vllm_smoke_test":
            parameters["endpoint_token"] = ENDPOINT_CANARY
        tasks.append(task(module, parameters, ignore_errors=True, **keywords))
        for wrong in place.with_secrets(parameters, CONNECTION_CANARY):
            tasks.append(task(module, place.elsewhere(wrong), ignore_errors=True, **keywords))
    outcome = playbooks.run(tasks, "-vvvv", "--diff", environment=dict.fromkeys(TOKEN_VARIABLES, CONNECTION_CANARY))
    everything = outcome.stdout + outcome.stderr + str(outcome.results)
    assert len(outcome.results) >= len(tasks)
    assert [canary for canary in CANARIES if canary in everything] == []
    assert [secret for secret in place.secrets() if secret in everything] == []
    assert not TOKEN.search(everything)


def test_a_play_leaves_nothing_in_the_current_folder(place: WorkloadPlace, playbooks: Playbooks) -> None:
    running = playbooks.start([task(CREATING_MODULE, place.example(CREATING_MODULE))])
    running.wait().check()
    assert sorted(path.name for path in running.folder.iterdir()) == ["play.yml", "results.jsonl", "stderr", "stdout"]


def test_progress_goes_to_stderr_with_the_host_in_front(place: WorkloadPlace, playbooks: Playbooks) -> None:
    parameters = place.example(CREATING_MODULE) | {"progress": "changes"}
    outcome = playbooks.run([task(CREATING_MODULE, parameters)], inventory="first-host,").check()
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("first-host | [")]
    assert any("running: 2/2 pods running" in line for line in lines)
    assert "pods running" not in outcome.stdout


def test_a_task_under_no_log_says_nothing(place: WorkloadPlace, playbooks: Playbooks) -> None:
    parameters = place.example(CREATING_MODULE) | {"progress": "interval"}
    outcome = playbooks.run([task(CREATING_MODULE, parameters, no_log=True)], "-vvvv").check()
    assert "pods running" not in outcome.stdout + outcome.stderr


def test_environment_counts_for_its_task_only(place: WorkloadPlace, playbooks: Playbooks) -> None:
    variables, left = place.connection_by_environment()
    secret = next(name for name, value in variables.items() if value in place.secrets())
    options = {**variables, secret: "{{ secret }}"}
    parameters = {**left, "name": "nothing"}
    outcome = playbooks.run(
        [
            task("vllm_workload_info", parameters, environment=options),
            task("vllm_workload_info", parameters, environment=options, **IN_BACKGROUND),
            task("vllm_workload_info", parameters, ignore_errors=True),
        ],
        play={
            "vars": {
                "secret": variables[secret],
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            }
        },
    ).check()
    assert outcome.results[0]["workloads"] == []
    assert outcome.last["msg"].startswith(f"{place.address_option}: ")


def test_the_connection_can_stand_in_module_defaults(place: WorkloadPlace, playbooks: Playbooks) -> None:
    tasks = []
    for module in [CREATING_MODULE, *module_names()]:
        own = {key: value for key, value in place.example(module).items() if key not in place.connection}
        tasks.append(task(module, own))
    play = {
        "module_defaults": {"group/gpuops.inference.all": place.connection},
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
    }
    outcome = playbooks.run(tasks, play=play).check()
    assert outcome.changed == 1


def test_wrong_options_are_named_the_same_way(place: WorkloadPlace, playbooks: Playbooks) -> None:
    wrong: list[dict[str, Any]] = [
        {"no_such_option": 1},
        {"pods": "two"},
        {"fabric": 0},
        {"serving": {"access": "everybody"}},
        {"model": None},
    ]
    tasks = []
    for change in wrong:
        parameters = place.example(CREATING_MODULE) | change
        parameters = {key: value for key, value in parameters.items() if value is not None}
        tasks += [task(CREATING_MODULE, parameters, ignore_errors=True, **keywords) for keywords in ({}, AS_MODULE)]
    results = [result for result in playbooks.run(tasks).check().results if result.get("msg")]
    for change, in_process, as_module in zip(wrong, results[::2], results[1::2], strict=True):
        assert in_process["msg"] == as_module["msg"]
        assert next(iter(change)) in in_process["msg"]
    assert place.names() == set()
