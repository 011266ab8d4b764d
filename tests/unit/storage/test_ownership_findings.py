# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reports mean to a person: causes, and the ways out that are named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.findings import findings_of
from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import OwnershipSpec
from ansible_collections.gpuops.inference.plugins.module_utils._storage.report import WalkReport

SPEC = OwnershipSpec("models", "/data", ("model",), 2000, 2000)
PROVED = WalkReport("prove", True, {"files": 3, "directories": 1})
UNREADABLE = WalkReport("prove", True, {"unreadable": 2}, examples={"unreadable": ("model/a", "model/b")})


def seen(**parts: Any) -> WalkReport:
    return WalkReport(**{"mode": "repair", "finished": True, **parts})


def causes(report: WalkReport | None, proof: WalkReport | None = PROVED, spec: OwnershipSpec = SPEC) -> dict[str, str]:
    return {finding.cause: finding.severity for finding in findings_of(spec, report, proof)}


def hint(cause: str, report: WalkReport | None, proof: WalkReport | None, spec: OwnershipSpec = SPEC) -> str:
    (found,) = (finding for finding in findings_of(spec, report, proof) if finding.cause == cause)
    return found.hint


def test_nothing_is_said_of_what_is_right() -> None:
    assert causes(seen(found={"files": 3, "owner": 3}, done={"changed": 3})) == {}


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ({"found": {"missing": 1}, "examples": {"missing": ("gone",)}}, "path_missing"),
        ({"found": {"given_links": 1}}, "path_is_link"),
        ({"finished": False}, "time_is_up"),
    ],
)
def test_what_was_asked_for_and_is_not_so_is_an_error(parts: dict[str, Any], cause: str) -> None:
    assert causes(seen(**parts)) == {cause: "error"}


@pytest.mark.parametrize(
    ("counts", "cause", "severity"),
    [
        ({"foreign": 1, "owner 1000": 1}, "owned_by_others", "warning"),
        ({"dangling_links": 1}, "links_dangle", "warning"),
        ({"leaving_links": 1}, "links_leave", "info"),
        ({"leaving_hard_links": 1}, "hard_links_leave", "warning"),
        ({"other_file_systems": 1}, "other_file_systems", "info"),
    ],
)
def test_what_a_person_should_know_stops_nothing(counts: dict[str, int], cause: str, severity: str) -> None:
    assert causes(seen(found=counts)) == {cause: severity}


@pytest.mark.parametrize("ensure", ["owned", "readable"])
@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ({"done": {"refused": 3, "errno EPERM": 3}, "left": {"owner": 3}}, "ownership_refused"),
        ({"done": {"ignored": 3}, "left": {"owner": 3}}, "ownership_ignored"),
        ({"found": {"owner": 3}, "volume": {"read_only": True}, "done": {"refused": 3}}, "volume_read_only"),
        ({"left": {"owner": 1}}, "not_repaired"),
    ],
)
def test_what_stays_as_it_is_stops_nothing_where_it_can_be_read(parts: dict[str, Any], cause: str, ensure: str) -> None:
    spec = replace(SPEC, ensure=ensure)
    assert causes(seen(**parts), PROVED, spec) == {cause: "warning"}
    assert causes(seen(**parts), UNREADABLE, spec) == {cause: "error", "files_unreadable": "error"}
    assert causes(seen(**parts), None, spec) == {cause: "error"}


def test_links_that_were_followed_are_told() -> None:
    parts = {"found": {"followed_paths": 1}, "examples": {"followed_paths": ("current -> v2",)}}
    assert causes(seen(**parts)) == {"path_followed": "info"}
    assert causes(seen(found={"left_paths": 1})) == {"path_not_changed": "info"}


def test_files_that_can_be_read_as_they_are() -> None:
    report = seen(done={"refused": 1, "errno EPERM": 1})
    assert "set ensure: readable" in hint("ownership_refused", report, PROVED)


def test_the_ways_out_of_a_refusal_are_named() -> None:
    counts = {"unreadable": 2, "group 5000": 2}
    text = hint("files_unreadable", seen(found=counts, done={"refused": 2, "errno EPERM": 2}), UNREADABLE)
    for way in ("supplemental_groups: [5000]", "ensure: readable", "no_root_squash", "download the model again"):
        assert way in text


def test_owners_of_the_mount_are_named_where_changes_are_ignored() -> None:
    assert "uid=2000, gid=2000" in hint("ownership_ignored", seen(done={"ignored": 2}), UNREADABLE)


def test_whose_new_files_are_is_told() -> None:
    report = seen(done={"refused": 1, "errno EPERM": 1}, new_files_as=(65534, 65534))
    (found, *_others) = findings_of(SPEC, report, UNREADABLE)
    assert "UID 65534" in found.evidence


def test_folders_above_are_an_error_only_where_they_are_in_the_way() -> None:
    report = seen(found={"unsearchable_parents": 1}, examples={"unsearchable_parents": ("team",)})
    assert causes(report, PROVED) == {}
    assert causes(report, WalkReport("prove", True, {"unlisted": 1})) == {
        "parent_not_searchable": "error",
        "files_unreadable": "error",
    }


def test_without_root_the_proof_alone_is_judged() -> None:
    assert causes(None, PROVED) == {}
    assert causes(None, UNREADABLE) == {"files_unreadable": "error"}


def test_a_report_is_read_whatever_is_missing_of_it() -> None:
    report = WalkReport.read({"mode": "look", "finished": True})
    assert report.as_dict()["wrong"]["owner"] == 0
    assert report.as_proof()["readable"] is True
