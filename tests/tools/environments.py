# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python environments by lock file: made once, found again by the content of the lock.

Usage:
  python tests/tools/environments.py NAME [--python PYTHON]                   make it if needed, print its folder
  python tests/tools/environments.py NAME [--python PYTHON] -- COMMAND ...    run COMMAND inside it

NAME is that of a lock in tests/requirements (sandbox, dev). It is made of the Python that runs this, or of PYTHON, the
path of another one. An environment lies in the cache folder as env-NAME-HASH; the hash covers the locks, the Python and
the steps below, so that nothing is ever updated in place.
Several makers at once wait for the first one, and what an interrupted one left is removed.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

from interpreters import describe
from places import BUILD, INSTALLED_COLLECTIONS, REPOSITORY, cache_directory

REQUIREMENTS = REPOSITORY / "tests" / "requirements"

# ansible-core 2.19, which the locks hold, runs on Python 3.11 and newer.
OLDEST_PYTHON = (3, 11)

# Part of every environment's name: raise it when the steps of make_environment change.
STEPS_VERSION = "2"


class EnvironmentFailure(Exception):
    """An environment cannot be made; the message says why and what to do."""


def check_python() -> None:
    """Raise EnvironmentFailure unless the running Python can make the environments."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        raise EnvironmentFailure(
            f"Python {found} ({sys.executable}) is too old: ansible-core 2.19 needs Python 3.11 or newer. "
            "Install it, or name one: make PYTHON=/path/to/python3.11 ..."
        )
    try:
        import ensurepip
        import venv
    except ImportError as missing:
        raise EnvironmentFailure(
            f"Python {found} ({sys.executable}) has no {missing.name} module. On Debian: "
            f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv"
        ) from missing
    del ensurepip, venv


def environment_path(name: str, python: str) -> pathlib.Path:
    """Return where the environment of the lock NAME.txt for an interpreter lies, made or not."""
    lock = REQUIREMENTS / f"{name}.txt"
    if not lock.is_file():
        raise EnvironmentFailure(f"There is no lock file {lock.relative_to(REPOSITORY)} for an environment {name!r}.")
    description = describe(python)
    if description is None:
        raise EnvironmentFailure(f"{python} is not a working Python.")
    content = hashlib.sha256()
    for part in (STEPS_VERSION, *description):
        content.update(part.encode() + b"\0")
    for file in (REQUIREMENTS / "base.txt", lock):
        content.update(file.read_bytes() + b"\0")
    return cache_directory() / f"env-{name}-{content.hexdigest()[:12]}"


@contextlib.contextmanager
def made_by_one(path: pathlib.Path) -> Iterator[bool]:
    """Hold the lock of an environment; yield True to the one who has to make it, which is marked ready afterwards."""
    marker = path / ".ready"
    if marker.exists():
        yield False
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.exists():
            yield False
            return
        # Scripts of an environment carry its path, so it is made in place; without the marker it counts as not there.
        shutil.rmtree(path, ignore_errors=True)
        yield True
        marker.touch()


def run_quietly(command: list[str], environment: dict[str, str]) -> None:
    """Run a command; its output is shown only when it fails, as EnvironmentFailure."""
    done = subprocess.run(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        raise EnvironmentFailure(f"Exit status {done.returncode}: {' '.join(command)}\n{done.stdout.rstrip()}")


def make_environment(name: str, python: str = sys.executable) -> pathlib.Path:
    """Make the environment NAME with an interpreter (by default the running one) if it is not there; return its folder.

    uv, which makes it, always lies in an environment of the running Python.
    """
    path = environment_path(name, python)
    with made_by_one(path) as is_maker:
        if is_maker:
            check_python()
            started = time.monotonic()
            sys.stderr.write(f"Making the Python environment {name!r} (once for this lock file): {path}\n")
            variables = tool_variables()
            if name == "base":
                run_quietly([sys.executable, "-m", "venv", str(path)], variables)
                installer = [str(path / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            else:
                uv = str(make_environment("base") / "bin" / "uv")
                run_quietly([uv, "venv", "--quiet", "--python", python, str(path)], variables)
                # Compiled now: the first start is quicker, and without Python's remarks on other people's code.
                options = ["--quiet", "--compile-bytecode", "--python", str(path / "bin" / "python")]
                installer = [uv, "pip", "install", *options]
            run_quietly([*installer, "--require-hashes", "-r", str(REQUIREMENTS / f"{name}.txt")], variables)
            sys.stderr.write(f"Python environment {name!r} ready after {time.monotonic() - started:.0f} s.\n")
    return path


def tool_variables() -> dict[str, str]:
    """Return the process environment with every download cache inside our own cache folder."""
    downloads = cache_directory() / "downloads"
    # The system's certificate authorities, as pip does: a company's mirror is rarely signed by a public one.
    variables = {"UV_SYSTEM_CERTS": "true", **os.environ}
    variables.update(
        UV_CACHE_DIR=str(downloads / "uv"),
        UV_PYTHON_DOWNLOADS="never",
        PIP_CACHE_DIR=str(downloads / "pip"),
        PIP_DISABLE_PIP_VERSION_CHECK="1",
    )
    # Either would let packages from outside the lock in.
    variables.pop("PYTHONPATH", None)
    variables.pop("PYTHONHOME", None)
    return variables


def inner_variables(path: pathlib.Path) -> dict[str, str]:
    """Return the variables of a command run inside an environment.

    Ansible finds the installed collection and keeps its own files in the build folder: nothing of the user's
    ~/.ansible is read or written.
    """
    variables = tool_variables()
    variables.update(
        PATH=f"{path / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        VIRTUAL_ENV=str(path),
        ANSIBLE_COLLECTIONS_PATH=str(INSTALLED_COLLECTIONS),
        ANSIBLE_HOME=str(BUILD / "ansible-home"),
    )
    return variables


def become(command: list[str], path: pathlib.Path) -> int:
    """Replace this process by a command run inside the environment at PATH; return only if there is none."""
    variables = inner_variables(path)
    program = shutil.which(command[0], path=variables["PATH"])
    if program is not None:
        os.execve(program, command, variables)
    sys.stderr.write(f"There is no command {command[0]!r} in the environment {path.name}.\n")
    return 127


def main(words: list[str]) -> int:
    """Make an environment and print its folder, or become the given command inside it."""
    cut = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--python", metavar="PYTHON", default=sys.executable)
    options = parser.parse_args(words[:cut])
    command = words[cut + 1 :]
    try:
        path = make_environment(options.name, options.python)
    except EnvironmentFailure as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    if command:
        return become(command, path)
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
