# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes events of a workload, as Run:ai collects them."""

from __future__ import annotations

import time
import uuid

from gpuops_sandbox.cluster.objects import Event, Pod, Workload

# Run:ai keeps events for a limited time; the simulator keeps the newest, so that a crash loop cannot fill the memory.
KEPT_EVENTS = 2000


def record_pod_event(workload: Workload, pod: Pod, reason: str, message: str, *, warning: bool, source: str) -> None:
    """Add an event about a pod."""
    _record(workload, reason, message, warning, source, ("Pod", pod.name, pod.id))


def record_workload_event(workload: Workload, reason: str, message: str, *, warning: bool, source: str) -> None:
    """Add an event about the workload's LeaderWorkerSet (its Knative service, for a single-pod inference)."""
    _record(workload, reason, message, warning, source, ("LeaderWorkerSet", workload.name, workload.id))


def record(workload: Workload, event: Event) -> None:
    """Add an event. Kubernetes counts a repeated event up; how Run:ai shows that is a switch."""
    for earlier in reversed(workload.events):
        if event.created_at - earlier.created_at > workload.event_repeat_seconds:
            break
        if (earlier.reason, earlier.message, earlier.uid) == (event.reason, event.message, event.uid):
            return
    workload.events.append(event)
    del workload.events[:-KEPT_EVENTS]


def _record(
    workload: Workload, reason: str, message: str, warning: bool, source: str, about: tuple[str, str, str]
) -> None:
    kind, name, uid = about
    event = Event(
        id=str(uuid.uuid4()),
        created_at=time.time(),
        type="Warning" if warning else "Normal",
        reason=reason,
        message=message,
        source=source,
        kind=kind,
        name=name,
        uid=uid,
        namespace=workload.project.namespace,
    )
    record(workload, event)
