# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""From the objects of the Kubernetes API to the collection's own values. Pure, and tolerant of what is missing.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    DEGRADED,
    DELETING,
    INITIALIZING,
    PENDING,
    RUNNING,
    STOPPED,
    AppliedRecord,
    Endpoint,
    LiveWorkload,
    PlatformEvent,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.comparable import (
    restricted,
    stripped,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.events import events_of, unsolved
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.marks import (
    is_ours,
    main_object_key,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_states import (
    has_machine,
    is_over,
    is_ready,
    is_running,
    is_terminating,
    pod_status,
    role_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENTS,
    LEADERWORKERSET,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import (
    mapping,
    mappings,
    whole_number,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import LEADER

Object = Mapping[str, Any]

_GROUP_LABEL = "leaderworkerset.sigs.k8s.io/group-index"
# What LeaderWorkerSet and Deployments write on each pod about the template it was made of.
_TEMPLATE_LABELS = ("leaderworkerset.sigs.k8s.io/template-revision-hash", "pod-template-hash")


def live_workload(
    name: str, kind: str, objects: Mapping[str, Object], record: AppliedRecord | None = None
) -> LiveWorkload:
    """Return a workload from its objects by body key (``Service/my-llm``).

    With a record the body is what the objects have now of what was applied; without one it is all but server noise.
    """
    main_key = main_object_key(kind, name)
    main = objects.get(main_key, {})
    if record is None:
        body: dict[str, Any] = {key: stripped(found) for key, found in objects.items()}
    else:
        body = {key: restricted(objects[key], like) for key, like in record.body.items() if key in objects}
    return LiveWorkload(
        name=name,
        kind=kind,
        handle=str(mapping(main.get("metadata")).get("uid") or ""),
        phase=phase_of(name, kind, objects),
        managed=is_ours(main, name),
        body=body,
        record=record,
        replicas=replicas_of(main),
        endpoint=endpoint_of(name, objects),
        supported=bool(main),
        replica_paths=tuple(f"{key}.spec.replicas" for key in _controllers(name, kind, objects)),
    )


def phase_of(name: str, kind: str, objects: Mapping[str, Object]) -> str:
    """Return the phase as far as the controllers' objects tell it, without a look at the pods."""
    main = objects.get(main_object_key(kind, name), {})
    if not main or mapping(main.get("metadata")).get("deletionTimestamp"):
        return DELETING
    if replicas_of(main) == 0:
        return STOPPED
    controllers = list(_controllers(name, kind, objects).values())
    if all(_is_current(controller) and _is_ready(controller) for controller in controllers):
        return RUNNING
    if kind != DEPLOYMENTS and _count(main, "readyReplicas"):
        return DEGRADED
    created = any(_count(controller, "replicas") for controller in controllers)
    return INITIALIZING if created else CREATING


def replicas_of(controller: Object) -> int:
    """Return the replicas that a LeaderWorkerSet or a Deployment shall have; one where nothing is said."""
    return whole_number(mapping(controller.get("spec")).get("replicas"), 1)


def pods_per_replica(name: str, kind: str, objects: Mapping[str, Object]) -> int:
    """Return the pods of one replica, the leader included."""
    if kind == LEADERWORKERSET:
        spec = mapping(objects.get(main_object_key(kind, name), {}).get("spec"))
        return whole_number(mapping(spec.get("leaderWorkerTemplate")).get("size"), 1)
    return max(len(_controllers(name, kind, objects)), 1)


def endpoint_of(name: str, objects: Mapping[str, Object]) -> Endpoint | None:
    """Return where the workload's Service leads: from outside where it has a load balancer with an address."""
    service = objects.get(f"Service/{name}")
    if service is None:
        return None
    ports = mappings(mapping(service.get("spec")).get("ports"))
    port = next((port["port"] for port in ports if port.get("port")), 80)
    balancer = mapping(mapping(service.get("status")).get("loadBalancer"))
    for entry in mappings(balancer.get("ingress")):
        address = entry.get("hostname") or entry.get("ip")
        if address:
            return Endpoint(f"http://{address}:{port}", external=True, requires_platform_token=False)
    namespace = mapping(service.get("metadata")).get("namespace")
    host = f"{name}.{namespace}" if namespace else name
    return Endpoint(f"http://{host}:{port}", external=False, requires_platform_token=False)


def workload_status(
    live: LiveWorkload, objects: Mapping[str, Object], pods: Sequence[Object], events: Sequence[Object]
) -> WorkloadStatus:
    """Return the status from the controllers' objects by body key, the workload's pods and the namespace's events.

    Pods that have ended for good and were replaced since (an evicted pod stays in the list) are left out.
    """
    main = objects.get(main_object_key(live.kind, live.name))
    there = without_leftovers(pods, live.kind)
    if not live.managed and not pods:
        # The pods of what others made carry no label of ours.
        return WorkloadStatus(phase=phase_of(live.name, live.kind, objects), endpoint=live.endpoint)
    if main is None:
        return WorkloadStatus(
            phase=DELETING,
            pods=tuple(pod_status(pod, live.kind, is_serving=False) for pod in there),
            deleted=True,
        )
    phase = _phase_with_pods(live, objects, there)
    told = events_of(live.name, live.kind, objects, pods, events)
    expected = replicas_of(main) * pods_per_replica(live.name, live.kind, objects)
    return WorkloadStatus(
        phase=phase,
        messages=_messages(live, objects, told) if len(there) < expected else (),
        pods=tuple(pod_status(pod, live.kind, is_serving=phase == RUNNING) for pod in there),
        events=told,
        endpoint=endpoint_of(live.name, objects) or live.endpoint,
        pods_expected=expected,
    )


def was_restarted(pod: Object) -> bool:
    """Say whether the log of a container's previous run tells more than that of the present one: it ended, was started
    again, and is not ready yet."""
    containers = mappings(mapping(pod.get("status")).get("containerStatuses"))
    return any(whole_number(one.get("restartCount"), 0) > 0 and one.get("ready") is not True for one in containers)


def _phase_with_pods(live: LiveWorkload, objects: Mapping[str, Object], pods: Sequence[Object]) -> str:
    """Return the phase by the pods: the controllers' own counts lag behind them."""
    main = objects[main_object_key(live.kind, live.name)]
    if mapping(main.get("metadata")).get("deletionTimestamp"):
        return DELETING
    wanted = replicas_of(main)
    if wanted == 0:
        return STOPPED
    alive = [pod for pod in pods if not is_terminating(pod) and not is_over(pod)]
    size = pods_per_replica(live.name, live.kind, objects)
    whole = _whole_replicas(alive, live.kind, size)
    controllers = _controllers(live.name, live.kind, objects).values()
    is_current = all(_is_current(controller) for controller in controllers)
    if whole >= wanted and is_current and not _are_mixed(alive, live.kind):
        return RUNNING
    if whole:
        return DEGRADED
    if not alive:
        return CREATING
    placed = [pod for pod in alive if has_machine(pod)]
    return INITIALIZING if len(placed) >= max(wanted * size, len(alive)) else PENDING


def _whole_replicas(pods: Sequence[Object], kind: str, size: int) -> int:
    """Return how many replicas have a ready leader and all their followers running: others serve nobody."""
    replicas: dict[str, list[Object]] = {}
    for pod in pods:
        replicas.setdefault(_replica_of(pod, kind), []).append(pod)
    whole = 0
    for members in replicas.values():
        is_led = any(role_of(pod, kind) == LEADER and is_ready(pod) for pod in members)
        followers = [pod for pod in members if role_of(pod, kind) != LEADER and is_running(pod)]
        whole += is_led and len(followers) >= size - 1
    return whole


def _replica_of(pod: Object, kind: str) -> str:
    """Return what tells the replica that a pod belongs to."""
    meta = mapping(pod.get("metadata"))
    if kind == DEPLOYMENTS:
        return ""
    return str(mapping(meta.get("labels")).get(_GROUP_LABEL) or meta.get("name"))


def _controllers(name: str, kind: str, objects: Mapping[str, Object]) -> dict[str, Object]:
    """Return the objects that make the pods, by body key, the main one first."""
    main_key = main_object_key(kind, name)
    found = {main_key: objects[main_key]} if main_key in objects else {}
    if kind == DEPLOYMENTS:
        found.update({key: objects[key] for key in sorted(objects) if key.startswith("Deployment/")})
    return found


def _is_current(controller: Object) -> bool:
    """Say whether a controller has seen the object as it is now, and no pod of an earlier template is left."""
    meta, status = mapping(controller.get("metadata")), mapping(controller.get("status"))
    if whole_number(status.get("observedGeneration"), 0) < whole_number(meta.get("generation"), 0):
        return False
    if _condition(controller, "UpdateInProgress").get("status") == "True":
        return False
    return _count(controller, "updatedReplicas") >= replicas_of(controller)


def _are_mixed(pods: Sequence[Object], kind: str) -> bool:
    """Say whether pods were made of different templates. Each Deployment of the recipe's layout has one of its own."""
    if kind == DEPLOYMENTS:
        return False
    labels = [mapping(mapping(pod.get("metadata")).get("labels")) for pod in pods]
    return any(len({found[key] for found in labels if key in found}) > 1 for key in _TEMPLATE_LABELS)


def _is_ready(controller: Object) -> bool:
    return _count(controller, "readyReplicas") >= replicas_of(controller)


def _count(controller: Object, key: str) -> int:
    """Return a count of a controller's status; a count of zero is left out of it."""
    return whole_number(mapping(controller.get("status")).get(key), 0)


def without_leftovers(pods: Sequence[Object], kind: str) -> list[Object]:
    """Return the pods by name, without those that have ended for good and have a successor of their role."""
    living = {role_of(pod, kind) for pod in pods if not is_over(pod)}
    kept = [pod for pod in pods if not is_over(pod) or role_of(pod, kind) not in living]
    return sorted(kept, key=lambda pod: str(mapping(pod.get("metadata")).get("name")))


def _messages(live: LiveWorkload, objects: Mapping[str, Object], events: Sequence[PlatformEvent]) -> tuple[str, ...]:
    """Return what the controllers say of pods that are not there: by events, else (these go after an hour) by the
    Deployments' own conditions."""
    told = unsolved(events)
    controllers = _controllers(live.name, live.kind, objects).values()
    failures = [_condition(controller, "ReplicaFailure") for controller in controllers]
    stated = [f"{one.get('reason')}: {one.get('message')}" for one in failures if one.get("status") == "True"]
    return tuple(dict.fromkeys(told or stated))


def _condition(controller: Object, kind: str) -> Object:
    conditions = mappings(mapping(controller.get("status")).get("conditions"))
    return next((condition for condition in conditions if condition.get("type") == kind), {})
