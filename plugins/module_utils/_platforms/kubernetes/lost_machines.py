# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Pods whose machine is lost: nobody ends them, and nothing takes their place until somebody does.

Machines are read only where a pod looks as if its own were lost, so that ordinary runs cost no request for it.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PodStatus
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_states import (
    is_over,
    is_terminating,
    lost_contact,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import NODES, PODS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    LEADERWORKERSET,
    POD_INDEX_LABEL,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.times import seconds_of

Object = Mapping[str, Any]

# A kubelet that is there removes a pod within seconds of its grace; the rest is for clocks that differ. The
# controller's may be minutes ahead of the server's, so before it deletes by force a run has to see the pod overdue for
# as long by its own monotonic clock as well, and likewise with the machine.
_OVERDUE_SECONDS = 30.0
# A machine with many GPUs is back from a reboot within a quarter of an hour. One that is away for longer is lost.
_LOST_SECONDS = 900.0
# Pods are deleted by force only where their machine has not been ready for a minute: a kubelet that was restarted
# reports within seconds, and then ends its pods itself.
_FORCED_SECONDS = 60.0
# Seconds for which an answer about a machine is good enough for telling; before a deletion it is asked for anew.
_REMEMBERED_SECONDS = 10.0
_TAINTS = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready", "node.kubernetes.io/out-of-service")


@dataclass(frozen=True)
class Machine:
    """A machine as its Node object says: ``is_there`` unless it has none, ``is_hidden`` where it may not be read.

    ``unready_for`` is in seconds (``None``: it is ready), ``words`` say since when and why.
    """

    is_there: bool = True
    is_hidden: bool = False
    unready_for: float | None = None
    words: str = ""


class LostMachines:
    """Tells which pods cannot end, and deletes those whose machine is lost, once it has told of them for long enough.

    ``wall_clock`` returns seconds since 1970, for times that objects tell.
    """

    def __init__(self, client: KubernetesClient, host: Host, wall_clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._host = host
        self._wall_clock = wall_clock
        self._known: dict[str, tuple[float, Machine]] = {}
        # Since when, by the host's clock, pods (by uid) are seen overdue and machines (by name) not ready.
        self._overdue_since: dict[str, float] = {}
        self._unready_since: dict[str, float] = {}

    def told(self, statuses: tuple[PodStatus, ...], pods: Sequence[Object], kind: str) -> tuple[PodStatus, ...]:
        """Return the pods' statuses with a sentence about each one that cannot end, or whose machine is not ready."""
        suspects = {_uid(pod): pod for pod in pods if self._is_suspect(pod)}
        self._see(suspects)
        return tuple(
            replace(status, messages=(*self._sentences(suspects[status.handle], pods, kind), *status.messages))
            if status.handle in suspects
            else status
            for status in statuses
        )

    def release(self, pods: Iterable[Object]) -> list[Finding]:
        """Delete with a grace of zero the pods that should have ended and whose machine is not ready; return a finding
        for each.

        Pod and machine are read anew directly before each deletion, which only deletes the very pod that was read.
        """
        late = [pod for pod in pods if self._is_long_overdue(pod)]
        return [finding for pod in late if (finding := self._released(_name(pod), _uid(pod)))]

    def _released(self, name: str, uid: str) -> Finding | None:
        pod = self._client.get(PODS, name)
        if pod is None or _uid(pod) != uid or not self._is_long_overdue(pod) or _is_forced_already(pod):
            return None
        machine_name = _machine_of(pod)
        machine = self._read(machine_name)
        if not self._is_long_unready(machine_name, machine):
            return None
        self._host.alive()
        self._client.delete(PODS, name, uid=uid, grace_seconds=0)
        return Finding(
            WARNING,
            "lost_pod_deleted",
            f"deleted without waiting for its end, since machine {machine_name} {machine.words}.",
            "Whether its engine still runs there, nobody knows: see to it that the machine stays off, or comes back "
            "empty.",
            name,
        )

    def _is_suspect(self, pod: Object) -> bool:
        return bool(_machine_of(pod)) and (self._is_overdue(pod) or lost_contact(pod))

    def _is_overdue(self, pod: Object) -> bool:
        """Say whether the pod's deletion should be over by now."""
        end = seconds_of(_end_of(pod))
        return end is not None and self._wall_clock() > end + _OVERDUE_SECONDS

    def _see(self, suspects: Mapping[str, Object]) -> None:
        """Remember since when the pods among the suspects are overdue, and forget what is not looked at any more."""
        now = self._host.clock()
        overdue = [uid for uid, pod in suspects.items() if self._is_overdue(pod)]
        self._overdue_since = {uid: self._overdue_since.get(uid, now) for uid in overdue}
        machines = {_machine_of(pod) for pod in suspects.values()}
        self._unready_since = {name: since for name, since in self._unready_since.items() if name in machines}

    def _is_long_overdue(self, pod: Object) -> bool:
        now = self._host.clock()
        return self._is_overdue(pod) and now - self._overdue_since.get(_uid(pod), now) >= _OVERDUE_SECONDS

    def _is_long_unready(self, name: str, machine: Machine) -> bool:
        if machine.unready_for is None or machine.unready_for < _FORCED_SECONDS:
            return False
        now = self._host.clock()
        return now - self._unready_since.get(name, now) >= _FORCED_SECONDS

    def _sentences(self, pod: Object, pods: Sequence[Object], kind: str) -> list[str]:
        """Return why a suspect does not end, in sentences that stay the same as long as nothing changes."""
        name = _machine_of(pod)
        machine = self._remembered(name)
        overdue = self._is_overdue(pod)
        end = f"; the pod was to end by {_end_of(pod)}" if overdue else ""
        if not machine.is_there:
            return [f"MachineNotReady: machine {name} is not part of the cluster any more{end}"]
        if machine.unready_for is not None:
            is_lost = machine.unready_for >= _LOST_SECONDS and not _has_successor(pod, pods, kind)
            return [f"Machine{'Lost' if is_lost else 'NotReady'}: machine {name} {machine.words}{end}"]
        if not overdue:
            return []
        holders = [str(holder) for holder in mapping(pod.get("metadata")).get("finalizers") or ()]
        held = f", held by the finalizer {', '.join(holders)}" if holders else ""
        seen = "may not be looked at (get nodes)" if machine.is_hidden else "is ready"
        return [f"PodNotEnding: it was to end by {_end_of(pod)}{held}; its machine {name} {seen}"]

    def _remembered(self, name: str) -> Machine:
        now = self._host.clock()
        asked, machine = self._known.get(name, (None, Machine()))
        if asked is None or now - asked >= _REMEMBERED_SECONDS:
            machine = self._read(name)
            self._known[name] = (now, machine)
        return machine

    def _read(self, name: str) -> Machine:
        machine = self._asked(name)
        if machine.unready_for is None:
            self._unready_since.pop(name, None)
        else:
            self._unready_since.setdefault(name, self._host.clock())
        return machine

    def _asked(self, name: str) -> Machine:
        try:
            node = self._client.get(NODES, name)
        except Refused as refused:
            if not refused.is_permission:
                raise
            return Machine(is_hidden=True)
        if node is None:
            return Machine(is_there=False)
        ready = _condition(node, "Ready")
        if ready.get("status") == "True":
            return Machine()
        since = str(ready.get("lastTransitionTime") or mapping(node.get("metadata")).get("creationTimestamp") or "")
        began = seconds_of(since)
        why = ": ".join(str(ready[key]) for key in ("reason", "message") if ready.get(key))
        taints = [str(taint.get("key")) for taint in mappings(mapping(node.get("spec")).get("taints"))]
        marks = [taint for taint in _TAINTS if taint in taints]
        said = "; ".join(part for part in (why, f"tainted {', '.join(marks)}" if marks else "") if part)
        words = f"is not ready since {since or 'an unknown time'}{f' ({said})' if said else ''}"
        return Machine(unready_for=0.0 if began is None else max(self._wall_clock() - began, 0.0), words=words)


def _is_forced_already(pod: Object) -> bool:
    """Say whether the pod was deleted by force before; what is left of it, a finalizer holds."""
    return mapping(pod.get("metadata")).get("deletionGracePeriodSeconds") == 0


def _has_successor(pod: Object, pods: Sequence[Object], kind: str) -> bool:
    """Say whether another pod has its place already. A LeaderWorkerSet's pods have names of their own, so none can."""
    if kind == LEADERWORKERSET:
        return False
    others = [one for one in pods if not is_terminating(one) and not is_over(one)]
    return any(_place_of(one) == _place_of(pod) for one in others)


def _place_of(pod: Object) -> str:
    return str(mapping(mapping(pod.get("metadata")).get("labels")).get(POD_INDEX_LABEL) or "")


def _end_of(pod: Object) -> str:
    """Return when the pod's deletion has to be over: a deletion's time is that of its end, grace included."""
    return str(mapping(pod.get("metadata")).get("deletionTimestamp") or "")


def _machine_of(pod: Object) -> str:
    return str(mapping(pod.get("spec")).get("nodeName") or "")


def _name(pod: Object) -> str:
    return str(mapping(pod.get("metadata")).get("name") or "")


def _uid(pod: Object) -> str:
    return str(mapping(pod.get("metadata")).get("uid") or "")


def _condition(node: Object, kind: str) -> Object:
    conditions = mappings(mapping(node.get("status")).get("conditions"))
    return next((condition for condition in conditions if condition.get("type") == kind), {})
