# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Starts looks as Jobs, follows them and removes them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    DELETING,
    INITIALIZING,
    PENDING,
    RUNNING,
    LookStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.events import events_of
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.look_manifest import (
    CONTAINER,
    ROOT_CONTAINER,
    look_job,
    look_labels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_states import (
    has_machine,
    is_over,
    is_running,
    pod_status,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    EVENTS,
    JOBS,
    PODS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings

Object = Mapping[str, Any]

# The label by which the Job controller knows the pods of a Job (Kubernetes 1.27 and newer).
_JOB_LABEL = "batch.kubernetes.io/job-name"
_ENDED = ("Complete", "Failed")
_SUFFIX_BYTES = 3
# Of the names of Jobs, 63 characters at most, of which the Job controller takes six for the name of the pod.
_LONGEST_STEM = 45


def start_look(client: KubernetesClient, look: Look) -> JobLook:
    """Start a look, after those of its kind that an earlier run left over are removed.

    Of two runs at the same moment the later one's look stays: nobody can tell a run that goes on from one that was
    killed.
    """
    labels = ",".join(f"{label}={value}" for label, value in look_labels(look).items())
    for left in client.list(JOBS, labels=labels).items:
        _remove(client, left)
    # A name that nobody has: applying twice makes no second one, and one that is being deleted is in nobody's way.
    name = f"{look.workload[:_LONGEST_STEM].rstrip('-.')}-look-{secrets.token_hex(_SUFFIX_BYTES)}"
    return JobLook(client, client.apply(JOBS, name, look_job(look, name)))


class JobLook:
    """A look that was started."""

    def __init__(self, client: KubernetesClient, job: Object) -> None:
        self._client = client
        self._job = job

    def status(self) -> LookStatus:
        """Return how it is now: two requests, and a third as long as it has no pod."""
        job = self._client.get(JOBS, _name(self._job))
        if job is None or _uid(job) != _uid(self._job):
            return LookStatus(WorkloadStatus(phase=DELETING, deleted=True), is_over=True)
        pods = self._client.list(PODS, labels=f"{_JOB_LABEL}={_name(job)}").items
        return look_status(job, pods, [] if pods else self._events())

    def remove(self) -> None:
        """Delete it with its pod."""
        _remove(self._client, self._job)

    def _events(self) -> list[Object]:
        """Return what is said of the job; nothing where that is not ours to see."""
        try:
            return list(self._client.list(EVENTS, fields=f"involvedObject.uid={_uid(self._job)}").items)
        except Refused as refused:
            if not refused.is_permission:
                raise
            return []


def look_status(job: Object, pods: Sequence[Object], events: Sequence[Object]) -> LookStatus:
    """Return how a look is, from its Job, the pod that this made, and what is said of the Job (pure)."""
    said = [one for one in mappings(mapping(job.get("status")).get("conditions")) if one.get("status") == "True"]
    as_root = mapping(_state(pods[0], ROOT_CONTAINER).get("terminated")) if pods else {}
    ended = mapping(_state(pods[0], CONTAINER).get("terminated")) if pods else {}
    if as_root.get("exitCode"):
        # Then the command after it is never started.
        ended = as_root
    exit_code = ended.get("exitCode")
    told = events_of(_name(job), "", {f"{JOBS.kind}/{_name(job)}": job}, pods, events)
    # That the Job has failed is no news where its container says how.
    messages = [f"{one.get('reason')}: {one.get('message')}" for one in said if one.get("reason") and not ended]
    status = WorkloadStatus(
        phase=_phase(pods),
        messages=tuple(dict.fromkeys(messages)),
        pods=tuple(pod_status(pod, "", is_serving=False) for pod in pods),
        events=told,
    )
    is_done = any(one.get("type") in _ENDED for one in said) or any(is_over(pod) for pod in pods)
    return LookStatus(
        status,
        is_over=is_done or bool(ended),
        exit_status=exit_code if isinstance(exit_code, int) else None,
        report=str(ended.get("message") or "").strip(),
        root_report=str(as_root.get("message") or "").strip(),
    )


def _phase(pods: Sequence[Object]) -> str:
    if not pods:
        return CREATING
    if is_running(pods[0]) or _state(pods[0], ROOT_CONTAINER).keys() & {"running", "terminated"}:
        return RUNNING
    return INITIALIZING if has_machine(pods[0]) else PENDING


def _state(pod: Object, name: str) -> Object:
    """Return the state of a container of the look's."""
    status = mapping(pod.get("status"))
    containers = [*mappings(status.get("initContainerStatuses")), *mappings(status.get("containerStatuses"))]
    return next((mapping(one.get("state")) for one in containers if one.get("name") == name), {})


def _remove(client: KubernetesClient, job: Object) -> None:
    """Delete a Job with its pod; the very one that was seen, not a successor."""
    client.delete(JOBS, _name(job), uid=_uid(job))


def _name(found: Object) -> str:
    return str(mapping(found.get("metadata")).get("name") or "")


def _uid(found: Object) -> str:
    return str(mapping(found.get("metadata")).get("uid") or "")
