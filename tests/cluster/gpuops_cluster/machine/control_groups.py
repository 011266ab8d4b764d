# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control groups of the cluster's containers: one folder below the root of each hierarchy, removed at the end."""

from __future__ import annotations

import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# Processes of an ended PID namespace leave their groups a moment later.
REMOVE_SECONDS = 10.0
POLL_SECONDS = 0.05


def make(name: str) -> None:
    """Make the group in every hierarchy (of version 2 there is one, of version 1 one for each controller)."""
    for hierarchy in hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)


def remove(name: str) -> bool:
    """Remove the group with all below it; return whether nothing is left of it."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        left = [tree for hierarchy in hierarchies() if (tree := hierarchy / name).exists() and not _removed(tree)]
        if not left or time.monotonic() > deadline:
            return not left
        time.sleep(POLL_SECONDS)


def hierarchies() -> list[Path]:
    """Return the roots of the hierarchies that containers are put into."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return sorted(path for path in ROOT.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink())


def _removed(tree: Path) -> bool:
    folders = [path for path in tree.rglob("*") if path.is_dir()]
    for folder in [*sorted(folders, key=lambda path: len(path.parts), reverse=True), tree]:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
