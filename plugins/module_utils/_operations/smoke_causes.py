# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Why a healthy engine did not complete: read from the pods' logs right after it failed, before they are made anew.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import diagnose
from ansible_collections.gpuops.inference.plugins.module_utils._operations.pod_logs import (
    LOG_LINES,
    LOGS_READ,
    is_out_of_reach,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    LiveWorkload,
    Platform,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, Finding

# Problems that say what happened and not why.
_OPEN = ("completion_failed", "completion_timeout")


def explained(platform: Platform, live: LiveWorkload, problems: Sequence[Finding]) -> list[Finding]:
    """Return the problems, and after those with a completion the causes that the status and the logs of the pods of
    that replica tell. Where the platform shows no logs, or they tell nothing, the problems stay as they are."""
    findings: list[Finding] = []
    for problem in problems:
        causes = _causes(platform, live, problem.object) if problem.cause in _OPEN else []
        names = ", ".join(dict.fromkeys(cause.cause for cause in causes))
        findings += [replace(problem, hint=f"The cause: {names}."), *causes] if causes else [problem]
    return list(dict.fromkeys(findings))


def _causes(platform: Platform, live: LiveWorkload, leader: str) -> list[Finding]:
    """Return what is told of the replica of a leader, or of all pods where the leader is not known: the leader first,
    each cause once."""
    try:
        status = platform.status(live, detail=True)
    except GpuopsError:
        return []
    history = StatusHistory()
    history.observe(status, 0.0)
    told = [finding for finding in diagnose(status, history) if finding.severity != INFO]
    pods = [pod for pod in _replica(status, leader) if not is_out_of_reach(pod)]
    for pod in pods[:LOGS_READ]:
        try:
            text = platform.log(live, pod, LOG_LINES)
        except GpuopsError:
            continue
        told += [replace(finding, object=pod.name) for finding in diagnose_log(text or "", pod.role or "leader")]
    return list({finding.cause: finding for finding in reversed(told)}.values())[::-1]


def _replica(status: WorkloadStatus, leader: str) -> list[PodStatus]:
    """Return the pods of a leader's replica, the leader first. LeaderWorkerSet names followers after their leader;
    where none is named so, all pods are meant."""
    followers = [pod for pod in status.pods if pod.name.startswith(f"{leader}-")]
    members = [*(pod for pod in status.pods if pod.name == leader), *followers] if followers else status.pods
    return sorted(members, key=lambda pod: pod.role != "leader")
