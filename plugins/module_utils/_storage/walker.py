# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The program that looks at a tree, repairs it, or proves that it can be read: its passes and its report.

It runs inside other people's images, possibly as root: ``python3 -I -S -B -c PROGRAM '{"mode": "look", ...}'``. It
takes a ``Task`` as JSON, prints progress as JSON lines on stderr and its report as one JSON line on stdout. Exit
status: 0, or with ``judge`` 1 where something is wrong (left); 2 for a task that makes no sense or a volume that cannot
be opened, 3 where time was up. A question about manifests alone is answered by 0 (yes) or 1.

Part of the program that runs inside pods (``program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time
from dataclasses import replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._storage.lanes import (
    Holder,
    Lane,
    Names,
    Piece,
    Shared,
    Visitor,
)
from ansible_collections.gpuops.inference.plugins.module_utils._storage.manifest import Manifests
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import (
    ABOUT_MANIFESTS,
    LOOK,
    NO_MANIFEST,
    PROVE,
    REPAIR,
    Task,
    is_in_share,
    may,
)
from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import ANY, OPENED, Tally, Tree, judged
from ansible_collections.gpuops.inference.plugins.module_utils._storage.visitors import Looker, Prover

# More processes than this gain nothing on a volume, whatever a machine has.
LANES = 4
# Passes of a repair: files may arrive behind it.
PASSES = 5
# What fits into the termination message of a container.
REPORT_BYTES = 4000
PROGRESS_SECONDS = 5.0
FINISHED, WRONG, REFUSED, TIME_UP = 0, 1, 2, 3
# Which share of a tree this is: a variable of the Job controller's.
SHARE_VARIABLE = "JOB_COMPLETION_INDEX"
# Counts that mean: not as it should be. Files of other users are told apart.
_WRONG = ("missing", "given_links", "unlisted", "unreadable", "unsearchable", "unsearchable_parents")


class Run:
    """One run of the program."""

    def __init__(self, task: Task) -> None:
        self._tree = Tree(task)
        self._task = self._tree.task
        if task.mode == REPAIR:
            # Without it nothing could be changed.
            os.stat(OPENED)
        self._began = time.monotonic()
        self._deadline = self._began + task.seconds
        self._passes: list[Tally] = []

    def report(self) -> dict[str, Any]:
        """Walk as often as is needed, and return the report."""
        again = True
        while again and len(self._passes) < PASSES:
            tally = self._pass()
            self._passes.append(tally)
            # What arrived, or was replaced, behind the walk is seen by another one.
            counts = tally.counts
            unsettled = self._task.mode == REPAIR and counts.get("unsettled")
            again = bool(counts.get("changed") or unsettled) and not counts.get("unfinished")
        first, last = self._passes[0], self._passes[-1]
        changed: dict[str, int] = {}
        for tally in self._passes:
            for what, number in tally.counts.items():
                if what.split(" ")[0] in ("changed", "refused", "ignored", "not_tried", "errno"):
                    changed[what] = changed.get(what, 0) + number
        examples = dict(first.examples)
        examples.update((what, paths) for what, paths in last.examples.items() if paths)
        too_many = {"too_many": 1} if any(tally.counts.get("too_many") for tally in self._passes) else {}
        finished = not any(tally.counts.get("unfinished") for tally in self._passes)
        kept = Tally()
        if finished and self._task.manifest != NO_MANIFEST and self._task.mode != PROVE:
            kept = Manifests(self._tree, self._deadline).see_to()
            examples.update(kept.examples)
        report: dict[str, Any] = {
            "mode": self._task.mode,
            "finished": finished,
            "passes": len(self._passes),
            "seconds": round(time.monotonic() - self._began, 3),
            "identity": [os.geteuid(), os.getegid(), sorted(os.getgroups())],
            "found": {
                what: number
                for what, number in {**first.counts, **too_many}.items()
                if not what.startswith(("left ", "changed"))
            },
            "left": {what[5:]: number for what, number in last.counts.items() if what.startswith("left ")},
            "done": changed,
            "manifest": kept.counts,
            "volume": self._volume(),
            "memory_mib": _memory_mib(),
            "examples": examples,
        }
        if changed.get("refused") or changed.get("ignored"):
            report["new_files_as"] = self._probe()
        return report

    def _pass(self) -> Tally:
        """Walk once, with several processes, and return what they saw."""
        tally = Tally()
        pieces = self._first_pieces(tally)
        shared = Shared(self._task.lanes or min(LANES, len(os.sched_getaffinity(0))))
        readers = []
        for number in range(1, shared.lanes):
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reader)
                self._serve(shared, number, writer)
            os.close(writer)
            shared.children[child] = number
            readers.append(reader)
        over = threading.Event()
        telling = threading.Thread(target=self._tell, args=(shared, over), daemon=True)
        telling.start()
        visitor = self._visitor()
        tally.merge(Lane(self._tree, visitor, shared, 0, self._deadline).run(pieces))
        for reader in readers:
            with os.fdopen(reader, "rb") as answer:
                text = answer.read()
            if text:
                tally.merge(Tally(**json.loads(text)))
            else:
                tally.add("unfinished")
        over.set()
        # A thread that writes while Python ends, or while it forks, is the end of the process.
        telling.join()
        shared.close()
        # Before all names are known nothing is to be said of files with several.
        if isinstance(visitor, Looker) and not tally.counts.get("unfinished"):
            visitor.settle_hard_links(tally, self._deadline)
        visitor.close()
        return tally

    def _serve(self, shared: Shared, number: int, writer: int) -> None:
        """Walk as a child, hand over what was seen, and end this process without anything of its parent's."""
        try:
            shared.children = {}
            tally = Lane(self._tree, self._visitor(), shared, number, self._deadline).run([])
            with os.fdopen(writer, "wb") as answer:
                answer.write(json.dumps(vars(tally)).encode())
        finally:
            os._exit(0)

    def _visitor(self) -> Visitor:
        return Prover(self._tree) if self._task.mode == PROVE else Looker(self._tree)

    def _first_pieces(self, tally: Tally) -> list[Piece]:
        """Return where the walk begins: the given paths, as far as they are there and lead through no link that is not
        followed."""
        pieces = []
        tree = self._tree
        for what, paths in (
            ("followed_paths", tree.followed),
            ("left_paths", tree.left),
            ("given_links", tree.not_followed),
        ):
            for path in paths:
                tally.add(what, path)
        for path in self._task.paths:
            self._check_parents(path, tally)
            try:
                descriptor = self._tree.open(path, ANY)
                mode = os.fstat(descriptor).st_mode
                if stat.S_ISLNK(mode):
                    tally.add("given_links", f"{path} -> {os.readlink('', dir_fd=descriptor)}")
                elif stat.S_ISDIR(mode):
                    pieces.append(Piece(path))
                elif is_in_share(path, self._task):
                    above, _stroke, name = path.rpartition("/")
                    holder = Holder(self._tree.open(above, ANY | os.O_DIRECTORY))
                    names = Names(above + "/" if above else "", [name], stat.S_ISREG(mode), holder)
                    pieces.append(Piece(names=names))
                os.close(descriptor)
            except (FileNotFoundError, NotADirectoryError):
                tally.add("missing", path)
            except OSError as error:
                tally.error("unlisted", error, path)
        return pieces

    def _check_parents(self, path: str, tally: Tally) -> None:
        """Count the directories above a path that the serving identity cannot enter. They are never changed."""
        parts = path.split("/") if path else []
        for above in ("/".join(parts[:length]) for length in range(len(parts))):
            try:
                descriptor = self._tree.open(above, ANY | os.O_DIRECTORY)
                status = os.fstat(descriptor)
                os.close(descriptor)
            except OSError:
                return
            if not may(0o1, judged(status), self._task):
                tally.add("unsearchable_parents", above or ".")

    def _tell(self, shared: Shared, over: threading.Event) -> None:
        """Say every few seconds how far it is."""
        while not over.wait(PROGRESS_SECONDS):
            line = {"pass": len(self._passes) + 1, **shared.totals()}
            line["seconds"] = round(time.monotonic() - self._began)
            sys.stderr.write(json.dumps(line) + "\n")
            sys.stderr.flush()

    def _probe(self) -> list[int] | None:
        """Return whose a new file is, where files could not be given away: the storage may make all of them one's."""
        name = f".gpuops-probe-{os.urandom(8).hex()}"
        for path in self._task.paths:
            try:
                above = self._tree.open(path)
                try:
                    descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=above)
                    try:
                        status = os.fstat(descriptor)
                    finally:
                        os.close(descriptor)
                        os.unlink(name, dir_fd=above)
                    return [status.st_uid, status.st_gid]
                finally:
                    os.close(above)
            except OSError:
                continue
        return None

    def _volume(self) -> dict[str, Any]:
        """Return what the volume is."""
        room = os.fstatvfs(self._tree.root)
        return {
            "file_system": _file_system(self._tree.device, self._task.base),
            "read_only": bool(room.f_flag & os.ST_RDONLY),
            "free_bytes": room.f_bavail * room.f_frsize,
        }


def exit_status(report: dict[str, Any], judge: bool) -> int:
    """Return how the process ends."""
    if not report["finished"]:
        return TIME_UP
    wrong = [what for what in _WRONG if report["found"].get(what)]
    if report["mode"] == REPAIR:
        repaired = ("unreadable", "unsearchable")
        wrong = [what for what in wrong if what not in repaired] + [
            what for what in report["left"] if what != "foreign"
        ]
    elif report["mode"] == LOOK:
        wrong += [what for what in ("owner", "group", "mode") if report["found"].get(what)]
    return WRONG if judge and wrong else FINISHED


def fitting(report: dict[str, Any]) -> str:
    """Return the report as JSON of at most ``REPORT_BYTES``: with as many examples as there is room for."""
    while True:
        text = json.dumps(report, separators=(",", ":"))
        examples = report["examples"]
        if len(text) <= REPORT_BYTES or not examples:
            return text
        longest = max(examples, key=lambda what: len(json.dumps(examples[what])))
        examples[longest].pop()
        if not examples[longest]:
            del examples[longest]


def _file_system(device: int, base: str) -> str:
    """Return the type of the file system at ``base``, as Linux calls it; empty where it is not told."""
    number = f"{os.major(device)}:{os.minor(device)}"
    kind = ""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                before, _dash, after = line.partition(" - ")
                fields = before.split(" ")
                if fields[2] == number or (fields[4] == base.rstrip("/") and not kind):
                    kind = after.split(" ")[0]
    except OSError:
        return ""
    return kind


def _memory_mib() -> float:
    """Return the most memory that this process had; its children are alike. 0 where Linux does not tell."""
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as told:
            most = next((line.split()[1] for line in told if line.startswith("VmHWM:")), "0")
    except OSError:
        return 0.0
    return round(int(most) / 1024, 1)


def main(arguments: list[str]) -> int:
    """Do what the task says."""
    try:
        task = Task.read(arguments[0])
        if task.mode in ABOUT_MANIFESTS:
            return FINISHED if Manifests(Tree(task), time.monotonic() + task.seconds).answer() else WRONG
        if task.shares > 1:
            task = replace(task, share=int(os.environ.get(SHARE_VARIABLE, "")))
            task.check()
        run = Run(task)
    except (IndexError, TypeError, ValueError, OSError) as error:
        sys.stderr.write(json.dumps({"error": str(error)}) + "\n")
        return REFUSED
    report = run.report()
    text = fitting(report)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    if task.report:
        with open(task.report, "w", encoding="utf-8") as place:
            place.write(text)
    return exit_status(report, task.judge)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
