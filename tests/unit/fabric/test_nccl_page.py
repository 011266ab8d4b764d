# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/nccl.md: every variable and every finding of the decision once, and none that is not there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ansible_collections.gpuops.inference.plugins.module_utils._fabric import decide as decide_module
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import decide
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.meanings import MEANINGS
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_sighting import HINTS
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import CONFIDENCES, KINDS
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from fabric_cases_other import CLOUD_CASES, UNSEEN_CASES, USER_CASES
from fabric_cases_rdma import CASES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "nccl.md").read_text(encoding="utf-8")
PACKAGE = Path(decide_module.__file__).parent


def first_cells(title: str) -> list[str]:
    """Return the words in the first column of a chapter's tables."""
    chapter = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("| `")]
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def causes_in_the_sources() -> set[str]:
    """Return the causes that stand in the calls that make findings."""
    position = {"Finding": 1, "_warning": 0}
    causes = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in position:
                cause = node.args[position[node.func.id]]
                causes |= {cause.value} if isinstance(cause, ast.Constant) else set()
    return causes


def findings() -> list[Finding]:
    """Return the findings of all cases."""
    told: list[Finding] = []
    for case in (*CASES, *CLOUD_CASES, *UNSEEN_CASES, *USER_CASES):
        try:
            told += decide(case.inputs, case.evidence).findings
        except GpuopsError as refused:
            told += refused.findings
    return told


def test_every_variable_is_explained_once() -> None:
    assert sorted(first_cells("The variables")) == sorted(MEANINGS)


def test_every_variable_that_is_set_is_explained() -> None:
    decided = {
        variable.name
        for case in (*CASES, *CLOUD_CASES, *UNSEEN_CASES)
        if case.refused is None
        for variable in decide(case.inputs, case.evidence).decision.variables
    }
    assert decided <= set(MEANINGS)
    assert {"NCCL_IB_HCA", "NCCL_SOCKET_IFNAME", "NCCL_DEBUG", "NCCL_IB_TC", "FI_PROVIDER"} <= decided


def test_kinds_and_confidences_are_explained_once() -> None:
    assert sorted(first_cells("Kinds and confidences")) == sorted((*KINDS, *CONFIDENCES))


def test_every_cause_is_explained_once() -> None:
    explained = first_cells("What is said about it")
    assert len(set(explained)) == len(explained)
    assert set(explained) == causes_in_the_sources() | set(HINTS)
    assert {finding.cause for finding in findings()} <= set(explained)


def test_severities_are_those_of_the_page() -> None:
    chapter = PAGE.partition("## What is said about it\n")[2]
    told = {
        cause: row.split("|")[2]
        for row in chapter.splitlines()
        if row.startswith("| `")
        for cause in re.findall(r"`([^`]+)`", row.split("|")[1])
    }
    assert [finding for finding in findings() if finding.severity not in told[finding.cause]] == []
