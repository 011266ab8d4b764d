# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is wanted of the owner, group and mode of files on a claim, and the commands that see to it. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._storage.program import program
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import NO_MANIFEST, OWNED, Task
from ansible_collections.gpuops.inference.plugins.module_utils._storage.small_image import SCRIPT

# What a file and a directory of a model need: its owner reads and writes, its group reads, others do not write.
DEFAULT_MODE = "u+rwX,g+rX,o-w"


@dataclass(frozen=True)
class OwnershipSpec:
    """What is wanted of the files of a claim.

    ``mount_path`` is where workloads mount it, ``paths`` lie below the claim's root (empty: the root itself); ``uid``,
    ``gid`` and ``groups`` are the serving identity; ``ensure`` is ``owned`` or ``readable``; ``manifest`` is what is
    remembered of the files (``none``, ``sizes``, ``hashes``).
    """

    claim: str
    mount_path: str
    paths: tuple[str, ...]
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    ensure: str = OWNED
    file_mode: str = DEFAULT_MODE
    directory_mode: str = DEFAULT_MODE
    take_over_from: tuple[int, ...] = ()
    manifest: str = NO_MANIFEST

    @property
    def identity(self) -> str:
        """Return the serving identity in words."""
        groups = f" and groups {', '.join(map(str, self.groups))}" if self.groups else ""
        return f"UID {self.uid} with GID {self.gid}{groups}"

    def task(self, mode: str, seconds: float, report: str, most: int = 0, shares: int = 1) -> Task:
        """Return the walker's task in ``mode``, which leaves its report in the file ``report``; ``most`` and ``shares``
        as in ``Task``. A share knows nothing of the manifest, which is of all files."""
        return Task(
            mode=mode,
            base=self.mount_path,
            paths=self.paths,
            uid=self.uid,
            gid=self.gid,
            groups=self.groups,
            ensure=self.ensure,
            file_mode=self.file_mode,
            directory_mode=self.directory_mode,
            take_over_from=self.take_over_from,
            seconds=seconds,
            report=report,
            manifest=self.manifest if shares == 1 else NO_MANIFEST,
            most=most,
            shares=shares,
        )


def nothing_to_report(report: str) -> tuple[str, ...]:
    """Return the command of a container that has nothing to do, after one that had: an empty report."""
    return ("/bin/sh", "-c", "echo '{}' >\"$0\"", report)


def command_of(task: Task) -> tuple[str, ...]:
    """Return the command of a container that carries ``task`` out: the walker where the image has Python, else a shell
    script that does less. Nothing of the image's own settings or of the working folder counts."""
    text = json.dumps(asdict(task))
    plain = (task.mode, str(task.uid), str(task.gid), task.ensure, task.base, task.report, *task.paths)
    has_own_modes = (task.file_mode, task.directory_mode) != (DEFAULT_MODE, DEFAULT_MODE)
    asks_much = "" if not (has_own_modes or task.take_over_from) else "yes"
    judge = "yes" if task.judge else ""
    return ("/bin/sh", "-c", SCRIPT, "sh", program(), text, asks_much, judge, *plain)
