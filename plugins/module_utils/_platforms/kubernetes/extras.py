# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What may stand beside a workload: a NetworkPolicy, a PodDisruptionBudget, a ServiceMonitor. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    SERVICE_MONITORS,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    HTTP_PORT,
    HTTP_SERVICE,
    SERVICE_LABEL,
    WORKLOAD_LABEL,
    leader_selector,
    manifest,
    object_key,
    object_labels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import NetworkClient, WorkloadSpec

Body = dict[str, Any]


def extras(spec: WorkloadSpec) -> Body:
    """Return the objects that the user asks for, by their keys."""
    wanted: tuple[tuple[Resource, Body | None, Mapping[str, str]], ...] = (
        (NETWORK_POLICIES, _network_policy(spec), {}),
        (DISRUPTION_BUDGETS, _disruption_budget(spec), {}),
        (SERVICE_MONITORS, _service_monitor(spec), spec.kubernetes.service_monitor_labels),
    )
    return {
        object_key(resource.kind, spec.name): manifest(
            resource, spec.name, body, {**labels, **object_labels(spec.name)}
        )
        for resource, body, labels in wanted
        if body is not None
    }


def _network_policy(spec: WorkloadSpec) -> Body | None:
    """Return who may connect to the pods. Among themselves they use random ports (vLLM's message queue, gloo, NCCL)."""
    policy = spec.kubernetes.network_policy
    if policy is None:
        return None
    own = {"podSelector": {"matchLabels": {WORKLOAD_LABEL: spec.name}}}
    ingress: list[Body] = [{"from": [own]}]
    if policy.clients:
        port = {"protocol": "TCP", "port": spec.serving.port}
        ingress.append({"from": [_peer(client) for client in policy.clients], "ports": [port]})
    return {**own, "policyTypes": ["Ingress"], "ingress": ingress}


def _peer(client: NetworkClient) -> Body:
    if client.cidr is not None:
        return {"ipBlock": {"cidr": client.cidr}}
    peer: Body = {}
    if client.namespace_labels is not None:
        peer["namespaceSelector"] = _selector(client.namespace_labels)
    if client.pod_labels is not None:
        peer["podSelector"] = _selector(client.pod_labels)
    return peer


def _selector(labels: Mapping[str, str]) -> Body:
    # A selector without labels selects everything.
    return {"matchLabels": dict(labels)} if labels else {}


def _disruption_budget(spec: WorkloadSpec) -> Body | None:
    budget = spec.kubernetes.disruption_budget
    if budget is None:
        return None
    return {
        "selector": {"matchLabels": leader_selector(spec.name)},
        "maxUnavailable": budget.max_unavailable,
        # A leader that is not ready serves nothing, and would otherwise hold up every drain.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def _service_monitor(spec: WorkloadSpec) -> Body | None:
    if not spec.kubernetes.service_monitor:
        return None
    return {
        "selector": {"matchLabels": {WORKLOAD_LABEL: spec.name, SERVICE_LABEL: HTTP_SERVICE}},
        "endpoints": [{"port": HTTP_PORT, "path": "/metrics"}],
    }
