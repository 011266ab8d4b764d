# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The processes and threads that walk a tree together.

Part of the program that runs inside pods (``program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import collections
import contextlib
import mmap
import os
import resource
import select
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import MANIFEST_NAME, is_in_share
from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import Tally, Tree

# A directory is cut into pieces of so many names; of so few while calls may have to be waited for (a network).
NAMES, FEW_NAMES = 512, 32
# Threads of a lane where calls wait for a network. Where they do not, more than one only disturb each other.
THREADS = 16
# Memory stays flat: so many directories, and pieces of names, wait to be walked; deeper ones are walked at once, in a
# recursion of a bounded depth.
WAITING, WAITING_NAMES, INLINE = 10000, 256, 50
# Directories that are given away at once.
GIVEN = 32
# So many names settle at once, and each piece counts for some more, since it holds a descriptor.
SETTLING, SETTLING_PIECE = 16384, 128
# Seconds between two questions whether something has settled, or another lane has something.
_MOMENT = 0.01
# Of each lane on the shared page: whether it has nothing to do, how many it has seen, found wrong and changed.
_LANE = struct.Struct("=qqqq")


class Shared:
    """What lanes share: a page of numbers, and a socket through which one that is busy hands directories to others."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.children: dict[int, int] = {}
        self.page = mmap.mmap(-1, _LANE.size * lanes)
        self.give, self.take = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.give.setblocking(False)
        self.take.setblocking(False)

    def note(self, lane: int, idle: bool, seen: int, wrong: int, changed: int) -> None:
        """Say how a lane is."""
        _LANE.pack_into(self.page, lane * _LANE.size, int(idle), seen, wrong, changed)

    def close(self) -> None:
        """Give back what was shared."""
        self.give.close()
        self.take.close()
        self.page.close()

    def bury(self) -> None:
        """Count lanes that have ended, however, as having nothing to do. Only their parent has children to ask for."""
        for process, lane in list(self.children.items()):
            if os.waitpid(process, os.WNOHANG)[0]:
                del self.children[process]
                self.note(lane, True, *_LANE.unpack_from(self.page, lane * _LANE.size)[1:])

    def somebody_idle(self) -> bool:
        """Say whether a lane has nothing to do."""
        return any(_LANE.unpack_from(self.page, lane * _LANE.size)[0] for lane in range(self.lanes))

    def everybody_idle(self) -> bool:
        """Say whether all lanes have nothing to do."""
        return all(_LANE.unpack_from(self.page, lane * _LANE.size)[0] for lane in range(self.lanes))

    def totals(self) -> dict[str, int]:
        """Return how many entries were seen, found wrong and changed so far."""
        lanes = [_LANE.unpack_from(self.page, lane * _LANE.size) for lane in range(self.lanes)]
        return {what: sum(lane[place] for lane in lanes) for place, what in enumerate(("seen", "wrong", "changed"), 1)}


class Holder:
    """The descriptor of a directory, held by those that work on its names."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._users = 1
        self._lock = threading.Lock()

    def use(self) -> None:
        """Hold it once more."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """Close it, unless somebody holds it still."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            os.close(self.descriptor)


@dataclass(frozen=True)
class Names:
    """Some names of a directory, below ``above`` (with its stroke). ``plain``: the directory says they are files.
    ``seen``, of a second visit: what each was at the first one, as device, inode and time of change; ``settles``: after
    how many seconds that may be."""

    above: str
    names: list[str]
    plain: bool
    holder: Holder
    seen: tuple[tuple[int, int, int], ...] = ()
    settles: float = 0.0


@dataclass(frozen=True)
class Piece:
    """A piece of work: a directory by its path, or some names of one."""

    path: str = ""
    names: Names | None = None


class Visitor(Protocol):
    """What is done with what is found. ``plain_apart``: files are handed out apart from everything else; ``wrong`` and
    ``changed`` count for whoever waits."""

    plain_apart: bool
    wrong: int
    changed: int

    def directory(self, descriptor: int, status: os.stat_result, path: str, tally: Tally) -> None:
        """Take note of a directory, before its names."""

    def names(self, names: Names, tally: Tally) -> Names | None:
        """Take note of some names that are no directories, and return those to visit again once they have settled."""

    def close(self) -> None:
        """Give back what it has open."""


class Lane:
    """One process that walks, with one thread, or with many where each call has to be waited for."""

    def __init__(self, tree: Tree, visitor: Visitor, shared: Shared, number: int, deadline: float) -> None:
        self._tree, self._visitor, self._shared, self._number = tree, visitor, shared, number
        self._deadline, self._parent = deadline, os.getppid()
        self._pieces: collections.deque[Piece] = collections.deque()
        # What is visited again, with the moment from which on; the oldest first.
        self._settling: collections.deque[tuple[float, Names]] = collections.deque()
        self._settling_names = 0
        self._news = threading.Condition()
        self._active, self._over = 0, False
        self._threads: list[threading.Thread] = []
        self._tallies: list[Tally] = []
        self._seen = self._waits = self._waited_for = 0

    def run(self, pieces: list[Piece]) -> Tally:
        """Walk until no lane has anything left, or time is up, and return what this one saw."""
        self._pieces.extend(pieces)
        self._work()
        for thread in self._threads:
            thread.join()
        total = Tally()
        for tally in self._tallies:
            total.merge(tally)
        return total

    def _work(self) -> None:
        tally = Tally()
        with self._news:
            self._tallies.append(tally)
        while True:
            piece = self._next(tally)
            if piece is None:
                return
            try:
                if piece.names is None:
                    self._directory(piece.path, tally)
                else:
                    self._names(piece.names, tally)
            finally:
                with self._news:
                    self._active -= 1
                    self._news.notify_all()

    def _next(self, tally: Tally) -> Piece | None:
        """Return the next piece: an own one, or one of another lane; ``None`` when all is done or time is up."""
        with self._news:
            while not self._over:
                if self._must_end(tally, bool(self._pieces or self._settling)):
                    break
                if self._pieces:
                    self._share()
                    return self._begin(self._pieces.pop())
                if self._settling and self._settling[0][0] <= time.monotonic():
                    return self._begin(Piece(names=self._oldest_settling()))
                if self._active:
                    self._news.wait(_MOMENT if self._settling else 0.1)
                elif not self._fetch():
                    if not self._settling:
                        break
                    self._news.wait(_MOMENT)
            self._over = True
            self._note(True)
            self._news.notify_all()
            return None

    def _must_end(self, tally: Tally, is_something_left: bool) -> bool:
        """Say whether the walk has to end before all is done, and take note of it."""
        if time.monotonic() > self._deadline or os.getppid() != self._parent:
            tally.add("unfinished")
            return True
        most = self._tree.task.most
        if most and is_something_left and self._shared.totals()["changed"] >= most:
            tally.add("too_many")
            tally.add("unfinished")
            return True
        return False

    def _ends_early(self, tally: Tally, is_something_left: bool = True) -> bool:
        """Say in the middle of a piece whether the walk has ended, or has to, also for the other threads."""
        if not self._over and self._must_end(tally, is_something_left):
            self._over = True
        return self._over

    def _begin(self, piece: Piece) -> Piece:
        self._active += 1
        self._note(False)
        self._waits, self._waited_for = _waits(), self._seen
        return piece

    def _fetch(self) -> bool:
        """Wait a moment for a directory that another lane gives away; ``False`` when all lanes have ended."""
        self._note(True)
        self._shared.bury()
        ended = self._shared.everybody_idle()
        if select.select([self._shared.take], [], [], 0 if ended else 0.002)[0]:
            with contextlib.suppress(BlockingIOError):
                self._pieces.append(Piece(os.fsdecode(self._shared.take.recv(1 << 17)[1:])))
        return bool(self._pieces) or not ended

    def _note(self, idle: bool) -> None:
        self._shared.note(self._number, idle, self._seen, self._visitor.wrong, self._visitor.changed)

    def _offer(self, piece: Piece, most: int) -> bool:
        """Leave a piece to whoever is free; ``False`` where ``most`` wait: better do it at once."""
        with self._news:
            if len(self._pieces) >= most:
                return False
            self._pieces.append(piece)
            if self._threads:
                self._news.notify()
            self._share()
        return True

    def _share(self) -> None:
        """Give half of the directories that wait here away where a lane has nothing to do; whoever comes first takes
        them. The oldest are the nearest to the top, so probably the largest."""
        if len(self._pieces) > 1 and self._shared.somebody_idle():
            # Where there is no room for more, the rest stays here.
            with contextlib.suppress(OSError):
                for _given in range(min(len(self._pieces) // 2, GIVEN)):
                    if self._pieces[0].names is not None:
                        break
                    self._shared.give.send(b"/" + os.fsencode(self._pieces[0].path))
                    self._pieces.popleft()

    def _call_threads(self) -> None:
        """Bring the other threads when the calls so far had to be waited for, as over a network."""
        waits, calls = _waits() - self._waits, self._seen - self._waited_for
        if not self._threads and waits > 8 and waits * 2 > calls:
            self._threads = [threading.Thread(target=self._work, daemon=True) for _other in range(THREADS - 1)]
            for thread in self._threads:
                thread.start()

    def _directory(self, path: str, tally: Tally, depth: int = 0) -> None:
        """Take note of a directory and hand out what is in it."""
        try:
            holder = Holder(self._tree.open(path))
        except OSError as error:
            tally.error("unlisted", error, path)
            return
        try:
            status = os.fstat(holder.descriptor)
            if status.st_dev != self._tree.device:
                tally.add("other_file_systems", path)
                return
            self._seen += 1
            tally.add("directories")
            if is_in_share(path, self._tree.task):
                self._visitor.directory(holder.descriptor, status, path, tally)
                self._note(False)
            self._list(holder, path, tally, depth)
        except OSError as error:
            tally.error("unlisted", error, path)
        finally:
            holder.leave()

    def _list(self, holder: Holder, path: str, tally: Tally, depth: int) -> None:
        apart, task = self._visitor.plain_apart, self._tree.task
        waiting: dict[bool, list[str]] = {True: [], False: []}
        above = path + "/" if path else ""
        with os.scandir(holder.descriptor) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    below = above + entry.name
                    if not self._offer(Piece(below), WAITING if depth < INLINE else sys.maxsize):
                        if self._ends_early(tally):
                            return
                        self._directory(below, tally, depth + 1)
                    continue
                if entry.name.startswith(MANIFEST_NAME):
                    continue
                if task.shares > 1 and not is_in_share(above + entry.name, task):
                    continue
                plain = not apart or entry.is_file(follow_symlinks=False)
                waiting[plain].append(entry.name)
                if len(waiting[plain]) >= (FEW_NAMES if self._threads or self._seen < NAMES else NAMES):
                    if self._ends_early(tally):
                        return
                    self._hand_out(Names(above, waiting[plain], plain, holder), tally)
                    waiting[plain] = []
        for plain, names in waiting.items():
            if names:
                self._hand_out(Names(above, names, plain, holder), tally)

    def _hand_out(self, names: Names, tally: Tally) -> None:
        """Let other threads work on names where there are any, else do it at once."""
        names.holder.use()
        if not self._threads or not self._offer(Piece(names=names), WAITING_NAMES):
            self._names(names, tally)
            self._call_threads()

    def _names(self, names: Names, tally: Tally) -> None:
        if not names.seen:
            self._seen += len(names.names)
        self._visit(names, tally)
        settled = self._settled()
        while settled is not None:
            self._visit(settled, tally)
            self._note(False)
            ends = self._ends_early(tally, bool(self._pieces or self._settling))
            settled = None if ends else self._settled()
        self._note(False)

    def _visit(self, names: Names, tally: Tally) -> None:
        again = None
        try:
            again = self._visitor.names(names, tally)
        finally:
            if again is None:
                names.holder.leave()
        if again is not None:
            with self._news:
                self._settling.append((time.monotonic() + again.settles, again))
                self._settling_names += len(again.names) + SETTLING_PIECE
                self._news.notify()

    def _settled(self) -> Names | None:
        """Return the oldest names that have settled. Where too many have to, wait until half of them have."""
        rest = 0.0
        with self._news:
            if not self._settling:
                return None
            now = time.monotonic()
            if self._settling_names > SETTLING:
                # What settles for longer than others may be the oldest.
                rest = max(self._settling[0][0], self._settling[len(self._settling) // 2][0]) - now
            elif self._settling[0][0] > now:
                return None
            names = self._oldest_settling()
        if rest > 0:
            time.sleep(rest)
            # A wait of its own is not one for a network.
            self._waits += 1
        return names

    def _oldest_settling(self) -> Names:
        _moment, names = self._settling.popleft()
        self._settling_names -= len(names.names) + SETTLING_PIECE
        return names


def _waits() -> int:
    """Return how often this thread had to wait for something."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
