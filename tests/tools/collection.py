# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection, or install what was built, as users get it.

Usage: python tests/tools/collection.py build|install      (inside an environment that has ansible-core)

`build` leaves .build/gpuops-inference-VERSION.tar.gz, `install` also .build/collections/ansible_collections/.
Both work on the files that git knows or would add, so uncommitted work counts and ignored files never slip in.
Where nothing changed since the last time, nothing is done, so a test run beside it keeps its installed collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from places import BUILD, INSTALLED_COLLECTIONS, REPOSITORY

STATE = BUILD / "collection.sha256"


class CollectionFailure(Exception):
    """The collection cannot be built or installed; the message says why."""


def repository_files() -> list[str]:
    """Return the paths, relative to the checkout, of all files that git has or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise CollectionFailure("git is missing. On Debian: apt-get install git") from missing
    if done.returncode:
        raise CollectionFailure(f"git cannot list the files of {REPOSITORY}: {done.stderr.strip()}")
    names = sorted(set(filter(None, done.stdout.split("\0"))))
    return [name for name in names if os.path.lexists(REPOSITORY / name)]


def copy_tree(destination: pathlib.Path) -> None:
    """Copy the files of the checkout to DESTINATION, with their times (mypy's cache goes by them)."""
    for name in repository_files():
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # A file that another program removes or renames at this very moment is left out, as git would.
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(REPOSITORY / name, target, follow_symlinks=False)


def content_hash(tree: pathlib.Path) -> str:
    """Return one hash over names, modes and contents of all files below TREE."""
    content = hashlib.sha256()
    for file in sorted(path for path in tree.rglob("*") if path.is_file()):
        content.update(f"{file.relative_to(tree)}\0{file.stat().st_mode:o}\0".encode())
        content.update(file.read_bytes() + b"\0")
    return content.hexdigest()


@contextlib.contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Let one process at a time into the part of the build folder called NAME."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*command: str) -> None:
    """Run a command; raise CollectionFailure with its output if it fails."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise CollectionFailure(f"This command failed ({done.returncode}): {' '.join(command)}\n{done.stdout}")


def is_current(state: str) -> bool:
    """Return whether what lies in the build folder was made from exactly this content."""
    return STATE.is_file() and STATE.read_text(encoding="utf-8") == state and INSTALLED_COLLECTIONS.is_dir()


def build_and_install() -> pathlib.Path:
    """Bring the tarball and the installed collection in the build folder up to date; return the tarball."""
    with one_at_a_time("collection"), tempfile.TemporaryDirectory(dir=BUILD, prefix="collection-") as folder:
        work = pathlib.Path(folder)
        copy_tree(work / "tree")
        state = content_hash(work / "tree")
        present = sorted(BUILD.glob("*.tar.gz"))
        if is_current(state) and len(present) == 1:
            return present[0]
        run("ansible-galaxy", "collection", "build", "--output-path", str(work), str(work / "tree"))
        tarball = next(work.glob("*.tar.gz"))
        # --force: else the one installed last time, found by ANSIBLE_COLLECTIONS_PATH, would be taken for this one.
        options = ["--force", "--offline", "--collections-path", str(work / "collections")]
        run("ansible-galaxy", "collection", "install", *options, str(tarball))
        STATE.unlink(missing_ok=True)
        if INSTALLED_COLLECTIONS.exists():
            INSTALLED_COLLECTIONS.rename(work / "previous")
        (work / "collections").rename(INSTALLED_COLLECTIONS)
        for old in present:
            old.unlink()
        result = tarball.rename(BUILD / tarball.name)
        STATE.write_text(state, encoding="utf-8")
    return result


def main(arguments: list[str]) -> int:
    """Build, or build and install; say where the result lies."""
    if arguments not in (["build"], ["install"]):
        sys.stderr.write(__doc__ or "")
        return 2
    try:
        tarball = build_and_install()
    except CollectionFailure as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    results = {"build": tarball, "install": INSTALLED_COLLECTIONS / "ansible_collections" / "gpuops" / "inference"}
    sys.stdout.write(f"{results[arguments[0]].relative_to(REPOSITORY)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
