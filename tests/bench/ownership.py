# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walker over many files, on this machine's disk and on a slow file system, against find and chown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import Figure

GROUP = "Files of a model volume, right already: on this machine's disk"
SLOW_GROUP = "The same on a file system whose every call takes 0.5 ms"
UID = 2000
IN_A_DIRECTORY = 500
SLOW_FILES = 20000
SLOW_SECONDS = 0.0005
RUNS = 3


def measure(folder: Path, program: str, files: int) -> list[Figure]:
    """Measure looks, repairs and proofs of ``files`` files, with ``program``, the walker's text."""
    disk = _Measured(folder / "disk", program, GROUP)
    disk.fill(files // IN_A_DIRECTORY)
    figures = [Figure(GROUP, "files", files, "", "", f"{IN_A_DIRECTORY} in each folder; the best of {RUNS} runs")]
    find = disk.best(["find", disk.tree, "(", "!", "-uid", str(UID), "-o", "!", "-gid", str(UID), ")"])
    chown = disk.best(["chown", "-R", f"{UID}:{UID}", disk.tree])
    look, report = disk.walk("look")
    proof, _report = disk.walk("prove")
    read = disk.best(["sh", "-c", 'find "$1" -type f -exec head -qc1 {} + >/dev/null', "sh", disk.tree])
    subprocess.run(["chown", "-R", "0:0", disk.tree], check=True)
    repair, repaired = disk.walk("repair", runs=1)
    figures += [
        disk.figure("`find` for another owner or group", find),
        disk.figure("second `chown -R`", chown, note="it touches every file's time of change"),
        disk.figure("look", look, f"at most {2 * find:.2f} s, twice find", f"{look / find:.1f} times find"),
        disk.figure("look, against a second `chown -R`", look / chown, "1 or less", unit="times"),
        disk.figure("proof: a byte of each file", proof, note=f"`find -exec head`: {read:.2f} s"),
        disk.figure(
            "repair of all", repair, note=f"{repaired['done']['changed']} changes, {repaired['passes']} passes"
        ),
        disk.figure("memory of the largest process", report["memory_mib"], "does not grow", unit="MiB"),
    ]
    return figures + _measure_slow(folder, program)


def _measure_slow(folder: Path, program: str) -> list[Figure]:
    slow = _Measured(folder / "slow", program, SLOW_GROUP)
    with _mounted(folder / "slow"):
        look, _report = slow.walk("look", paths=[""], runs=1)
    # Each begins with nothing remembered, as on a machine that mounts the volume for the first time.
    with _mounted(folder / "slow"):
        chown = slow.best(["chown", "-R", f"{UID}:{UID}", str(folder / "slow")], runs=1)
    return [
        slow.figure("serial `chown -R`", chown, note=f"{SLOW_FILES} files"),
        slow.figure("look", look),
        slow.figure("look, faster than `chown -R` by", chown / look, "8 or more", unit="times"),
    ]


class _Measured:
    """A folder in which things are timed."""

    def __init__(self, folder: Path, program: str, group: str) -> None:
        self._folder, self._program, self._group = folder, program, group
        folder.mkdir(parents=True)
        self.tree = str(folder / "model")

    def fill(self, directories: int) -> None:
        """Make the files, all of them right."""
        for directory in range(directories):
            path = os.path.join(self.tree, f"d{directory}")
            os.makedirs(path, mode=0o750)
            for file in range(IN_A_DIRECTORY):
                os.close(os.open(os.path.join(path, f"f{file}"), os.O_CREAT | os.O_WRONLY, 0o640))
        subprocess.run(["chown", "-R", f"{UID}:{UID}", self.tree], check=True)

    def best(self, command: Sequence[str], runs: int = RUNS) -> float:
        """Return the least seconds that a command takes."""
        return min(
            _timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)) for _run in range(runs)
        )

    def walk(self, mode: str, paths: Sequence[str] = ("model",), runs: int = RUNS) -> tuple[float, dict[str, Any]]:
        """Return the least seconds that the walker takes, the start of Python included, and its last report."""
        task = {"mode": mode, "base": str(self._folder), "paths": list(paths), "uid": UID, "gid": UID}
        words = [sys.executable, "-I", "-S", "-B", "-c", self._program, json.dumps(task)]
        outputs: list[str] = []

        def run() -> None:
            outputs.append(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

        seconds = min(_timed(run) for _run in range(runs))
        return seconds, json.loads(outputs[-1])

    def figure(self, name: str, value: float, aim: str = "", note: str = "", unit: str = "s") -> Figure:
        """Return a figure of this group."""
        return Figure(self._group, name, value, unit, aim, note)


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


@contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    """Mount the slow file system, with nothing of it remembered."""
    numbers = (str(SLOW_FILES // IN_A_DIRECTORY), str(IN_A_DIRECTORY), str(SLOW_SECONDS))
    program = Path(__file__).with_name("slow_files.py")
    server = subprocess.Popen([sys.executable, program, folder, *numbers], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        yield
    finally:
        subprocess.run(["umount", folder], check=False)
        server.wait()
