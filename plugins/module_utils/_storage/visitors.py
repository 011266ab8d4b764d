# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is done with the names of a tree: looked at and repaired, or read as the serving identity.

Part of the program that runs inside pods (``program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import contextlib
import os
import stat

from ansible_collections.gpuops.inference.plugins.module_utils._storage.lanes import Names
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import REPAIR, faults_of, mended
from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import ANY, FILE, Tally, Tree, judged

# After so many refusals and no success nothing more is tried.
REFUSALS = 100
_VERDICTS = 10000


class Looker:
    """Counts what is wrong, and in mode ``repair`` changes it: only what is open, and only if it is what was seen."""

    plain_apart = False

    def __init__(self, tree: Tree) -> None:
        self.changed = 0
        self._tree, self._task = tree, tree.task
        self._refused = 0
        # By mode, owner and group: what is wrong, and what they should be. A tree has few of them.
        self._verdicts: dict[tuple[int, int, int], tuple[tuple[str, ...], tuple[int, int, int]]] = {}

    def directory(self, descriptor: int, status: os.stat_result, path: str, tally: Tally) -> None:
        """Judge a directory by its own descriptor."""
        if self._faults(status):
            self._wrong(descriptor, status, path or ".", tally)

    def names(self, names: Names, tally: Tally) -> None:
        """Look at names of a directory: the loop in which nearly all of the time is spent."""
        look, verdicts, regular, above = os.stat, self._verdicts, stat.S_ISREG, names.holder.descriptor
        size = files = 0
        for name in names.names:
            try:
                status = look(name, dir_fd=above, follow_symlinks=False)
            except OSError as error:
                tally.error("unseen", error, names.above + name)
                continue
            mode = status.st_mode
            key = (mode, status.st_uid, status.st_gid)
            verdict = verdicts.get(key) or self._verdict(key)
            files += 1
            size += status.st_size
            if verdict[0] or status.st_nlink != 1 or not regular(mode):
                files -= not regular(mode)
                self._odd(above, name, status, names.above + name, tally)
        tally.add("files", number=files)
        tally.add("bytes", number=size)

    def settle_hard_links(self, tally: Tally) -> None:
        """Judge the files with several names, once all names are known. One that has a name out of the tree is not
        changed: it may be somebody else's, put here to be given away."""
        for links, paths in tally.hard_links.values():
            try:
                self._several_names(links, paths, tally)
            except OSError as error:
                tally.error("unseen", error, paths[0])
        tally.hard_links.clear()

    def _several_names(self, links: int, paths: list[str], tally: Tally) -> None:
        descriptor = self._tree.open(paths[0], ANY)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                tally.add("replaced", paths[0])
                return
            # A directory that changes while it is listed may name one file twice.
            names = set(paths)
            inside = links == len(names) == status.st_nlink and all(self._is(path, status) for path in names)
            if not inside or os.fstat(descriptor).st_nlink != links:
                tally.add("leaving_hard_links", paths[0])
            if self._faults(status):
                self._wrong(descriptor, status, paths[0], tally, inside and os.fstat(descriptor).st_nlink == links)
        finally:
            os.close(descriptor)

    def _is(self, path: str, status: os.stat_result) -> bool:
        descriptor = self._tree.open(path, ANY)
        try:
            return os.path.samestat(os.fstat(descriptor), status)
        finally:
            os.close(descriptor)

    def _faults(self, status: os.stat_result) -> tuple[str, ...]:
        return self._verdict(judged(status))[0]

    def _wanted(self, status: os.stat_result) -> tuple[int, int, int]:
        return self._verdict(judged(status))[1]

    def _verdict(self, key: tuple[int, int, int]) -> tuple[tuple[str, ...], tuple[int, int, int]]:
        known = self._verdicts.get(key)
        if known is None:
            if len(self._verdicts) > _VERDICTS:
                self._verdicts.clear()
            known = self._verdicts[key] = faults_of(key, self._task), mended(key, self._task)
        return known

    def _odd(self, above: int, name: str, status: os.stat_result, path: str, tally: Tally) -> None:
        """Look closer at an entry that is wrong, or no plain file with one name."""
        if stat.S_ISREG(status.st_mode) and status.st_nlink != 1:
            tally.hard_link(status, path)
            return
        if stat.S_ISLNK(status.st_mode):
            tally.add("links")
            with contextlib.suppress(OSError):
                where = self._tree.where(path, os.readlink(name, dir_fd=above))
                if where != "inside":
                    tally.add(where, path)
        elif not stat.S_ISREG(status.st_mode):
            tally.add("replaced" if stat.S_ISDIR(status.st_mode) else "special", path)
            return
        if self._faults(status):
            self._open_and_mend(above, name, status, path, tally)

    def _open_and_mend(self, above: int, name: str, seen: os.stat_result, path: str, tally: Tally) -> None:
        """Open an entry that is wrong, and go on if it is the one that was seen and has no other name."""
        try:
            descriptor = os.open(name, ANY, dir_fd=above)
        except OSError as error:
            tally.error("unseen", error, path)
            return
        try:
            status = os.fstat(descriptor)
            if os.path.samestat(status, seen) and status.st_nlink == 1:
                self._wrong(descriptor, status, path, tally)
            else:
                tally.add("replaced", path)
        finally:
            os.close(descriptor)

    def _wrong(self, descriptor: int, status: os.stat_result, path: str, tally: Tally, ours: bool = True) -> None:
        """Count what is wrong with something open, repair it where that is asked for, and count what is left."""
        faults = self._faults(status)
        for fault in faults:
            tally.add(fault, path)
            if not ours:
                tally.add("kept " + fault)
        if "foreign" in faults:
            tally.add_identity("owner", status.st_uid)
        if status.st_mode & 0o040 and ("unreadable" in faults or "unsearchable" in faults):
            tally.add_identity("group", status.st_gid)
        if ours and self._task.mode == REPAIR and self._wanted(status) != judged(status):
            faults = self._faults(self._mend(descriptor, status, path, tally))
        for fault in faults:
            # A look leaves everything, which needs no examples of its own.
            tally.add("left " + fault, path if self._task.mode == REPAIR else "")

    def _mend(self, descriptor: int, before: os.stat_result, path: str, tally: Tally) -> os.stat_result:
        """Change owner, group and mode of something open, and return what it is then."""
        if self._refused >= REFUSALS and not self.changed:
            tally.add("not_tried")
            return before
        # Leads to what is open and nowhere else, also where it is a link or may not be read.
        thing = f"/proc/self/fd/{descriptor}"
        try:
            owner, group = self._wanted(before)[1:]
            if (owner, group) != (before.st_uid, before.st_gid):
                os.chown(thing, owner, group)
            after = os.fstat(descriptor)
            if (owner, group) == (after.st_uid, after.st_gid):
                # Giving a file away takes bits from its mode, so that it is judged anew.
                mode = self._wanted(after)[0]
                if mode != after.st_mode:
                    os.chmod(thing, stat.S_IMODE(mode))
            else:
                tally.add("ignored", path)
                self._refused += 1
        except OSError as error:
            tally.error("refused", error, path)
            self._refused += 1
        after = os.fstat(descriptor)
        pairs = {"mode": (before.st_mode, after.st_mode), "owner": (before.st_uid, after.st_uid)}
        pairs["group"] = (before.st_gid, after.st_gid)
        different = [what for what, (was, is_) in pairs.items() if was != is_]
        for what in different:
            tally.add("changed " + what)
        if different:
            tally.add("changed")
            self.changed += 1
        return after


class Prover:
    """Reads the first byte of every file, as whoever this process is. That a directory was listed is its proof."""

    plain_apart = True

    def __init__(self, tree: Tree) -> None:
        self.changed = 0

    def directory(self, descriptor: int, status: os.stat_result, path: str, tally: Tally) -> None:
        """Take no note: a directory that cannot be listed is counted by the walk."""

    def names(self, names: Names, tally: Tally) -> None:
        """Read names of a directory."""
        read = self._read if names.plain else self._read_odd
        for name in names.names:
            try:
                read(name, names.holder.descriptor, tally, names.above)
            except OSError as error:
                tally.error("unreadable", error, names.above + name)

    def _read(self, name: str, above: int, tally: Tally, path: str, flags: int = FILE) -> None:
        descriptor = os.open(name, flags, dir_fd=above)
        try:
            os.read(descriptor, 1)
        finally:
            os.close(descriptor)
        tally.add("files")

    def _read_odd(self, name: str, above: int, tally: Tally, path: str) -> None:
        """Read what a link leads to, as an engine would: this process has no more rights than one."""
        if not stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            tally.add("special", path + name)
            return
        tally.add("links")
        try:
            target = os.stat(name, dir_fd=above)
        except (FileNotFoundError, NotADirectoryError):
            tally.add("dangling_links", path + name)
            return
        if stat.S_ISREG(target.st_mode):
            self._read(name, above, tally, path, FILE & ~os.O_NOFOLLOW)
