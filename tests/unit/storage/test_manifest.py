# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest beside a model, written and compared by the real program on real files."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.manifest import (
    MANIFEST_ENTRIES,
    Manifests,
    manifest_difference,
    read_manifest,
)
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import MANIFEST_NAME, Task
from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import Tree
from hypothesis import given
from hypothesis import strategies as st
from support.walks import GID, ROOT, UID, Walked, make_file, make_folder, prove, state, walk

# Without the right to pass over modes, as root is on an export that squashes it.
NO_OVERRIDE = ("--regid", str(GID), "--clear-groups", "--no-new-privs", "--bounding-set=-all,+chown,+fowner")


@pytest.fixture
def model(volume: Path) -> Path:
    """A model that is right, with a folder, a link and a name that is no text."""
    folder = make_folder(volume / "model")
    make_file(folder / "config.json")
    make_file(make_folder(folder / "original") / "weights")
    make_file(folder / os.fsdecode(b"a\nb\xff"))
    (folder / "latest").symlink_to("original")
    os.chown(folder / "latest", UID, GID, follow_symlinks=False)
    return folder


def seen(walked: Walked) -> dict[str, int]:
    """Return what the program says of manifests."""
    assert walked.status == 0, walked.errors
    counts: dict[str, int] = walked.report["manifest"]
    return counts


def repair(volume: Path, **options: Any) -> dict[str, int]:
    return seen(walk("repair", volume, "model", **{"manifest": "sizes", **options}))


def look(volume: Path, **options: Any) -> dict[str, int]:
    return seen(walk("look", volume, "model", **{"manifest": "sizes", **options}))


def content(model: Path) -> dict[str, dict[str, Any]]:
    found = read_manifest((model / MANIFEST_NAME).read_bytes())
    assert found is not None
    return found


def test_it_is_written_once_and_then_left_alone(volume: Path, model: Path) -> None:
    assert look(volume) == {"files": 3, "absent": 1}
    assert not (model / MANIFEST_NAME).exists()
    assert repair(volume) == {"files": 3, "absent": 1, "written": 1}
    assert content(model) == {
        "config.json": {"bytes": 7},
        "original/weights": {"bytes": 7},
        os.fsdecode(b"a\nb\xff"): {"bytes": 7},
        "latest": {"link": "original"},
    }
    status = (model / MANIFEST_NAME).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (UID, GID, 0o640)
    assert list(model.glob(f"{MANIFEST_NAME}?*")) == []
    before = state(model)
    assert repair(volume) == {"files": 3, "same": 1}
    assert look(volume) == {"files": 3, "same": 1}
    assert state(model) == before


def test_it_has_the_mode_that_files_shall_have(volume: Path, model: Path) -> None:
    repair(volume, file_mode="0440", directory_mode="0750")
    assert stat.S_IMODE((model / MANIFEST_NAME).stat().st_mode) == 0o440
    assert repair(volume, file_mode="0440")["same"] == 1
    assert repair(volume, uid=3000)["misowned"] == 1
    assert (model / MANIFEST_NAME).stat().st_uid == 3000


def test_what_was_added_removed_and_changed_is_told_and_then_remembered(volume: Path, model: Path) -> None:
    repair(volume)
    make_file(model / "new")
    (model / "original" / "weights").unlink()
    (model / "config.json").write_text("longer than before")
    (model / "latest").unlink()
    (model / "latest").symlink_to("elsewhere")
    before = state(model)
    looked = walk("look", volume, "model", manifest="sizes")
    difference = {"added": 1, "removed": 1, "changed": 2, "differs": 1}
    assert seen(looked) == {"files": 3, **difference}
    assert looked.report["examples"]["changed"] == ["model/config.json", "model/latest"]
    assert looked.report["examples"]["removed"] == ["model/original/weights"]
    assert state(model) == before
    assert repair(volume) == {"files": 3, **difference, "written": 1}
    assert repair(volume) == {"files": 3, "same": 1}


def test_hashes_see_what_sizes_do_not(volume: Path, model: Path) -> None:
    assert repair(volume)["written"] == 1
    assert look(volume, manifest="hashes") == {"files": 3, "incomplete": 1}
    assert repair(volume, manifest="hashes") == {"files": 3, "incomplete": 1, "written": 1}
    (model / "config.json").write_text("WEIGHTS")
    os.chown(model / "config.json", UID, GID)
    assert look(volume)["same"] == 1
    assert look(volume, manifest="hashes")["changed"] == 1
    assert repair(volume, manifest="hashes")["written"] == 1
    before = state(model)
    assert repair(volume, manifest="hashes") == {"files": 3, "same": 1}
    assert repair(volume) == {"files": 3, "same": 1}, "hashes that are known stay"
    assert state(model) == before


def test_it_is_no_part_of_the_model(volume: Path, model: Path) -> None:
    """It is neither counted nor judged nor read by the proof, wherever it lies."""
    repair(volume)
    make_file(model / "original" / MANIFEST_NAME, 0o600, 0, 0)
    make_file(model / f"{MANIFEST_NAME}.new-0", 0o600, 0, 0)
    walked = walk("repair", volume, "model", manifest="sizes")
    assert (walked.found("files"), walked.found("owner"), seen(walked)) == (3, 0, {"files": 3, "same": 1})
    (model / MANIFEST_NAME).chmod(0o000)
    proof = prove(volume, "model")
    assert (proof.found("files"), proof.found("unreadable")) == (3, 0)
    assert proof.report["manifest"] == {}


def test_each_folder_has_its_own(volume: Path, model: Path) -> None:
    other = make_folder(volume / "other")
    make_file(other / "weights")
    make_file(volume / "single")
    walked = walk("repair", volume, "model", "other", "single", manifest="sizes")
    assert seen(walked) == {"files": 4, "absent": 2, "written": 2, "unknown": 1, "reason ENOTDIR": 1}
    assert content(other) == {"weights": {"bytes": 7}}
    whole = seen(walk("repair", volume, "", manifest="sizes"))
    assert whole == {"files": 5, "absent": 1, "written": 1}
    assert "model/config.json" in content(volume)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 2, "files": {}}',
        b'{"format": 1}',
        b'{"format": 1, "files": {"a": 1}}',
        b"[" * 100000,
        b'{"format": 1, "files": {"a": "\xff"}}',
    ],
)
def test_what_is_no_manifest_is_replaced(volume: Path, model: Path, text: bytes) -> None:
    (model / MANIFEST_NAME).write_bytes(text)
    assert look(volume) == {"files": 3, "invalid": 1}
    assert repair(volume) == {"files": 3, "invalid": 1, "written": 1}
    assert repair(volume)["same"] == 1


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe"])
def test_what_lies_in_its_place_is_never_followed(volume: Path, model: Path, kind: str) -> None:
    outside = make_file(volume / "outside", 0o600, 0, 0)
    outside.write_text('{"format": 1, "files": {"secret": {"bytes": 1}}}')
    before = (outside.read_text(), state(volume)[os.fsencode(outside)][:3])
    for name in (MANIFEST_NAME, f"{MANIFEST_NAME}.new-0"):
        if kind == "link":
            (model / name).symlink_to("../outside")
        elif kind == "hard link":
            os.link(outside, model / name)
        else:
            os.mkfifo(model / name)
    walked = walk("look", volume, "model", manifest="sizes")
    assert seen(walked) == {"files": 3, "invalid": 1}
    assert "secret" not in json.dumps(walked.report)
    assert repair(volume)["written"] == 1
    assert (outside.read_text(), state(volume)[os.fsencode(outside)][:3]) == before
    assert stat.S_ISREG((model / MANIFEST_NAME).lstat().st_mode)


def test_a_folder_in_its_place_leaves_it_unknown(volume: Path, model: Path) -> None:
    make_folder(model / MANIFEST_NAME)
    assert repair(volume) == {"files": 3, "unknown": 1, "reason EISDIR": 1}


def test_a_model_of_more_files_than_a_model_has_gets_none(volume: Path, model: Path) -> None:
    for number in range(MANIFEST_ENTRIES):
        (model / str(number)).touch()
    assert repair(volume) == {"unknown": 1, "reason too_many": 1}
    assert not (model / MANIFEST_NAME).exists()


def test_where_root_may_not_write_it_is_unknown(volume: Path, model: Path) -> None:
    assert seen(walk("repair", volume, "model", manifest="sizes", limits=NO_OVERRIDE)) == {
        "files": 3,
        "absent": 1,
        "unknown": 1,
        "reason EACCES": 1,
    }
    repair(volume)
    model.chmod(0o700)
    refused = seen(walk("look", volume, "model", manifest="sizes", limits=NO_OVERRIDE))
    assert refused == {"unknown": 1, "reason EACCES": 1}


def test_a_run_without_it_leaves_it(volume: Path, model: Path) -> None:
    repair(volume)
    make_file(model / "new")
    before = state(model)
    assert repair(volume, manifest="none") == {}
    assert state(model) == before


def test_a_run_whose_time_is_up_writes_none(volume: Path, model: Path) -> None:
    walked = walk("repair", volume, "model", manifest="sizes", seconds=0.0)
    assert (walked.status, walked.report["manifest"]) == (3, {})
    assert not (model / MANIFEST_NAME).exists()


def test_one_that_was_killed_leaves_nothing_for_good(volume: Path, model: Path) -> None:
    repair(volume)
    left_over = make_file(model / f"{MANIFEST_NAME}.new-0", 0o600, 0, 0)
    os.utime(left_over, (0, 0))
    written_now = make_file(model / f"{MANIFEST_NAME}.new-1", 0o600, 0, 0)
    shutil.rmtree(model / "original")
    assert repair(volume)["written"] == 1
    assert sorted(path.name for path in model.glob(f"{MANIFEST_NAME}*")) == [MANIFEST_NAME, written_now.name]


def test_of_two_runs_at_a_time_none_fails(volume: Path, model: Path) -> None:
    """Each writes a new file of its own, which the other one leaves alone."""
    with ThreadPoolExecutor(2) as runs:
        for number in range(5):
            make_file(model / str(number))
            counts = list(runs.map(lambda _run: repair(volume), range(2)))
            assert not any("unknown" in found for found in counts), counts
    assert repair(volume) == {"files": 8, "same": 1}
    assert [path.name for path in model.glob(f"{MANIFEST_NAME}*")] == [MANIFEST_NAME]


def test_names_that_no_file_can_have_are_no_end_of_the_report(volume: Path, model: Path) -> None:
    (model / MANIFEST_NAME).write_text('{"format": 1, "files": {"\\ud800": {"bytes": 1}}}')
    walked = walk("repair", volume, "model", manifest="sizes")
    assert seen(walked)["written"] == 1
    assert walked.report["examples"]["removed"] == ["model/\\ud800"]


def test_one_that_nobody_would_read_again_is_not_written(
    volume: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = Manifests(
        Tree(Task("repair", str(volume), ("model",), UID, GID, manifest="sizes")), time.monotonic() + 60
    )
    monkeypatch.setattr(manifests, "_entries", lambda path: {f"{n}{'n' * 2000}": {"bytes": 1} for n in range(3000)})
    assert manifests.see_to().counts["reason too_many"] == 1
    assert list(model.glob(f"{MANIFEST_NAME}*")) == []


def test_a_file_that_vanishes_while_it_is_read_has_a_word_of_its_own(
    volume: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = Manifests(
        Tree(Task("look", str(volume), ("model",), UID, GID, manifest="hashes")), time.monotonic() + 60
    )
    monkeypatch.setattr(manifests, "_entries", lambda path: {"gone": {"bytes": 1}})
    assert manifests.see_to().counts == {"files": 1, "unknown": 1, "reason vanished": 1}


def test_root_needs_no_more_rights_for_it(volume: Path, model: Path) -> None:
    """A folder of the serving user's own, which lets nobody else in."""
    model.chmod(0o700)
    assert seen(walk("repair", volume, "model", manifest="hashes", limits=ROOT))["written"] == 1


ENTRY = st.fixed_dictionaries({"bytes": st.integers(0, 3)}, optional={"sha256": st.sampled_from("ab")}) | (
    st.fixed_dictionaries({"link": st.text(max_size=2)})
)
FILES = st.dictionaries(st.text(max_size=3), ENTRY)


@given(before=FILES, now=FILES)
def test_every_file_is_the_same_or_differs_in_one_way(before: dict[str, Any], now: dict[str, Any]) -> None:
    difference = manifest_difference(before, now)
    assert set(difference["added"]) == set(now) - set(before)
    assert set(difference["removed"]) == set(before) - set(now)
    assert set(difference["changed"]) <= set(before) & set(now)
    for name in set(before) & set(now):
        alike = all(before[name].get(what) == now[name].get(what) for what in before[name].keys() & now[name].keys())
        kinds = {"bytes" in entry for entry in (before[name], now[name])}
        assert (name not in difference["changed"]) == (alike and len(kinds) == 1)
    assert not any(manifest_difference(now, now).values())


@given(files=FILES)
def test_what_was_written_is_read_again(files: dict[str, Any]) -> None:
    assert read_manifest(json.dumps({"format": 1, "files": files}).encode()) == files


@given(text=st.binary(max_size=200))
def test_no_text_breaks_the_reading(text: bytes) -> None:
    read_manifest(text)
