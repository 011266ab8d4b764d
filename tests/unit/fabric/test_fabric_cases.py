# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision for every fabric, written out: kind, confidence, variables, needs, findings, and the whole table.

``GPUOPS_WRITE_TABLES=1 python -m pytest tests/unit/fabric/test_fabric_cases.py`` writes the tables anew, to be read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import decide
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.judgement import Judgement
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO
from fabric_builders import Case
from fabric_cases_other import CLOUD_CASES, UNSEEN_CASES, USER_CASES
from fabric_cases_rdma import CASES

TABLES = Path(__file__).parent / "tables"
ALL = (*CASES, *CLOUD_CASES, *UNSEEN_CASES, *USER_CASES)
DECIDED = tuple(case for case in ALL if case.refused is None)
REFUSED = tuple(case for case in ALL if case.refused is not None)


def judged(case: Case) -> Judgement:
    return decide(case.inputs, case.evidence)


def written(case: Case, table: Sequence[str]) -> str:
    """Return the table as it is written out."""
    path = TABLES / f"{case.name}.txt"
    if os.environ.get("GPUOPS_WRITE_TABLES"):
        path.write_text("\n".join(table) + "\n", encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case.name)
def test_the_decision(case: Case) -> None:
    decision = judged(case).decision
    assert (decision.kind, decision.confidence) == (case.kind, case.confidence)
    assert {variable.name: variable.value for variable in decision.variables} == dict(case.variables)
    assert decision.resources == case.resources
    assert decision.annotations == case.annotations


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case.name)
def test_the_findings(case: Case) -> None:
    assert {finding.cause for finding in judged(case).findings} == case.causes


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case.name)
def test_the_table(case: Case) -> None:
    table = judged(case).table
    assert max(map(len, table)) <= 100
    assert "\n".join(table) + "\n" == written(case, table)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_require_rdma_refuses(case: Case) -> None:
    with pytest.raises(GpuopsError) as refused:
        judged(case)
    assert refused.value.findings[0].cause == case.refused
    assert refused.value.findings[0].sentence() in refused.value.message
    assert refused.value.result["decision"]["kind"] == case.kind
    table = refused.value.result["table"]
    assert "\n".join(table) + "\n" == written(case, table)


def test_there_is_no_table_without_a_case() -> None:
    assert {path.stem for path in TABLES.glob("*.txt")} == {case.name for case in ALL}
    assert len({case.name for case in ALL}) == len(ALL)


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case.name)
def test_only_what_ran_is_said_to_work(case: Case) -> None:
    says_so = any("it works" in line for line in judged(case).table)
    assert says_so == (case.confidence == "proven")


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case.name)
def test_findings_have_a_hint_and_what_they_are_about(case: Case) -> None:
    for finding in judged(case).findings:
        assert finding.object, finding
        assert finding.hint or finding.severity == INFO, finding
