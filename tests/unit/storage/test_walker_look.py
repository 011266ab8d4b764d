# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look at a volume sees, with real files of real users. It changes nothing, not even a time of change."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.report import WalkReport
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import MANIFEST_NAME, Task
from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import IDENTITIES, Tally, Tree
from ansible_collections.gpuops.inference.plugins.module_utils._storage.visitors import Looker
from ansible_collections.gpuops.inference.plugins.module_utils._storage.walker import REPORT_BYTES, fitting
from support.walks import GID, UID, make_file, make_folder, prove, state, walk

# Names that break what takes names for lines, words or UTF-8.
ODD_NAMES = [b"line\nbreak", b"quo\"te's", b"latin-\xe9\xff", b"-rf", b"$HOME", b" ", b"a" * 255]


def test_a_right_tree_is_right(volume: Path) -> None:
    make_folder(volume / "model")
    make_file(volume / "model" / "deep" / "weights")
    make_folder(volume / "model" / "deep")
    before = state(volume)
    walked = walk("look", volume, "model", judge=True)
    assert (walked.status, walked.report["left"], walked.report["examples"]) == (0, {}, {})
    assert (walked.found("files"), walked.found("directories"), walked.found("bytes")) == (1, 2, 7)
    assert state(volume) == before


def test_every_fault_is_counted_with_an_example(volume: Path) -> None:
    make_folder(volume / "model")
    make_file(volume / "model" / "root", 0o600, 0, 0)
    make_file(volume / "model" / "group", 0o640, UID, 0)
    make_file(volume / "model" / "mode", 0o040)
    make_file(volume / "model" / "open", 0o666)
    make_file(volume / "model" / "other", 0o600, 1000, 1000)
    make_folder(volume / "model" / "closed", 0o700, 0, 0)
    before = state(volume)
    walked = walk("look", volume, "model", judge=True)
    assert walked.status == 1
    wrong = {what: walked.found(what) for what in ("owner", "group", "mode", "foreign", "unreadable", "unsearchable")}
    assert wrong == {"owner": 2, "group": 3, "mode": 4, "foreign": 1, "unreadable": 3, "unsearchable": 1}
    assert walked.found("owner 1000") == 1
    assert sorted(walked.report["examples"]["unreadable"]) == ["model/mode", "model/other", "model/root"]
    assert walked.report["left"]["owner"] == 2
    assert walked.done("changed") == 0
    assert state(volume) == before


def test_names_are_no_lines_and_no_words(volume: Path) -> None:
    make_folder(volume / "model")
    for name in ODD_NAMES:
        path = os.path.join(os.fsencode(volume / "model"), name)
        os.mkdir(path, 0o700)
        os.close(os.open(os.path.join(path, name), os.O_CREAT, 0o600))
    walked = walk("look", volume, "model")
    assert (walked.found("owner"), walked.found("files")) == (2 * len(ODD_NAMES), len(ODD_NAMES))
    assert json.dumps(walked.report).isascii()


def test_links_are_told_by_where_they_lead(volume: Path) -> None:
    snapshot = make_folder(volume / "model" / "snapshots" / "main")
    make_file(volume / "model" / "blobs" / "sha")
    make_file(volume / "other" / "file")
    targets = {
        "good": "../../blobs/sha",
        "through": "good",
        "absolute": f"{volume}/model/blobs/sha",
        "dangling": "../../blobs/gone",
        "loop": "loop",
        "leaving": "../../../other/file",
        "far": "/etc/passwd",
        "above": "../../../../../..",
        "absolute_loop": f"{volume}/model/snapshots/main/absolute_loop",
    }
    for name, target in targets.items():
        (snapshot / name).symlink_to(target)
        os.chown(snapshot / name, UID, GID, follow_symlinks=False)
    walked = walk("look", volume, "model")
    assert walked.found("links") == len(targets)
    dangling = [f"model/snapshots/main/{name}" for name in ("absolute_loop", "dangling", "loop")]
    assert sorted(walked.report["examples"]["dangling_links"]) == dangling
    leaving = [f"model/snapshots/main/{name}" for name in ("above", "far", "leaving")]
    assert sorted(walked.report["examples"]["leaving_links"]) == leaving


def test_hard_links_that_leave_are_told(volume: Path) -> None:
    make_file(volume / "model" / "inside")
    os.link(volume / "model" / "inside", volume / "model" / "again")
    make_file(volume / "other" / "outside")
    os.link(volume / "other" / "outside", volume / "model" / "shared")
    make_folder(volume / "model")
    walked = walk("look", volume, "model")
    assert walked.report["examples"] == {"leaving_hard_links": ["model/shared"]}


def test_paths_that_are_missing_links_or_files(volume: Path) -> None:
    make_folder(volume / "model")
    make_file(volume / "one", 0o600)
    make_file(volume / "two", 0o600)
    (volume / "dangling").symlink_to("nowhere")
    walked = walk("look", volume, "one", "dangling", "gone", "two/below", judge=True)
    assert walked.status == 1
    assert walked.found("files") == 1
    assert walked.report["examples"]["given_links"] == ["dangling -> nowhere"]
    assert walked.report["examples"]["missing"] == ["gone", "two/below"]


@pytest.mark.parametrize(
    ("given", "link", "target"),
    [
        ("current", "current", "v2"),
        ("current/mistral", "current", "v2"),
        ("current/mistral", "current", "./team/../v2/"),
        ("v1/mistral", "v1", "{volume}/v2"),
        ("team/current/mistral", "team/current", "../v2"),
    ],
)
def test_a_given_path_may_lead_through_links_inside_the_volume(
    volume: Path, given: str, link: str, target: str
) -> None:
    make_folder(volume / "team")
    make_folder(volume / "v2")
    make_folder(volume / "v2" / "mistral")
    make_file(volume / "v2" / "mistral" / "weights", 0o600, 0, 0)
    (volume / link).symlink_to(target.format(volume=volume))
    real = "v2/mistral" if given.endswith("mistral") else "v2"
    walked = walk("look", volume, given, real, manifest="sizes")
    assert (walked.found("files"), walked.found("owner")) == (1, 1)
    assert walked.report["examples"]["followed_paths"] == [f"{given} -> {real}"]
    assert walked.report["manifest"] == {"files": 1, "absent": 1}
    proof = prove(volume, given, judge=True)
    assert (proof.status, proof.found("unreadable"), proof.found("missing")) == (1, 1, 0)
    before = state(volume)
    repaired = walk("repair", volume, given, manifest="sizes", judge=True)
    assert repaired.report["examples"]["left_paths"] == [f"{given} -> {real}"]
    assert repaired.report["manifest"] == {"unknown": 1, "reason ELOOP": 1}
    assert state(volume) == before, "whoever sets a link would choose what root changes"
    assert walk("repair", volume, real, manifest="sizes", judge=True).status == 0
    assert (volume / real / MANIFEST_NAME).is_file()
    assert prove(volume, given, judge=True).status == 0


@pytest.mark.parametrize(
    ("given", "link", "target", "told"),
    [
        ("out/passwd", "out", "/etc", "out -> /etc"),
        ("out", "out", "../../../etc", "out -> out of the volume"),
        ("out", "out", ".", "out -> the root of the volume"),
        ("out/passwd", "out", "{volume}-other", "out -> {volume}-other"),
        ("model/out/passwd", "model/out", "/etc", "model/out -> /etc"),
    ],
)
def test_a_given_path_that_leads_out_of_the_volume_is_not_followed(
    volume: Path, given: str, link: str, target: str, told: str
) -> None:
    make_folder(volume / "model")
    make_file(volume / "passwd", 0o600, 0, 0)
    (volume / link).symlink_to(target.format(volume=volume))
    before = state(volume)
    walked = walk("repair", volume, given, manifest="sizes", judge=True)
    assert walked.status == 1
    assert walked.report["examples"]["given_links"] == [told.format(volume=volume)]
    assert walked.report["manifest"] == {"unknown": 1, "reason ELOOP": 1}
    assert (walked.found("files"), walked.found("missing")) == (0, 0)
    assert state(volume) == before


def test_links_that_lead_in_a_circle_are_not_followed_for_ever(volume: Path) -> None:
    (volume / "one").symlink_to("two")
    (volume / "two").symlink_to("one")
    walked = walk("look", volume, "one", "two/below", judge=True)
    assert walked.status == 1
    assert walked.report["examples"]["given_links"] == ["one -> two"]


def test_the_whole_volume_can_be_looked_at(volume: Path) -> None:
    make_file(volume / "file", 0o600, 0, 0)
    walked = walk("look", volume, "")
    assert (walked.found("files"), walked.found("directories"), walked.found("owner")) == (1, 1, 2)


def test_folders_above_that_cannot_be_entered_are_told(volume: Path) -> None:
    make_folder(volume / "team", 0o700, 0, 0)
    make_folder(volume / "team" / "model")
    make_file(volume / "team" / "model" / "weights")
    assert walk("look", volume, "team/model").report["examples"] == {"unsearchable_parents": ["team"]}
    proof = prove(volume, "team/model", judge=True)
    assert proof.status == 1
    assert proof.report["examples"]["unlisted"] == ["team/model"]


def test_special_files_are_counted_and_left_alone(volume: Path) -> None:
    make_folder(volume / "model")
    os.mkfifo(volume / "model" / "pipe")
    os.mknod(volume / "model" / "null", 0o600 | 0o020000, os.makedev(1, 3))
    before = state(volume)
    walked = walk("repair", volume, "model")
    assert (walked.found("special"), walked.done("changed")) == (2, 0)
    assert state(volume) == before


def test_it_says_what_the_volume_is(volume: Path) -> None:
    make_folder(volume / "model")
    told = walk("look", volume, "model").report["volume"]
    room = os.statvfs(volume)
    assert told["file_system"] != ""
    assert told["read_only"] is False
    assert abs(told["free_bytes"] - room.f_bavail * room.f_frsize) < 1 << 30


def test_the_report_stays_short(volume: Path) -> None:
    for number in range(40):
        make_file(volume / "model" / f"{'long-name-' * 20}{number}", 0o600, 1000 + number, 0)
    walked = walk("look", volume, "model")
    assert walked.found("foreign") == 40
    assert len(json.dumps(walked.report, separators=(",", ":"))) <= 4000


def test_time_that_is_up_is_told(volume: Path) -> None:
    make_folder(volume / "model")
    walked = walk("look", volume, "model", seconds=0.0)
    assert (walked.status, walked.report["finished"]) == (3, False)


def test_the_report_goes_to_a_file_too(volume: Path, tmp_path: Path) -> None:
    make_folder(volume / "model")
    walked = walk("look", volume, "model", report=str(tmp_path / "report"))
    assert json.loads((tmp_path / "report").read_text()) == walked.report


def test_a_name_that_is_listed_twice_is_one_name(volume: Path) -> None:
    outside = make_file(volume / "outside", 0o600, 0, 0)
    make_folder(volume / "model")
    os.link(outside, volume / "model" / "shared")
    tree = Tree(Task("repair", str(volume), ("model",), UID, UID))
    tally = Tally()
    for _time in range(2):
        tally.hard_link(outside.stat(), "model/shared")
    Looker(tree).settle_hard_links(tally, math.inf)
    assert tally.counts["leaving_hard_links"] == 1
    assert (outside.stat().st_uid, outside.stat().st_mode & 0o777) == (0, 0o600)


def test_users_and_groups_of_all_parts_are_no_more_than_fit() -> None:
    whole = Tally()
    for part in range(4):
        tally = Tally()
        for number in range(IDENTITIES):
            tally.add_identity("owner", 2**31 - 1 - part * IDENTITIES - number)
            tally.add_identity("group", 2**31 - 1 - part * IDENTITIES - number)
        tally.add("left owner", number=3)
        whole.merge(tally)
    whole.merge(tally)
    for what in ("owner", "group"):
        assert sum(known.startswith(f"{what} ") for known in whole.counts) == IDENTITIES
    assert whole.counts[f"owner {2**31 - 1}"] == 1
    assert whole.counts["left owner"] == 15
    assert len(fitting({"found": whole.counts, "examples": whole.examples})) <= REPORT_BYTES // 2


def test_what_a_repair_leaves_on_purpose_is_no_change_to_come(volume: Path) -> None:
    outside = make_file(volume / "outside", 0o600, 0, 0)
    os.link(outside, make_folder(volume / "model") / "shared")
    for mode in ("look", "repair", "look"):
        walked = walk(mode, volume, "model")
        assert (walked.found("owner"), WalkReport.read(walked.report).would_change) == (1, 0)
    make_file(volume / "model" / "wrong", 0o640, 0, GID)
    assert WalkReport.read(walk("look", volume, "model").report).would_change == 1
