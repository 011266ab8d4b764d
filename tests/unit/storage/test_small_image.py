# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell script for images without Python, run by a real shell on real files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import OwnershipSpec, command_of
from support.needs import missing
from support.walks import ROOT, SERVING, UID, make_file, make_folder, state

TOOLS = ("cat", "chmod", "chown", "expr", "find", "grep", "setpriv", "sh")


@pytest.fixture(params=["tools", "busybox"])
def path(request: pytest.FixtureRequest, volume: Path) -> str:
    """A PATH without Python: the tools of this machine, or those of busybox."""
    folder = volume / "bin"
    folder.mkdir(mode=0o755)
    for name in TOOLS:
        found = shutil.which("busybox" if request.param == "busybox" and name != "setpriv" else name)
        if found is None:
            missing("busybox: apt-get install busybox")
        (folder / name).symlink_to(found)
    return str(folder)


def run(mode: str, volume: Path, path: str, *paths: str, **options: Any) -> tuple[int, dict[str, Any], str]:
    spec = OwnershipSpec("claim", str(volume), paths, UID, UID)
    task = replace(spec, **options).task(mode, 60.0, "")
    limits = SERVING if mode == "prove" else ROOT
    words = ["setpriv", *limits, *command_of(task)]
    words[words.index("/bin/sh")] = f"{path}/sh"
    done = subprocess.run(words, env={"PATH": path}, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def damage(volume: Path) -> Path:
    model = make_folder(volume / "model", 0o700, 0, 0)
    make_file(model / "weights", 0o600, 0, 0)
    make_file(model / "new\nline 'quote", 0o600, 0, 0)
    make_folder(model / "sub", 0o700, 0, 0)
    make_file(model / "sub" / "right")
    make_file(model / "theirs", 0o640, 1000, 1000)
    return model


def test_it_looks_and_changes_nothing(volume: Path, path: str) -> None:
    damage(volume)
    before = state(volume / "model")
    status, report, errors = run("look", volume, path, "model")
    assert (status, errors) == (0, "")
    assert report["found"] | {"missing": 0} == report["found"]
    assert {what: report["found"][what] for what in ("files", "directories", "owner", "foreign")} == {
        "files": 4,
        "directories": 2,
        "owner": 4,
        "foreign": 1,
    }
    assert report["reduced"] is True
    assert state(volume / "model") == before


def test_it_repairs_and_then_changes_nothing(volume: Path, path: str) -> None:
    model = damage(volume)
    outside = make_file(volume / "outside", 0o600, 0, 0)
    (model / "link").symlink_to("../outside")
    os.link(outside, model / "shared")
    status, report, errors = run("repair", volume, path, "model")
    assert (status, errors) == (0, "")
    assert report["done"]["changed"] > 0
    assert ((model / "link").lstat().st_uid, (model / "link").lstat().st_gid) == (UID, UID)
    assert report["left"]["owner"] == 1, "the shared file is left, and no link"
    for name in (".", "weights", "new\nline 'quote", "sub"):
        assert (model / name).stat().st_uid == UID
    assert (model / "theirs").stat().st_uid == 1000
    assert (outside.stat().st_uid, outside.stat().st_mode & 0o777) == (0, 0o600)
    before = state(volume / "model")
    assert run("repair", volume, path, "model")[1]["done"] == {"changed": 0}
    assert state(volume / "model") == before


def test_it_says_what_the_serving_user_cannot_read(volume: Path, path: str) -> None:
    model = make_folder(volume / "model")
    make_file(model / "weights", 0o600, 0, 0)
    make_folder(model / "closed", 0o700, 0, 0)
    status, report, errors = run("prove", volume, path, "model")
    assert status == 0, errors
    assert (report["found"]["unreadable"], report["found"]["unlisted"]) == (1, 1)


def test_what_is_missing_is_told(volume: Path, path: str) -> None:
    (volume / "link").symlink_to("bin")
    assert run("look", volume, path, "gone", "link")[1]["found"]["missing"] == 2


def test_what_it_cannot_do_is_refused(volume: Path, path: str) -> None:
    damage(volume)
    before = state(volume / "model")
    status, report, errors = run("repair", volume, path, "model", file_mode="0600")
    assert (status, report) == (2, {})
    assert "the image has no python3" in errors
    assert state(volume / "model") == before


def test_a_damaged_tree_is_no_reason_to_leave_it(volume: Path, path: str) -> None:
    model = damage(volume)
    shutil.rmtree(model / "sub")
    (model / "sub").symlink_to("/etc")
    before = os.stat("/etc").st_ctime_ns
    run("repair", volume, path, "model")
    assert os.stat("/etc").st_ctime_ns == before


@pytest.mark.parametrize("mode", ["look", "repair", "prove"])
def test_a_name_that_looks_like_an_option_is_a_name(volume: Path, path: str, mode: str) -> None:
    damage(volume)
    make_file(make_folder(volume / "-delete") / "kept")
    before = sorted(volume.rglob("*"))
    status, report, errors = run(mode, volume, path, "-delete", "-gone")
    assert (status, errors, sorted(volume.rglob("*"))) == (0, "", before)
    assert (report["found"]["files"], report["found"]["missing"]) == (1, 1)


def test_the_whole_volume_is_repaired(volume: Path, path: str) -> None:
    model = damage(volume)
    status, report, errors = run("repair", volume, path, "")
    assert (status, errors, report["left"]["owner"]) == (0, "", 0)
    for place in (volume, model, model / "weights", model / "sub", model / "sub" / "right"):
        assert (place.stat().st_uid, place.stat().st_gid) == (UID, UID), place
    assert (model / "theirs").stat().st_uid == 1000


@pytest.mark.parametrize("name", ["model/weights", "weights"])
def test_a_single_file_is_repaired_and_nothing_beside_it(volume: Path, path: str, name: str) -> None:
    damage(volume)
    make_file(volume / "weights", 0o600, 0, 0)
    beside = state(volume / "model" / "sub")
    status, report, errors = run("repair", volume, path, name)
    assert (status, errors, report["left"]) == (0, "", {"owner": 0, "group": 0, "mode": 0})
    assert ((volume / name).stat().st_uid, (volume / name).stat().st_mode & 0o777) == (UID, 0o640)
    other = {"model/weights": "weights", "weights": "model/weights"}[name]
    assert ((volume / other).stat().st_uid, volume.stat().st_uid) == (0, 0)
    assert state(volume / "model" / "sub") == beside


def test_a_single_file_behind_a_link_is_left(volume: Path, path: str) -> None:
    damage(volume)
    (volume / "link").symlink_to("model")
    before = state(volume / "model")
    run("repair", volume, path, "link/weights")
    assert state(volume / "model") == before
