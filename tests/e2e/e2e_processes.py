# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the processes of the real engine on this machine, whichever namespace they are in."""

from __future__ import annotations

from pathlib import Path

# The folder of the models inside the pods: it stands in the command line of every engine that a pod runs.
MODELS = b"/data/input/Models/"


def engine_processes() -> list[tuple[int, int]]:
    """Return process id and user id of the pods' main processes and all that they started."""
    parents: dict[int, int] = {}
    users: dict[int, int] = {}
    mains: set[int] = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            status = (folder / "status").read_text(encoding="utf-8")
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        pid = int(folder.name)
        parents[pid] = int(fields["PPid"])
        users[pid] = int(fields["Uid"].split()[0])
        words = command.split(b"\0")
        if len(words) > 2 and words[2] == b"serve" and MODELS in command:
            mains.add(pid)
    found = set(mains)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted((pid, users[pid]) for pid in found)
