# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about real files, asked and answered as the real users: the exit status is the answer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage import questions
from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import OwnershipSpec
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import MANIFEST_NAME
from support.needs import missing
from support.walks import ROOT, SERVING, UID, make_file, make_folder, state

YES, NO = 0, 1
TOOLS = ("cat", "chmod", "chown", "expr", "find", "grep", "sh")


@pytest.fixture(params=["python", "tools", "busybox"])
def path(request: pytest.FixtureRequest, volume: Path) -> str:
    """The PATH of an image: with a Python that every user may start, or without any."""
    folder = make_folder(volume / "bin", 0o755, 0, 0)
    if request.param == "python":
        system = shutil.which("python3", path="/usr/bin:/bin")
        if system is None:
            missing("a python3 in /usr/bin, for users other than root: apt-get install python3")
        return "/usr/bin:/bin"
    for name in TOOLS:
        found = shutil.which("busybox" if request.param == "busybox" else name)
        if found is None:
            missing("busybox: apt-get install busybox")
        (folder / name).symlink_to(found)
    return str(folder)


def ask(command: Sequence[str], path: str, limits: Sequence[str]) -> int:
    done = subprocess.run(
        ["/usr/bin/setpriv", *limits, *command], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    return done.returncode


def spec(volume: Path, **options: Any) -> OwnershipSpec:
    return replace(OwnershipSpec("claim", str(volume), ("model",), UID, UID), **options)


def is_as_wanted(volume: Path, path: str, **options: Any) -> int:
    return ask(questions.is_as_wanted(spec(volume, **options), 60.0), path, SERVING)


def repair(volume: Path, path: str, **options: Any) -> int:
    return ask(questions.repaired(spec(volume, **options), 60.0), path, ROOT)


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "owner"),
    [(0o600, 0o755, 0), (0o644, 0o755, 0), (0o640, 0o700, 0), (0o600, 0o700, 0)],
)
def test_no_then_repaired_then_yes(volume: Path, path: str, file_mode: int, folder_mode: int, owner: int) -> None:
    model = make_folder(volume / "model", folder_mode, owner, owner)
    make_file(model / "weights 'quoted'\n", file_mode, owner, owner)
    make_file(make_folder(model / "sub", folder_mode, owner, owner) / "more", file_mode, owner, owner)
    assert is_as_wanted(volume, path) == NO
    assert repair(volume, path) == YES
    before = state(model)
    assert (is_as_wanted(volume, path), repair(volume, path), state(model)) == (YES, YES, before)


def test_asking_changes_nothing(volume: Path, path: str) -> None:
    model = make_folder(volume / "model", 0o700, 0, 0)
    make_file(model / "weights", 0o600, 0, 0)
    before = state(model)
    assert (is_as_wanted(volume, path), state(model)) == (NO, before)


def test_readable_is_enough_where_that_is_wanted(volume: Path, path: str) -> None:
    model = make_folder(volume / "model", 0o755, 0, 0)
    weights = make_file(model / "weights", 0o644, 0, 0)
    assert is_as_wanted(volume, path, ensure="readable") == YES
    weights.chmod(0o600)
    assert is_as_wanted(volume, path, ensure="readable") == NO


def test_what_others_keep_for_themselves_is_no(volume: Path, path: str) -> None:
    model = make_folder(volume / "model")
    make_file(model / "theirs", 0o600, 1000, 1000)
    assert is_as_wanted(volume, path) == NO
    repair(volume, path)
    assert is_as_wanted(volume, path) == NO
    assert (model / "theirs").stat().st_uid == 1000


def test_a_path_that_is_not_there_is_no_and_told_apart(volume: Path, path: str) -> None:
    make_folder(volume / "model", 0o700, 0, 0)
    os.symlink("model", volume / "link")
    os.symlink("/etc", volume / "out")
    both = spec(volume, paths=("model", "gone"))
    assert ask(questions.is_as_wanted(both, 60.0), path, SERVING) == NO
    answers = [
        ask(questions.are_there(spec(volume, paths=paths)), path, ROOT)
        for paths in (("model",), ("",), ("model", "gone"), ("link",), ("model/.",), ("out",), ("out/passwd",))
    ]
    assert answers == [YES, YES, NO, YES, YES, NO, NO]


def same(volume: Path, path: str, **options: Any) -> int:
    wanted = spec(volume, **{"manifest": "sizes", **options})
    return ask(questions.is_as_wanted(wanted, 60.0, with_manifest=True), path, SERVING)


def write(volume: Path, path: str, **options: Any) -> int:
    return ask(questions.is_written(spec(volume, **{"manifest": "sizes", **options}), 60.0), path, ROOT)


def another(volume: Path, path: str, **options: Any) -> int:
    return ask(questions.is_another(spec(volume, **{"manifest": "sizes", **options}), 60.0), path, SERVING)


@pytest.fixture
def model(volume: Path) -> Path:
    folder = make_folder(volume / "model")
    make_file(folder / "weights 'quoted'\n")
    make_file(folder / "config.json")
    return folder


@pytest.mark.parametrize("path", ["python"], indirect=True)
@pytest.mark.parametrize("ensure", ["owned", "readable"])
@pytest.mark.parametrize("wanted", ["sizes", "hashes"])
def test_a_manifest_is_written_once_and_then_the_same(
    volume: Path, path: str, model: Path, ensure: str, wanted: str
) -> None:
    options = {"ensure": ensure, "manifest": wanted}
    before = state(model)
    assert (same(volume, path, **options), another(volume, path, **options), state(model)) == (NO, NO, before)
    assert (write(volume, path, **options), same(volume, path, **options)) == (YES, YES)
    status = (model / MANIFEST_NAME).stat()
    assert (status.st_uid, status.st_mode & 0o777) == (UID, 0o640)
    before = state(model)
    assert (write(volume, path, **options), another(volume, path, **options), state(model)) == (NO, NO, before)


@pytest.mark.parametrize("path", ["python"], indirect=True)
def test_files_that_were_changed_or_removed_are_told_and_added_ones_are_not_the_same(
    volume: Path, path: str, model: Path
) -> None:
    assert write(volume, path) == YES
    make_file(model / "more")
    assert (same(volume, path), another(volume, path)) == (NO, NO)
    (model / "config.json").write_text("another size", encoding="utf-8")
    assert (same(volume, path), another(volume, path)) == (NO, YES)
    assert (write(volume, path), same(volume, path)) == (YES, YES)
    (model / "config.json").unlink()
    assert (same(volume, path), another(volume, path)) == (NO, YES)


@pytest.mark.parametrize("path", ["python"], indirect=True)
def test_a_repair_writes_the_manifest_too(volume: Path, path: str, model: Path) -> None:
    (model / "config.json").chmod(0o600)
    assert (repair(volume, path, manifest="sizes"), same(volume, path)) == (YES, YES)


@pytest.mark.parametrize("path", ["python"], indirect=True)
def test_files_that_are_wrong_are_no_whatever_the_manifest_says(volume: Path, path: str, model: Path) -> None:
    assert write(volume, path) == YES
    (model / "config.json").chmod(0o600)
    assert (same(volume, path), write(volume, path)) == (NO, NO)


@pytest.mark.parametrize("path", ["tools", "busybox"], indirect=True)
def test_without_python_nothing_is_known_of_a_manifest(volume: Path, path: str, model: Path) -> None:
    before = state(model)
    assert is_as_wanted(volume, path) == YES
    assert (same(volume, path), write(volume, path), another(volume, path), state(model)) == (2, 2, 2, before)


@pytest.mark.parametrize("path", ["python"], indirect=True)
def test_a_single_file_has_no_manifest(volume: Path, path: str, model: Path) -> None:
    before = state(model)
    options = {"paths": ("model/config.json",)}
    assert (same(volume, path, **options), write(volume, path, **options), state(model)) == (NO, NO, before)
