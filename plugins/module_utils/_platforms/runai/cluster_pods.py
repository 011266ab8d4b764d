# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The pods of a Run:ai workload as the cluster has them, beside what Run:ai's API says of them. Pure.

How the product names and labels what it makes in the cluster is not promised (facts 6.5, section 12), so that no single
sign counts: the API's own list of pods is what the others are measured by.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    RUNNING,
    LiveWorkload,
    PlatformEvent,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.events import events_of, unsolved
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.observe import without_leftovers
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_states import pod_status
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    LEADERWORKERSET,
    LOOK_LABEL,
    LWS_PREFIX,
    pod_selector,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.observe import current_revision
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import (
    INFERENCE,
    WORKLOAD_LABEL,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._results.times import seconds_of

Object = Mapping[str, Any]

_LWS_NAME_LABEL = f"{LWS_PREFIX}name"
# Labels that may hold the workload's name, the likely one first: LeaderWorkerSet's, the one that Run:ai's own tools
# select by, and the one that the collection asks for.
_NAME_LABELS = (_LWS_NAME_LABEL, "workloadName", WORKLOAD_LABEL)
_NAMES_SHOWN = 3
# What Run:ai says of a pod's creation may be later than the cluster's own time, but not by more seconds than these.
_TOLD_LATER_SECONDS = 600.0


@dataclass(frozen=True)
class Agreement:
    """What a comparison of the pods that Run:ai lists with those of a cluster says. ``against`` is why these are not
    the same; empty where nothing speaks against it. ``is_sure``: more than names and machines, which another cluster
    may have too, speaks for it."""

    against: str = ""
    is_sure: bool = False


class Handles:
    """Gives each pod one handle, whoever shows it: what tells a recreated pod from the one before must not change
    because the cluster can be looked into from some moment on, or no longer."""

    def __init__(self) -> None:
        self._by_uid: dict[str, str] = {}
        self._by_told: dict[str, str] = {}

    def of_cluster(self, status: WorkloadStatus, told: Sequence[PodStatus], pods: Sequence[Object]) -> WorkloadStatus:
        """Return a status of the cluster's ``pods`` under the handles that these have already; ``told`` is what Run:ai
        lists."""
        found, listed = {name_of(pod): pod for pod in pods}, {one.name: one for one in told}
        for pod in status.pods:
            self._learn(pod.handle, found.get(pod.name, {}), listed.get(pod.name))
        renamed = [replace(pod, handle=self._by_uid[pod.handle]) for pod in status.pods]
        events = [replace(event, handle=self._by_uid.get(event.handle, event.handle)) for event in status.events]
        return replace(status, pods=tuple(renamed), events=tuple(events))

    def of_told(self, status: WorkloadStatus) -> WorkloadStatus:
        """Return a status as Run:ai tells it under the handles that its pods have already."""
        pods = [replace(pod, handle=self._by_told.get(pod.handle, pod.handle)) for pod in status.pods]
        return replace(status, pods=tuple(pods))

    def _learn(self, uid: str, pod: Object, told: PodStatus | None) -> None:
        if told is None:
            self._by_uid.setdefault(uid, uid)
            return
        # Where Run:ai gives no id, its handle is the name, which a recreated pod has too.
        is_known = told.handle != told.name and _is_surely(told, pod)
        self._by_told[told.handle] = self._by_uid.setdefault(uid, told.handle if is_known else uid)


def label_selectors(name: str) -> list[str]:
    """Return the selectors that may stand for all pods of the workload ``name``, the likely one first."""
    others = [f"{label}={name}" for label in _NAME_LABELS if label != WORKLOAD_LABEL]
    return [*others, pod_selector(name)]


def belonging(pods: Sequence[Object], name: str, told: Sequence[PodStatus]) -> list[Object]:
    """Return those of a namespace's pods that are of the workload ``name``: by any label, or as Run:ai lists them."""
    names = {one.name for one in told}
    return [pod for pod in pods if name_of(pod) in names or _is_labelled(pod, name)]


def agreement(told: Sequence[PodStatus], pods: Sequence[Object]) -> Agreement:
    """Return whether the pods that Run:ai lists are those of the cluster.

    What Run:ai lists may be some seconds old, so one pod that differs says nothing where another one is the same.
    """
    by_name = {name_of(pod): pod for pod in pods}
    pairs = [(one, by_name[one.name]) for one in told if one.name in by_name]
    if not pairs:
        names = ", ".join(one.name for one in told[:_NAMES_SHOWN]) + (", ..." if len(told) > _NAMES_SHOWN else "")
        return Agreement(f"there is none of the pods that Run:ai lists ({names})")
    if any(_is_surely(one, pod) for one, pod in pairs):
        return Agreement(is_sure=True)
    differences = [_difference(one, pod) for one, pod in pairs]
    if any(one.machine and one.machine == _machine(pod) and not _difference(one, pod) for one, pod in pairs):
        return Agreement()
    return Agreement(next((difference for difference in differences if difference), ""))


def kind_of(live: LiveWorkload) -> str:
    """Return as which kind of plain Kubernetes the pods are read: a group each, or every pod a leader."""
    return DEPLOYMENT if live.kind == INFERENCE else LEADERWORKERSET


def with_cluster(
    live: LiveWorkload, status: WorkloadStatus, pods: Sequence[Object], events: Sequence[Object], created: str
) -> WorkloadStatus:
    """Return the status with pods and events as the cluster has them, under its own handles; the phase stays Run:ai's.

    ``created`` is when the workload was (ISO 8601): older events are about an earlier one of its name.
    """
    kind, told = kind_of(live), {one.name: one for one in status.pods}
    is_current = current_revision(live, status.pods)
    there = [pod for pod in without_leftovers(pods, kind) if is_current(name_of(pod))]
    seen = tuple(_pod(pod, kind, told.get(name_of(pod)), status.phase == RUNNING) for pod in there)
    happened = events_of(_controller_name(live.name, pods), kind, {}, pods, events, created)
    happened = tuple(event for event in happened if is_current(event.object))
    are_missing = len(seen) < (status.pods_expected or 0)
    messages = dict.fromkeys((*status.messages, *(unsolved(happened) if are_missing else ())))
    return replace(status, messages=tuple(messages), pods=seen, events=_together(status.events, happened))


def name_of(found: Object) -> str:
    """Return an object's name."""
    return str(mapping(found.get("metadata")).get("name") or "")


def _pod(pod: Object, kind: str, told: PodStatus | None, is_serving: bool) -> PodStatus:
    found = pod_status(pod, kind, is_serving)
    role = told.role if told is not None and found.role == "unknown" else found.role
    # Run:ai rolls no group of pods from one template to the next, so that its hash tells nothing about a change.
    return replace(found, role=role, revision="")


def _together(told: Sequence[PlatformEvent], found: Sequence[PlatformEvent]) -> tuple[PlatformEvent, ...]:
    """Return the events of both, oldest first. Most that Run:ai tells are the cluster's own, which are exact."""
    known = {_gist(event) for event in found}
    both = [*(event for event in told if _gist(event) not in known), *found]
    return tuple(sorted(both, key=lambda event: event.time.rstrip("Z")))


def _gist(event: PlatformEvent) -> tuple[str, str, str]:
    """Return what two tellings of one event have in common."""
    return event.object.rpartition("/")[2], event.reason, event.message


def _controller_name(name: str, pods: Sequence[Object]) -> str:
    """Return what the LeaderWorkerSet of the pods is called; presumably as the workload is."""
    names = [_labels(pod).get(_LWS_NAME_LABEL) for pod in pods]
    return next((str(found) for found in names if found), name)


def _is_labelled(pod: Object, name: str) -> bool:
    labels = _labels(pod)
    return LOOK_LABEL not in labels and any(labels.get(label) == name for label in _NAME_LABELS)


def _is_surely(told: PodStatus, pod: Object) -> bool:
    """Say whether something that no other pod has is the same: its uid, or address or time of creation where nothing
    else differs."""
    if told.handle == _uid(pod):
        return True
    is_alike = told.address in _addresses(pod) or _seconds_later(told, pod) == 0
    return is_alike and not _difference(told, pod)


def _difference(told: PodStatus, pod: Object) -> str:
    """Return what Run:ai and the cluster say otherwise of a pod, as far as both say it."""
    machine, addresses = _machine(pod), _addresses(pod)
    if told.machine and machine and told.machine != machine:
        return f"pod {told.name} runs on {machine}, and on {told.machine} by what Run:ai says"
    if told.address and addresses and told.address not in addresses:
        return f"pod {told.name} has the address {addresses[0]}, and {told.address} by what Run:ai says"
    if abs(_seconds_later(told, pod) or 0) > _TOLD_LATER_SECONDS:
        return f"pod {told.name} was created at {_created(pod)}, and at {told.created} by what Run:ai says"
    return ""


def _seconds_later(told: PodStatus, pod: Object) -> int | None:
    """Return how many whole seconds later the pod was created by what Run:ai says; ``None`` where one does not say."""
    by_told, by_pod = seconds_of(told.created), seconds_of(_created(pod))
    return None if by_told is None or by_pod is None else int(by_told) - int(by_pod)


def _created(pod: Object) -> str:
    return str(mapping(pod.get("metadata")).get("creationTimestamp") or "")


def _machine(pod: Object) -> Any:
    return mapping(pod.get("spec")).get("nodeName")


def _addresses(pod: Object) -> list[str]:
    status = mapping(pod.get("status"))
    found = [status.get("podIP"), *(entry.get("ip") for entry in mappings(status.get("podIPs")))]
    return [str(address) for address in found if address]


def _labels(pod: Object) -> Object:
    return mapping(mapping(pod.get("metadata")).get("labels"))


def _uid(pod: Object) -> str:
    return str(mapping(pod.get("metadata")).get("uid") or "")
