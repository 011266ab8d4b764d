# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What was seen of a workload over time: a platform without restart counts shows a crash only as pods that changed.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    FAILED,
    RUNNING,
    PlatformEvent,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.times import seconds_of

# Reasons of events about a pod that was taken away by somebody else.
_DISPLACED = ("Preempt", "Evict", "TaintManagerEviction", "NodeNotReady")
# Clocks of machines and control plane differ a little; an event this much older than a pod may still be about it.
_CLOCK_TOLERANCE_SECONDS = 2.0
# Ends of logs that are remembered, the newest first: those of some restarts of all pods.
LAST_WORDS_KEPT = 32


@dataclass(frozen=True)
class LastWords:
    """The end of the log of a pod's container that ended. ``role`` is the pod's."""

    pod: str
    role: str
    text: str


def pod_of(event: PlatformEvent) -> str:
    """Return the name of the object an event is about, without its kind (``Pod/x`` and ``x`` are the same)."""
    return event.object.rsplit("/", 1)[-1]


def tells_of_an_end(message: str) -> bool:
    """Say whether a pod's message is about a container that ran; a new pod's first messages tell nothing of the old."""
    return message.startswith(("container ", "CrashLoopBackOff"))


class StatusHistory:
    """Remembers the looks at one workload.

    ``now`` is the time of the last look, in the caller's seconds; ``last_messages`` what the platform said when it last
    said anything, and ``last_words`` the ends of logs: recreating the pods takes both away.
    """

    def __init__(self) -> None:
        self.began: float | None = None
        self.now = 0.0
        self.ever_running = False
        self.last_messages: tuple[str, ...] = ()
        self.last_words: tuple[LastWords, ...] = ()
        self._incarnations: dict[str, list[str]] = {}
        self._oldest_pod: float | None = None
        self._revisions: list[str] = []
        self._outdated: set[str] = set()
        self._ended: set[str] = set()
        self._first_seen: dict[str, float] = {}

    def observe(self, status: WorkloadStatus, now: float) -> None:
        """Take in one look at the workload at time ``now``."""
        self.began = now if self.began is None else self.began
        self.now = now
        self.ever_running = self.ever_running or status.phase == RUNNING
        of_pods = [f"{pod.name}: {text}" for pod in status.pods for text in pod.messages if tells_of_an_end(text)]
        self.last_messages = (*status.messages, *of_pods) or self.last_messages
        self._ended |= {pod.handle for pod in status.pods if pod.last_words or any(map(tells_of_an_end, pod.messages))}
        ends = [LastWords(pod.name, pod.role, pod.last_words) for pod in status.pods if pod.last_words]
        self.last_words = tuple(dict.fromkeys((*ends, *self.last_words)))[:LAST_WORDS_KEPT]
        self._observe_revision(status)
        for pod in status.pods:
            if pod.handle in self._outdated:
                continue
            identity = pod.handle or pod.created or ""
            seen = self._incarnations.setdefault(pod.name, [])
            if identity not in seen:
                seen.append(identity)
            created = seconds_of(pod.created)
            if created is not None and (self._oldest_pod is None or created < self._oldest_pod):
                self._oldest_pod = created

    def _observe_revision(self, status: WorkloadStatus) -> None:
        """Forget the pods of earlier revisions: they were replaced, and did not end by themselves."""
        dated = sorted((pod.created or "", pod.revision) for pod in status.pods if pod.revision)
        new = [revision for _created, revision in dated if revision not in self._revisions]
        if new and self._revisions:
            self._incarnations.clear()
            self._oldest_pod = None
        self._revisions += dict.fromkeys(new)
        self._outdated |= {pod.handle for pod in status.pods if pod.revision not in ("", *self._revisions[-1:])}

    def watched_seconds(self) -> float:
        """Return the seconds between the first and the last look."""
        return self.now - (self.now if self.began is None else self.began)

    def recreations(self, status: WorkloadStatus) -> int:
        """Return how often a group of pods was recreated: by the pods seen, the controller's events, or the starts.

        Pods that had to make room, lost their machine or were deleted did not end by themselves, so they do not count.
        """
        by_pod = max((len(seen) - 1 for seen in self._incarnations.values()), default=0)
        if self._oldest_pod is None and status.phase != FAILED:
            # Without a pod nobody knows which events belong to an earlier life of the name.
            return by_pod
        # A pod that was gone before the first look may have been replaced by a change.
        seen = {handle for handles in self._incarnations.values() for handle in handles} | {""}
        told: Counter[str] = Counter()
        starts: Counter[tuple[str, str]] = Counter()
        displaced: Counter[str] = Counter()
        for event in status.events:
            if not self.is_relevant(event, status, current_pods_only=False):
                continue
            if event.reason.startswith("RecreateGroup"):
                told[event.message] += 1
            elif event.reason == "Started" and event.handle in seen:
                # One start of each pod: what starts again in the same pod is told by its container's state.
                seen -= {event.handle} - {""}
                starts[(event.object, event.message)] += 1
            elif event.reason.startswith(_DISPLACED):
                displaced[event.object] += 1
        recreated = max(by_pod, *told.values(), max(starts.values(), default=1) - 1)
        if self._revisions:
            # A roll-out recreates groups too, and so does whoever deletes a pod: where kubelets tell of ends, one has
            # to each time.
            recreated = min(recreated, len(self._ended))
        return max(recreated - max(displaced.values(), default=0), 0)

    def is_relevant(self, event: PlatformEvent, status: WorkloadStatus, current_pods_only: bool) -> bool:
        """Say whether an event belongs to what is watched, not to an earlier life of the same name.

        With ``current_pods_only`` an event about a pod that was recreated since does not count either.
        """
        if event.handle and event.handle in self._outdated:
            return False
        namesakes = [pod for pod in status.pods if pod.name == pod_of(event)] if current_pods_only else []
        if event.handle and namesakes:
            return event.handle in {pod.handle for pod in namesakes}
        time = seconds_of(event.time)
        if time is None:
            return True
        known = [moment for moment in (seconds_of(pod.created) for pod in namesakes) if moment is not None]
        oldest = max(known) if known else self._oldest_pod
        return oldest is None or time >= oldest - _CLOCK_TOLERANCE_SECONDS

    def was_gone_before(self, event: PlatformEvent) -> bool:
        """Say whether an event is about a pod that no look has met."""
        return bool(event.handle) and not any(event.handle in seen for seen in self._incarnations.values())

    def seconds_seen(self, cause: str) -> float:
        """Return for how many seconds without a break ``cause`` has been seen, counting from the first call."""
        return self.now - self._first_seen.setdefault(cause, self.now)

    def forget_all_but(self, causes: set[str]) -> None:
        """Drop the causes that are no longer seen, so that their time of grace starts anew if they come back."""
        self._first_seen = {cause: moment for cause, moment in self._first_seen.items() if cause in causes}
