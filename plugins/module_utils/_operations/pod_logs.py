# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which logs are read while a start is waited for: of containers that ended, and of pods that run and do not get ready.

A start without trouble costs no request here.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import tells_of_an_end
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.stalls import RunningLog, diagnose_stall
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    INITIALIZING,
    LiveWorkload,
    Platform,
    PlatformUnreachable,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding

# Lines read of each: a failed start of vLLM writes some hundred.
LOG_LINES = 2000
# Pods whose logs are read of a start that stands still: the leader and some followers tell the cause.
LOGS_READ = 4
# Seconds for which all pods run before their logs are looked at, and between two such looks: by then vLLM has done its
# imports and says at least what it waits for.
_STALL_SECONDS = 60.0


def _end_of(pod: PodStatus) -> tuple[str, ...]:
    """Return what tells one end of a pod's container from the next one; empty where none has ended."""
    return (*(text for text in pod.messages if tells_of_an_end(text)), *([pod.last_words] if pod.last_words else []))


def is_out_of_reach(pod: PodStatus) -> bool:
    """Say whether the pod's machine is not heard of: a request for a log there would only cost its whole time limit."""
    return any(text.startswith(("MachineNotReady: ", "MachineLost: ")) for text in pod.messages)


class PodLogs:
    """Reads the logs of one workload's pods, as rarely as that is of use. ``stalls``: what those said of pods that all
    ran and did not get ready, the last of each cause."""

    def __init__(self, platform: Platform, live: LiveWorkload) -> None:
        self._platform = platform
        self._live = live
        self._ends: dict[tuple[str, tuple[str, ...]], str] = {}
        self._all_run_since: float | None = None
        self._looked_at: float | None = None
        self._stall: list[Finding] = []
        self.stalls: dict[str, Finding] = {}

    def with_ends(self, status: WorkloadStatus) -> WorkloadStatus:
        """Return the status with the whole logs of containers that ended as their last words.

        Each is read once, at the look that shows the end: a group that is recreated takes its logs with it. What the
        platform keeps of a log is only its end, and nothing where the container ended without an error. Of a large
        group that ends at once some logs are read at each look, the leader's first.
        """
        wanted = [pod for pod in status.pods if _end_of(pod) and not is_out_of_reach(pod)]
        unread = [pod for pod in wanted if (pod.handle, _end_of(pod)) not in self._ends]
        for pod in sorted(unread, key=lambda pod: pod.role != "leader")[:LOGS_READ]:
            self._read_end(pod)
        return replace(status, pods=tuple(self._with_end(pod) for pod in status.pods))

    def of_stall(self, status: WorkloadStatus, now: float) -> list[Finding]:
        """Return what the logs say of pods that all run for a minute while the workload does not get ready."""
        running = [pod for pod in status.pods if pod.phase.lower() == "running"]
        all_run = len(running) == len(status.pods) and len(running) >= (status.pods_expected or 1)
        if status.phase != INITIALIZING or not all_run:
            self._all_run_since, self._looked_at, self._stall = None, None, []
            return []
        if self._all_run_since is None:
            self._all_run_since = now
        seconds = now - self._all_run_since
        since_look = now - (self._all_run_since if self._looked_at is None else self._looked_at)
        if since_look >= _STALL_SECONDS:
            self._looked_at = now
            self._stall = diagnose_stall(self._running_logs(running), seconds)
            self.stalls.update((finding.cause, replace(finding, severity=WARNING)) for finding in self._stall)
        return self._stall

    def _read_end(self, pod: PodStatus) -> None:
        try:
            text = self._platform.log(self._live, pod, LOG_LINES) or ""
        except PlatformUnreachable:
            # Asked for again at the next look.
            return
        except GpuopsError:
            text = ""
        self._ends[pod.handle, _end_of(pod)] = text

    def _with_end(self, pod: PodStatus) -> PodStatus:
        known = self._ends.get((pod.handle, _end_of(pod)), "")
        # Where only the log of the next container was to be had, what is kept of the one that ended still counts.
        return replace(pod, last_words=f"{known}\n{pod.last_words}") if known else pod

    def _running_logs(self, running: list[PodStatus]) -> list[RunningLog]:
        logs = []
        for pod in sorted(running, key=lambda pod: pod.role != "leader")[:LOGS_READ]:
            try:
                text = self._platform.log(self._live, pod, LOG_LINES)
            except GpuopsError:
                continue
            if text:
                logs.append(RunningLog(pod.name, pod.role, text))
        return logs
