# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the pods of a workload run, read from its objects. Pure and tolerant.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import ReplicaLayout, RolePods
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    LEADERWORKERSETS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    CONTAINER,
    GPU_RESOURCE,
    RECIPE_ROLE_LABEL,
    RECIPE_ROLES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import (
    mapping,
    mappings,
    whole_number,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import FOLLOWER

Object = Mapping[str, Any]


def read_layout(body: Mapping[str, Any], replicas: int | None = None) -> ReplicaLayout:
    """Return the layout of one replica; ``replicas`` (what the platform reports) wins over the body's own figure.

    Fields may be missing; objects that run no pods are passed over.
    """
    for key, found in body.items():
        if key.startswith(f"{LEADERWORKERSETS.kind}/"):
            return _of_leaderworkerset(mapping(mapping(found).get("spec")), replicas)
    specs = [
        mapping(mapping(found).get("spec")) for key, found in body.items() if key.startswith(f"{DEPLOYMENTS.kind}/")
    ]
    followers = [mapping(spec.get("template")) for spec in specs if _is_follower(spec)]
    leaders = [spec for spec in specs if not _is_follower(spec)]
    leader = leaders[0] if leaders else {}
    return ReplicaLayout(
        _role(mapping(leader.get("template")), 1),
        _role(followers[0], len(followers)) if followers else None,
        whole_number(leader.get("replicas"), 1) if replicas is None else replicas,
    )


def _of_leaderworkerset(spec: Object, replicas: int | None) -> ReplicaLayout:
    group = mapping(spec.get("leaderWorkerTemplate"))
    size = whole_number(group.get("size"), 1)
    worker = mapping(group.get("workerTemplate"))
    # Without a template of its own the leader runs the followers'.
    leader = mapping(group.get("leaderTemplate")) or worker
    return ReplicaLayout(
        _role(leader, 1),
        _role(worker, size - 1) if size > 1 else None,
        whole_number(spec.get("replicas"), 1) if replicas is None else replicas,
    )


def _is_follower(spec: Object) -> bool:
    labels = mapping(mapping(mapping(spec.get("template")).get("metadata")).get("labels"))
    return labels.get(RECIPE_ROLE_LABEL) == RECIPE_ROLES[FOLLOWER]


def _role(template: Object, pods: int) -> RolePods:
    """Read one role's pod template; of several containers the one that we call so, else the first."""
    containers = mappings(mapping(template.get("spec")).get("containers"))
    named = [container for container in containers if container.get("name") == CONTAINER]
    container: Object = next(iter(named or containers), {})
    command = _words(container.get("command"))
    return RolePods(
        pods, _gpus(container), command + _words(container.get("args")), not command, _environment(container)
    )


def _gpus(container: Object) -> int | None:
    resources = mapping(container.get("resources"))
    for amounts in (mapping(resources.get("limits")), mapping(resources.get("requests"))):
        count = str(amounts.get(GPU_RESOURCE, ""))
        if count.isascii() and count.isdigit():
            return int(count)
    return None


def _words(words: Any) -> tuple[str, ...]:
    # The kubelet's way to write "$".
    return tuple(str(word).replace("$$", "$") for word in words) if isinstance(words, (list, tuple)) else ()


def _environment(container: Object) -> dict[str, str]:
    """Return the clear variables as the process sees them."""
    return {
        str(variable["name"]): str(variable.get("value") or "").replace("$$", "$")
        for variable in mappings(container.get("env"))
        if variable.get("name") and not variable.get("valueFrom")
    }
