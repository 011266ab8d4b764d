# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What a wait does about pods that do not end: it names the lost machine, and deletes them where that is wanted.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import diagnose, promoted
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    LiveWorkload,
    Platform,
    PlatformUnreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding, errors_of
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

_LOST = "machine_lost"
# What is told of pods while their end is waited for; all else is past.
_ABOUT_ENDS = (_LOST, "pod_not_ending")
# Seconds until it is asked why something does not end, and between two such questions: vLLM needs up to 15 s to end,
# and where there is no news each question costs requests.
_FIRST_QUESTION = 20.0
_NEXT_QUESTION = 10.0


class LostMachines:
    """Deletes pods that cannot end because their machine is lost, where ``is_forced``; ``note`` gets what was done."""

    def __init__(self, platform: Platform, is_forced: bool, note: Callable[[Finding], None]) -> None:
        self._platform = platform
        self._is_forced = is_forced
        self._note = note

    def settle(self, live: LiveWorkload, findings: list[Finding]) -> list[Finding]:
        """Do what is wanted about lost machines among the findings of a status that was just asked for; return the
        findings: as long as something is done about it, a lost machine ends no wait."""
        if not self._is_forced or _LOST not in {finding.cause for finding in findings}:
            return findings
        for finding in self._platform.release_lost(live):
            self._note(finding)
        return [replace(finding, severity=WARNING) if finding.cause == _LOST else finding for finding in findings]


class EndingPods:
    """What keeps the pods of one workload from ending, looked at from time to time."""

    def __init__(self, platform: Platform, host: Host, live: LiveWorkload, lost: LostMachines) -> None:
        self._platform = platform
        self._host = host
        self._live = live
        self._lost = lost
        self._history = StatusHistory()
        self._findings: list[Finding] = []
        self._next = host.clock() + _FIRST_QUESTION

    def ask(self) -> None:
        """Ask for the pods, if that was not done just now."""
        if self._host.clock() < self._next:
            return
        try:
            status = self._platform.status(self._live, detail=True)
        except PlatformUnreachable:
            raise
        except GpuopsError:
            # It went in between: whoever waits for that sees it next.
            return
        self.take(status)
        self._next = self._host.clock() + _NEXT_QUESTION

    def take(self, status: WorkloadStatus) -> None:
        """Judge a status that was just asked for."""
        self._history.observe(status, self._host.clock())
        found = [finding for finding in diagnose(status, self._history) if finding.cause in _ABOUT_ENDS]
        self._findings = self._lost.settle(self._live, found)

    def failure(self) -> Finding | None:
        """Return why waiting on is useless, or ``None``."""
        return next(iter(errors_of(self._findings)), None)

    def explain(self) -> list[Finding]:
        """Return what is known, as the explanation of a wait that is over."""
        return promoted(self._findings)

    def remark(self) -> str:
        """Return what a progress line adds: the cause and what was seen of it."""
        return "".join(f", {finding.cause}: {finding.evidence}" for finding in self._findings[:1])
