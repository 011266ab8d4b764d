# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree whose owner races with the walker: nothing outside of it is ever changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.walks import UID, make_file, make_folder, state, walk

# Swaps, as fast as it can, what is at a path for something else and back.
_SWAP_FOLDER = """
import os, sys
model, outside = sys.argv[1:]
while True:
    os.rename(model + "/folder", model + "/aside")
    os.symlink(outside, model + "/folder")
    os.unlink(model + "/folder")
    os.rename(model + "/aside", model + "/folder")
"""
_SWAP_FILE = """
import os, sys
model, outside = sys.argv[1:]
while True:
    for number in range(50):
        path = f"{model}/folder/{number}"
        os.symlink(outside + "/secret", model + "/new")
        os.rename(model + "/new", path)
        os.link(outside + "/secret", model + "/new")
        os.rename(model + "/new", path)
        open(model + "/new", "w").close()
        os.chmod(model + "/new", 0o600)
        os.rename(model + "/new", path)
"""
# Mostly there, so that the walk also gets in.
_SWAP_TOP = """
import os, sys
model, outside = sys.argv[1:]
while True:
    for _ in range(500):
        os.stat(model)
    os.rename(model, model + "-aside")
    os.symlink(outside, model)
    os.unlink(model)
    os.rename(model + "-aside", model)
"""
_SWAP_DEVICE = """
import os, sys
model, outside = sys.argv[1:]
while True:
    for number in range(50):
        path = f"{model}/folder/{number}"
        os.mknod(model + "/new", 0o020600, os.makedev(1, 3))
        os.rename(model + "/new", path)
        os.mkfifo(model + "/new")
        os.rename(model + "/new", path)
        open(model + "/new", "w").close()
        os.rename(model + "/new", path)
"""
_MOVE_TOP = """
import os, sys
model = sys.argv[1]
while True:
    os.rename(model, model + "-aside")
    os.rename(model + "-aside", model)
"""
RUNS = 12


@contextmanager
def _racing(script: str, model: Path, outside: Path) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", script, model, outside])
    try:
        yield
        assert process.poll() is None, "the race ended early"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("script", [_SWAP_FOLDER, _SWAP_FILE, _SWAP_TOP], ids=["folder", "file", "top"])
def test_what_is_swapped_for_a_link_leads_nowhere(volume: Path, script: str) -> None:
    outside = make_folder(volume / "outside", 0o700, 0, 0)
    make_file(outside / "secret", 0o600, 0, 0)
    for number in range(50):
        make_file(outside / "folder" / str(number), 0o600, 0, 0)
        make_file(outside / str(number), 0o600, 0, 0)
    model = volume / "model"
    with_links = os.lstat(outside / "secret").st_nlink
    repaired = 0
    before = {path: status[:3] for path, status in state(outside).items()}
    for _run in range(RUNS):
        for number in range(50):
            make_file(model / "folder" / str(number), 0o600, 0, 0)
        with _racing(script, model, outside):
            repaired += walk("repair", volume, "model").done("changed")
        _put_back(model)
    assert repaired > 0
    assert {path: status[:3] for path, status in state(outside).items()} == before
    assert os.lstat(outside / "secret").st_nlink >= with_links


def _put_back(model: Path) -> None:
    """Undo what the end of the race left half done."""
    for path in (model, model / "folder"):
        if path.is_symlink():
            path.unlink()
    for aside, path in ((Path(f"{model}-aside"), model), (model / "aside", model / "folder")):
        if aside.exists():
            aside.rename(path)
    for left in [model / "new", *(model / "folder").iterdir()]:
        left.unlink(missing_ok=True)


def test_devices_and_pipes_that_appear_are_not_changed(volume: Path) -> None:
    model = volume / "model"
    for number in range(50):
        make_file(model / "folder" / str(number), 0o600, 0, 0)
    with _racing(_SWAP_DEVICE, model, volume):
        for _run in range(RUNS):
            walk("repair", volume, "model")
    kinds = {mode >> 12: owner for mode, owner, *_rest in state(model).values()}
    assert 0o02 not in kinds or kinds[0o02] != UID


def test_a_tree_that_is_moved_away_is_no_failure(volume: Path) -> None:
    make_file(volume / "model" / "weights", 0o600, 0, 0)
    with _racing(_MOVE_TOP, volume / "model", volume):
        for _run in range(RUNS):
            assert walk("repair", volume, "model").status == 0
