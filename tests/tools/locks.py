# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rewrite the lock files of tests/requirements from their .in files, with hashes and without any index address.

Usage: python tests/tools/locks.py [--upgrade]

Without --upgrade a locked version stays as long as the .in file allows it. engine.txt has its own command, written in
engine.in.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys

REQUIREMENTS = pathlib.Path(__file__).resolve().parents[1] / "requirements"

# Each lock with the oldest Python that it is for, which is that of its ansible-core; --universal makes the same lock
# good for the newer ones. The order matters: sandbox.txt is cut out of dev.txt, so that both run the same versions.
LOCKS = (
    ("base", "3.11", ()),
    ("dev", "3.11", ()),
    ("sandbox", "3.11", ("--constraint", "dev.txt")),
    ("bench", "3.11", ("--constraint", "dev.txt")),
    ("kubernetes-lowest", "3.10", ()),
    ("core-2.16", "3.10", ()),
    ("core-2.20", "3.12", ()),
    ("core-2.21", "3.12", ()),
)


def main(arguments: list[str]) -> int:
    """Compile every lock with the uv of the running environment; return its exit status."""
    for name, oldest_python, constraint in LOCKS:
        command = [
            *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", oldest_python),
            *("--generate-hashes", "--no-header", "--no-annotate", "--output-file", f"{name}.txt"),
            *(*constraint, *arguments, f"{name}.in"),
        ]
        sys.stderr.write(f"{name}.in -> {name}.txt\n")
        status = subprocess.run(command, cwd=REQUIREMENTS, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
