# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the cluster's programs and ends them again, only ever by their own process ids."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from gpuops_sandbox.processes import read_json, started_at, write_private

ADDRESS = "127.0.0.1"
POLL_SECONDS = 0.02
END_SECONDS = 10.0
# A state in /proc/net/tcp.
LISTENING = "0A"

# Below the ports that the kernel gives to outgoing connections: a server that is restarted finds its port free.
PORTS = range(20000, 32000)


@dataclass(frozen=True)
class Process:
    """A started program: ``started`` is the kernel's start time, so that a reused id is not taken for it."""

    name: str
    pid: int
    started: str
    command: list[str]

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return started_at(self.pid) == self.started


def free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """Return a free port of the loopback for each name."""
    held: dict[str, socket.socket] = {}
    try:
        while len(held) < len(names):
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                listener.bind((ADDRESS, random.choice(PORTS)))
            except OSError:
                listener.close()
                continue
            held[names[len(held)]] = listener
        return {name: int(listener.getsockname()[1]) for name, listener in held.items()}
    finally:
        for listener in held.values():
            listener.close()


def start(
    name: str,
    command: list[str],
    folder: Path,
    variables: dict[str, str] | None = None,
    entering: list[str] | None = None,
    pass_fds: tuple[int, ...] = (),
) -> Process:
    """Start a program in a session of its own; its output goes to logs/NAME.log, its record to processes/NAME.json.

    ``entering`` are words that lead into other namespaces, by a process that waits outside: its child is the program.
    """
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "processes").mkdir(exist_ok=True)
    with log_of(folder, name).open("ab") as log:
        child = subprocess.Popen(
            [*(entering or ()), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **(variables or {})},
            cwd=folder,
            pass_fds=pass_fds,
        )
    process = Process(name, child.pid, started_at(child.pid) or "", command)
    if entering:
        process = child_of(process)
    try:
        record(folder, process)
    except OSError:
        # The folder is gone, because the cluster is being ended: nobody else could end this one.
        os.kill(process.pid, signal.SIGKILL)
        raise
    return process


def record(folder: Path, process: Process) -> None:
    """Write down a process, so that any later call can end it."""
    write_private(folder / "processes" / f"{process.name}.json", asdict(process))


def child_of(parent: Process) -> Process:
    """Return the child of a process that has one, or will have; the parent itself where it ends without."""
    path = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while parent.lives:
        pids = path.read_text(encoding="utf-8").split()
        if pids:
            return Process(parent.name, int(pids[0]), started_at(int(pids[0])) or "", parent.command)
        time.sleep(POLL_SECONDS)
    return parent


def listens(port: int, beside: Process | None = None) -> bool:
    """Say whether somebody listens on a TCP port, in this network or in the one of another process."""
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/{beside.pid if beside else 'self'}/net/{table}").read_text(encoding="utf-8").splitlines()
        for words in (line.split() for line in lines[1:]):
            if int(words[1].rpartition(":")[2], 16) == port and words[3] == LISTENING:
                return True
    return False


def log_of(folder: Path, name: str) -> Path:
    """Return the file of a program's output."""
    return folder / "logs" / f"{name}.log"


def last_lines(folder: Path, name: str, count: int = 15) -> str:
    """Return the end of a program's output."""
    try:
        lines = log_of(folder, name).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(it wrote nothing)"
    return "\n".join(lines[-count:]) or "(it wrote nothing)"


def recorded(folder: Path) -> dict[str, Process]:
    """Return the programs that were started in a folder, by name, living or not."""
    found = {}
    for path in sorted((folder / "processes").glob("*.json")):
        content = read_json(path)
        if content is not None:
            found[path.stem] = Process(**content)
    return found


def end(process: Process) -> None:
    """Kill a program and wait until it has ended. It is not asked first: nothing that it could save is needed."""
    if not process.lives:
        return
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + END_SECONDS
    while process.lives and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
