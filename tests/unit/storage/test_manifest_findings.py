# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What manifests mean to a person: the state, and whether it is an error."""

from __future__ import annotations

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.manifest_report import (
    ManifestReport,
    manifest_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._storage.report import WalkReport


def report(wanted: str = "sizes", **counts: int) -> ManifestReport:
    return ManifestReport(wanted, {what.replace("reason_", "reason "): number for what, number in counts.items()})


def causes(found: ManifestReport, *serving: str, may_write: bool = True) -> dict[str, str]:
    return {finding.cause: finding.severity for finding in manifest_findings(found, "models", serving, may_write)}


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({}, "unknown"),
        ({"same": 2}, "same"),
        ({"same": 1, "absent": 1}, "missing"),
        ({"same": 1, "absent": 1, "written": 1}, "written"),
        ({"incomplete": 1, "written": 1}, "written"),
        ({"incomplete": 1}, "same"),
        ({"misowned": 1}, "same"),
        ({"differs": 1, "absent": 1}, "differs"),
        ({"differs": 1, "absent": 1, "written": 2}, "renewed"),
        ({"invalid": 1}, "unknown"),
        ({"invalid": 1, "written": 1}, "renewed"),
        ({"same": 1, "unknown": 1}, "unknown"),
        ({"differs": 1, "unknown": 1, "reason_EROFS": 1}, "unknown"),
    ],
)
def test_of_several_folders_the_worst_is_the_state(counts: dict[str, int], state: str) -> None:
    assert report(**counts).as_dict()["state"] == state


@pytest.mark.parametrize(
    ("wanted", "counts", "compared"),
    [
        ("sizes", {"same": 1}, "sizes"),
        ("hashes", {"same": 1}, "hashes"),
        ("hashes", {"incomplete": 1}, "sizes"),
        ("hashes", {"differs": 1, "written": 1}, "hashes"),
        ("hashes", {"absent": 1, "written": 1}, None),
        ("sizes", {"unknown": 1}, None),
    ],
)
def test_what_was_compared_is_told(wanted: str, counts: dict[str, int], compared: str | None) -> None:
    assert report(wanted, **counts).as_dict()["compared"] == compared


def test_under_a_workload_that_serves_a_changed_file_is_an_error_and_an_added_one_a_warning() -> None:
    assert causes(report(differs=1, changed=1), "my-llm") == {"served_files_changed": "error"}
    assert causes(report(differs=1, removed=1), "my-llm") == {"served_files_changed": "error"}
    assert causes(report(differs=1, added=9), "my-llm") == {"served_files_changed": "warning"}
    assert causes(report(differs=1, changed=1, written=1)) == {"model_files_changed": "info"}


def test_what_is_not_known_is_told_with_its_reason() -> None:
    found = report(unknown=1, reason_EROFS=1)
    assert causes(found) == {"manifest_unknown": "info"}
    assert "the volume is read-only" in manifest_findings(found, "models", (), True)[0].evidence
    odd = manifest_findings(report(unknown=1, reason_EACCES=1), "models", (), True)[0]
    assert "refuses it (EACCES)" in odd.evidence
    assert causes(report(invalid=1, written=1)) == {"manifest_unknown": "info"}
    assert causes(report(absent=1), "my-llm", may_write=False) == {"manifest_unknown": "info"}
    assert causes(report(absent=1)) == {}
    assert causes(report(same=1), "my-llm", may_write=False) == {}
    assert causes(report(unknown=1, reason_ENOENT=1)) == {}, "a missing path is told apart"
    assert causes(report(unknown=2, reason_ENOENT=1, reason_EROFS=1)) == {"manifest_unknown": "info"}


def test_examples_of_what_differs_are_not_those_of_owners() -> None:
    examples = {"owner": ("model/a",), "changed": ("model/b",), "added": ()}
    seen = WalkReport("look", True, manifest={"differs": 1, "changed": 1}, examples=examples)
    found = ManifestReport.of("sizes", seen)
    assert found.as_dict()["examples"] == {"changed": ["model/b"]}
    assert "such as model/b" in manifest_findings(found, "models", (), True)[0].evidence
    assert seen.as_dict()["examples"] == {"owner": ["model/a"]}
    assert ManifestReport.of("sizes", None).state == "unknown"
