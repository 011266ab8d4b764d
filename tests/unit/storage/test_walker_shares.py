# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree with so much to change that several pods share it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.report import WalkReport
from support.walks import GID, UID, make_file, make_folder, prove, state, walk

SHARES = 3


def make_tree(volume: Path, folders: int, files: int) -> int:
    """Make a tree of root's own and return how many entries it has."""
    for folder in range(folders):
        for name in range(files):
            make_file(volume / "model" / str(folder) / str(name), 0o600, 0, 0)
    make_folder(volume / "model", 0o700, 0, 0)
    return 1 + folders + folders * files


def owned(volume: Path) -> set[bytes]:
    return {path for path, (_mode, owner, *_rest) in state(volume / "model").items() if owner == UID}


def test_each_changes_its_own_share_and_together_they_change_all(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = make_tree(volume, 12, 20)
    for name in (b"\xff\xfe", b"new\nline", b"'\"$(id)"):
        Path(os.fsdecode(os.path.join(os.fsencode(volume), b"model", name))).touch(0o600)
        entries += 1
    changed = []
    for share in range(SHARES):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(share))
        walked = walk("repair", volume, "model", shares=SHARES)
        assert walked.status == 0
        changed.append(walked.done("changed"))
    assert sum(changed) == entries and all(number > entries / SHARES / 2 for number in changed)
    last = walk("repair", volume, "model", judge=True)
    assert (last.status, last.report["done"]) == (0, {})
    assert last.found("files") + last.found("directories") == entries
    assert prove(volume, "model", judge=True).status == 0


def test_files_with_several_names_are_left_to_the_one_that_sees_all(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(volume / "model")
    first = make_file(volume / "model" / "0", 0o600, 0, 0)
    for number in range(1, 40):
        os.link(first, volume / "model" / str(number))
    for share in range(SHARES):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(share))
        assert walk("repair", volume, "model", shares=SHARES).report["done"] == {}
    assert first.stat().st_uid == 0
    assert walk("repair", volume, "model", judge=True).done("changed") == 1
    assert (first.stat().st_uid, first.stat().st_gid) == (UID, GID)


def test_one_that_finds_too_much_stops_and_the_next_goes_on(volume: Path) -> None:
    entries = make_tree(volume, 60, 10)
    stopped = walk("repair", volume, "model", most=50, lanes=1)
    report = WalkReport.read(stopped.report)
    assert (stopped.status, report.finished, report.is_too_large) == (3, False, True)
    assert 50 <= report.changed < entries
    rest = walk("repair", volume, "model", judge=True)
    assert (rest.status, rest.done("changed")) == (0, entries - report.changed)
    assert walk("repair", volume, "model", most=50).report["finished"], "nothing is left to change"


def test_which_share_it_is_has_to_be_told(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(volume, 1, 1)
    monkeypatch.delenv("JOB_COMPLETION_INDEX", raising=False)
    assert walk("repair", volume, "model", shares=SHARES).status == 2
    monkeypatch.setenv("JOB_COMPLETION_INDEX", str(SHARES))
    assert walk("repair", volume, "model", shares=SHARES).status == 2
    assert owned(volume) == set()


def test_a_given_file_is_in_one_share(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_file(volume / "model" / "weights", 0o600, 0, 0)
    changed = []
    for share in range(SHARES):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(share))
        changed.append(walk("repair", volume, "model/weights", shares=SHARES).done("changed"))
    assert sorted(changed) == [0, 0, 1]


def test_what_is_done_when_there_was_much_is_done(volume: Path) -> None:
    entries = make_tree(volume, 1, 30)
    walked = walk("repair", volume, "model/0", most=20)
    assert (walked.status, walked.report["finished"], walked.done("changed")) == (0, True, entries - 1)


@pytest.mark.parametrize("lanes", [1, 2])
def test_one_large_folder_is_left_in_its_middle(volume: Path, lanes: int) -> None:
    make_tree(volume, 1, 6000)
    stopped = walk("repair", volume, "model", most=1000, lanes=lanes)
    assert (stopped.status, stopped.report["finished"], stopped.found("too_many") > 0) == (3, False, True)
    assert 1000 <= stopped.done("changed") < 6000


def test_the_last_report_has_what_was_changed_before_it() -> None:
    done = {"changed": 5, "changed owner": 5, "changed mode": 2, "changed unreadable": 2}
    first = WalkReport("repair", False, done=done, seconds=2.0)
    done = {"changed": 3, "changed owner": 3, "refused": 1}
    shares = [WalkReport("repair", True, done=done, seconds=seconds) for seconds in (3.0, 4.0)]
    done = {"changed": 1, "changed owner": 1, "refused": 2}
    last = WalkReport("repair", True, found={"files": 9, "owner": 1}, done=done, seconds=1.0)
    whole = last.after([first], shares)
    assert whole.as_dict()["changed"] == {"entries": 12, "owner": 12, "group": 0, "mode": 2}
    assert {what: whole.found[what] for what in ("owner", "mode", "unreadable", "files")} == {
        "owner": 12, "mode": 2, "unreadable": 2, "files": 9
    }  # fmt: skip
    assert (whole.done["refused"], whole.seconds, whole.finished) == (2, 7.0, True)


@pytest.mark.parametrize("content", [None, {}, {"error": "no such folder"}, {"pass": 1, "seen": 3}])
def test_what_is_no_report_is_none(content: dict[str, object] | None) -> None:
    assert WalkReport.of(content) is None
