# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks: how they run, and that what they say of their variables is what the roles say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from role_files import (
    PLAYBOOK_FILES,
    PLAYBOOKS,
    ROLE_NAMES,
    entry_points,
    flat_tasks,
    leaves,
    module_calls,
    options_to_reach,
    read_yaml,
    role_spec,
    variables_in,
)

EXPECTED = {"deploy", "preflight", "rechown", "smoke_test", "status", "teardown"}
OWN_VARIABLES = {
    "gpuops_hosts",
    "gpuops_query",
    "gpuops_logs",
    "gpuops_gpus",
    "gpuops_preflight",
    "gpuops_model_storage",
}
INCLUDES = {"ansible.builtin.import_role", "ansible.builtin.include_role"}


def all_variables() -> dict[str, Any]:
    specs = [role_spec(role, entry_point) for role in ROLE_NAMES for entry_point in entry_points(role)]
    return {name: option for spec in specs for name, option in spec.items()}


def test_the_playbooks_are_those_of_the_design() -> None:
    assert {path.stem for path in PLAYBOOK_FILES} == EXPECTED


@pytest.mark.parametrize("path", PLAYBOOK_FILES, ids=lambda path: path.stem)
def test_a_play_runs_on_the_controller_for_the_workloads(path: Path) -> None:
    for play in read_yaml(path):
        assert play["hosts"] == "{{ gpuops_hosts | default('vllm_workloads') }}"
        assert play["connection"] == "local"
        assert play["gather_facts"] is False
        assert play["become"] is False
        assert play["vars"] == {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        assert not {"vars_prompt", "validate_argspec", "ignore_errors"} & play.keys()


@pytest.mark.parametrize("path", PLAYBOOK_FILES, ids=lambda path: path.stem)
def test_few_tasks_and_no_loop_of_polls(path: Path) -> None:
    """The design itself names five roles for deploy, so they are counted apart from what a playbook does itself."""
    for play in read_yaml(path):
        tasks = list(flat_tasks([*play.get("pre_tasks", []), *play.get("tasks", [])]))
        roles = {entry["role"] for entry in play.get("roles", [])}
        roles |= {task[word]["name"] for task in tasks for word in INCLUDES & task.keys()}
        assert len(tasks) <= 6
        assert len(roles) <= 5
        assert not any({"until", "become", "retries"} & task.keys() for task in tasks)


@pytest.mark.parametrize("path", PLAYBOOK_FILES, ids=lambda path: path.stem)
def test_the_play_argument_spec_agrees_with_the_roles(path: Path) -> None:
    meta = read_yaml(path.with_suffix(".meta.yml"))
    assert meta["short_description"] == read_yaml(path)[0]["name"]
    assert meta["description"]
    spec = meta["argument_specs"]["main"]
    assert f"ansible-playbook gpuops.inference.{path.stem} " in spec["examples"]
    known = all_variables()
    for name, option in spec["options"].items():
        if name in OWN_VARIABLES:
            continue
        for field in ("type", "choices", "default", "required"):
            assert option.get(field) == known[name].get(field), name


@pytest.mark.parametrize("path", [*PLAYBOOK_FILES, *sorted((PLAYBOOKS / "templates").iterdir())], ids=str)
def test_only_known_variables_are_used(path: Path) -> None:
    used = variables_in(path.read_text(encoding="utf-8"))
    assert used - OWN_VARIABLES <= all_variables().keys()


def test_status_reaches_every_option_of_the_module() -> None:
    [(module, arguments)] = module_calls(PLAYBOOKS / "status.yml")
    assert options_to_reach(module, set(leaves(arguments))) == set(leaves(arguments))
