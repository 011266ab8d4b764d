# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-test sanity` without a container, without ignore entries, and without writing into the user's home.

Usage: python tests/tools/sanity.py [TEST ...]      (run by lint.py, in the copy of the checkout)

ansible-test makes one virtual environment per test below $HOME/.ansible/test, so it gets a home folder of its own in
our cache. On most Pythons it first fetches a pip bootstrap script from its own server; it takes one that lies in its
cache already, so we put a short one there that gets pip from ensurepip and the package registry.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

from places import cache_directory

# What ansible-test runs as "get-pip": it passes pip's own arguments, and options that only the real get-pip.py knows.
BOOTSTRAP = """\
import subprocess
import sys

arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=True)
"""

# Asks ansible-test which pip it wants: the bootstrap script's name carries that version.
WANTED_PIP = """\
import types
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(types.SimpleNamespace(version="{version}"))["pip"])
"""


def python_version() -> str:
    """Return the running Python's version as ansible-test writes it."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def prepare_home(home: pathlib.Path) -> None:
    """Make ansible-test's home folder: the pip bootstrap script, and the user's pip settings if there are any."""
    asked = [sys.executable, "-c", WANTED_PIP.format(version=python_version())]
    pip = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    bootstrap = home / ".ansible" / "test" / "cache" / f"get_pip_{pip.replace('.', '_')}.py"
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    bootstrap.write_text(BOOTSTRAP, encoding="utf-8")
    settings = pathlib.Path.home() / ".config" / "pip"
    link = home / ".config" / "pip"
    if settings.is_dir() and not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(settings)


def main(tests: list[str]) -> int:
    """Run the sanity tests in the current folder, all of them or those named; return ansible-test's exit status."""
    home = cache_directory() / "sanity-home"
    prepare_home(home)
    # ansible-test decides by git which files belong to the collection; this copy has no git of its own yet.
    if not pathlib.Path(".git").exists():
        subprocess.run(["git", "init", "--quiet", "--initial-branch", "main"], check=True)
    shutil.rmtree(pathlib.Path("tests", "output"), ignore_errors=True)
    command = ["ansible-test", "sanity", "--python", python_version(), "--requirements", "--color", "no"]
    for test in tests:
        command += ["--test", test]
    return subprocess.run(command, env={**os.environ, "HOME": str(home)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
