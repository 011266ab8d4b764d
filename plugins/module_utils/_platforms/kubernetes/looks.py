# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Starts looks as Jobs, follows them and removes them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import contextlib
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    JOB_LABEL,
    ROOT_CONTAINER,
    look_job,
    look_labels,
    look_service,
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
    SERVICES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import (
    mapping,
    mappings,
    whole_number,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError

Object = Mapping[str, Any]

# The annotation in which the Job controller writes which copy a pod is.
_INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
# From the least to the most advanced.
_PHASES = (CREATING, PENDING, INITIALIZING, RUNNING)
_ENDED = ("Complete", "Failed")
# One that runs for longer than so many seconds is asked what it prints, and again whenever they are over.
_PRINTED_SECONDS = 5.0
_LINE_BYTES = 1000
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
    started = JobLook(client, client.apply(JOBS, name, look_job(look, name)))
    if look.copies is not None and look.copies.meet:
        started.make_reachable(look)
    return started


class JobLook:
    """A look that was started."""

    def __init__(self, client: KubernetesClient, job: Object) -> None:
        self._client = client
        self._job = job
        self._printed = ""
        self._asked_next: float | None = None

    def make_reachable(self, look: Look) -> None:
        """Let its copies find each other; where that fails, it is of no use and removed."""
        service = look_service(look, self._job)
        try:
            self._client.apply(SERVICES, _name(service), service)
        except GpuopsError:
            with contextlib.suppress(GpuopsError):
                self.remove()
            raise

    def status(self) -> LookStatus:
        """Return how it is now: two requests, and a third as long as it lacks a pod, and every few seconds once it has
        run for some."""
        job = self._client.get(JOBS, _name(self._job))
        if job is None or _uid(job) != _uid(self._job):
            return LookStatus(WorkloadStatus(phase=DELETING, deleted=True), is_over=True)
        pods = self._client.list(PODS, labels=f"{JOB_LABEL}={_name(job)}").items
        found = look_status(job, pods, [] if len(pods) >= _copies(job) else self._events())
        if found.is_over or found.copies or found.status.phase != RUNNING:
            return found
        return replace(found, printed=self._newest_line(pods[0]))

    def remove(self) -> None:
        """Delete it with its pod."""
        _remove(self._client, self._job)

    def _newest_line(self, pod: Object) -> str:
        """Return the newest line that is known of the command that runs."""
        now = self._client.host.clock()
        if self._asked_next is None:
            self._asked_next = now + _PRINTED_SECONDS
        if now >= self._asked_next:
            self._asked_next = now + _PRINTED_SECONDS
            self._printed = self._end_of_log(pod)
        return self._printed

    def _end_of_log(self, pod: Object) -> str:
        """Return the last line of the log of the command that runs; nothing where it is not to be had, which is no
        failure of the look. Who may not read logs is not asked again."""
        container = ROOT_CONTAINER if "running" in _state(pod, ROOT_CONTAINER) else CONTAINER
        try:
            with self._client.within(_PRINTED_SECONDS):
                return self._client.logs(_name(pod), container, tail_lines=1, limit_bytes=_LINE_BYTES).strip()
        except GpuopsError as error:
            if isinstance(error, Refused) and error.is_permission:
                self._asked_next = math.inf
            return ""

    def _events(self) -> list[Object]:
        """Return what is said of the job; nothing where that is not ours to see."""
        try:
            return list(self._client.list(EVENTS, fields=f"involvedObject.uid={_uid(self._job)}").items)
        except Refused as refused:
            if not refused.is_permission:
                raise
            return []


def look_status(job: Object, pods: Sequence[Object], events: Sequence[Object]) -> LookStatus:
    """Return how a look is, from its Job, the pods that this made, and what is said of the Job (pure)."""
    whole = _of_pods(job, pods, events)
    if mapping(job.get("spec")).get("completionMode") != "Indexed":
        return whole
    own = [[pod for pod in pods if _index(pod) == index] for index in range(_copies(job))]
    copies = tuple(_of_pods(job, mine, events) for mine in own)
    going_on = [copy.status.phase for copy in copies if not copy.is_over]
    phase = min(going_on, key=_PHASES.index, default=RUNNING)
    return replace(whole, status=replace(whole.status, phase=phase), is_over=not going_on, copies=copies)


def _copies(job: Object) -> int:
    """Return how many pods a Job makes."""
    return whole_number(mapping(job.get("spec")).get("completions"), 1)


def _of_pods(job: Object, pods: Sequence[Object], events: Sequence[Object]) -> LookStatus:
    """Return how a look is, or one copy of it, by its first pod."""
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


def _index(pod: Object) -> int | None:
    """Return which copy a pod is."""
    text = str(mapping(mapping(pod.get("metadata")).get("annotations")).get(_INDEX_ANNOTATION) or "")
    return int(text) if text.isdigit() else None


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
