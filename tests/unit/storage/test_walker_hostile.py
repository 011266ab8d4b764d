# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree whose owner races with the walker: nothing outside of it is ever changed."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage import visitors
from ansible_collections.gpuops.inference.plugins.module_utils._storage.lanes import Holder, Names
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import Task
from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import DIRECTORY, Tally, Tree
from ansible_collections.gpuops.inference.plugins.module_utils._storage.visitors import Looker, settling_seconds
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
    os.mknod(model / "device", 0o020600, os.makedev(1, 3))
    os.mkfifo(model / "pipe", 0o600)
    repaired = 0
    with _racing(_SWAP_DEVICE, model, volume):
        for run in range(RUNS):
            make_file(model / str(run), 0o600, 0, 0)
            repaired += walk("repair", volume, "model").done("changed")
    assert repaired >= RUNS
    kinds = [(mode >> 12, owner) for mode, owner, *_rest in state(model).values()]
    assert {owner for kind, owner in kinds if kind in (0o01, 0o02)} == {0}


def test_a_tree_that_is_moved_away_is_no_failure(volume: Path) -> None:
    make_file(volume / "model" / "weights", 0o600, 0, 0)
    with _racing(_MOVE_TOP, volume / "model", volume):
        for _run in range(RUNS):
            assert walk("repair", volume, "model").status == 0


class Taker:
    """A user who puts a file of somebody else's into the own tree, by a further name, and takes the name away again in
    the moment that suits: what a race would have to hit by chance."""

    def __init__(self, volume: Path) -> None:
        self.secret = make_file(volume / "secret", 0o600, 0, 0)
        self.tree = make_folder(volume / "model", 0o750)
        self.name = make_file(self.tree / "a", 0o600, 0, 0)
        self.looker = Looker(Tree(Task("repair", str(volume), ("model",), UID, UID)))
        self.tally = Tally()

    def put(self) -> None:
        """Let the name lead to the secret."""
        self.name.unlink(missing_ok=True)
        os.link(self.secret, self.name)

    def names(self) -> Names:
        """Return the tree's one name, as the walk hands it out."""
        return Names("model/", ["a"], True, Holder(os.open(self.tree, DIRECTORY)))

    def let_the_clock_move(self) -> None:
        """Wait until changes get another time than the secret's last one."""
        clock = self.secret.parent / "clock"
        while not clock.exists() or clock.stat().st_ctime_ns <= self.secret.stat().st_ctime_ns:
            clock.touch()

    def assert_nothing_was_taken(self) -> None:
        """Fail where root has changed the secret."""
        status = self.secret.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, 0, 0o600)


@pytest.fixture
def taker(volume: Path) -> Taker:
    """A taker on an empty volume."""
    return Taker(volume)


@contextmanager
def _before_each(call: str, action: Callable[[], object]) -> Iterator[None]:
    """Do something right before every call of a function of ``os``."""
    real = getattr(os, call)

    def late(*arguments: Any, **options: Any) -> Any:
        action()
        return real(*arguments, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, call, late)
        yield


def test_another_file_than_the_one_that_was_looked_at(taker: Taker) -> None:
    again = taker.looker.names(taker.names(), taker.tally)
    assert again is not None, "it is not changed before it has settled"
    taker.put()
    with _before_each("fstat", taker.name.unlink):
        assert taker.looker.names(again, taker.tally) is None
    taker.assert_nothing_was_taken()
    assert taker.tally.counts["unsettled"] == taker.tally.counts["left owner"] == 1


def test_a_name_that_is_gone_when_names_are_counted(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    taker.put()
    real = os.stat

    def counted_late(path: str, **options: Any) -> os.stat_result:
        taker.name.unlink()
        return real(taker.secret)

    with monkeypatch.context() as looking:
        looking.setattr(os, "stat", counted_late)
        again = taker.looker.names(taker.names(), taker.tally)
    assert again is not None
    taker.let_the_clock_move()
    taker.put()
    with _before_each("fstat", taker.name.unlink):
        taker.looker.names(again, taker.tally)
    taker.assert_nothing_was_taken()
    assert taker.tally.counts["unsettled"] == 1


def test_one_name_that_moves_is_not_two(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    taker.put()
    for path in ("model/a", "model/b"):
        taker.tally.hard_link(taker.secret.stat(), path)
    other = taker.tree / "b"
    real = os.stat

    def moved_there(path: Any, **options: Any) -> os.stat_result:
        for one, two in ((taker.name, other), (other, taker.name)):
            if path == two.name and one.exists():
                one.rename(two)
        return real(path, **options)

    monkeypatch.setattr(os, "stat", moved_there)
    taker.looker.settle_hard_links(taker.tally, math.inf)
    taker.assert_nothing_was_taken()
    assert taker.tally.counts["unsettled"] == 1


def test_a_folder_that_moves_makes_no_second_name(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    """That leaves the time of change of the file in it as it is."""
    folder, other = make_folder(taker.tree / "d"), taker.tree / "e"
    os.link(taker.secret, folder / "s")
    for path in ("model/d/s", "model/e/s"):
        taker.tally.hard_link(taker.secret.stat(), path)
    real = Tree.open

    def moved_there(tree: Tree, path: str, flags: int = DIRECTORY) -> int:
        for one, two in ((folder, other), (other, folder)):
            if path.startswith(f"model/{two.name}") and one.exists():
                one.rename(two)
        return real(tree, path, flags)

    monkeypatch.setattr(Tree, "open", moved_there)
    taker.looker.settle_hard_links(taker.tally, math.inf)
    taker.assert_nothing_was_taken()
    assert taker.tally.counts["leaving_hard_links"] == 1


def test_what_is_written_meanwhile_is_changed_by_a_later_pass(taker: Taker) -> None:
    again = taker.looker.names(taker.names(), taker.tally)
    assert again is not None
    taker.let_the_clock_move()
    taker.name.write_text("more")
    taker.looker.names(again, taker.tally)
    assert (taker.tally.counts["unsettled"], taker.name.stat().st_uid) == (1, 0)
    assert walk("repair", taker.tree.parent, "model", judge=True).status == 0
    assert taker.name.stat().st_uid == UID


def test_what_changed_long_ago_is_changed_at_once(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    assert taker.looker.names(taker.names(), taker.tally) is None
    assert taker.name.stat().st_uid == UID


def test_names_that_a_cache_had_are_looked_up_anew(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a network file system a name may be one of a cache, until its folder was asked for anew."""
    asked: list[int] = []
    real = os.open

    def cached(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        return real(taker.secret if path == "a" and not asked else path, flags, *arguments, **options)

    monkeypatch.setattr(visitors, "refresh", asked.append)
    names = taker.names()
    again = taker.looker.names(names, taker.tally)
    assert again is not None and asked == []
    with monkeypatch.context() as opening:
        opening.setattr(os, "open", cached)
        taker.looker.names(again, taker.tally)
    assert asked[0] == names.holder.descriptor, "the folder comes before its names"
    assert taker.name.stat().st_uid == UID


@pytest.mark.parametrize("folder", [True, False], ids=["of the folder", "of the file"])
def test_a_server_that_does_not_answer_leaves_it_as_it_is(
    taker: Taker, monkeypatch: pytest.MonkeyPatch, folder: bool
) -> None:
    again = taker.looker.names(taker.names(), taker.tally)
    assert again is not None

    def away(descriptor: int) -> None:
        if (descriptor == again.holder.descriptor) == folder:
            raise OSError(errno.EIO, "no answer")

    monkeypatch.setattr(visitors, "refresh", away)
    taker.looker.names(again, taker.tally)
    assert (taker.tally.counts["unseen"], taker.name.stat().st_uid) == (1, 0)


@pytest.mark.parametrize(("one", "other"), [("s", "S"), ("\u00e9", "e\u0301")])
def test_two_spellings_of_a_name_are_one(taker: Taker, one: str, other: str) -> None:
    """Some folders take them so, and list whichever was given last."""
    for name in (one, other):
        os.link(taker.name, taker.tree / name)
    taker.name.unlink()
    assert walk("repair", taker.tree.parent, "model").found("leaving_hard_links") == 1
    assert (taker.tree / one).stat().st_uid == 0


def test_one_file_with_all_its_names_in_folders_is_changed(taker: Taker) -> None:
    for folder in ("d", "e"):
        os.link(taker.name, make_folder(taker.tree / folder) / "a")
    walked = walk("repair", taker.tree.parent, "model", judge=True)
    assert (walked.status, walked.done("changed"), taker.name.stat().st_uid) == (0, 1, UID)


@pytest.mark.parametrize(
    ("seconds_ago", "settles"),
    [([], 0.0), ([3600.5], 0.0), ([3600.5, 1.25], 0.05), ([-30.5], 0.05), ([1.25, 2], 2.1)],
    ids=["nothing", "long ago", "just now", "a server's clock is ahead", "whole seconds"],
)
def test_how_long_times_of_change_settle(
    seconds_ago: list[float], settles: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000
    monkeypatch.setattr(time, "time", lambda: float(now))
    assert settling_seconds([now * 10**9 - int(ago * 10**9) for ago in seconds_ago]) == settles
