# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes awaited through their pidfd: one event loop, no thread and no signal handler per child."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO


class ChildProcess:
    """A started child. Make it inside a running event loop."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = os.pidfd_open(popen.pid)
        self._loop.add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        status = self._popen.wait()
        if not self._ended.done():
            self._ended.set_result(128 - status if status < 0 else status)

    @property
    def ended(self) -> bool:
        """Whether the child has ended and was reaped."""
        return self._ended.done()

    async def wait(self) -> int:
        """Return the exit code (128 + signal number when killed); may be awaited by several tasks."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """Send SIGKILL; nothing happens when the child has ended."""
        self._popen.kill()


def memory_file(content: bytes, name: str = "content") -> BinaryIO:
    """Return an anonymous file that holds ``content``, positioned at its start."""
    file = os.fdopen(os.memfd_create(name), "w+b", buffering=0)
    file.write(content)
    file.seek(0)
    return file


class DescriptorFiles:
    """Files without a name that a child reads from descriptors; a context manager that closes them."""

    def __init__(self) -> None:
        self._files: list[BinaryIO] = []

    def __enter__(self) -> DescriptorFiles:
        return self

    def __exit__(self, *_error: object) -> None:
        for file in self._files:
            file.close()

    def add(self, content: bytes) -> int:
        """Make a file and return the number of its descriptor."""
        self._files.append(memory_file(content))
        return self._files[-1].fileno()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors a child must inherit."""
        return tuple(file.fileno() for file in self._files)


async def run_command(argv: Sequence[str], standard_input: str = "") -> str:
    """Run a short command, return its output. Raises ``OSError`` with the command's own words when it fails."""
    with memory_file(standard_input.encode()) as source, memory_file(b"") as output:
        child = ChildProcess(subprocess.Popen(argv, stdin=source, stdout=output, stderr=output))
        code = await child.wait()
        output.seek(0)
        text = output.read().decode(errors="replace").strip()
    if code != 0:
        raise OSError(f"{' '.join(argv)} ended with {code}: {text}")
    return text


async def read_to_end(descriptor: int) -> bytes:
    """Read a pipe until its writers have closed it, without blocking the event loop; closes ``descriptor``."""
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()
    parts: list[bytes] = []

    def receive() -> None:
        part = os.read(descriptor, 65536)
        if part:
            parts.append(part)
        elif not finished.done():
            finished.set_result(None)

    loop.add_reader(descriptor, receive)
    try:
        await finished
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return b"".join(parts)


def processes_in_namespace(first_pid: int) -> list[int]:
    """Return the processes that share ``first_pid``'s PID namespace (all processes of a pod), ``first_pid`` first."""
    namespace = _pid_namespace(first_pid)
    if namespace is None:
        return []
    found = [first_pid]
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != first_pid and _pid_namespace(int(entry)) == namespace:
            found.append(int(entry))
    return found


def _pid_namespace(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def program_of(pid: int) -> str | None:
    """Return the short program name of a process, ``None`` when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
