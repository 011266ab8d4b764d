# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the program of the probe as a pod would: the real text, as the serving user, with the capabilities of one."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import ProbeTask
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.programs import probe_program
from support.needs import missing

STUB = Path(__file__).parent / "stub_ibverbs.c"
UID = GID = 2000
# What a container of that user has when IPC_LOCK is added to it: the capability, and no way to use it. As a runtime
# that knew ambient capabilities would have it, it would be effective.
ADDED = ("--bounding-set=-all,+ipc_lock", "--inh-caps=-all,+ipc_lock", "--no-new-privs")
AMBIENT = (*ADDED, "--ambient-caps=+ipc_lock")
BARE = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


@functools.cache
def the_program() -> str:
    """Return the program, joined once."""
    return probe_program()


def need_root() -> None:
    """Stop the test unless other users can be taken on here."""
    if os.geteuid() != 0:
        missing("root, for the serving user and its capabilities: run as root")


def open_python() -> str:
    """Return a Python that every user can start: the tests' own may lie below a folder of root's."""
    python = next((path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if os.path.exists(path)), None)
    if python is None:
        missing("python3 in /usr/bin, for the serving user")
    return python


def build_stub(folder: Path) -> Path:
    """Compile the stub of libibverbs."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        missing("a C compiler, for the stub of libibverbs: apt-get install gcc")
    library = folder / "libstub-ibverbs.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(STUB)], check=True)
    library.chmod(0o755)
    return library


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that every user can enter; pytest's own lie in one that only root can."""
    folder = Path(tempfile.mkdtemp(prefix="gpuops-probe-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def words(task: ProbeTask, python: str = sys.executable) -> list[str]:
    """Return the command of a pod."""
    return [python, "-I", "-S", "-B", "-c", the_program(), json.dumps(asdict(task))]


def probed(task: ProbeTask, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run the program as this user and return its report."""
    return _report(words(task), environment or {})


def probed_as_serving_user(
    task: ProbeTask, limits: Sequence[str] = BARE, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run the program as UID 2000 and return its report."""
    need_root()
    identity = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups", *limits]
    return _report([*identity, *words(task, open_python())], environment or {})


def _report(command: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    whole = {"PATH": os.environ.get("PATH", os.defpath), **environment}
    done = subprocess.run(command, env=whole, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.encode()) <= 4001, "the report fits into a termination message"
    report: dict[str, Any] = json.loads(done.stdout)
    return report
