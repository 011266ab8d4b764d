# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A volume whose names are never followed through a link, and what is counted in it.

Part of the program that runs inside pods (``program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import REMEMBER, REPAIR, Task

# Memory stays flat: of files with several names so many names are kept.
HARD_LINK_NAMES = 100000
EXAMPLES, EXAMPLE_LENGTH = 5, 160
IDENTITIES = 20
# Links that one name may lead through, as in Linux.
LINKS = 40
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opens nothing for reading, so that it does nothing to a device: enough to see what it is, and to change it.
ANY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# The folder in which a process finds what it has open, by number: each leads there, whatever its name leads to now.
OPENED = "/proc/self/fd"
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def _refresher() -> Callable[[int], None]:
    """Return what has the attributes of something open asked for anew, where a network file system has them in a cache:
    what is asked of it next is then what its server says. Of a folder this also forgets names that are outdated. Where
    C has no such call, the image no ctypes, or the runtime forbids it, nothing. Raises ``OSError``."""
    empty_path, force_sync, basic, size = 0x1000, 0x2000, 0x7FF, 256
    try:
        import ctypes

        call: Any = ctypes.CDLL(None, use_errno=True).statx
        answer = ctypes.create_string_buffer(size)
    except (ImportError, AttributeError, OSError, MemoryError):
        return lambda descriptor: None

    def ask(descriptor: int) -> None:
        if call(descriptor, b"", empty_path | force_sync, basic, answer):
            number = ctypes.get_errno()
            if number not in (errno.ENOSYS, errno.EPERM):
                raise OSError(number, os.strerror(number))

    return ask


refresh = _refresher()


def shown(path: str) -> str:
    """Return a path as text that anything can print, also one that no file can have: a manifest may say anything."""
    try:
        text = os.fsencode(path)
    except UnicodeEncodeError:
        text = path.encode("utf-8", "backslashreplace")
    return text.decode("utf-8", "backslashreplace")[:EXAMPLE_LENGTH]


def judged(status: os.stat_result) -> tuple[int, int, int]:
    """Return of an entry what is judged: its mode with its type, owner and group."""
    return status.st_mode, status.st_uid, status.st_gid


@dataclass
class Tally:
    """What one thread has seen and done, then what all have."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    # Of a file with several names: how many it has, its time of change (ns) and those that were seen.
    hard_links: dict[str, tuple[int, int, list[str]]] = field(default_factory=dict)
    hard_link_names: int = 0

    def add(self, what: str, *paths: str, number: int = 1) -> None:
        """Count something, with where (some of it) was seen."""
        self.counts[what] = self.counts.get(what, 0) + number
        for path in paths:
            if path and len(self.examples.setdefault(what, [])) < EXAMPLES:
                self.examples[what].append(shown(path))

    def add_identity(self, what: str, identity: int, number: int = 1) -> None:
        """Count a user whose files are not taken, or a group that could read; some of them where there are many."""
        name = f"{what} {identity}"
        if name in self.counts or sum(known.startswith(what + " ") for known in self.counts) < IDENTITIES:
            self.add(name, number=number)

    def error(self, what: str, error: OSError, path: str) -> None:
        """Count something that failed. What is gone meanwhile has not failed."""
        if error.errno in (errno.ENOENT, errno.ESTALE):
            self.add("vanished")
            return
        self.add(what, path)
        self.add(f"errno {errno.errorcode.get(error.errno or 0, str(error.errno))}")

    def hard_link(self, status: os.stat_result, path: str) -> None:
        """Remember one name of a file that has several."""
        self.hard_link_names += 1
        if self.hard_link_names > HARD_LINK_NAMES:
            self.add("leaving_hard_links", path)
            return
        seen = self.hard_links.setdefault(f"{status.st_dev}:{status.st_ino}", (status.st_nlink, status.st_ctime_ns, []))
        seen[2].append(path)

    def merge(self, other: Tally) -> None:
        """Take in what another has seen."""
        for what, number in other.counts.items():
            kind, _space, identity = what.partition(" ")
            if kind in ("owner", "group") and identity:
                self.add_identity(kind, int(identity), number)
            else:
                self.add(what, number=number)
        for what, examples in other.examples.items():
            self.examples[what] = (self.examples.get(what, []) + examples)[:EXAMPLES]
        for file, (links, changed, names) in other.hard_links.items():
            self.hard_links.setdefault(file, (links, changed, []))[2].extend(names)


class LinkLeaves(Exception):
    """A link leads out of the volume. The text says which one, and where it leads."""


class Tree:
    """The volume, in which everything is opened from its root, name by name, and never through a link.

    Only a given path may lead through links, and only where nothing is changed: ``task`` has the paths where those end.
    ``followed`` says of each such path where it led, ``left`` the same of those that are left out, since whoever may
    set a link would choose what root changes. ``not_followed`` says which link leads out of the volume.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.root = os.open(task.base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.device = os.fstat(self.root).st_dev
        self.followed: list[str] = []
        self.left: list[str] = []
        self.not_followed: list[str] = []
        self.task = replace(task, paths=self._real_paths())

    def _real_paths(self) -> tuple[str, ...]:
        """Return the given paths without links, each once and none below another. What is opened later is opened as
        safely as ever: that somebody changes a link meanwhile leads nowhere else."""
        real = set()
        for path in self.task.paths:
            try:
                end = self._follow([], path)
                if path and not end:
                    raise LinkLeaves(f"{path} -> the root of the volume")
            except LinkLeaves as leaves:
                self.not_followed.append(str(leaves))
                continue
            except OSError:
                # Whoever opens it says why.
                end = path
            if end != path and self.task.mode in (REPAIR, REMEMBER):
                self.left.append(f"{path} -> {end}")
                continue
            if end != path:
                self.followed.append(f"{path} -> {end}")
            real.add(end)
        return tuple(path for path in sorted(real) if not any(_is_below(path, other) for other in real))

    def open(self, path: str, flags: int = DIRECTORY) -> int:
        """Open what lies at a path below the volume's root and return its descriptor."""
        parts = path.split("/") if path else ["."]
        descriptor = os.open(".", ANY | os.O_DIRECTORY, dir_fd=self.root)
        for position, part in enumerate(parts):
            above = descriptor
            try:
                descriptor = os.open(part, flags if position == len(parts) - 1 else ANY | os.O_DIRECTORY, dir_fd=above)
            finally:
                os.close(above)
        return descriptor

    def where(self, path: str, target: str) -> str:
        """Say where a link leads: ``inside`` the given paths, out of them (``leaving_links``), or nowhere
        (``dangling_links``). An absolute target counts as the volume's own where it begins with ``base``."""
        try:
            end = self._follow(path.split("/")[:-1], target)
        except LinkLeaves:
            return "leaving_links"
        except OSError:
            return "dangling_links"
        inside = any(end == given or _is_below(end, given) for given in self.task.paths)
        return "inside" if inside else "leaving_links"

    def _follow(self, there: list[str], target: str) -> str:
        """Return where something leads from a folder of the volume, as a path without links. Raises ``LinkLeaves``, and
        ``OSError`` where it leads nowhere."""
        base = self.task.base.rstrip("/") + "/"
        links, link = 0, target
        waiting: list[str] = []
        while target:
            links += 1
            if links > LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), link)
            if target.startswith("/"):
                if not target.startswith(base):
                    raise LinkLeaves(f"{link} -> {target}")
                there, target = [], target[len(base) :]
            waiting.extend(reversed(target.split("/")))
            target = ""
            while waiting and not target:
                part = waiting.pop()
                if part == ".." and not there:
                    raise LinkLeaves(f"{link} -> out of the volume")
                if part in ("", ".", ".."):
                    there = there[: len(there) - (part == "..")]
                    continue
                place = "/".join([*there, part])
                if stat.S_ISLNK(os.stat(place, dir_fd=self.root, follow_symlinks=False).st_mode):
                    target, link = os.readlink(place, dir_fd=self.root), place
                else:
                    there = [*there, part]
        return "/".join(there)


def _is_below(path: str, other: str) -> bool:
    return path != other and (not other or path.startswith(f"{other}/"))
