# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The interface of a platform's model files: who reads what of a claim, and whether a job may work on it.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LookStarter, Target
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding

# Where a path may end inside the words of a command: a script for a shell is one word.
_END_OF_PATH = re.compile(r"""[\s"'=,:;|&()<>]+""")


@dataclass(frozen=True)
class Reader:
    """A workload of ours that serves from a claim now. ``paths`` lie below the claim's root; empty: which ones is not
    known. ``uid`` and ``gid`` are as whom it reads; ``None``: not known, or not the same in all of its pods."""

    workload: str
    paths: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def reads(self, path: str) -> bool:
        """Say whether it may read something at or below ``path``, or something that ``path`` lies in."""
        if not self.paths or not path:
            return True
        return any(f"{own}/".startswith(f"{path}/") or f"{path}/".startswith(f"{own}/") for own in self.paths)


class ModelFiles(Protocol):
    """What the operation on model files may ask. Every method may raise ``GpuopsError``; none changes anything."""

    @property
    def platform(self) -> LookStarter:
        """Return what starts looks."""

    @property
    def answers_only(self) -> bool:
        """Say whether looks leave no report here: how they end is all that they tell, which answers one question."""

    def target(self) -> Target:
        """Return where this points (no request)."""

    def check(self, claim: str, pods: int, apart: bool) -> list[Finding]:
        """Return what stands against mounting a claim into so many pods, which are ``apart`` where they have to be on
        different machines."""

    def readers(self, claim: str) -> Sequence[Reader]:
        """Return the workloads that serve from a claim now."""

    def rehearse(self, look: Look) -> list[Finding]:
        """Let the platform try the pod of a look, without making it: why it would be refused."""


def paths_named(words: Iterable[str], mount_path: str, above: str = "") -> Iterator[str]:
    """Yield what the words of a command name below a mount, as paths below the claim's root, of which ``above`` is
    mounted there (pure)."""
    place = mount_path.rstrip("/")
    for part in (part for word in words for part in _END_OF_PATH.split(word)):
        if f"{part}/".startswith(f"{place}/"):
            yield "/".join(name for name in (*above.split("/"), *part[len(place) :].split("/")) if name)
