# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage that is difficult about owners: real file systems that refuse, ignore, squash or are read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import ANY, refresh
from support.walks import GID, ROOT, UID, make_file, make_folder, need_root, prove, walk

_NO_CHOWN = tuple(word.replace("+chown,", "") for word in ROOT)


@contextmanager
def _mounted(volume: Path, *options: str) -> Iterator[Path]:
    """Mount the folder ``stored`` of the volume by bindfs at ``seen``."""
    need_root("bindfs")
    make_folder(volume / "seen", 0o755, 0, 0)
    subprocess.run(["bindfs", *options, volume / "stored", volume / "seen"], check=True)
    try:
        yield volume / "seen"
    finally:
        subprocess.run(["umount", volume / "seen"], check=True)


def _damage(volume: Path) -> Path:
    make_folder(volume / "stored", 0o755, 0, 0)
    make_folder(volume / "stored" / "model", 0o755, 0, 0)
    return make_file(volume / "stored" / "model" / "weights", 0o600, 0, 0)


def test_chown_that_is_refused(volume: Path) -> None:
    weights = _damage(volume)
    with _mounted(volume, "--chown-deny", "--chgrp-deny") as seen:
        walked = walk("repair", seen, "model", judge=True)
    assert walked.status == 1
    assert (walked.done("changed"), walked.done("refused"), walked.done("errno EPERM")) == (0, 2, 2)
    assert walked.report["new_files_as"] == [0, GID]
    assert walked.report["left"] == {"owner": 2, "group": 2, "mode": 1, "unreadable": 1}
    assert walked.report["volume"]["file_system"].startswith("fuse")
    assert weights.stat().st_uid == 0
    assert list((volume / "stored" / "model").iterdir()) == [weights], "the probe is gone"


def test_readable_needs_no_chown_where_the_group_may_read(volume: Path) -> None:
    weights = _damage(volume)
    weights.chmod(0o640)
    with _mounted(volume, "--chown-deny", "--chgrp-deny") as seen:
        assert walk("repair", seen, "model", ensure="readable", judge=True).status == 0
        assert prove(seen, "model", judge=True).status == 0
    assert weights.stat().st_mode & 0o777 == 0o644


def test_chown_that_is_silently_ignored(volume: Path) -> None:
    weights = _damage(volume)
    with _mounted(volume, "--chown-ignore", "--chgrp-ignore") as seen:
        walked = walk("repair", seen, "model", judge=True)
    assert walked.status == 1
    assert (walked.done("changed"), walked.done("ignored")) == (0, 2)
    assert weights.stat().st_uid == 0


def test_storage_that_makes_every_file_one_users(volume: Path) -> None:
    _damage(volume)
    with _mounted(volume, "--force-user=2000", "--force-group=2000", "--chown-deny", "--chgrp-deny") as seen:
        right = walk("repair", seen, "model", judge=True)
    assert (right.status, right.done("refused")) == (0, 0)
    with _mounted(volume, "--force-user=0", "--force-group=0", "--chown-ignore", "--chgrp-ignore") as seen:
        wrong = walk("repair", seen, "model", judge=True)
    assert (wrong.status, wrong.report["new_files_as"]) == (1, [0, 0])


def test_a_read_only_volume(volume: Path) -> None:
    _damage(volume)
    make_folder(volume / "seen", 0o755, 0, 0)
    subprocess.run(["mount", "--bind", "-o", "ro", volume / "stored", volume / "seen"], check=True)
    try:
        walked = walk("repair", volume / "seen", "model", judge=True)
    finally:
        subprocess.run(["umount", volume / "seen"], check=True)
    assert walked.status == 1
    assert walked.report["volume"]["read_only"] is True
    assert (walked.done("refused"), walked.done("errno EROFS")) == (2, 2)


def test_root_without_the_right_to_give_away(volume: Path) -> None:
    weights = _damage(volume)
    walked = walk("repair", volume / "stored", "model", limits=_NO_CHOWN)
    assert (walked.done("errno EPERM"), weights.stat().st_uid) == (2, 0)


def test_after_many_refusals_nothing_more_is_tried(volume: Path) -> None:
    _damage(volume)
    for number in range(150):
        make_file(volume / "stored" / "model" / str(number), 0o600, 0, 0)
    walked = walk("repair", volume / "stored", "model", limits=_NO_CHOWN, lanes=1)
    assert (walked.done("refused"), walked.done("not_tried")) == (100, 52)
    assert walked.report["left"]["owner"] == 152


def test_a_file_that_root_may_not_read_is_repaired(volume: Path) -> None:
    """The repair opens nothing for reading: a server may refuse that to root, and grant the change."""
    weights = _damage(volume)
    limits = tuple(word.replace(",+dac_override", "") for word in ROOT)
    weights.chmod(0o000)
    walk("repair", volume / "stored", "model", limits=limits)
    assert weights.stat().st_uid == UID


def test_what_a_cache_says_is_asked_anew(volume: Path) -> None:
    """As with a server's files, which another machine may give further names meanwhile."""
    weights = _damage(volume)
    with _mounted(volume, "-o", "attr_timeout=3600") as seen:
        descriptor = os.open(seen / "model" / "weights", ANY)
        try:
            before = os.fstat(descriptor)
            os.link(weights, volume / "outside")
            cached = os.fstat(descriptor)
            assert (cached.st_nlink, cached.st_ctime_ns) == (1, before.st_ctime_ns)
            refresh(descriptor)
            asked = os.fstat(descriptor)
            assert (asked.st_nlink, asked.st_ctime_ns) == (2, weights.stat().st_ctime_ns)
        finally:
            os.close(descriptor)


def test_what_a_cache_no_longer_says_is_noticed(volume: Path) -> None:
    weights = _damage(volume)
    with _mounted(volume, "-o", "attr_timeout=3600,entry_timeout=3600") as seen:
        assert walk("look", seen, "model").found("owner") == 2
        os.link(weights, volume / "outside")
        walked = walk("repair", seen, "model")
    assert (weights.stat().st_uid, walked.found("unsettled")) == (0, 1)
