# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which of a namespace's events are about a workload, and what they say. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformEvent
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import LEADERWORKERSET
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings

Object = Mapping[str, Any]

# The hash of a Deployment's pod template, and what is appended to the names of its pods (apimachinery, util/rand).
_HASH = r"-[a-z0-9]{5,10}"
_SUFFIX = r"-[a-z0-9]{5}"
_UNBORN = re.compile(rf'pods "([^"]*{_HASH}){_SUFFIX}" is')
# Characters of an ISO 8601 time in UTC up to its seconds, which is how exactly objects tell their creation.
_TO_SECONDS = 19


def events_of(
    name: str,
    kind: str,
    objects: Mapping[str, Object],
    pods: Sequence[Object],
    events: Sequence[Object],
    created: str = "",
) -> tuple[PlatformEvent, ...]:
    """Return the events about a workload, oldest first.

    These are the ones about its objects, the StatefulSets and ReplicaSets that controllers make of these, its pods
    (also those that were recreated since: their names tell), and the claims that its pods mount. What is known by name
    only counts from the second after the workload's creation on: until then an earlier one of that name was there.
    ``created`` is that moment where no controller of it is among the objects.
    """
    uids = {uid for uid in (_uid(found) for found in (*objects.values(), *pods)) if uid}
    known = {key: _uid(found) for key, found in objects.items()}
    known.update({f"PersistentVolumeClaim/{claim}": "" for claim in _claims(pods)})
    by_name = _patterns(name, kind, objects)
    controllers = [found for key, found in objects.items() if key.startswith(("LeaderWorkerSet/", "Deployment/"))]
    since = min((_created(found) for found in controllers), default=created)
    kept = [
        event
        for event in events
        if _is_about(_involved(event), uids, known, by_name)
        and (str(_involved(event).get("uid")) in uids or _event(event).time[:_TO_SECONDS] > since[:_TO_SECONDS])
    ]
    return _in_order(kept)


def events_about(uid: str, events: Sequence[Object]) -> tuple[PlatformEvent, ...]:
    """Return the events about one object, oldest first."""
    return _in_order([event for event in events if _involved(event).get("uid") == uid])


def unsolved(events: Sequence[PlatformEvent]) -> list[str]:
    """Return what controllers say of pods they cannot create, as far as they could not since."""
    latest: dict[str, PlatformEvent] = {}
    for event in events:
        if event.reason in ("FailedCreate", "SuccessfulCreate"):
            latest[event.object] = event
    return [f"{event.reason}: {event.message}" for event in latest.values() if event.reason == "FailedCreate"]


def _patterns(name: str, kind: str, objects: Mapping[str, Object]) -> Mapping[str, re.Pattern[str]]:
    """Return how what controllers make of the workload is named, by kind."""
    if kind == LEADERWORKERSET:
        quoted = re.escape(name)
        return {"StatefulSet": re.compile(rf"{quoted}(-\d+)?"), "Pod": re.compile(rf"{quoted}(-\d+){{1,2}}")}
    deployments = [key.partition("/")[2] for key in objects if key.startswith("Deployment/")]
    either = "|".join(re.escape(deployment) for deployment in deployments) or re.escape(name)
    return {
        "ReplicaSet": re.compile(rf"(?:{either}){_HASH}"),
        "Pod": re.compile(rf"(?:{either}){_HASH}{_SUFFIX}"),
    }


def _is_about(
    involved: Object, uids: set[str], known: Mapping[str, str], by_name: Mapping[str, re.Pattern[str]]
) -> bool:
    """Say whether an event's object belongs to the workload: by its uid, or where that is not known by its name."""
    uid, kind, name = (str(involved.get(key) or "") for key in ("uid", "kind", "name"))
    if uid in uids:
        return True
    key = f"{kind}/{name}"
    if key in known:
        # An object of that name with another uid was its predecessor.
        return not (uid and known[key])
    pattern = by_name.get(kind)
    return pattern is not None and pattern.fullmatch(name) is not None


def _in_order(events: Sequence[Object]) -> tuple[PlatformEvent, ...]:
    # Times with and without fractions of a second are in order only without the Z that ends them.
    return tuple(sorted((_event(event) for event in events), key=lambda event: event.time.rstrip("Z")))


def _event(event: Object) -> PlatformEvent:
    involved = _involved(event)
    kind, name = str(involved.get("kind") or ""), str(involved.get("name") or "")
    series = mapping(event.get("series"))
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp") or event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
        mapping(event.get("metadata")).get("creationTimestamp"),
    )
    return PlatformEvent(
        time=str(next((time for time in times if time), "")),
        kind=str(event.get("type") or ""),
        reason=str(event.get("reason") or ""),
        message=_plain(str(event.get("message") or event.get("note") or "")),
        object=name if kind in ("Pod", "") else f"{kind}/{name}",
        handle=_pod_of(event),
    )


def _plain(message: str) -> str:
    """Return a message without what changes with each try: the random name of a pod that was not created."""
    return _UNBORN.sub(r'pods "\1-..." is', message.removeprefix("(combined from similar events): ").strip())


def _involved(event: Object) -> Object:
    """Return the object that an event is about, by the name of that field in either version of the API."""
    return mapping(event.get("involvedObject")) or mapping(event.get("regarding"))


def _pod_of(event: Object) -> str:
    """Return the uid of the pod that an event is about, or (a group that is recreated) that it names beside."""
    objects = (_involved(event), mapping(event.get("related")))
    return next((str(one.get("uid") or "") for one in objects if one.get("kind") == "Pod"), "")


def _uid(found: Object) -> str:
    return str(mapping(found.get("metadata")).get("uid") or "")


def _created(found: Object) -> str:
    return str(mapping(found.get("metadata")).get("creationTimestamp") or "")


def _claims(pods: Sequence[Object]) -> set[str]:
    """Return the names of the claims that pods mount."""
    volumes = [volume for pod in pods for volume in mappings(mapping(pod.get("spec")).get("volumes"))]
    names = [mapping(volume.get("persistentVolumeClaim")).get("claimName") for volume in volumes]
    return {str(claim) for claim in names if claim}
