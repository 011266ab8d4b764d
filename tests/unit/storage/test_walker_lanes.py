# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lanes that share a tree: one that has nothing to do gets directories of one that has, also of a flat tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.lanes import GIVEN, Lane, Names, Piece, Shared
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import Task
from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import Tally, Tree
from support.walks import make_file, make_folder

FOLDERS = 100
FOREVER = float("inf")


class Recorder:
    """Remembers what it was shown. From the folder ``idle`` on another lane says that it has nothing to do; with
    ``takes`` it takes all that was given away."""

    plain_apart = False
    wrong = changed = 0

    def __init__(self, shared: Shared, idle: str, takes: bool) -> None:
        self.names_seen: list[str] = []
        self.taken: list[str] = []
        self._shared, self._idle, self._takes = shared, idle, takes

    def directory(self, descriptor: int, status: os.stat_result, path: str, tally: Tally) -> None:
        """Let the other lane act."""
        if path == self._idle:
            self._shared.note(1, True, 0, 0, 0)
        while self._takes:
            try:
                self.taken.append(os.fsdecode(self._shared.take.recv(1 << 17)[1:]))
            except BlockingIOError:
                return

    def names(self, names: Names, tally: Tally) -> None:
        """Remember names."""
        self.names_seen += [names.above + name for name in names.names]

    def close(self) -> None:
        """Give nothing back."""


@pytest.fixture
def flat(volume: Path) -> list[str]:
    """The folders of a flat tree, with a file in each."""
    make_folder(volume / "model")
    folders = [f"model/{number}" for number in range(FOLDERS)]
    for folder in folders:
        make_file(volume / folder / "file")
    return folders


@pytest.fixture
def shared() -> Iterator[Shared]:
    """What two lanes share."""
    shared = Shared(2)
    yield shared
    shared.close()


def walked(volume: Path, shared: Shared, recorder: Recorder) -> Tally:
    """Walk as the first of two lanes."""
    tree = Tree(Task("look", str(volume), ("model",), 2000, 2000))
    try:
        return Lane(tree, recorder, shared, 0, FOREVER).run([Piece("model")])
    finally:
        os.close(tree.root)


def late(volume: Path) -> str:
    """Return the folder that the walk comes to first, once all are listed: the last one that the listing names."""
    return "model/" + list(os.scandir(volume / "model"))[-1].name


def test_one_that_is_idle_late_gets_some_too(volume: Path, flat: list[str], shared: Shared) -> None:
    recorder = Recorder(shared, late(volume), takes=True)
    tally = walked(volume, shared, recorder)
    assert len(recorder.taken) >= GIVEN
    mine = [name.rpartition("/")[0] for name in recorder.names_seen]
    assert sorted([*mine, *recorder.taken]) == sorted(flat), "each folder is walked once"
    assert tally.counts["directories"] == 1 + len(mine)


@pytest.mark.parametrize("idle", ["model", "late"])
def test_what_nobody_takes_is_done_by_who_gave_it(volume: Path, flat: list[str], shared: Shared, idle: str) -> None:
    recorder = Recorder(shared, late(volume) if idle == "late" else idle, takes=False)
    walked(volume, shared, recorder)
    assert sorted(recorder.names_seen) == sorted(f"{folder}/file" for folder in flat)
