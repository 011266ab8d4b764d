# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is remembered of a model's files: a small JSON file at the top of each given folder, compared and written here.

Part of the program that runs inside pods (``program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import hashlib
import json
import os
import stat
import sys
import time
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import (
    COMPARE,
    HASHES,
    MANIFEST_NAME,
    REMEMBER,
    REPAIR,
    faults_of,
    mended,
)
from ansible_collections.gpuops.inference.plugins.module_utils._storage.tree import FILE, Tally, Tree, judged

# A model has hundreds of files. What has more entries than this is none, and its manifest would cost too much.
MANIFEST_ENTRIES = 10000
# No manifest that was written here is longer.
MANIFEST_BYTES = 4 << 20
MANIFEST_FORMAT = 1
HASH_THREADS, HASH_BLOCK, HASH_PROGRESS_SECONDS = 4, 1 << 20, 5.0
_NEW_MANIFEST = MANIFEST_NAME + ".new-"
# A new one that is so many seconds older than another was left over: no run writes for so long.
_LEFT_OVER_SECONDS = 3600.0


class ManifestUnknown(Exception):
    """Whether files are those of their manifest cannot be said, or it cannot be written. The text is a word of the
    report: ``too_many``, ``time_up``, ``changing``, ``vanished``, ``not_given_away``."""


class Manifests:
    """The manifests of the given folders: compared with what is there and, in the modes ``repair`` and ``remember``,
    written where they are not right. The tree may be hostile here too: nothing is opened through a link, and nothing
    written in place."""

    def __init__(self, tree: Tree, deadline: float) -> None:
        self._tree, self._task, self._deadline = tree, tree.task, deadline
        self._tally = Tally()

    def see_to(self) -> Tally:
        """See to all of them and return what was found: how many folders are ``same``, ``differs``, ``absent``,
        ``invalid``, ``incomplete`` (no hashes yet), ``misowned``, ``written`` or ``unknown`` (with ``reason x``), and
        how many ``files`` they have, and were ``added``, ``removed`` or ``changed``."""
        for _link in (*self._tree.not_followed, *self._tree.left):
            self._unknown(errno.errorcode[errno.ELOOP])
        for path in self._task.paths:
            try:
                self._see_to(path)
            except ManifestUnknown as unknown:
                self._unknown(str(unknown))
            except OSError as error:
                self._unknown(errno.errorcode.get(error.errno or 0, str(error.errno)))
        return self._tally

    def answer(self) -> bool:
        """See to all of them and say whether the answer to the question that the task's mode is, is yes."""
        counts = self.see_to().counts
        sys.stdout.write(json.dumps(counts) + "\n")
        if self._task.mode == COMPARE:
            return counts.keys() <= {"files", "same"}
        if self._task.mode == REMEMBER:
            return "written" in counts
        return "changed" in counts or "removed" in counts

    def _unknown(self, reason: str) -> None:
        self._tally.add("unknown")
        self._tally.add(f"reason {reason}")

    def _see_to(self, path: str) -> None:
        folder = self._tree.open(path)
        try:
            entries = self._entries(path)
            self._tally.add("files", number=sum("bytes" in entry for entry in entries.values()))
            if self._task.manifest == HASHES:
                self._add_hashes(path, entries)
            states = self._compare(path, entries, folder)
            for state in states or ["same"]:
                self._tally.add(state)
            if states and self._task.mode in (REPAIR, REMEMBER):
                self._write(folder, entries)
                self._tally.add("written")
        except FileNotFoundError as gone:
            # The folder itself is there.
            raise ManifestUnknown("vanished") from gone
        finally:
            os.close(folder)

    def _entries(self, top: str) -> dict[str, dict[str, Any]]:
        """Return the files and links below a folder by their paths there: ``bytes`` of a file, the target of a
        ``link``."""
        found: dict[str, dict[str, Any]] = {}
        waiting, seen = [""], 0
        while waiting:
            below = waiting.pop()
            with contextlib.suppress(FileNotFoundError):
                descriptor = self._tree.open("/".join(filter(None, (top, below))))
                try:
                    if os.fstat(descriptor).st_dev != self._tree.device:
                        continue
                    with os.scandir(descriptor) as names:
                        for name in names:
                            seen += 1
                            self._stop(seen > MANIFEST_ENTRIES, "too_many")
                            self._stop(time.monotonic() > self._deadline, "time_up")
                            place = f"{below}/{name.name}" if below else name.name
                            if name.is_dir(follow_symlinks=False):
                                waiting.append(place)
                            elif not name.name.startswith(MANIFEST_NAME):
                                self._take_note(name, descriptor, place, found)
                finally:
                    os.close(descriptor)
        return found

    def _take_note(self, name: os.DirEntry[str], above: int, place: str, found: dict[str, dict[str, Any]]) -> None:
        # What is gone meanwhile is not there.
        with contextlib.suppress(FileNotFoundError):
            if name.is_symlink():
                found[place] = {"link": os.readlink(name.name, dir_fd=above)}
            elif name.is_file(follow_symlinks=False):
                found[place] = {"bytes": name.stat(follow_symlinks=False).st_size}

    def _stop(self, hopeless: bool, reason: str) -> None:
        if hopeless:
            raise ManifestUnknown(reason)

    def _add_hashes(self, top: str, entries: dict[str, dict[str, Any]]) -> None:
        """Read all files and add what is in them as ``sha256``, with what was read as their size."""
        files = [place for place, entry in entries.items() if "bytes" in entry]
        began = told = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(HASH_THREADS) as readers:
            read = readers.map(lambda place: self._hash(top, place), files)
            for number, (place, size, digest) in enumerate(read, 1):
                entries[place] = {"bytes": size, "sha256": digest}
                if time.monotonic() > told + HASH_PROGRESS_SECONDS:
                    told = time.monotonic()
                    line = {"hashed": number, "of": len(files), "seconds": round(told - began)}
                    sys.stderr.write(json.dumps(line) + "\n")
                    sys.stderr.flush()

    def _hash(self, top: str, place: str) -> tuple[str, int, str]:
        """Return a file with its size and the hash of what is in it."""
        with os.fdopen(self._tree.open(f"{top}/{place}" if top else place, FILE), "rb", buffering=0) as file:
            self._stop(not stat.S_ISREG(os.fstat(file.fileno()).st_mode), "changing")
            digest, size = hashlib.sha256(), 0
            while True:
                self._stop(time.monotonic() > self._deadline, "time_up")
                block = file.read(HASH_BLOCK)
                if not block:
                    return place, size, digest.hexdigest()
                digest.update(block)
                size += len(block)

    def _compare(self, top: str, entries: dict[str, dict[str, Any]], folder: int) -> list[str]:
        """Return what is not as it should be of a folder's manifest, in the words of the report."""
        try:
            descriptor = os.open(MANIFEST_NAME, FILE, dir_fd=folder)
        except FileNotFoundError:
            return ["absent"]
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return ["invalid"]
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            # With another name it may be a file from elsewhere, of which nothing is told.
            ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_size <= MANIFEST_BYTES
            remembered = read_manifest(file.read(MANIFEST_BYTES)) if ours else None
        if remembered is None:
            return ["invalid"]
        difference = manifest_difference(remembered, entries)
        for what, places in difference.items():
            for place in places:
                self._tally.add(what, f"{top}/{place}" if top else place)
        states = ["differs"] if any(difference.values()) else []
        if self._task.manifest == HASHES and any("bytes" in one and "sha256" not in one for one in remembered.values()):
            states.append("incomplete")
        if faults_of(judged(status), self._task):
            states.append("misowned")
        return states

    def _write(self, folder: int, entries: dict[str, dict[str, Any]]) -> None:
        """Write the manifest of a folder as a new file of the serving identity, which then takes the old one's name."""
        content = json.dumps({"format": MANIFEST_FORMAT, "files": entries}, indent=1, sort_keys=True).encode()
        # It would not be read again.
        self._stop(len(content) > MANIFEST_BYTES, "too_many")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        # A name that nobody has: another run may write one at the same time.
        new = _NEW_MANIFEST + os.urandom(8).hex()
        descriptor = os.open(new, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                mode, owner, group = mended((stat.S_IFREG | 0o640, self._task.uid, self._task.gid), self._task)
                os.fchown(descriptor, owner, group)
                os.fchmod(descriptor, stat.S_IMODE(mode))
                os.fsync(descriptor)
                # Where the storage gives new files to somebody else, it would be one more file that is wrong.
                self._stop(bool(faults_of(judged(os.fstat(descriptor)), self._task)), "not_given_away")
                self._remove_left_over(folder, os.fstat(descriptor).st_mtime - _LEFT_OVER_SECONDS)
            os.replace(new, MANIFEST_NAME, src_dir_fd=folder, dst_dir_fd=folder)
        except (OSError, ManifestUnknown):
            with contextlib.suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise

    def _remove_left_over(self, folder: int, latest: float) -> None:
        """Remove new manifests of runs that were killed. By the storage's own clock, which all of them are written by,
        they are older than ``latest``."""
        with os.scandir(folder) as names:
            for name in names:
                if name.name.startswith(_NEW_MANIFEST):
                    with contextlib.suppress(OSError):
                        if name.stat(follow_symlinks=False).st_mtime < latest:
                            os.unlink(name.name, dir_fd=folder)


def read_manifest(text: bytes) -> dict[str, dict[str, Any]] | None:
    """Return what a manifest says of files, by their paths; ``None`` for what is no manifest of this format."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(content, dict) or content.get("format") != MANIFEST_FORMAT:
        return None
    files = content.get("files")
    if not isinstance(files, dict) or not all(isinstance(entry, dict) for entry in files.values()):
        return None
    return files


def manifest_difference(before: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return which files were ``added``, ``removed`` and ``changed``. A hash counts where both sides have one."""

    def is_other(one: dict[str, Any], other: dict[str, Any]) -> bool:
        hashed = ("sha256",) if "sha256" in one and "sha256" in other else ()
        return any(one.get(what) != other.get(what) for what in ("bytes", "link", *hashed))

    return {
        "added": sorted(now.keys() - before.keys()),
        "removed": sorted(before.keys() - now.keys()),
        "changed": sorted(place for place in before.keys() & now.keys() if is_other(before[place], now[place])),
    }
