# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The options of a workload that only plain Kubernetes takes, and their way to a ``KubernetesSpec``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.texts import read_texts
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    AUTO,
    CLUSTER_IP,
    CONTROLLERS,
    SERVICE_TYPES,
    DisruptionBudgetSpec,
    ExtraVolume,
    KubernetesSpec,
    NetworkClient,
    NetworkPolicySpec,
    ServiceSpec,
)


def kubernetes_workload_argument_spec() -> ArgumentSpec:
    """Return the options that only plain Kubernetes takes."""
    return {
        "controller": {"type": "str", "choices": list(CONTROLLERS), "default": AUTO},
        "priority_class": {"type": "str"},
        "scheduler": {"type": "str"},
        "queue": {"type": "str"},
        "service_account": {"type": "str"},
        "node_selector": {"type": "dict", "default": {}},
        "affinity": {"type": "dict", "default": {}},
        "extra_volumes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "path": {"type": "str", "required": True},
                "source": {"type": "dict", "required": True},
                "read_only": {"type": "bool", "default": True},
            },
        },
        "capabilities": {"type": "list", "elements": "str", "default": []},
        "shm_size": {"type": "str"},
        "scratch_size": {"type": "str"},
        "exclusive_topology": {"type": "str"},
        "subgroup_size": {"type": "int"},
        "subgroup_topology": {"type": "str"},
        "service": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "type": {"type": "str", "choices": list(SERVICE_TYPES), "default": CLUSTER_IP},
                "annotations": {"type": "dict", "default": {}},
            },
        },
        "network_policy": {
            "type": "dict",
            "options": {
                "clients": {
                    "type": "list",
                    "elements": "dict",
                    "default": [],
                    "options": {
                        "namespace_labels": {"type": "dict"},
                        "pod_labels": {"type": "dict"},
                        "cidr": {"type": "str"},
                    },
                },
            },
        },
        "disruption_budget": {"type": "dict", "options": {"max_unavailable": {"type": "int", "default": 1}}},
        "service_monitor": {"type": "bool", "default": False},
        "service_monitor_labels": {"type": "dict", "default": {}},
        "force_conflicts": {"type": "bool", "default": False},
        "force_lost_machines": {"type": "bool", "default": False},
    }


def read_kubernetes_workload(params: Mapping[str, Any]) -> KubernetesSpec:
    """Return what only Kubernetes takes, of validated, plain ``params``.

    Raises ``OptionError`` where a text is needed. What Kubernetes takes is judged by the planner, which names entries
    of lists by their place, so those keep their order.
    """
    budget = params["disruption_budget"]
    return KubernetesSpec(
        controller=params["controller"],
        priority_class=params["priority_class"],
        scheduler=params["scheduler"],
        queue=params["queue"],
        service_account=params["service_account"],
        node_selector=read_texts(params["node_selector"], "node_selector"),
        affinity=params["affinity"],
        extra_volumes=tuple(
            ExtraVolume(volume["name"], volume["path"], volume["source"], volume["read_only"])
            for volume in params["extra_volumes"]
        ),
        capabilities=tuple(sorted(set(params["capabilities"]))),
        shm_size=params["shm_size"],
        scratch_size=params["scratch_size"],
        exclusive_topology=params["exclusive_topology"],
        subgroup_size=params["subgroup_size"],
        subgroup_topology=params["subgroup_topology"],
        service=ServiceSpec(
            params["service"]["type"], read_texts(params["service"]["annotations"], "service.annotations")
        ),
        network_policy=_read_network_policy(params["network_policy"]),
        disruption_budget=None if budget is None else DisruptionBudgetSpec(budget["max_unavailable"]),
        service_monitor=params["service_monitor"],
        service_monitor_labels=read_texts(params["service_monitor_labels"], "service_monitor_labels"),
    )


def _read_network_policy(policy: Mapping[str, Any] | None) -> NetworkPolicySpec | None:
    """Return who may call the HTTP port; ``None`` where no policy is wanted."""
    if policy is None:
        return None
    return NetworkPolicySpec(
        tuple(
            NetworkClient(
                namespace_labels=_read_labels(client["namespace_labels"], f"network_policy.clients[{at}]"),
                pod_labels=_read_labels(client["pod_labels"], f"network_policy.clients[{at}]"),
                cidr=client["cidr"],
            )
            for at, client in enumerate(policy["clients"])
        )
    )


def _read_labels(labels: Mapping[str, Any] | None, option: str) -> dict[str, str] | None:
    """Return labels as texts; ``None`` means something else than no labels."""
    return None if labels is None else read_texts(labels, option)
