# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the pods of a Run:ai workload run, read from the body that the API returns. Pure and tolerant.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import ReplicaLayout, RolePods
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import (
    mapping,
    mappings,
    whole_number,
)


def read_layout(body: Mapping[str, Any], replicas: int | None = None) -> ReplicaLayout:
    """Return the layout of one replica of a distributed or a single-pod inference.

    ``body`` is the workload as the API returns it, or its ``spec`` alone; fields may be missing or null.
    ``replicas`` (what the platform reports) wins over the body's own figure.
    """
    spec = mapping(body.get("spec")) or body
    leader = mapping(spec.get("leader"))
    if not leader:
        # A single-pod inference has the fields of the pod directly in its spec.
        minimum = whole_number(mapping(spec.get("autoscaling")).get("minReplicas"), None)
        return ReplicaLayout(_role(spec, 1), None, _first(replicas, minimum, 1))
    workers = whole_number(spec.get("workers"), 0)
    # Run:ai's `workers` do not count the leader, and the API does not let workers inherit from it.
    follower = _role(mapping(spec.get("worker")), workers) if workers > 0 else None
    return ReplicaLayout(_role(leader, 1), follower, _first(replicas, whole_number(spec.get("replicas"), None), 1))


def serving_port(body: Mapping[str, Any]) -> int | None:
    """Return the port on which the leader serves: ``port`` of a distributed, ``container`` of a single-pod one."""
    port = mapping(mapping(body.get("spec")).get("servingPort"))
    return whole_number(port.get("port"), None) or whole_number(port.get("container"), None)


def _role(pod: Mapping[str, Any], pods: int) -> RolePods:
    """Read one role's pod description."""
    command = _words(pod.get("command"))
    gpus = whole_number(mapping(pod.get("compute")).get("gpuDevicesRequest"), None)
    return RolePods(pods, gpus, command + _words(pod.get("args")), not command, _environment(pod))


def _words(text: Any) -> tuple[str, ...]:
    """Split one of Run:ai's single strings as a shell would; quotes that do not match are taken as they stand."""
    if isinstance(text, (list, tuple)):
        return tuple(str(word) for word in text)
    try:
        return tuple(shlex.split(text)) if isinstance(text, str) else ()
    except ValueError:
        return tuple(str(text).split())


def _environment(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the clear variables as the process sees them (``$$`` is the kubelet's way to write ``$``)."""
    return {
        str(variable["name"]): str(variable["value"]).replace("$$", "$")
        for variable in mappings(pod.get("environmentVariables"))
        if variable.get("name") and variable.get("value") is not None
    }


def _first(*numbers: int | None) -> int:
    """Return the first number that is stated."""
    return next(number for number in numbers if number is not None)
