# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Creates a workload exactly once, whatever becomes of the answer.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DELETING,
    LiveWorkload,
    PlatformUnreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import (
    DoubtfulAnswer,
    RunaiClient,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.refusals import ApiError
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

# Seconds before each look for a workload whose creation got no clear answer: the server may still be at work on it.
_LOOKS_AFTER_DOUBT = (0.5, 1.0, 2.0, 4.0, 8.0)
# Seconds before each new try while the name of a deleted workload is still being released.
_TRIES_FOR_A_FREE_NAME = (1.0, 2.0, 4.0, 8.0, 15.0)


@dataclass(frozen=True)
class Creation:
    """A workload to create: ``body`` as it is sent; ``is_wanted`` says whether a live workload is just that."""

    kind: str
    name: str
    body: Mapping[str, Any]
    is_wanted: Callable[[LiveWorkload], bool]


class Creator:
    """Carries out creations. ``find`` looks a workload up by name."""

    def __init__(
        self, client: RunaiClient, host: Host, retry: Retry, find: Callable[[str], LiveWorkload | None]
    ) -> None:
        self._client = client
        self._host = host
        self._retry = retry
        self._find = find

    def create(self, creation: Creation) -> Mapping[str, Any] | LiveWorkload:
        """Create the workload and return the API's description of it, or the workload as found after doubt.

        Raises ``GpuopsError`` where it was refused, where the name belongs to another workload, or where it is not
        there after a doubtful answer.
        """
        delays = iter(_TRIES_FOR_A_FREE_NAME)
        while True:
            try:
                return self._client.create(creation.kind, creation.body)
            except DoubtfulAnswer as doubt:
                return self._after_doubt(creation, str(doubt))
            except ApiError as refused:
                if not refused.says_name_is_taken():
                    raise
                found = self._find(creation.name)
                if found is not None:
                    return self._taken(creation, found)
                delay = next(delays, None)
                if delay is None:
                    raise _name_not_released(creation.name, refused) from None
            self._host.progress.say(f"the name {creation.name} is not free yet, trying again in {delay:.0f} s")
            self._retry.pause(delay)

    def _after_doubt(self, creation: Creation, doubt: str) -> LiveWorkload:
        """Look for the workload by name until it is there or the looks are used up."""
        for delay in _LOOKS_AFTER_DOUBT:
            self._host.progress.say(f"no clear answer to the creation of {creation.name}: looking whether it exists")
            self._retry.pause(delay)
            try:
                found = self._find(creation.name)
            except PlatformUnreachable as failed:
                raise _not_looked_up(creation.name, doubt, failed) from None
            if found is not None:
                return self._taken(creation, found)
        raise _unconfirmed(creation.name, doubt)

    def _taken(self, creation: Creation, found: LiveWorkload) -> LiveWorkload:
        """Return what has the name if it is what was to be created; whoever created it, the wish is fulfilled."""
        if found.phase != DELETING and creation.is_wanted(found):
            return found
        if found.phase == DELETING:
            evidence, hint = "a workload of this name is being deleted.", "Run again when it is gone."
        elif found.managed:
            evidence = "another run created a workload of this name with other settings at the same time."
            hint = "Run again: what it created is then compared with what you want."
        else:
            evidence, hint = (
                "a workload of this name exists, and this collection did not make it.",
                "Choose another name or delete that workload.",
            )
        raise GpuopsError.from_finding(Finding(ERROR, "name_in_use", evidence, hint, creation.name))


def _unconfirmed(name: str, doubt: str) -> GpuopsError:
    seconds = sum(_LOOKS_AFTER_DOUBT)
    return GpuopsError.from_finding(
        Finding(
            ERROR,
            "creation_unconfirmed",
            f"the control plane gave no clear answer to the creation ({doubt.rstrip('.')}), and {seconds:.0f} s later "
            "there is no such workload.",
            "Most likely it was not created. Run again: should it appear after all, it is found and not doubled.",
            name,
        )
    )


def _not_looked_up(name: str, doubt: str, failed: PlatformUnreachable) -> GpuopsError:
    finding = Finding(
        ERROR,
        "creation_unconfirmed",
        f"the control plane gave no clear answer to the creation ({doubt.rstrip('.')}), and then none to the question "
        "whether the workload exists: its creation may be under way.",
        "Run again when the control plane answers: the workload is then found by its name and not doubled.",
        name,
    )
    return GpuopsError(finding.sentence(), [finding, *failed.findings])


def _name_not_released(name: str, refused: ApiError) -> GpuopsError:
    return GpuopsError.from_finding(
        Finding(
            ERROR,
            "name_in_use",
            f"the control plane says that the name is in use ({refused.status}: {refused.said.rstrip('.')}), but shows "
            "no such workload to these credentials.",
            "A workload of another user or one that is still being deleted may hold it: choose another name, or wait.",
            name,
        )
    )
