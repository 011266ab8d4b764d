# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairs of real damage, proved by reading as the serving UID."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.progress import how_far
from hypothesis import given, settings
from hypothesis import strategies as st
from support.walks import (
    GID,
    UID,
    command,
    killed,
    make_file,
    make_folder,
    need_root,
    open_folder,
    prove,
    state,
    task_of,
    walk,
)


def _root_download(model: Path) -> None:
    make_folder(model, 0o755, 0, 0)
    make_file(model / "config.json", 0o644, 0, 0)
    make_file(model / "model-00001.safetensors", 0o600, 0, 0)


def _private_weights(model: Path) -> None:
    """As transformers writes them."""
    make_folder(model, 0o755)
    make_file(model / "model.safetensors", 0o600)
    os.chown(model / "model.safetensors", 0, 0)


def _private_folders(model: Path) -> None:
    make_folder(model, 0o700, 0, 0)
    make_folder(model / "original", 0o700, 0, 0)
    make_file(model / "original" / "params.json", 0o644, 0, 0)


def _cache(model: Path) -> None:
    """The layout of the Hugging Face cache: links into blobs."""
    make_file(model / "blobs" / "sha256", 0o600, 0, 0)
    make_folder(model / "snapshots" / "abc", 0o700, 0, 0)
    (model / "snapshots" / "abc" / "model.safetensors").symlink_to("../../blobs/sha256")
    make_file(model / "refs" / "main", 0o644, 0, 0)


def _half_finished(model: Path) -> None:
    """A run that was ended in the middle: some are right, one has its owner and not its mode, the rest waits."""
    make_folder(model, 0o750)
    make_file(model / "done", 0o640)
    make_file(model / "half", 0o600, UID, 0)
    make_file(model / "waits", 0o600, 0, 0)


DAMAGES = [_root_download, _private_weights, _private_folders, _cache, _half_finished]


@pytest.mark.parametrize("ensure", ["owned", "readable"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_repaired_proved_and_then_left_alone(volume: Path, damage: Any, ensure: str) -> None:
    damage(volume / "model")
    # The half-finished and the private ones are the serving UID's own in part: readable already, perhaps.
    needed = prove(volume, "model", judge=True).status == 1 or ensure == "owned"
    first = walk("repair", volume, "model", ensure=ensure, judge=True)
    assert first.status == 0, first
    assert (first.done("changed") > 0) == needed
    assert prove(volume, "model", judge=True).status == 0
    before = state(volume)
    second = walk("repair", volume, "model", ensure=ensure)
    assert (second.report["done"], second.report["passes"]) == ({}, 1)
    assert state(volume) == before, "a second run touches no time of change"


def test_before_the_repair_the_serving_uid_cannot_read(volume: Path) -> None:
    _cache(volume / "model")
    proof = prove(volume, "model", judge=True)
    assert proof.status == 1
    assert proof.report["examples"]["unlisted"] == ["model/snapshots/abc"]
    assert proof.report["examples"]["unreadable"] == ["model/blobs/sha256"]
    assert proof.found("errno EACCES") == 2
    assert proof.report["identity"] == [UID, GID, []]


def test_the_proof_reads_through_links_as_an_engine_does(volume: Path) -> None:
    make_file(volume / "elsewhere", 0o600, 0, 0)
    make_folder(volume / "model")
    (volume / "model" / "weights").symlink_to("../elsewhere")
    (volume / "model" / "dangling").symlink_to("gone")
    proof = prove(volume, "model", judge=True)
    assert proof.status == 1
    assert proof.report["examples"] == {"unreadable": ["model/weights"], "dangling_links": ["model/dangling"]}


def test_supplemental_groups_count(volume: Path) -> None:
    make_folder(volume / "model", 0o750, 0, 5000)
    make_file(volume / "model" / "weights", 0o640, 0, 5000)
    before = state(volume)
    assert prove(volume, "model", judge=True).status == 1
    assert prove(volume, "model", groups=[5000], judge=True).status == 0
    assert walk("repair", volume, "model", ensure="readable", groups=[5000]).done("changed") == 0
    assert state(volume) == before


def test_files_of_another_user_are_not_taken_unless_asked(volume: Path) -> None:
    make_folder(volume / "model")
    theirs = make_file(volume / "model" / "theirs", 0o600, 1000, 1000)
    walked = walk("repair", volume, "model", judge=True)
    assert (walked.status, walked.report["left"]["foreign"], theirs.stat().st_uid) == (1, 1, 1000)
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o600
    assert walk("repair", volume, "model", take_over_from=[1000], judge=True).status == 0
    assert (theirs.stat().st_uid, theirs.stat().st_gid, stat.S_IMODE(theirs.stat().st_mode)) == (UID, GID, 0o640)


def test_numeric_modes_and_set_group_id(volume: Path) -> None:
    make_folder(volume / "model", 0o2777, 0, 0)
    make_file(volume / "model" / "weights", 0o4755, 0, 0)
    walk("repair", volume, "model", file_mode="0440", directory_mode="0750")
    assert stat.S_IMODE((volume / "model").stat().st_mode) == 0o2750
    assert stat.S_IMODE((volume / "model" / "weights").stat().st_mode) == 0o440


def test_a_link_gets_its_owner_and_its_target_outside_does_not(volume: Path) -> None:
    outside = make_file(volume / "outside", 0o600, 0, 0)
    make_folder(volume / "model", 0o755, 0, 0)
    (volume / "model" / "link").symlink_to("../outside")
    before = outside.stat()
    walk("repair", volume, "model")
    assert os.lstat(volume / "model" / "link").st_uid == UID
    assert outside.stat().st_ctime_ns == before.st_ctime_ns


def test_a_file_with_a_name_outside_is_left_alone(volume: Path) -> None:
    outside = make_file(volume / "secret", 0o600, 0, 0)
    make_folder(volume / "model", 0o755, 0, 0)
    os.link(outside, volume / "model" / "secret")
    make_file(volume / "model" / "inside", 0o600, 0, 0)
    os.link(volume / "model" / "inside", volume / "model" / "again")
    before = outside.stat()
    walked = walk("repair", volume, "model", judge=True)
    assert walked.status == 1
    assert walked.report["left"] == {"owner": 1, "group": 1, "mode": 1, "unreadable": 1}
    assert outside.stat().st_ctime_ns == before.st_ctime_ns
    assert (volume / "model" / "again").stat().st_uid == UID


def test_a_link_with_a_name_outside_is_left_alone(volume: Path) -> None:
    (volume / "outside").symlink_to("model")
    make_file(volume / "model" / "a-file", 0o600, 0, 0)
    os.link(volume / "outside", volume / "model" / "link", follow_symlinks=False)
    before = os.lstat(volume / "outside")
    walked = walk("repair", volume, "model", judge=True)
    assert (walked.status, walked.found("links"), walked.done("changed")) == (0, 1, 2)
    after = os.lstat(volume / "outside")
    assert (after.st_uid, after.st_nlink, after.st_ctime_ns) == (0, 2, before.st_ctime_ns)


def test_right_files_between_wrong_ones_are_counted_and_left_alone(volume: Path) -> None:
    names = [str(number) for number in range(1200)]
    for number, name in enumerate(names):
        make_file(volume / "model" / name, *((0o600, 0, 0) if number % 7 == 3 else (0o640, UID, GID)))
    make_folder(volume / "model")
    before = state(volume)
    looked = walk("look", volume, "model")
    assert state(volume) == before
    repaired = walk("repair", volume, "model")
    assert (looked.found("files"), looked.found("bytes")) == (1200, 1200 * len("weights"))
    assert looked.report["found"] == repaired.report["found"]
    assert looked.report["left"] == {"owner": 171, "group": 171, "mode": 171, "unreadable": 171}
    assert (repaired.done("changed"), repaired.report["left"]) == (171, {})
    touched = {path for path, status in state(volume).items() if status != before[path]}
    assert touched == {path for path, (mode, *_rest) in before.items() if stat.S_IMODE(mode) == 0o600}


def test_only_the_given_paths_are_changed(volume: Path) -> None:
    for name in ("model", "data"):
        make_file(volume / name / "file", 0o600, 0, 0)
    walk("repair", volume, "model")
    assert (volume / "data" / "file").stat().st_uid == 0
    assert volume.stat().st_uid == 0


def test_another_file_system_below_is_not_entered(volume: Path) -> None:
    make_folder(volume / "model" / "mounted")
    subprocess.run(["mount", "-t", "tmpfs", "none", volume / "model" / "mounted"], check=True)
    try:
        make_file(volume / "model" / "mounted" / "file", 0o600, 0, 0)
        walked = walk("repair", volume, "model")
        assert walked.found("other_file_systems") == 1
        assert (volume / "model" / "mounted" / "file").stat().st_uid == 0
    finally:
        subprocess.run(["umount", volume / "model" / "mounted"], check=True)


def test_killed_in_the_middle_and_repeated_it_ends_right(volume: Path) -> None:
    for number in range(40):
        for name in range(100):
            make_file(volume / "model" / str(number) / str(name), 0o600, 0, 0)
    for fraction in (0.06, 0.09, 0.12):
        killed(task_of("repair", volume, ["model"], {}), fraction)
    assert walk("repair", volume, "model", judge=True).status == 0
    assert {owner for _mode, owner, *_rest in state(volume / "model").values()} == {UID}


# Writes files as root until it is ended: a download that goes on during the repair.
_ARRIVING = """
import os, sys, itertools
for number in itertools.count():
    path = os.path.join(sys.argv[1], str(number % 50))
    os.makedirs(path, exist_ok=True)
    open(os.path.join(path, str(number)), "w").close()
"""


def test_files_that_arrive_meanwhile_are_no_failure(volume: Path) -> None:
    make_file(volume / "model" / "first", 0o600, 0, 0)
    arriving = subprocess.Popen([sys.executable, "-c", _ARRIVING, volume / "model"])
    try:
        while not (volume / "model" / "49").exists():
            time.sleep(0)
        during = walk("repair", volume, "model")
    finally:
        arriving.kill()
        arriving.wait()
    assert during.status == 0
    assert during.report["passes"] > 1
    assert walk("repair", volume, "model", judge=True).status == 0
    assert prove(volume, "model", judge=True).status == 0


def test_it_says_how_far_it_is(volume: Path) -> None:
    make_file(volume / "model" / "first", 0o600, 0, 0)
    words = command(task_of("repair", volume, ["model"], {}))
    words[words.index("-c") + 1] = words[words.index("-c") + 1].replace(
        "PROGRESS_SECONDS = 5.0", "PROGRESS_SECONDS = 0.0"
    )
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [set(line) for line in said[:1]] == [{"pass", "seen", "wrong", "changed", "seconds"}]
    assert all(how_far(line).endswith(("entries", "wrong", "changed", "(pass 2)")) for line in done.stderr.splitlines())


NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: name not in (b".", b"..") and not {0, 47} & set(name))
ENTRIES = st.recursive(
    st.tuples(st.integers(0, 0o777), st.sampled_from([0, UID]), st.sampled_from([0, GID, 5000])),
    lambda children: st.dictionaries(NAMES, children, max_size=4),
    max_leaves=12,
)


def _make(above: bytes, entry: Any) -> None:
    if isinstance(entry, dict):
        os.mkdir(above, 0o700)
        for name, child in entry.items():
            _make(os.path.join(above, name), child)
        return
    mode, owner, group = entry
    os.close(os.open(above, os.O_CREAT))
    os.chown(above, owner, group)
    os.chmod(above, mode)


@given(tree=st.dictionaries(NAMES, ENTRIES, max_size=4), ensure=st.sampled_from(["owned", "readable"]))
@settings(max_examples=25)
def test_any_tree_ends_readable_and_stays_so(tree: dict[bytes, Any], ensure: str) -> None:
    need_root()
    with open_folder() as folder:
        _make(os.fsencode(folder / "model"), tree)
        assert walk("repair", folder, "model", ensure=ensure, judge=True).status == 0
        assert prove(folder, "model", judge=True).status == 0
        before = state(folder)
        assert walk("repair", folder, "model", ensure=ensure).report["done"] == {}
        assert state(folder) == before
