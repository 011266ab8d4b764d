# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The Services of a workload: for clients, and for the pods of a replica among themselves. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import SERVICES
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    HTTP_PORT,
    HTTP_SERVICE,
    RENDEZVOUS_SERVICE,
    SERVICE_LABEL,
    SERVICE_TYPE,
    head_name,
    leader_selector,
    manifest,
    object_key,
    object_labels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import WorkloadSpec

Body = dict[str, Any]


def http_service(spec: WorkloadSpec) -> Body:
    """Return the Service that clients use by its key: named like the workload, whatever runs its pods."""
    # The port of the pods by its name, so that it stays right while pods with another number are rolled out.
    port = {"name": HTTP_PORT, "port": spec.serving.port, "targetPort": HTTP_PORT, "protocol": "TCP"}
    body = {
        "type": SERVICE_TYPE[spec.kubernetes.service.type],
        "selector": leader_selector(spec.name),
        "ports": [{**port, "appProtocol": "http"}],
    }
    labels = {**object_labels(spec.name), SERVICE_LABEL: HTTP_SERVICE}
    return {
        object_key(SERVICES.kind, spec.name): manifest(
            SERVICES, spec.name, body, labels, spec.kubernetes.service.annotations
        )
    }


def rendezvous_service(spec: WorkloadSpec) -> Body:
    """Return the headless Service by its key that gives the leader's Deployment an address of its own.

    Followers have to find the leader before it is ready: it gets ready when they have joined.
    """
    name = head_name(spec.name)
    body = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": leader_selector(spec.name)}
    labels = {**object_labels(spec.name), SERVICE_LABEL: RENDEZVOUS_SERVICE}
    return {object_key(SERVICES.kind, name): manifest(SERVICES, name, body, labels)}
