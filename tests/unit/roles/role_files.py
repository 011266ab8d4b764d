# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the YAML of roles, playbooks and inventories for the tests beside it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments
from support.inventories import INVENTORIES

REPOSITORY = Path(__file__).resolve().parents[3]
ROLES = REPOSITORY / "roles"
PLAYBOOKS = REPOSITORY / "playbooks"


def module_arguments(name: str) -> Arguments:
    """Return what a module accepts, as its action plugin has it."""
    plugin = importlib.import_module(f"ansible_collections.gpuops.inference.plugins.action.{name}")
    arguments: Arguments = plugin.ActionModule.entry.arguments()
    return arguments


MODULES = {
    f"gpuops.inference.{path.stem}": module_arguments(path.stem)
    for path in sorted((REPOSITORY / "plugins" / "modules").glob("*.py"))
}
TASK_FILES = sorted(ROLES.glob("*/tasks/*.yml"))
ROLE_NAMES = sorted(folder.name for folder in ROLES.iterdir() if folder.is_dir())
PLAYBOOK_FILES = sorted(file for file in PLAYBOOKS.glob("*.yml") if not file.name.endswith(".meta.yml"))
INVENTORY_NAMES = sorted(folder.name for folder in INVENTORIES.iterdir() if folder.is_dir())


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def role_spec(role: str, entry_point: str = "main") -> dict[str, Any]:
    """Return the options of a role's entry point."""
    options: dict[str, Any] = read_yaml(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"][entry_point][
        "options"
    ]
    return options


def entry_points(role: str) -> list[str]:
    """Return the names of a role's entry points."""
    return list(read_yaml(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"])


def role_defaults(role: str) -> dict[str, str]:
    """Return a role's default variables."""
    defaults: dict[str, str] = read_yaml(ROLES / role / "defaults" / "main.yml")
    return defaults


def flat_tasks(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield tasks, blocks opened."""
    for task in tasks:
        if not any(part in task for part in ("block", "rescue", "always")):
            yield task
        for part in ("block", "rescue", "always"):
            yield from flat_tasks(task.get(part, []))


def module_calls(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield our modules that a task file or a playbook calls, with their arguments."""
    content = read_yaml(path)
    tasks = [task for entry in content for task in (entry.get("tasks", []) if "hosts" in entry else [entry])]
    for task in flat_tasks(tasks):
        for name in MODULES.keys() & task.keys():
            yield name, task[name]


def leaves(arguments: dict[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return the values of nested arguments by path."""
    found: dict[tuple[str, ...], Any] = {}
    for name, value in arguments.items():
        if isinstance(value, dict):
            found.update(leaves(value, (*path, name)))
        else:
            found[(*path, name)] = value
    return found


def module_option(module: str, path: tuple[str, ...]) -> dict[str, Any]:
    """Return what a module says of one of its options, nested ones too."""
    spec: dict[str, Any] = MODULES[module].argument_spec
    option: dict[str, Any] = {}
    for name in path:
        option = spec[name]
        spec = option.get("options", {})
    return option


def options_to_reach(module: str, paths: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Return every option of a module, by path, going as deep as ``paths`` do."""
    opened = {path[:depth] for path in paths for depth in range(1, len(path))}

    def walk(spec: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, option in spec.items():
            path = (*above, name)
            if path in opened:
                yield from walk(option["options"], path)
            else:
                yield path

    return set(walk(MODULES[module].argument_spec, ()))


def variables_in(text: str) -> set[str]:
    """Return the names of our variables that a text mentions."""
    return set(re.findall(r"\bgpuops_\w+", text)) - {"gpuops_inference"}
