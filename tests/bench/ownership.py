# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walker over many files, on this machine's disk and on a slow file system, against find and chown."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import Figure

GROUP = "Model files: {files:,} on this machine's disk"
SLOW_GROUP = "Model files: {files:,} on a file system whose every call takes 0.5 ms"
UID = 2000
IN_A_DIRECTORY = 500
# How many times as many are "very many".
SCALE = 5
SLOW_FILES = 20000
SLOW_SECONDS = 0.0005
# Commands that are compared run in turn, so often: what disturbs one of them mostly disturbs its neighbours too.
ROUNDS = 3


def measure(folder: Path, program: str, files: int) -> list[Figure]:
    """Measure looks, proofs and repairs with ``program``, the walker's text: of ``files`` files, of very many, and of
    files on a slow file system."""
    figures = [figure for number in (files, SCALE * files) for figure in _measure_disk(folder, program, number)]
    return figures + _measure_slow(folder, program)


def _measure_disk(folder: Path, program: str, files: int) -> list[Figure]:
    disk = _Measured(folder / "disk", program, GROUP.format(files=files))
    disk.fill(files // IN_A_DIRECTORY)
    right = disk.in_turn(
        {
            "find": lambda: _run("find", disk.tree, "(", "!", "-uid", str(UID), "-o", "!", "-gid", str(UID), ")"),
            "look": lambda: disk.walk("look"),
            "chown": lambda: _run("chown", "-R", f"{UID}:{UID}", disk.tree),
            "prove": lambda: disk.walk("prove"),
            "read": lambda: _run("sh", "-c", 'find "$1" -type f -exec head -qc1 {} + >/dev/null', "sh", disk.tree),
        }
    )
    # The first makes all of them wrong, and is what the second one is compared with.
    wrong = disk.in_turn(
        {
            "chown": lambda: _run("chown", "-R", "0:0", disk.tree),
            "wrong look": lambda: disk.walk("look"),
            "repair": lambda: disk.walk("repair"),
        }
    )
    shutil.rmtree(folder / "disk")
    repaired = disk.reports["repair"]
    passes = f"{repaired['done']['changed']} changes, {repaired['passes']} passes"
    memory = max(report["memory_mib"] for report in disk.reports.values())
    return [
        disk.figure("`find` for another owner or group", min(right["find"])),
        disk.figure("second `chown -R`", min(right["chown"]), note="it touches every file's time of change"),
        disk.figure("look at right files", min(right["look"])),
        disk.ratio("the same against `find`", right["look"], right["find"], "2 or less"),
        disk.ratio("the same against a second `chown -R`", right["look"], right["chown"], "1 or less"),
        disk.figure("proof: a byte of each file", min(right["prove"])),
        disk.ratio("the same against `find -exec head`", right["prove"], right["read"]),
        disk.figure("look at wrong files", min(wrong["wrong look"])),
        disk.figure("repair of all", min(wrong["repair"]), note=passes),
        disk.ratio("the same against a first `chown -R`", wrong["repair"], wrong["chown"]),
        disk.figure("memory of the largest process", memory, "does not grow", unit="MiB"),
    ]


def _measure_slow(folder: Path, program: str) -> list[Figure]:
    slow = _Measured(folder / "slow", program, SLOW_GROUP.format(files=SLOW_FILES))
    # Each begins with nothing remembered, as on a machine that mounts the volume for the first time.
    with _mounted(folder / "slow", UID):
        look = _timed(lambda: slow.walk("look", paths=[""]))
    with _mounted(folder / "slow", UID):
        second = _timed(lambda: _run("chown", "-R", f"{UID}:{UID}", str(folder / "slow")))
    with _mounted(folder / "slow", 0):
        first = _timed(lambda: _run("chown", "-R", f"{UID}:{UID}", str(folder / "slow")))
    with _mounted(folder / "slow", 0):
        repair = _timed(lambda: slow.walk("repair", paths=[""]))
    return [
        slow.figure("second `chown -R`, serial", second),
        slow.figure("look at right files", look),
        slow.figure("the same, faster by", second / look, "8 or more", unit="x"),
        slow.figure("first `chown -R`, serial", first),
        slow.figure("repair of all", repair, note=f"{slow.reports['repair']['passes']} passes"),
        slow.figure("the same, faster by", first / repair, unit="x"),
    ]


class _Measured:
    """A folder in which things are timed. ``reports`` has the last report of each kind of walk."""

    def __init__(self, folder: Path, program: str, group: str) -> None:
        self._folder, self._program, self._group = folder, program, group
        folder.mkdir(parents=True)
        self.tree = str(folder / "model")
        self.reports: dict[str, dict[str, Any]] = {}

    def fill(self, directories: int) -> None:
        """Make the files, all of them right."""
        for directory in range(directories):
            path = os.path.join(self.tree, f"d{directory}")
            os.makedirs(path, mode=0o750)
            for file in range(IN_A_DIRECTORY):
                os.close(os.open(os.path.join(path, f"f{file}"), os.O_CREAT | os.O_WRONLY, 0o640))
        _run("chown", "-R", f"{UID}:{UID}", self.tree)

    def in_turn(self, works: Mapping[str, Callable[[], None]]) -> dict[str, list[float]]:
        """Return the seconds that each takes, in each round."""
        rounds = [{name: _timed(work) for name, work in works.items()} for _round in range(ROUNDS)]
        return {name: [times[name] for times in rounds] for name in works}

    def walk(self, mode: str, paths: Sequence[str] = ("model",)) -> None:
        """Run the walker, the start of Python included."""
        task = {"mode": mode, "base": str(self._folder), "paths": list(paths), "uid": UID, "gid": UID}
        words = [sys.executable, "-I", "-S", "-B", "-c", self._program, json.dumps(task)]
        self.reports[mode] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    def figure(self, name: str, value: float, aim: str = "", note: str = "", unit: str = "s") -> Figure:
        """Return a figure of this group."""
        return Figure(self._group, name, value, unit, aim, note)

    def ratio(self, name: str, ours: Sequence[float], theirs: Sequence[float], aim: str = "") -> Figure:
        """Return how many times as long ours takes: the median of the rounds."""
        ratios = sorted(our / their for our, their in zip(ours, theirs, strict=True))
        note = f"median of {ROUNDS} rounds, {ratios[0]:.2f} to {ratios[-1]:.2f}"
        return self.figure(name, statistics.median(ratios), aim, note, "x")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


@contextmanager
def _mounted(folder: Path, owner: int) -> Iterator[None]:
    """Mount the slow file system, all of it one owner's, with nothing of it remembered."""
    numbers = (str(SLOW_FILES // IN_A_DIRECTORY), str(IN_A_DIRECTORY), str(SLOW_SECONDS), str(owner))
    program = Path(__file__).with_name("slow_files.py")
    server = subprocess.Popen([sys.executable, program, folder, *numbers], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        yield
    finally:
        subprocess.run(["umount", folder], check=False)
        server.wait()
