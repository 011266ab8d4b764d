# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the cluster's programs and ends them again, only ever by their own process ids."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ADDRESS = "127.0.0.1"
POLL_SECONDS = 0.02
END_SECONDS = 10.0

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


def start(name: str, command: list[str], folder: Path, variables: dict[str, str] | None = None) -> Process:
    """Start a program in a session of its own; its output goes to logs/NAME.log, its record to processes/NAME.json."""
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "processes").mkdir(exist_ok=True)
    with log_of(folder, name).open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **(variables or {})},
            cwd=folder,
        )
    process = Process(name, child.pid, started_at(child.pid) or "", command)
    try:
        write_private(folder / "processes" / f"{name}.json", asdict(process))
    except OSError:
        # The folder is gone, because the cluster is being ended: nobody else could end this one.
        child.kill()
        raise
    return process


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


def started_at(pid: int) -> str | None:
    """Return when a living process was started (its ``starttime``), or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    words = text.rpartition(")")[2].split()
    return None if words[0] == "Z" else words[19]


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that only this user can read, all at once."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file, or None where there is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content
