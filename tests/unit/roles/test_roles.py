# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles say what the modules say: every option can be reached, with the module's own type, choices and default."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from role_files import (
    REPOSITORY,
    ROLE_NAMES,
    ROLES,
    TASK_FILES,
    flat_tasks,
    leaves,
    module_calls,
    module_option,
    options_to_reach,
    read_yaml,
    role_defaults,
    role_spec,
    variables_in,
)

# What the role leaves to the module's own default or environment variable.
OMITTED = re.compile(r'^"?\{\{ (gpuops_\w+) \| default\(omit\) \}\}"?$')
ROLE_VARIABLE = re.compile(r"^\{\{ ((?:vllm_serving|smoke_test|preflight|model_storage|nccl_fabric)_\w+) \}\}$")

# Variables that are more than one option of a module: the name, and the volumes with their short form.
COMPOSED = {"gpuops_name", "gpuops_volumes", "gpuops_claim", "gpuops_claim_path", "gpuops_claim_read_only"}
# Stated by the user, or decided by the role nccl_fabric.
OF_SERVING = {"gpuops_fabric"}
# Whether it is asked at all, with which of the two modules, and for how many pods (one where nothing is said).
OF_FABRIC = {"gpuops_fabric", "gpuops_fabric_evidence", "gpuops_pods"}
# The paths are the model's where nothing else is said.
OF_OWNERSHIP = {"gpuops_model_path", "gpuops_ownership_paths"}
# A check without numbers is one without a workload, so the role states what a workload has that says nothing of them;
# and it is there to fail, which the module is not.
OF_PREFLIGHT = {"gpuops_gpus_per_pod", "gpuops_replicas", "gpuops_preflight_fail_on"}
BESIDES = {
    "preflight": OF_PREFLIGHT,
    "model_storage": OF_OWNERSHIP,
    "nccl_fabric": OF_FABRIC,
    "vllm_serving": OF_SERVING,
}


def calls(entry_point: str = "*") -> list[Any]:
    paths = [path for path in TASK_FILES if path.match(f"{entry_point}.yml")]
    found = [(path, module, arguments) for path in paths for module, arguments in module_calls(path)]
    return [pytest.param(*call, id=f"{call[0].parts[-3]}-{call[0].stem}") for call in found]


@pytest.mark.parametrize(("path", "module", "arguments"), [*calls("main"), *calls("ownership")])
def test_every_option_of_the_module_can_be_reached(path: Path, module: str, arguments: dict[str, Any]) -> None:
    given = set(leaves(arguments))
    assert options_to_reach(module, given) == given


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_variable_has_the_type_the_choices_and_the_default_of_its_option(path: Path) -> None:
    role = path.parts[-3]
    defaults, spec = role_defaults(role), role_spec(role, path.stem)
    compared = set()
    values = [(module, *leaf) for module, arguments in module_calls(path) for leaf in leaves(arguments).items()]
    for module, option_path, value in values:
        named = ROLE_VARIABLE.match(str(value))
        if named is None:
            assert (option_path, value) == (("state",), "absent") or option_path == ("proof",)
            continue
        mapped = OMITTED.match(defaults[named[1]])
        if mapped is None:
            continue
        option, variable = module_option(module, option_path), spec[mapped[1]]
        assert described(variable) == described(option), mapped[1]
        compared.add(mapped[1])
    assert set(spec) - compared <= COMPOSED | BESIDES.get(role, set())


def described(option: dict[str, Any]) -> dict[str, Any]:
    """Return what a role's variable and a module's option have to agree in."""
    type_name = option.get("type", "str")
    found = {
        "type": type_name,
        "elements": option.get("elements"),
        "choices": option.get("choices"),
        "default": option.get("default"),
        "secret": bool(option.get("no_log")),
    }
    inner = option.get("options")
    if inner is not None:
        found["options"] = {name: (described(value), bool(value.get("required"))) for name, value in inner.items()}
    return found


def test_volumes_have_the_fields_of_the_module() -> None:
    volumes = role_spec("vllm_serving")["gpuops_volumes"]
    assert described(volumes) == described(module_option("gpuops.inference.vllm_workload", ("volumes",)))
    written = role_defaults("vllm_serving")["vllm_serving_volumes"]
    assert variables_in(written) == COMPOSED - {"gpuops_name"}
    assert set(re.findall(r'"(\w+)":', written)) == set(volumes["options"])


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_each_variable_has_one_default_and_each_default_is_used(role: str) -> None:
    defaults = role_defaults(role)
    mapped = variables_in("\n".join(defaults.values()))
    specs = read_yaml(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]
    assert mapped == {option for entry_point in specs.values() for option in entry_point["options"]}
    tasks = [path.read_text(encoding="utf-8") for path in TASK_FILES if path.parts[-3] == role]
    # By a task, or by another default.
    used = "\n".join([*tasks, *defaults.values()])
    assert {name for name in defaults if not re.search(rf"\b{name}\b", used)} == set()
    assert all(name.startswith(f"{role}_") for name in defaults)


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_a_variable_that_two_specs_share_means_the_same(role: str) -> None:
    reference = role_spec("vllm_serving")
    specs = read_yaml(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]
    for entry_point in specs.values():
        for name, option in entry_point["options"].items():
            if name in reference and name != "gpuops_served_names":
                assert option == reference[name], name


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_a_role_is_complete(role: str) -> None:
    folder = ROLES / role
    assert (folder / "README.md").is_file()
    assert read_yaml(folder / "meta" / "main.yml")["dependencies"] == []
    specs = read_yaml(folder / "meta" / "argument_specs.yml")["argument_specs"]
    assert {path.stem for path in TASK_FILES if path.parts[-3] == role} == set(specs)
    for entry_point in specs.values():
        assert entry_point["short_description"]
        assert entry_point["description"]
        assert all(option["description"] for option in entry_point["options"].values())


@pytest.mark.parametrize("path", TASK_FILES, ids=str)
def test_tasks_ask_for_no_other_user_no_shell_and_no_loop_of_polls(path: Path) -> None:
    for task in flat_tasks(read_yaml(path)):
        assert not {"become", "until", "retries", "shell", "command", "no_log"} & task.keys()
        assert not any(name.endswith((".shell", ".command", ".raw", ".script")) for name in task)


def test_statistics_carry_no_more_than_was_promised() -> None:
    keys = set()
    for path in TASK_FILES:
        for task in flat_tasks(read_yaml(path)):
            statistics = task.get("ansible.builtin.set_stats")
            if statistics is None:
                continue
            assert statistics["per_host"] is False
            assert statistics["aggregate"] is True
            assert list(statistics["data"]) == ["gpuops_inference"]
            assert list(statistics["data"]["gpuops_inference"]) == ["workloads"]
            keys |= set(re.findall(r"[\"'](\w+)[\"']:", statistics["data"]["gpuops_inference"]["workloads"]))
    assert keys == {"endpoint", "served_names", "plan_hash", "verdict"}


def test_the_table_of_variables_is_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tests" / "tools"))
    inventory_table = importlib.import_module("inventory_table")
    page = inventory_table.PAGE.read_text(encoding="utf-8")
    assert inventory_table.page_with_table(page) == page, "run: python tests/tools/inventory_table.py"
