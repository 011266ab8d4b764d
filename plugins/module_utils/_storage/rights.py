# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What owner, group and mode files should have, and whether an identity may read them. Pure.

Part of the program that runs inside pods (``program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zlib
from dataclasses import dataclass
from typing import Any

LOOK, REPAIR, PROVE = "look", "repair", "prove"
# Questions about manifests alone, whose answer is the exit status: whether the files are those of it, whether it was
# written since they are not, and whether files that it has were changed or removed.
COMPARE, REMEMBER, DIFFER = "compare", "remember", "differ"
ABOUT_MANIFESTS = (COMPARE, REMEMBER, DIFFER)
OWNED, READABLE = "owned", "readable"
# What is remembered of files, beside them: nothing, how large they are, or also a hash of what is in them.
NO_MANIFEST, SIZES, HASHES = "none", "sizes", "hashes"
# Where it is remembered, at the top of each given folder. Names that begin so are no part of a model.
MANIFEST_NAME = ".gpuops-manifest.json"

_BITS = {"u": 0o700, "g": 0o070, "o": 0o007, "a": 0o777}
_RIGHTS = {"r": 0o444, "w": 0o222, "x": 0o111}
_SPECIAL = {"u": 0o4000, "g": 0o2000, "o": 0, "a": 0o6000}
_CLAUSE = re.compile(r"([ugoa]+)([-+=])([rwxXs]*)")


@dataclass(frozen=True)
class Task:
    """What is asked for. ``paths`` lie below ``base``, the place of the volume; ``groups`` are all groups of the
    serving identity; ``seconds`` is the time after which it stops by itself; ``judge`` makes the exit status the
    answer, ``report`` is a file that takes the report too; ``manifest`` is what is remembered of files. ``most``: after
    so many changes it stops (0: never), since the tree is for several, of which each sees to one of ``shares``.
    """

    mode: str
    base: str
    paths: tuple[str, ...]
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    ensure: str = OWNED
    file_mode: str = "u+rwX,g+rX,o-w"
    directory_mode: str = "u+rwX,g+rX,o-w"
    take_over_from: tuple[int, ...] = ()
    seconds: float = 3600.0
    lanes: int = 0
    judge: bool = False
    report: str = ""
    manifest: str = NO_MANIFEST
    most: int = 0
    shares: int = 1
    share: int = 0

    @classmethod
    def read(cls, text: str) -> Task:
        """Return the task of a JSON text. Raises ``ValueError`` for what cannot be carried out."""
        loaded: dict[str, Any] = json.loads(text)
        given: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in loaded.items()}
        task = cls(**given)
        task.check()
        return task

    def check(self) -> None:
        """Raise ``ValueError`` for what cannot be carried out."""
        if self.mode not in (LOOK, REPAIR, PROVE, *ABOUT_MANIFESTS) or self.ensure not in (OWNED, READABLE):
            raise ValueError(f"unknown mode {self.mode!r} or ensure {self.ensure!r}")
        if self.manifest not in (NO_MANIFEST, SIZES, HASHES):
            raise ValueError(f"unknown manifest {self.manifest!r}")
        if not 0 <= self.share < self.shares:
            raise ValueError(f"there is no share {self.share} of {self.shares}")
        for path in self.paths:
            if path and {".", "..", ""} & set(path.split("/")):
                raise ValueError(f"the path {path!r} is not a plain path below the volume")
        for mode in (self.file_mode, self.directory_mode):
            changed_mode(mode, 0, False)


def is_in_share(path: str, task: Task) -> bool:
    """Say whether a path is in this share of the tree: its text alone says in which one, so that all agree."""
    return task.shares == 1 or zlib.crc32(os.fsencode(path)) % task.shares == task.share


def changed_mode(wanted: str, mode: int, directory: bool) -> int:
    """Return the permission bits that ``wanted`` (``u=rwX,g=rX`` or ``0640``) makes of those of ``mode``.

    A directory keeps its set-group-ID bit unless it is asked for. Raises ``ValueError`` for what is no mode.
    """
    bits = mode & 0o7777
    if re.fullmatch("[0-7]{3,4}", wanted):
        return int(wanted, 8) | (bits & 0o7000 if directory else 0)
    for clause in wanted.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise ValueError(f"{wanted!r} is no mode: write it like u=rwX,g=rX or 0640")
        who, sign, rights = found.groups()
        scope = special = value = 0
        for letter in who:
            scope |= _BITS[letter]
            special |= _SPECIAL[letter]
        for right in rights.replace("X", "x" if directory or bits & 0o111 else ""):
            value |= special if right == "s" else _RIGHTS[right] & scope
        if sign == "=":
            bits = bits & ~(scope if directory else scope | special) | value
        else:
            bits = bits | value if sign == "+" else bits & ~value
    return bits


def may(need: int, status: tuple[int, int, int], task: Task) -> bool:
    """Say whether the serving identity has the rights ``need`` (a digit as in modes) to something, by its mode."""
    mode, owner, group = status
    if owner == task.uid:
        return mode >> 6 & need == need
    shift = 3 if group == task.gid or group in task.groups else 0
    return mode >> shift & need == need


def may_read(status: tuple[int, int, int], task: Task) -> bool:
    """Say whether the serving identity may read a file, or list and enter a directory, by its mode."""
    return may(0o5 if stat.S_ISDIR(status[0]) else 0o4, status, task)


def is_foreign(owner: int, task: Task) -> bool:
    """Say whether a file is another ordinary user's, which is not taken without being asked for."""
    return owner not in (0, task.uid) and owner not in task.take_over_from


def mended(status: tuple[int, int, int], task: Task) -> tuple[int, int, int]:
    """Return what mode, owner and group should be. To make something readable, nobody loses a right: the first of the
    owner's bit, the group's, the serving group where the present one has no right, and everybody's."""
    mode, owner, group = status
    directory = stat.S_ISDIR(mode)
    if is_foreign(owner, task):
        return status
    if task.ensure == OWNED:
        wanted = task.directory_mode if directory else task.file_mode
        bits = stat.S_IMODE(mode) if stat.S_ISLNK(mode) else changed_mode(wanted, mode, directory)
        return stat.S_IFMT(mode) | bits, task.uid, task.gid
    if stat.S_ISLNK(mode) or may_read(status, task):
        return status
    need = 0o5 if directory else 0o4
    if owner == task.uid:
        return mode | need << 6, owner, group
    if group == task.gid or group in task.groups:
        return mode | need << 3, owner, group
    return (mode | need, owner, group) if mode & 0o070 else (mode | need << 3, owner, task.gid)


def faults_of(status: tuple[int, int, int], task: Task) -> tuple[str, ...]:
    """Return what is wrong with an entry, in the words of the report."""
    mode, owner = status[:2]
    wanted = mended(status, task)
    names = ("mode", "owner", "group")
    faults = [name for position, name in enumerate(names) if status[position] != wanted[position]]
    if is_foreign(owner, task):
        faults.append("foreign")
    if not stat.S_ISLNK(mode) and not may_read(status, task):
        faults.append("unsearchable" if stat.S_ISDIR(mode) else "unreadable")
    return tuple(faults)
