# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""From a Pod object to what is told about it: phase, role, and the sentences of kubelet and scheduler. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PodStatus
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    RECIPE_ROLE_LABEL,
    RECIPE_ROLES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import FOLLOWER, LEADER

Object = Mapping[str, Any]

# What LeaderWorkerSet writes on all pods of one version of its template.
_REVISION_LABEL = "leaderworkerset.sigs.k8s.io/template-revision-hash"
# Set by LeaderWorkerSet on every pod of a group; the leader's is 0.
_INDEX_LABEL = "leaderworkerset.sigs.k8s.io/worker-index"
# The image is pulled, the volumes are mounted: normal on the way up.
_ON_THE_WAY = ("", "ContainerCreating", "PodInitializing")
# Reasons with which the termination message is the runtime's own text; with all others it is the end of the log
# (``terminationMessagePolicy: FallbackToLogsOnError``).
_NEVER_RAN = ("StartError", "ContainerCannotRun", "ContainerStatusUnknown")
_ENDED_PHASES = ("Failed", "Succeeded")
_DEFAULT_SCHEDULER = "default-scheduler"


def pod_status(pod: Object, kind: str, is_serving: bool) -> PodStatus:
    """Return a pod of a workload of ``kind``. ``is_serving``: the whole workload serves, so that what once ended in a
    container is past."""
    meta, spec, status = mapping(pod.get("metadata")), mapping(pod.get("spec")), mapping(pod.get("status"))
    images = [str(container["image"]) for container in mappings(spec.get("containers")) if container.get("image")]
    name = str(meta.get("name") or "")
    messages, last_words = _told(pod, is_serving)
    return PodStatus(
        name=name,
        handle=str(meta.get("uid") or name),
        phase=_phase(pod),
        role=role_of(pod, kind),
        machine=_text(spec.get("nodeName")),
        address=_text(status.get("podIP")),
        created=_text(meta.get("creationTimestamp")),
        image=images[0] if images else None,
        messages=messages,
        last_words=last_words,
        revision=str(mapping(meta.get("labels")).get(_REVISION_LABEL) or ""),
    )


def role_of(pod: Object, kind: str) -> str:
    """Return the pod's role: by the recipe's label, else by LeaderWorkerSet's; a Deployment of one pod has leaders."""
    labels = mapping(mapping(pod.get("metadata")).get("labels"))
    named = labels.get(RECIPE_ROLE_LABEL)
    role = next((role for role, label in RECIPE_ROLES.items() if label == named), None)
    if role is not None:
        return role
    index = labels.get(_INDEX_LABEL)
    if index is not None:
        return LEADER if index == "0" else FOLLOWER
    return LEADER if kind == DEPLOYMENT else "unknown"


def is_terminating(pod: Object) -> bool:
    """Say whether the pod's deletion has begun."""
    return bool(mapping(pod.get("metadata")).get("deletionTimestamp"))


def is_over(pod: Object) -> bool:
    """Say whether the pod has ended for good: evicted, refused by its machine, or completed."""
    return mapping(pod.get("status")).get("phase") in _ENDED_PHASES


def is_ready(pod: Object) -> bool:
    """Say whether the pod is ready: all its probes succeed."""
    return _condition(pod, "Ready").get("status") == "True" and not is_terminating(pod)


def is_running(pod: Object) -> bool:
    """Say whether all containers of the pod run: Kubernetes' own phase is Running also while one waits to be started
    again."""
    return _phase(pod) == "running"


def lost_contact(pod: Object) -> bool:
    """Say whether the control plane treats the pod as on a machine that it has not heard of: it says in place of the
    kubelet that the pod is not ready, and after some minutes its taint on the machine takes the pod away."""
    is_unready = _condition(pod, "Ready").get("status") == "False"
    is_taken = _condition(pod, "DisruptionTarget").get("reason") == "DeletionByTaintManager"
    by_another = is_unready and _condition(pod, "ContainersReady").get("status") == "True"
    return (by_another or is_taken) and not is_over(pod)


def has_machine(pod: Object) -> bool:
    """Say whether the pod has been placed on a machine."""
    return bool(mapping(pod.get("spec")).get("nodeName"))


def _phase(pod: Object) -> str:
    """Return the pod's phase in lower case; ``terminating`` and ``restarting`` are no phases of Kubernetes' own."""
    if is_terminating(pod):
        return "terminating"
    status = mapping(pod.get("status"))
    phase = str(status.get("phase") or "Unknown").lower()
    containers = mappings(status.get("containerStatuses"))
    if phase == "running" and not all("running" in mapping(one.get("state")) for one in containers):
        return "restarting"
    return phase


def _told(pod: Object, is_serving: bool) -> tuple[tuple[str, ...], str]:
    """Return the sentences about a pod, and the end of the log of a container that ended."""
    messages = [*_of_scheduling(pod), *_of_disruption(pod), *_of_failure(pod)]
    last_words = ""
    for container in _containers(pod):
        said, words = _of_container(container, pod, is_serving)
        messages += said
        last_words = last_words or words
    return tuple(dict.fromkeys(messages)), last_words


def _of_scheduling(pod: Object) -> list[str]:
    """Return why the pod has no machine."""
    if has_machine(pod) or is_over(pod) or is_terminating(pod):
        return []
    condition = _condition(pod, "PodScheduled")
    if not condition:
        scheduler = mapping(pod.get("spec")).get("schedulerName") or _DEFAULT_SCHEDULER
        return [f"NotScheduled: scheduler {scheduler} has not looked at it yet."]
    return [_sentence(condition)] if condition.get("status") == "False" else []


def _of_disruption(pod: Object) -> list[str]:
    """Return by whom the pod is taken away: preempted, evicted, its machine lost."""
    condition = _condition(pod, "DisruptionTarget")
    return [_sentence(condition)] if condition.get("status") == "True" else []


def _of_failure(pod: Object) -> list[str]:
    """Return why the pod ended for good."""
    status = mapping(pod.get("status"))
    if status.get("phase") != "Failed" or not status.get("reason"):
        return []
    return [_sentence(status)]


def _of_container(container: Object, pod: Object, is_serving: bool) -> tuple[list[str], str]:
    """Return what the kubelet says of one container, and the end of its log if it ended."""
    state, last = mapping(container.get("state")), mapping(container.get("lastState"))
    waiting, ended = mapping(state.get("waiting")), mapping(state.get("terminated"))
    before = mapping(last.get("terminated"))
    messages = []
    if not is_terminating(pod) and str(waiting.get("reason") or "") not in _ON_THE_WAY:
        messages.append(_sentence(waiting))
    # What ends in a pod that is being deleted was told to; what ended before is why it is deleted.
    ended = {} if is_terminating(pod) else ended
    telling = ended or before
    is_past = not ended and (is_serving or _is_healthy_leader(container, pod))
    # An init container ends well; nothing else does.
    if not telling or is_past or (_is_init(container, pod) and telling.get("exitCode") == 0):
        return messages, ""
    reason = str(telling.get("reason") or "Error")
    text = str(telling.get("message") or "").strip()
    sentence = f"container {container.get('name')} ended: {reason} (exit code {telling.get('exitCode')})"
    if reason in _NEVER_RAN:
        return [*messages, f"{sentence}: {text}" if text else sentence], ""
    return [*messages, sentence], text


def _is_healthy_leader(container: Object, pod: Object) -> bool:
    """Say whether the container serves again. Only a leader's readiness says so: a follower has no probe."""
    return container.get("ready") is True and role_of(pod, "") != FOLLOWER


def _is_init(container: Object, pod: Object) -> bool:
    return container in mappings(mapping(pod.get("status")).get("initContainerStatuses"))


def _containers(pod: Object) -> list[Object]:
    status = mapping(pod.get("status"))
    return [*mappings(status.get("initContainerStatuses")), *mappings(status.get("containerStatuses"))]


def _condition(pod: Object, kind: str) -> Object:
    """Return a condition of the pod, or an empty one."""
    conditions = mappings(mapping(pod.get("status")).get("conditions"))
    return next((condition for condition in conditions if condition.get("type") == kind), {})


def _sentence(told: Object) -> str:
    """Return ``Reason: message``, as far as there is both."""
    return ": ".join(str(told[key]) for key in ("reason", "message") if told.get(key))


def _text(value: Any) -> str | None:
    return str(value) if value else None
