# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python interpreters of this machine: on PATH, and those that pyenv has installed but not switched on."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

# What an interpreter says of itself: its full version text, and the file that it is.
SELF_DESCRIPTION = "import json, os, sys; print(json.dumps([sys.version, os.path.realpath(sys.executable)]))"
ANSWER_SECONDS = 30


def describe(python: str) -> tuple[str, str] | None:
    """Return the full version text and the file of an interpreter, or None where the program is no working one.

    A shim of pyenv is such a program: it is on PATH, and fails unless its version is switched on.
    """
    command = [python, "-I", "-c", SELF_DESCRIPTION]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    version, file = json.loads(done.stdout)
    return str(version), str(file)


def find_python(version: str) -> str | None:
    """Return an interpreter of VERSION ("3.12"), or None: the running one, one on PATH, one of pyenv's."""
    return next((python for python in candidates(version) if is_version(python, version)), None)


def candidates(version: str) -> Iterator[str]:
    """Yield the programs that may be an interpreter of VERSION, the likeliest first."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield sys.executable
    on_path = shutil.which(f"python{version}")
    if on_path is not None:
        yield on_path
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    for folder in sorted(pyenv.glob(f"versions/{version}.*")):
        yield str(folder / "bin" / f"python{version}")


def is_version(python: str, version: str) -> bool:
    """Return whether a program is a working interpreter of VERSION."""
    description = describe(python)
    return description is not None and description[0].startswith(f"{version}.")
