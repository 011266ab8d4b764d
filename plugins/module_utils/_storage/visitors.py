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
import time
import unicodedata
from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._storage.lanes import Names
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import REPAIR, faults_of, mended
from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import (
    ANY,
    DIRECTORY,
    EXAMPLES,
    FILE,
    OPENED,
    Tally,
    Tree,
    judged,
    refresh,
)

# After so many refusals and no success nothing more is tried.
REFUSALS = 100
_VERDICTS = 10000
_JUDGED = ("mode", "owner", "group")
_NOT_TO_READ = ("unreadable", "unsearchable")
# What changed less long ago, by this machine's clock, may change again within one tick of the clock that times of
# change come from. The clocks of servers differ by less.
_FRESH_SECONDS = 60.0
_SECOND = 10**9
# Longer than a tick: Linux has ticks of up to 10 ms (CONFIG_HZ=100), some file systems have whole seconds.
_TICK_SECONDS, _LONG_TICK_SECONDS = 0.05, 2.1


class Wrong:
    """Entries that are wrong, by what they were, what they are now, and whether they are the tree's own: of these kinds
    there are few, so that many entries are counted at once."""

    def __init__(self) -> None:
        self.kinds: dict[tuple[tuple[int, int, int], tuple[int, int, int], bool], list[str]] = {}

    def add(self, name: str, before: tuple[int, int, int], after: tuple[int, int, int], ours: bool = True) -> None:
        """Take note of one."""
        kind = (before, after, ours)
        if kind in self.kinds:
            self.kinds[kind].append(name)
        else:
            self.kinds[kind] = [name]


class Looker:
    """Counts what is wrong, and in mode ``repair`` changes it: only what is open, and by what this itself is.

    A file may be somebody else's, put into the tree by a further name (a hard link) that is taken away again in the
    very moment in which names are counted. So a file is seen twice, the second time when it is open, and changed only
    where nothing has happened to it in between: it then had the one name that led to it. Names that come and go change
    the time of change, if only a tick of its clock lies between the two. Where a server keeps the files, it is asked
    anew the second time.

    One for each process: the folder that leads to what is open is the process's own.
    """

    plain_apart = False

    def __init__(self, tree: Tree) -> None:
        self.wrong = self.changed = 0
        self._tree, self._task = tree, tree.task
        self._repairs = tree.task.mode == REPAIR
        self._opened = os.open(OPENED, DIRECTORY) if self._repairs else -1
        self._refused = 0
        # By mode, owner and group: what is wrong, and what they should be. A tree has few of them.
        self._verdicts: dict[tuple[int, int, int], tuple[tuple[str, ...], tuple[int, int, int]]] = {}

    def close(self) -> None:
        """Give back what it has open."""
        if self._repairs:
            os.close(self._opened)

    def directory(self, descriptor: int, status: os.stat_result, path: str, tally: Tally) -> None:
        """Judge a directory by its own descriptor."""
        self._judge_open(descriptor, status, path or ".", tally)

    def names(self, names: Names, tally: Tally) -> Names | None:
        """Look at names of a directory: the loop in which nearly all of the time is spent."""
        if names.seen:
            self._repair(names, tally)
            return None
        look, verdicts, regular, above = os.stat, self._verdicts, stat.S_ISREG, names.holder.descriptor
        size = files = 0
        wrong = Wrong()
        seen: dict[str, os.stat_result] = {}
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
            if status.st_nlink != 1 or not regular(mode):
                files -= not regular(mode)
                if not self._is_judged(above, name, status, names.above + name, tally):
                    continue
            if verdict[0]:
                if self._repairs:
                    seen[name] = status
                else:
                    wrong.add(name, key, key)
        tally.add("files", number=files)
        tally.add("bytes", number=size)
        self._count(wrong, names.above, tally)
        if not seen:
            return None
        marks = tuple((status.st_dev, status.st_ino, status.st_ctime_ns) for status in seen.values())
        settles = settling_seconds([changed for _device, _inode, changed in marks])
        again = Names(names.above, list(seen), names.plain, names.holder, marks, settles)
        if settles:
            return again
        self._repair(again, tally)
        return None

    def _repair(self, names: Names, tally: Tally) -> None:
        """Open names of a directory, in a way that does nothing to them, and repair what is open, whatever its name
        leads to meanwhile; but not what is another than before, or changed since."""
        wrong = Wrong()
        try:
            refresh(names.holder.descriptor)
        except OSError as error:
            for name in names.names:
                tally.error("unseen", error, names.above + name)
            return
        for position, name in enumerate(names.names):
            path, seen = names.above + name, names.seen[position]
            try:
                descriptor = os.open(name, ANY, dir_fd=names.holder.descriptor)
                try:
                    refresh(descriptor)
                    status = os.fstat(descriptor)
                    before = after = judged(status)
                    if status.st_nlink == 1 and (status.st_dev, status.st_ino, status.st_ctime_ns) == seen:
                        after = self._mend(descriptor, before, path, tally)
                    else:
                        tally.add("unsettled", path)
                    if after != before or self._verdict(before)[0]:
                        wrong.add(name, before, after)
                finally:
                    os.close(descriptor)
            except OSError as error:
                tally.error("unseen", error, path)
        self._count(wrong, names.above, tally)

    def settle_hard_links(self, tally: Tally, deadline: float) -> None:
        """Judge the files with several names, once all names are known. One that has a name out of the tree is not
        changed: it may be somebody else's, put here to be given away."""
        if self._repairs:
            time.sleep(settling_seconds([changed for _links, changed, _paths in tally.hard_links.values()]))
        for links, changed, paths in tally.hard_links.values():
            if time.monotonic() > deadline:
                tally.add("unfinished")
                break
            try:
                self._several_names(links, changed, paths, tally)
            except OSError as error:
                tally.error("unseen", error, paths[0])
        tally.hard_links.clear()

    def _several_names(self, links: int, changed: int, paths: list[str], tally: Tally) -> None:
        descriptor = self._tree.open(paths[0], ANY)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                tally.add("replaced", paths[0])
                return
            places = {self._place(path, status) for path in set(paths)}
            inside = None not in places and len(places) == links == status.st_nlink
            refresh(descriptor)
            now = os.fstat(descriptor)
            # A name that moves, so that it seems to be several, changes the time of change.
            ours = inside and (now.st_nlink, now.st_ctime_ns) == (links, changed)
            if not ours:
                tally.add("unsettled" if inside else "leaving_hard_links", paths[0])
            self._judge_open(descriptor, status, paths[0], tally, ours)
        finally:
            os.close(descriptor)

    def _place(self, path: str, status: os.stat_result) -> tuple[int, int, str] | None:
        """Return of a name its folder and what it is called there, where it leads to that file: a folder that moves
        makes two paths of one name, and leaves the file's time of change as it is."""
        above, _stroke, name = path.rpartition("/")
        folder = self._tree.open(above, ANY | os.O_DIRECTORY)
        try:
            refresh(folder)
            place = os.fstat(folder)
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(folder)
        # Some folders take two spellings for one name.
        plain = unicodedata.normalize("NFKC", name).casefold()
        return (place.st_dev, place.st_ino, plain) if os.path.samestat(found, status) else None

    def _verdict(self, key: tuple[int, int, int]) -> tuple[tuple[str, ...], tuple[int, int, int]]:
        known = self._verdicts.get(key)
        if known is None:
            if len(self._verdicts) > _VERDICTS:
                self._verdicts.clear()
            known = self._verdicts[key] = faults_of(key, self._task), mended(key, self._task)
        return known

    def _is_judged(self, above: int, name: str, status: os.stat_result, path: str, tally: Tally) -> bool:
        """Look closer at an entry that is no plain file with one name, and say whether it is judged like one."""
        if stat.S_ISREG(status.st_mode):
            tally.hard_link(status, path)
            return False
        if not stat.S_ISLNK(status.st_mode):
            tally.add("replaced" if stat.S_ISDIR(status.st_mode) else "special", path)
            return False
        tally.add("links")
        with contextlib.suppress(OSError):
            where = self._tree.where(path, os.readlink(name, dir_fd=above))
            if where != "inside":
                tally.add(where, path)
        # One with several names may be somebody else's as a file may, and nobody needs to own a link to follow it.
        return status.st_nlink == 1

    def _judge_open(self, descriptor: int, status: os.stat_result, path: str, tally: Tally, ours: bool = True) -> None:
        """Count what is wrong with something open, and repair it where that is asked for and it is the tree's own."""
        before = judged(status)
        if self._verdict(before)[0]:
            wrong = Wrong()
            after = self._mend(descriptor, before, path, tally) if ours and self._repairs else before
            wrong.add(path, before, after, ours)
            self._count(wrong, "", tally)

    def _count(self, wrong: Wrong, above: str, tally: Tally) -> None:
        """Count what was wrong, what was changed, and what is left."""
        for (before, after, ours), names in wrong.kinds.items():
            number = len(names)
            self.wrong += number
            examples = [above + name for name in names[:EXAMPLES]]
            faults = self._verdict(before)[0]
            for fault in faults:
                tally.add(fault, *examples, number=number)
                if not ours:
                    tally.add("kept " + fault, number=number)
            if "foreign" in faults:
                tally.add_identity("owner", before[1], number)
            if before[0] & 0o040 and any(what in faults for what in _NOT_TO_READ):
                tally.add_identity("group", before[2], number)
            left = self._verdict(after)[0]
            for fault in left:
                # A look leaves everything, which needs no examples of its own.
                tally.add("left " + fault, *(examples if self._repairs else ()), number=number)
            different = [what for place, what in enumerate(_JUDGED) if before[place] != after[place]]
            if different:
                readable_now = [what for what in _NOT_TO_READ if what in faults and what not in left]
                for what in ("changed", *("changed " + what for what in (*different, *readable_now))):
                    tally.add(what, number=number)

    def _mend(self, descriptor: int, before: tuple[int, int, int], path: str, tally: Tally) -> tuple[int, int, int]:
        """Change owner, group and mode of something open as far as that is wanted, and return what it is then."""
        after, wanted = before, self._verdict(before)[1]
        if wanted == before:
            return before
        if self._refused >= REFUSALS and not self.changed:
            tally.add("not_tried")
            return before
        # Leads to what is open and nowhere else, also where it is a link or may not be read.
        thing = str(descriptor)
        try:
            if wanted[1:] != before[1:]:
                os.chown(thing, wanted[1], wanted[2], dir_fd=self._opened)
                after = judged(os.fstat(descriptor))
            if wanted[1:] == after[1:]:
                # Giving a file away takes bits from its mode, so that it is judged anew.
                mode = self._verdict(after)[1][0]
                if mode != after[0]:
                    os.chmod(thing, stat.S_IMODE(mode), dir_fd=self._opened)
                    after = judged(os.fstat(descriptor))
            else:
                tally.add("ignored", path)
                self._refused += 1
        except OSError as error:
            tally.error("refused", error, path)
            self._refused += 1
            after = judged(os.fstat(descriptor))
        if after != before:
            self.changed += 1
        return after


def settling_seconds(changes: Sequence[int]) -> float:
    """Return after how many seconds one more change would show in the times of change, by these (ns)."""
    if not changes or max(changes) < (time.time() - _FRESH_SECONDS) * _SECOND:
        return 0.0
    # One in a thousand million has no fraction where there are fractions.
    return _LONG_TICK_SECONDS if any(changed % _SECOND == 0 for changed in changes) else _TICK_SECONDS


class Prover:
    """Reads the first byte of every file, as whoever this process is. That a directory was listed is its proof."""

    plain_apart = True

    def __init__(self, tree: Tree) -> None:
        self.wrong = self.changed = 0

    def close(self) -> None:
        """Give nothing back: it has nothing open."""

    def directory(self, descriptor: int, status: os.stat_result, path: str, tally: Tally) -> None:
        """Take no note: a directory that cannot be listed is counted by the walk."""

    def names(self, names: Names, tally: Tally) -> None:
        """Read names of a directory."""
        read = self._read if names.plain else self._read_odd
        files = 0
        for name in names.names:
            try:
                files += read(name, names.holder.descriptor, tally, names.above)
            except OSError as error:
                self.wrong += 1
                tally.error("unreadable", error, names.above + name)
        tally.add("files", number=files)

    def _read(self, name: str, above: int, tally: Tally, path: str, flags: int = FILE) -> bool:
        """Read the first byte of a file, and say that it is one."""
        descriptor = os.open(name, flags, dir_fd=above)
        try:
            os.read(descriptor, 1)
        finally:
            os.close(descriptor)
        return True

    def _read_odd(self, name: str, above: int, tally: Tally, path: str) -> bool:
        """Read what a link leads to, as an engine would: this process has no more rights than one. Say whether it is a
        file."""
        if not stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            tally.add("special", path + name)
            return False
        tally.add("links")
        try:
            target = os.stat(name, dir_fd=above)
        except (FileNotFoundError, NotADirectoryError):
            tally.add("dangling_links", path + name)
            return False
        return stat.S_ISREG(target.st_mode) and self._read(name, above, tally, path, FILE & ~os.O_NOFOLLOW)
