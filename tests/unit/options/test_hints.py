# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option that a message names, with its value, is one that a module has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support.modules import REPOSITORY, arguments_of, module_names

# In back quotes, but of others: a program, a word of Run:ai's body, a level of Kubernetes' pod security.
OTHER_WORDS = {"vllm", "workers", "restricted"}
NAMED = re.compile(r"`([a-z][a-z_]*(?:\.[a-z_]+)*)(?:: ([a-z_]+))?`")
SOURCES = sorted((REPOSITORY / "plugins" / "module_utils").rglob("*.py"))


def options_of(spec: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return every option of an argument spec, nested ones dotted."""
    for name, option in spec.items():
        yield f"{within}{name}", option
        yield from options_of(option.get("options", {}), f"{within}{name}.")


OPTIONS = {path: option for module in module_names() for path, option in options_of(arguments_of(module).argument_spec)}


def messages(source: str) -> Iterator[str]:
    """Return the texts of a program that are no docstrings."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def wrong(name: str, value: str | None) -> str | None:
    """Return what is wrong with an option named in a message, or ``None``."""
    if name in OTHER_WORDS or (value is None and name in module_names()):
        return None
    if name not in OPTIONS:
        return f"{name} is no option"
    if value is not None and value not in OPTIONS[name].get("choices", [value]):
        return f"{value} is no value of {name}"
    return None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY / "plugins")))
def test_messages_name_options_that_exist(path: Any) -> None:
    found = [named for text in messages(path.read_text("utf-8")) for named in NAMED.findall(text)]
    problems = [wrong(name, value or None) for name, value in found]
    assert [problem for problem in problems if problem] == []


def test_the_scan_sees_options_in_messages() -> None:
    assert list(messages('def f():\n    """`a`"""\n    return f\'{x} `exclude_machines` `y`\'')) == [
        " `exclude_machines` `y`"
    ]
    assert wrong("placement.exclude_machines", None) and wrong("restart_policy", "always")
    assert wrong("restart_policy", "none") is None and wrong("model.path", None) is None
