# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Waiting for claims: until they have their volume, or their new size, or are gone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._operations.waiting import Waiter
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import (
    AVAILABLE,
    BOUND,
    DELETING,
    UNKNOWN,
    LiveClaim,
    Trouble,
    Volumes,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

# Characters of what was said about a claim that a progress line shows.
_LONGEST_MESSAGE = 160


class VolumeWaiter:
    """Waits for states of one claim."""

    def __init__(self, volumes: Volumes, host: Host) -> None:
        self._volumes = volumes
        self._host = host
        self._waiter = Waiter(volumes, host)

    def until_bound(self, live: LiveClaim, limit: float) -> tuple[LiveClaim, float]:
        """Wait until the claim has its volume, and that has its size; one that binds with its first pod is not waited
        for. Return how it is then, and the seconds it took.

        Raises ``GpuopsError`` with the cause as soon as waiting is useless, and when ``limit`` seconds are over.
        """
        began = self._host.clock()
        start = _Start(live.name)
        if start.is_over(live):
            return live, 0.0
        ended = self._waiter.wait(
            lambda: self._look(live),
            start.is_over,
            start.failure,
            start.describe,
            limit,
            f"{live.name} has its volume" if not live.is_growing else f"{live.name} has its new size",
            lambda state: [trouble.finding for trouble in state.troubles],
        )
        return ended, round(self._host.clock() - began, 1)

    def until_gone(self, live: LiveClaim, limit: float) -> float:
        """Wait until the claim is gone; return the seconds it took. Raises ``GpuopsError`` when ``limit`` is over."""
        began = self._host.clock()
        self._waiter.wait(
            lambda: self._volumes.now(live),
            lambda state: state is None,
            lambda state, seconds: None if state is None else self._failure(state),
            lambda state: f"{live.name}: gone" if state is None else f"{live.name}: deleting",
            limit,
            f"{live.name} is gone",
            lambda state: [self._stuck(live)],
        )
        return round(self._host.clock() - began, 1)

    def _look(self, live: LiveClaim) -> LiveClaim:
        found = self._volumes.now(live)
        if found is None:
            evidence = "the claim was deleted while it was waited for."
            hint = "Find out who deleted it, then run again."
            raise GpuopsError.from_finding(Finding(ERROR, "deleted_meanwhile", evidence, hint, live.name))
        return found

    def _failure(self, state: LiveClaim) -> Finding | None:
        """Return why a deletion will not come to its end."""
        return next((trouble.finding for trouble in state.troubles if trouble.patience == 0), None)

    def _stuck(self, live: LiveClaim) -> Finding:
        users = self._volumes.users(live).names
        mounting = f"mounted by {', '.join(users)}" if users else "nobody seems to mount it"
        return Finding(
            ERROR,
            "deletion_stuck",
            f"the claim is still being deleted, {mounting}.",
            "It goes when the last pod that mounts it has ended; otherwise a finalizer waits for whoever set it.",
            live.name,
        )


class _Start:
    """What is known of a claim that is waited for: since when each trouble lasts."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._since: dict[str, float] = {}

    def is_over(self, state: LiveClaim) -> bool:
        """Say whether there is nothing to wait for any more."""
        is_there = state.phase in (BOUND, AVAILABLE, UNKNOWN) and not state.is_growing
        return is_there or state.waits_for_pod

    def failure(self, state: LiveClaim, seconds: float) -> Finding | None:
        """Return why waiting on is useless, or ``None``."""
        if state.phase == DELETING:
            evidence = "somebody asked for the deletion of the claim while it was waited for."
            return Finding(ERROR, "deleted_meanwhile", evidence, "Find out who, then run again.", self._name)
        causes = {trouble.finding.cause for trouble in state.troubles}
        self._since = {cause: self._since.get(cause, seconds) for cause in causes}
        return next((trouble.finding for trouble in state.troubles if self._is_hopeless(trouble, seconds)), None)

    def _is_hopeless(self, trouble: Trouble, seconds: float) -> bool:
        lasted = seconds - self._since[trouble.finding.cause]
        return trouble.patience is not None and lasted >= trouble.patience

    def describe(self, state: LiveClaim) -> str:
        """Return the progress line: ``my-models: pending: ExternalProvisioning: Waiting for a volume``."""
        doing = "growing" if state.is_growing else state.phase
        said = f": {state.message[:_LONGEST_MESSAGE]}" if state.message and not self.is_over(state) else ""
        return f"{self._name}: {doing}{said}"
