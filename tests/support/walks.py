# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the storage walker as a pod would: the real program, as root with three capabilities, or as the serving UID."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._storage.program import program
from support.needs import missing

UID = GID = 2000
# What an init container of the job has: root with the group of the workload, and three capabilities.
ROOT = ("--regid", str(GID), "--clear-groups", "--no-new-privs", "--bounding-set=-all,+chown,+dac_override,+fowner")
SERVING = ("--reuid", str(UID), "--regid", str(GID), "--clear-groups", "--no-new-privs", "--bounding-set=-all")
# A Python below a folder of root's own cannot be started as another user: it changes its user after its imports, which
# setpriv cannot, so that capabilities and groups come from setpriv and the user from here.
_START = """
import os, sys, types
text, uid, gid, groups, task = sys.argv[1:]
module = sys.modules["walker"] = types.ModuleType("walker")
exec(compile(text, "walker", "exec"), vars(module))
if int(uid):
    os.setgroups([int(group) for group in groups.split(",") if group])
    os.setgid(int(gid))
    os.setuid(int(uid))
sys.exit(module.main([task]))
"""


@dataclass(frozen=True)
class Walked:
    """How a run of the walker ended: its exit status, its report and its progress lines."""

    status: int
    report: dict[str, Any]
    errors: str

    def found(self, what: str) -> int:
        """Return a count of the first pass."""
        return int(self.report["found"].get(what, 0))

    def done(self, what: str) -> int:
        """Return how often something was done."""
        return int(self.report["done"].get(what, 0))


def need_root(*programs: str) -> None:
    """Stop the test unless files can be given to other users here, and these programs are there."""
    if os.geteuid() != 0:
        missing("root, for files of several users: run as root")
    for name in programs:
        if shutil.which(name) is None:
            missing(f"{name}: apt-get install {name}")


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that every user can enter; pytest's own lie in one that only root can."""
    folder = Path(tempfile.mkdtemp(prefix="gpuops-volume-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@functools.cache
def the_program() -> str:
    """Return the program, joined once."""
    return program()


def command(task: dict[str, Any], python: str = sys.executable, limits: Sequence[str] = ROOT) -> list[str]:
    """Return the command of the walker as root."""
    return ["setpriv", *limits, python, "-I", "-S", "-B", "-c", the_program(), json.dumps(task)]


def task_of(mode: str, base: Path, paths: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
    """Return a task for the serving identity of the tests."""
    return {"mode": mode, "base": str(base), "paths": list(paths), "uid": UID, "gid": GID, "seconds": 120.0, **options}


def walk(mode: str, base: Path, *paths: str, limits: Sequence[str] = ROOT, **options: Any) -> Walked:
    """Run the walker as root in mode ``look`` or ``repair``."""
    return _ended(command(task_of(mode, base, paths, options), limits=limits))


def prove(base: Path, *paths: str, groups: Sequence[int] = (), **options: Any) -> Walked:
    """Run the walker in mode ``prove`` as the serving identity, without any capability."""
    task = json.dumps(task_of("prove", base, paths, {"groups": list(groups), **options}))
    identity = [str(UID), str(GID), ",".join(str(group) for group in groups), task]
    return _ended([sys.executable, "-I", "-S", "-B", "-c", _START, the_program(), *identity])


def killed(task: dict[str, Any], seconds: float) -> None:
    """Run the walker as root and kill it with its children after some time."""
    process = subprocess.Popen(command(task), stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ended(words: list[str]) -> Walked:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=180)
    return Walked(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)


def state(folder: Path) -> dict[bytes, tuple[int, int, int, int]]:
    """Return mode, owner, group and time of change of everything below a folder, without following a link."""
    found = {}
    for above, folders, files in os.walk(os.fsencode(folder)):
        for name in [b".", *folders, *files]:
            path = os.path.join(above, name)
            status = os.lstat(path)
            found[path] = (status.st_mode, status.st_uid, status.st_gid, status.st_ctime_ns)
    return found


def make_file(path: Path, mode: int = 0o640, owner: int = UID, group: int = GID) -> Path:
    """Make a file of some owner and mode, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("weights")
    os.chown(path, owner, group)
    path.chmod(mode)
    return path


def make_folder(path: Path, mode: int = 0o750, owner: int = UID, group: int = GID) -> Path:
    """Make a folder of some owner and mode."""
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, group)
    path.chmod(mode)
    return path
