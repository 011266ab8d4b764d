# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system whose every call takes its time, as over a network: folders of empty files, in memory, by FUSE.

Usage: python tests/bench/slow_files.py FOLDER DIRECTORIES FILES_IN_EACH SECONDS_OF_A_CALL OWNER

It speaks the kernel's own protocol (include/uapi/linux/fuse.h, 7.31), mounts itself at FOLDER, says ``ready`` and
serves until it is unmounted. Many calls wait at the same time. Names and attributes are remembered by the kernel for a
minute, as NFS does for seconds.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import os
import select
import stat
import struct
import subprocess
import sys
import time
from dataclasses import dataclass

LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 4, 14, 15, 17, 18
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 25, 26, 27, 28, 29, 36, 42
SILENT = (FORGET, INTERRUPT, BATCH_FORGET)
IN_HEADER = struct.Struct("=IIQQIIIHH")
OUT_HEADER = struct.Struct("=IiQ")
ATTRIBUTES = struct.Struct("=6Q3I7I")
ENTRY = struct.Struct("=4Q2I")
SET_ATTRIBUTES = struct.Struct("=2I6Q8I")
PARALLEL_DIRECTORIES = 1 << 18
SET_MODE, SET_OWNER, SET_GROUP = 1, 2, 4
REMEMBERED_SECONDS = 60
ROOT = 1
BUFFER_BYTES = 8192


@dataclass
class Node:
    """A file or folder: its mode, owner and group."""

    mode: int
    owner: int
    group: int


class SlowFiles:
    """The file system: ``directories`` folders of ``files`` empty files each, all of one owner and group."""

    def __init__(self, directories: int, files: int, seconds: float, owner: int) -> None:
        self._directories, self._files, self._seconds = directories, files, seconds
        self._nodes = {ROOT: Node(stat.S_IFDIR | 0o750, owner, owner)}
        for directory in range(directories):
            self._nodes[self._directory(directory)] = Node(stat.S_IFDIR | 0o750, owner, owner)
            for file in range(files):
                self._nodes[self._directory(directory) + 1 + file] = Node(stat.S_IFREG | 0o640, owner, owner)

    def serve(self, device: int) -> None:
        """Answer until the file system is unmounted, each request after its time. One thread does it all: this process
        must not be what the programs that are measured wait for."""
        os.set_blocking(device, False)
        waiting: list[tuple[float, int, bytes]] = []
        for number in itertools.count():
            rest = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            if select.select([device], [], [], rest)[0]:
                try:
                    request = os.read(device, BUFFER_BYTES)
                except OSError as error:
                    if error.errno not in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                        return
                else:
                    self._take(request, number, waiting)
            while waiting and waiting[0][0] <= time.monotonic():
                os.write(device, heapq.heappop(waiting)[2])

    def _take(self, request: bytes, number: int, waiting: list[tuple[float, int, bytes]]) -> None:
        """Put the answer to a request among those that wait for their time."""
        opcode, unique, node = IN_HEADER.unpack_from(request)[1:4]
        if opcode in SILENT:
            return
        answer = self._answer(opcode, node, request[IN_HEADER.size :])
        code, content = (-answer, b"") if isinstance(answer, int) else (0, answer)
        due = time.monotonic() + (0.0 if opcode == INIT else self._seconds)
        heapq.heappush(waiting, (due, number, OUT_HEADER.pack(OUT_HEADER.size + len(content), code, unique) + content))

    def _answer(self, opcode: int, node: int, content: bytes) -> bytes | int:
        """Return what is answered, or the number of an error."""
        if opcode == INIT:
            read_ahead, flags = struct.unpack_from("=4I", content)[2:]
            shared = flags & PARALLEL_DIRECTORIES
            return struct.pack("=4I2H2I2H8I", 7, 31, read_ahead, shared, 64, 64, 4096, 1, 1, 0, *(0,) * 8)
        if opcode == LOOKUP:
            return self._lookup(node, content.rstrip(b"\0"))
        if opcode in (GETATTR, SETATTR):
            if opcode == SETATTR:
                self._set(node, SET_ATTRIBUTES.unpack_from(content))
            return struct.pack("=QII", REMEMBERED_SECONDS, 0, 0) + self._attributes(node)
        if opcode in (OPEN, OPENDIR):
            return struct.pack("=QII", 0, 0, 0)
        if opcode == READDIR:
            return self._list(node, *struct.unpack_from("=QQI", content)[1:])
        if opcode == STATFS:
            return struct.pack("=5Q10I", *(1 << 20,) * 5, 4096, 255, 4096, *(0,) * 7)
        return b"" if opcode in (READ, RELEASE, RELEASEDIR, FLUSH) else errno.ENOSYS

    def _directory(self, number: int) -> int:
        return ROOT + 1 + number * (self._files + 1)

    def _names(self, node: int) -> list[tuple[str, int]]:
        if node == ROOT:
            return [(f"d{number}", self._directory(number)) for number in range(self._directories)]
        return [(f"f{number}", node + 1 + number) for number in range(self._files)]

    def _lookup(self, node: int, name: bytes) -> bytes | int:
        kind, number = name[:1], name[1:]
        if kind != (b"d" if node == ROOT else b"f") or not number.isdigit():
            return errno.ENOENT
        found = self._directory(int(number)) if node == ROOT else node + 1 + int(number)
        if found not in self._nodes:
            return errno.ENOENT
        return ENTRY.pack(found, 0, REMEMBERED_SECONDS, REMEMBERED_SECONDS, 0, 0) + self._attributes(found)

    def _attributes(self, node: int) -> bytes:
        found = self._nodes[node]
        links = 2 if stat.S_ISDIR(found.mode) else 1
        numbers = (node, *(0,) * 5, *(0,) * 3, found.mode, links, found.owner, found.group, 0, 4096, 0)
        return ATTRIBUTES.pack(*numbers)

    def _set(self, node: int, given: tuple[int, ...]) -> None:
        valid, mode, owner, group = given[0], given[11], given[13], given[14]
        found = self._nodes[node]
        if valid & SET_MODE:
            found.mode = mode
        if valid & SET_OWNER:
            found.owner = owner
        if valid & SET_GROUP:
            found.group = group

    def _list(self, node: int, offset: int, size: int) -> bytes:
        parts: list[bytes] = []
        room = size
        for position, (name, below) in enumerate(self._names(node)[offset:], offset + 1):
            text = name.encode()
            kind = self._nodes[below].mode >> 12
            entry = struct.pack("=QQII", below, position, len(text), kind) + text + b"\0" * (-len(text) % 8)
            if len(entry) > room:
                break
            parts.append(entry)
            room -= len(entry)
        return b"".join(parts)


def main(folder: str, directories: str, files: str, seconds: str, owner: str) -> int:
    """Mount the file system and serve it."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    command = ["mount", "-i", "-t", "fuse", "-o", options, "slow-files", folder]
    subprocess.run(command, pass_fds=(device,), check=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    SlowFiles(int(directories), int(files), float(seconds), int(owner)).serve(device)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
