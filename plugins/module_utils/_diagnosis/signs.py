# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The signs that rules look for in a status: texts of events and messages, and pods that were recreated.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory, pod_of
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    FAILED,
    INITIALIZING,
    PENDING,
    RUNNING,
    PlatformEvent,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.times import seconds_of

# Long enough for every text of a kubelet that names its cause, short enough for a terminal.
EVIDENCE_CHARACTERS = 400
# Creating a workload's pods takes a controller a second or two; after this long somebody is not doing it.
_NO_PODS_SECONDS = 60.0
# A scheduler looks at a pod within a second, a busy one within some.
_UNSEEN_SECONDS = 60.0
# One recreation may be a race at start; the second one says that the engine cannot start. Where the platform has given
# up already, one is enough.
_RECREATIONS_OF_A_CRASH_LOOP = 2
_RECREATIONS_OF_A_FAILURE = 1


@dataclass(frozen=True)
class Sign:
    """What a rule saw: ``definitive`` when waiting cannot help any more. ``object`` is the pod, where it is one."""

    evidence: str
    object: str = ""
    definitive: bool = False


Look = Callable[[WorkloadStatus, StatusHistory], "Sign | None"]


def shortened(text: str, limit: int = EVIDENCE_CHARACTERS) -> str:
    """Return ``text`` on one line and at most ``limit`` characters long, its middle left out where it is longer."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    half = (limit - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"


def sentence(text: str) -> str:
    """Return ``text`` ending in a full stop, so that a hint can follow it."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def text_sign(
    pattern: str,
    *,
    definitive: str | None = None,
    unless: str | None = None,
    settled_by: tuple[str, ...] = (),
    current_pods_only: bool = True,
    watched_pods_only: bool = False,
    not_while_running: bool = False,
) -> Look:
    """Make a look for ``pattern`` in ``reason: message`` of every event, and in what the platform and the pods say.

    ``definitive`` marks the texts that never get better by waiting; ``unless`` leaves texts to another rule;
    a later event of the same pod with a reason in ``settled_by`` says that it got better. ``watched_pods_only`` leaves
    out what befell pods that had been replaced before the first look: their successors may be well.
    """

    def matches(text: str) -> bool:
        return _found(pattern, text) and not _found(unless, text)

    def look(status: WorkloadStatus, history: StatusHistory) -> Sign | None:
        if not_while_running and status.phase == RUNNING:
            return None
        texts = [("", message) for message in status.messages if matches(message)]
        texts += [(pod.name, message) for pod in status.pods for message in pod.messages if matches(message)]
        for event in status.events:
            text = f"{event.reason}: {event.message}"
            relevant = matches(text) and history.is_relevant(event, status, current_pods_only)
            relevant = relevant and not (watched_pods_only and history.was_gone_before(event))
            if relevant and not _is_settled(event, status, settled_by):
                texts.append((pod_of(event), text))
        return _merged(texts, definitive)

    return look


def _found(pattern: str | None, text: str) -> bool:
    """Say whether the pattern occurs, whatever the case, and over several lines, as the output of a mount has;
    compiled at first use, since most runs judge nothing."""
    return pattern is not None and re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None


def _is_settled(event: PlatformEvent, status: WorkloadStatus, settled_by: tuple[str, ...]) -> bool:
    """Say whether a later event about the same object says that what ``event`` complains of is over."""
    time = seconds_of(event.time)
    if time is None:
        return False
    later = (
        seconds_of(other.time) for other in status.events if other.reason in settled_by and other.object == event.object
    )
    return any(moment is not None and moment > time for moment in later)


def _merged(texts: list[tuple[str, str]], definitive: str | None) -> Sign | None:
    """Make one sign of all matching texts: the most telling one is the evidence, the other pods are counted."""
    if not texts:
        return None
    telling = [entry for entry in texts if _found(definitive, entry[1])]
    # An event names its pod, a message often does not; of equals the longest says most.
    best = max(telling or texts, key=lambda entry: (bool(entry[0]), len(entry[1])))
    others = sorted({name for name, _text in texts if name and name != best[0]})
    also = f" (also: {', '.join(others[:3])}{', ...' if len(others) > 3 else ''})" if others else ""
    return Sign(shortened(best[1]) + also, best[0], bool(telling))


def crash_loop_sign(status: WorkloadStatus, history: StatusHistory) -> Sign | None:
    """Look for a container that ends again and again: told by the kubelet, or seen by pods recreated before any ran."""
    told = text_sign(
        r"Back-off restarting failed|back-off \S+ restarting failed|CrashLoopBackOff", current_pods_only=False
    )(status, history)
    if told:
        return told
    times = history.recreations(status)
    enough = _RECREATIONS_OF_A_FAILURE if status.phase == FAILED else _RECREATIONS_OF_A_CRASH_LOOP
    if times < enough or history.ever_running:
        return None
    said = f"; last message: {shortened('; '.join(history.last_messages))}" if history.last_messages else ""
    leaders = [pod.name for pod in status.pods if pod.role == "leader"]
    return Sign(f"the pods were recreated {_times(times)} before the workload ever ran{said}", "".join(leaders[:1]))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def no_pods_sign(status: WorkloadStatus, history: StatusHistory) -> Sign | None:
    """Look for a workload that was accepted and of which nobody makes the pods."""
    waiting = status.phase in (CREATING, PENDING, INITIALIZING) and not status.pods and not status.messages
    if not waiting or history.watched_seconds() < _NO_PODS_SECONDS:
        return None
    # No figure that grows: the same state has to read the same at every look.
    return Sign(
        f"accepted more than {_NO_PODS_SECONDS:.0f} s ago (phase {status.phase}), but there are no pods and no message"
        " says why"
    )


def failed_sign(status: WorkloadStatus, history: StatusHistory) -> Sign | None:
    """Look for the platform's own verdict that the workload failed."""
    if status.phase != FAILED:
        return None
    said = shortened("; ".join(status.messages)) or "without a message"
    return Sign(f"the platform reports phase failed: {said}")


def unseen_by_scheduler_sign(status: WorkloadStatus, history: StatusHistory) -> Sign | None:
    """Look for pods that no scheduler has said anything about."""
    if history.watched_seconds() < _UNSEEN_SECONDS:
        return None
    return text_sign(r"^NotScheduled: ")(status, history)
