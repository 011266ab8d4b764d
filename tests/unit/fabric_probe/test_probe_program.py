# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the probe: one text, an old Python, a report that fits whatever there is, and its way to evidence."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Reach
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_report import pod_evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import REPORT_BYTES, ProbeTask, fitting
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.programs import (
    answer_program,
    probe_command,
    proof_program,
)
from hypothesis import given
from interpreters import find_python
from probe_runs import the_program, words
from report_strategies import reports
from support.needs import missing
from sys_trees import Tree

# Linux takes no longer argument (MAX_ARG_STRLEN).
LONGEST_ARGUMENT = 128 * 1024
MACHINES = {0: "gpu-1", 1: "gpu-2"}


def port(number: int, gid_count: int = 0) -> dict[str, Any]:
    gid = {"value": "fe80::1", "kind": "RoCE v2", "interface": "net1"}
    return {
        "device": f"mlx5_{number}",
        "port": 1,
        "link_layer": "InfiniBand",
        "state": "ACTIVE",
        "rate": 400.0,
        "lid": number,
        "driver": "mlx5_core",
        "is_virtual": False,
        "numa_node": 0,
        "gids": [{"index": index, **gid} for index in range(gid_count)],
    }


def report(**parts: Any) -> dict[str, Any]:
    bare = {"ports": [], "uses": [], "interfaces": [], "reaches": [], "errors": [], "memlock": None, "locked": 0}
    return {**bare, "effective": "0", "bounding": "0", "gpudirect": "unknown", **parts}


@pytest.mark.parametrize("text", [the_program(), answer_program(), proof_program()], ids=["probe", "answer", "proof"])
class TestText:
    def test_it_is_python_3_8(self, text: str) -> None:
        ast.parse(text, feature_version=(3, 8))

    def test_it_takes_nothing_but_the_standard_library(self, text: str) -> None:
        modules = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module or "")
        assert {module.split(".")[0] for module in modules} <= set(sys.stdlib_module_names)

    def test_no_two_of_its_parts_use_one_name(self, text: str) -> None:
        names = Counter[str]()
        for node in ast.parse(text).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names[node.name] += 1
            elif isinstance(node, ast.Assign):
                names.update(name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name))
        assert [name for name, count in names.items() if count > 1] == []

    def test_it_fits_into_one_argument(self, text: str) -> None:
        assert len(text.encode()) < LONGEST_ARGUMENT / 2


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_it_runs_on_the_pythons_of_images(tree: Tree, version: str) -> None:
    python = find_python(version)
    if python is None:
        missing(f"Python {version}, to run the probe on it")
    task = ProbeTask(str(tree.root), memory=4096)
    done = subprocess.run(words(task, python), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["locked"] == 4096


@pytest.mark.parametrize("task", ['{"unknown": 1}', "{", "[]", "5"])
def test_a_task_that_makes_no_sense_is_refused(task: str) -> None:
    command = [sys.executable, *probe_command(ProbeTask())[1:-1], task]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error" in json.loads(done.stderr)


@given(reports)
def test_every_report_fits_and_can_be_read(content: dict[str, Any]) -> None:
    text = fitting(content)
    assert len(text.encode()) <= REPORT_BYTES
    read = json.loads(text)
    evidence = pod_evidence(read, "gpu-1", MACHINES, {"rdma/ib": 1})
    assert len(evidence.ports) == len(read["ports"])
    assert (evidence.memlock, evidence.locked) == (content["memlock"], content["locked"])
    assert {reach.machine for reach in evidence.reaches} <= {"gpu-1", "gpu-2"}


def test_eight_devices_with_all_details_fit() -> None:
    whole = report(
        ports=[port(number, 1) for number in range(8)],
        uses=[{"device": f"mlx5_{n}", "is_visible": True, "can_open": True, "can_register": True} for n in range(8)],
    )
    assert json.loads(fitting(whole))["left_out"] == []


def test_gids_are_left_out_first() -> None:
    read = json.loads(fitting(report(ports=[port(number, 16) for number in range(32)])))
    assert read["left_out"] == ["gids"]
    assert len(read["ports"]) == 32


def test_devices_without_a_character_device_go_before_those_with_one() -> None:
    uses = [{"device": f"mlx5_{number}", "is_visible": number >= 142} for number in range(150)]
    read = json.loads(fitting(report(ports=[port(number) for number in range(150)], uses=uses)))
    assert [entry[0] for entry in read["ports"]] == [f"mlx5_{number}" for number in range(142, 150)]
    assert read["left_out"] == ["devices"]


def test_one_that_never_began_is_not_said_to_be_unreachable() -> None:
    bare = {"is_reached": False, "bandwidth": None, "error": "its name is not known"}
    content = json.loads(fitting(report(reaches=[{"peer": peer, "port": 41000, **bare} for peer in (1, 2)])))
    evidence = pod_evidence(content, "gpu-1", MACHINES, {})
    assert evidence.reaches == (Reach("gpu-2", 41000, False, None, "its name is not known"),)
