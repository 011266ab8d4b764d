# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""From the answers of the Run:ai API to the collection's own values. Pure, and tolerant of what is missing.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DELETING,
    UNKNOWN,
    Endpoint,
    LiveWorkload,
    PlatformEvent,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    read_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.comparable import normalised
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    record_text_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import (
    DISTRIBUTED,
    INFERENCE,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    PHASES,
    REPLICA_PATHS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import (
    mapping,
    mappings,
    whole_number,
)

Record = Mapping[str, Any]
# Keys under which an entry of ``endpoints`` may hold its address: their shape is not documented (facts, section 12).
_ADDRESS_KEYS = ("url", "externalUrl", "address", "href", "externalAddress")
_IN_CLUSTER_HOST = re.compile(r"(^[^.]+$|\.svc(\..*)?$|\.cluster\.local$)")
# Pods of other types of workload are not ours to compare.
_OTHER_TYPES = ("workspace", "training", "interactive")


def is_deleted(entry: Record) -> bool:
    """Say whether the API lists this object only as a memory."""
    return bool(entry.get("deletedAt"))


def phase_of(entry: Record) -> str:
    """Return our word for a workload's phase; a deletion that was asked for counts as begun."""
    if entry.get("desiredPhase") == "Deleted" or is_deleted(entry):
        return DELETING
    return PHASES.get(str(entry.get("phase") or entry.get("actualPhase") or ""), UNKNOWN)


def kinds_to_try(entry: Record) -> tuple[str, ...]:
    """Return the kinds that a listed workload may be of, the likely one first.

    The literal of ``type`` for a distributed inference is not documented, so it is only a hint.
    """
    word = re.sub(r"[^a-z]", "", str(entry.get("type") or "").lower())
    if word in _OTHER_TYPES:
        return ()
    if word.startswith("inference"):
        return INFERENCE, DISTRIBUTED
    return DISTRIBUTED, INFERENCE


def live_workload(name: str, kind: str, entry: Record, definition: Record | None) -> LiveWorkload:
    """Return a workload from what the list says about it and what it consists of (``None``: not of our kinds)."""
    content = definition or {}
    spec = mapping(content.get("spec"))
    body = normalised({"spec": spec})
    phase = DELETING if phase_of(content) == DELETING else phase_of(entry)
    recorded = record_text_of(spec)
    return LiveWorkload(
        name=name,
        kind=kind,
        handle=str(entry.get("id") or content.get("workloadId") or ""),
        phase=phase,
        managed=recorded is not None or _is_labelled(spec),
        body=body,
        record=read_record(recorded),
        replicas=replicas_of(kind, body),
        endpoint=endpoint_of(entry, body),
        supported=definition is not None,
        replica_paths=REPLICA_PATHS.get(kind, ()),
    )


def replicas_of(kind: str, body: Record) -> int | None:
    """Return the number of replicas that a body states; ``None`` where the platform scales between two bounds."""
    spec = mapping(body.get("spec"))
    if kind == DISTRIBUTED:
        return whole_number(spec.get("replicas"), 1)
    bounds = mapping(spec.get("autoscaling"))
    lowest, highest = (whole_number(bounds.get(bound), -1) for bound in ("minReplicas", "maxReplicas"))
    return highest if lowest == highest >= 0 else None


def pods_per_replica(kind: str, body: Record) -> int:
    """Return the pods of one replica: ``workers`` leaves the leader out."""
    return whole_number(mapping(body.get("spec")).get("workers"), 0) + 1 if kind == DISTRIBUTED else 1


def workload_status(
    live: LiveWorkload, entry: Record, pods: Sequence[Record], events: Sequence[Record], replicas: int | None
) -> WorkloadStatus:
    """Return the status from what the API says about the workload, its pods and its events.

    While an inference is replaced in place, pods of its earlier revisions are still there: neither they nor what is
    said about them tells how the wanted revision fares, so they are left out.
    """
    there = [_pod(live, pod) for pod in pods if not is_deleted(pod)]
    happened = sorted((_event(event) for event in events), key=lambda event: event.time)
    is_current = current_revision(live, there)
    return WorkloadStatus(
        phase=phase_of(entry),
        messages=tuple(message for message in _messages(entry) if is_current(message)),
        pods=tuple(pod for pod in there if is_current(pod.name)),
        events=tuple(event for event in happened if is_current(event.object)),
        endpoint=endpoint_of(entry, live.body),
        pods_expected=None if replicas is None else replicas * pods_per_replica(live.kind, live.body),
        deleted=is_deleted(entry),
    )


def endpoint_of(entry: Record, body: Record) -> Endpoint | None:
    """Return where the workload serves: ``endpoints`` (2.25 and later), ``urls``, ``externalConnections``.

    An address outside the cluster is preferred.
    """
    addresses = [
        address
        for key in ("endpoints", "urls", "externalConnections")
        for item in _listed(entry.get(key))
        for address in _addresses(item)
    ]
    if not addresses:
        return None
    best = next((address for address in addresses if _is_external(address)), addresses[0])
    return Endpoint(best.rstrip("/"), _is_external(best), requires_platform_token(body))


def requires_platform_token(body: Record) -> bool:
    """Say whether the platform lets only its own users call the workload."""
    access = mapping(mapping(body.get("spec")).get("servingPort")).get("authorizationType", "public")
    return bool(access != "public")


def history_messages(records: Sequence[Record]) -> tuple[str, ...]:
    """Return what the recorded phases say, newest first: the message of a phase that has passed is only there."""
    texts = []
    for record in records:
        update = mapping(mapping(record.get("spec")).get("phaseUpdate"))
        if update.get("phaseMessage"):
            texts.append(str(update["phaseMessage"]))
    return tuple(dict.fromkeys(texts))


def current_revision(live: LiveWorkload, pods: Sequence[PodStatus]) -> Callable[[str], bool]:
    """Return what says whether a text is about no earlier revision than the newest one of ``pods``."""
    newest = max((_revision(live, pod.name) or 0 for pod in pods), default=0)

    def is_current(text: str) -> bool:
        revision = _revision(live, text)
        return revision is None or revision >= newest

    return is_current


def _is_labelled(spec: Record) -> bool:
    return any(
        label.get("name") == MANAGED_BY_LABEL and label.get("value") == MANAGED_BY
        for label in mappings((mapping(spec.get("leader")) or spec).get("labels"))
    )


def _messages(entry: Record) -> tuple[str, ...]:
    """Return the platform's own sentences: why pods are not scheduled, then what it says of the phase."""
    texts = []
    for pending in mappings(entry.get("pendingSchedulingMessages")):
        reason = str(pending.get("phaseReason") or pending.get("reason") or "")
        said = str(pending.get("userMessage") or "")
        texts.append(": ".join(part for part in (reason, said) if part))
    texts += [str(entry.get(key) or "") for key in ("phaseReason", "phaseMessage")]
    return tuple(dict.fromkeys(text for text in texts if text))


def _pod(live: LiveWorkload, pod: Record) -> PodStatus:
    images = [str(container["image"]) for container in mappings(pod.get("containers")) if container.get("image")]
    name = str(pod.get("name") or "")
    return PodStatus(
        name=name,
        handle=str(pod.get("id") or name),
        phase=str(pod.get("k8sPhase") or pod.get("phase") or "Unknown").lower(),
        role="leader" if live.kind == INFERENCE else _role(live.name, name),
        machine=_text(pod.get("nodeName")),
        address=_text(pod.get("ip")),
        created=_text(pod.get("createdAt")),
        image=images[0] if images else None,
    )


def _revision(live: LiveWorkload, text: str) -> int | None:
    """Return the revision of the pod that ``text`` names: Knative calls pods ``<name>-<5 digits>-deployment-...``."""
    if live.kind != INFERENCE:
        return None
    found = re.search(rf"\b{re.escape(live.name)}-(\d{{5,}})-deployment-", text)
    return int(found.group(1)) if found else None


def _role(workload: str, pod: str) -> str:
    """Return the role by LeaderWorkerSet's names: ``<name>-<group>`` leads, ``<name>-<group>-<index>`` follows."""
    rest = pod[len(workload) :] if pod.startswith(workload) else ""
    if re.fullmatch(r"-\d+", rest):
        return "leader"
    return "follower" if re.fullmatch(r"-\d+-\d+", rest) else "unknown"


def _event(event: Record) -> PlatformEvent:
    involved = mapping(event.get("involvedObject"))
    return PlatformEvent(
        time=str(event.get("createdAt") or ""),
        kind=str(event.get("type") or ""),
        reason=str(event.get("reason") or ""),
        message=str(event.get("message") or ""),
        object=str(involved.get("name") or ""),
    )


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _addresses(item: Any) -> list[str]:
    """Return the http addresses of one entry, a text or an object."""
    values = [item.get(key) for key in _ADDRESS_KEYS] if isinstance(item, Mapping) else [item]
    return [value for value in values if isinstance(value, str) and value.startswith(("https://", "http://"))]


def _is_external(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or not _IN_CLUSTER_HOST.search(host)
