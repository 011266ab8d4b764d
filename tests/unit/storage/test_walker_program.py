# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that goes into pods: one text, the standard library of an old Python, nothing that Kubernetes expands."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from interpreters import find_python
from support.needs import missing
from support.walks import command, make_file, task_of, the_program

# Linux takes no longer argument (MAX_ARG_STRLEN).
LONGEST_ARGUMENT = 128 * 1024


def test_it_is_python_3_8() -> None:
    ast.parse(the_program(), feature_version=(3, 8))


def test_it_takes_nothing_but_the_standard_library() -> None:
    modules = set()
    for node in ast.walk(ast.parse(the_program())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    assert {module.split(".")[0] for module in modules} <= set(sys.stdlib_module_names)


def test_no_two_of_its_parts_use_one_name() -> None:
    names = Counter[str]()
    for node in ast.parse(the_program()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names[node.name] += 1
        elif isinstance(node, ast.Assign):
            names.update(name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name))
    assert [name for name, count in names.items() if count > 1] == []


def test_kubernetes_expands_nothing_in_it() -> None:
    assert "$(" not in the_program()


def test_it_fits_into_one_argument() -> None:
    assert len(the_program().encode()) < LONGEST_ARGUMENT / 2


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_it_runs_on_the_pythons_of_images(volume: Path, version: str) -> None:
    python = find_python(version)
    if python is None:
        missing(f"Python {version}, to run the walker on it")
    make_file(volume / "model" / "weights", 0o600, 0, 0)
    words = command(task_of("repair", volume, ["model"], {}), python)
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["done"]["changed"] == 2
    assert (volume / "model" / "weights").stat().st_uid == 2000


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "destroy"},
        {"ensure": "beauty"},
        {"paths": ["../other"]},
        {"paths": ["/etc"]},
        {"paths": ["a//b"]},
        {"file_mode": "u=rwz"},
        {"directory_mode": "0999"},
        {"base": "/not/there"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_task_that_makes_no_sense_is_refused(volume: Path, wrong: dict[str, object]) -> None:
    make_file(volume / "model" / "weights", 0o600, 0, 0)
    words = command({**task_of("repair", volume, ["model"], {}), **wrong})
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error" in json.loads(done.stderr)
    assert (volume / "model" / "weights").stat().st_uid == 0
