# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Whether the cluster that runs a project's pods can be looked into, and what it says of the claims: reads only.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permission_review import (
    in_words,
    missing_permissions,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    PERMISSIONS,
    ROLE_PAGE,
    Permission,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.preflight import (
    Preflight as KubernetesPreflight,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    CLAIMS,
    EVENTS,
    FABRIC_KINDS,
    JOBS,
    NAMESPACES,
    NETWORKS,
    NODES,
    PODS,
    STORAGE_CLASSES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    DOUBTFUL,
    PASSED,
    PreflightCheck,
    PreflightNeeds,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_view import (
    NOT_USED,
    ClusterView,
    NotUsable,
    where,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, Finding

NAME = "cluster_view"


def used_permissions() -> list[Permission]:
    """Return the rows of the table of permissions that looking into the cluster uses: all of them only read or ask."""
    reads = {
        "get": (PODS, CLAIMS, NAMESPACES, NODES, STORAGE_CLASSES),
        "list": (PODS, EVENTS, NODES, NETWORKS, *FABRIC_KINDS),
    }
    return [
        row
        for row in PERMISSIONS
        if (row.resource in reads.get(row.verb, ()) and row.subresource is None)
        or (row.resource == PODS and row.subresource is not None)
    ]


def missing_for_jobs(client: KubernetesClient) -> list[str]:
    """Return in words which rights to run jobs in the project's namespace are missing."""
    needed, optional = missing_permissions(client, (), (), [row for row in PERMISSIONS if row.resource == JOBS])
    return in_words([*needed, *optional])


def refusal_of_jobs(view: ClusterView, client: KubernetesClient) -> Finding | None:
    """Return why trainings look although there is a way into the cluster: nobody may run jobs there, as people give it
    who let nothing but Run:ai write. ``None`` where jobs may look. Raises ``NotUsable``."""
    with view.asking():
        missing = missing_for_jobs(client)
    if not missing:
        return None
    evidence = f"trainings look, which tell only yes or no, since jobs in the cluster need more: {'; '.join(missing)}."
    hint = f"Permit it to have reports: {ROLE_PAGE} has the Role."
    return Finding(INFO, NOT_USED, evidence, hint, "kubeconfig")


def view_checks(
    view: ClusterView, connection: Connection, namespace: str | None, needs: PreflightNeeds
) -> list[PreflightCheck]:
    """Return what is to be said of looking into the cluster, and of the claims as it shows them.

    Where it cannot be looked into there is one check that says why, and none of the claims.
    """
    try:
        client = view.proven(namespace)
        with view.asking():
            kubernetes = KubernetesPreflight(client, connection)
            found = f"namespace {namespace} is there in {where(client)}."
            return [
                PreflightCheck(NAME, PASSED, found),
                replace(kubernetes.trust(), name=f"{NAME}_tls"),
                _permissions(client),
                *(kubernetes.claim(claim, needs) for claim in needs.claims),
            ]
    except NotUsable as obstacle:
        finding = obstacle.finding
        return [PreflightCheck(NAME, DOUBTFUL, finding.evidence, finding.hint, finding.cause)]


def _permissions(client: KubernetesClient) -> PreflightCheck:
    unserved = [kind for kind in (NETWORKS, *FABRIC_KINDS) if not client.serves(kind)]
    needed, optional = missing_permissions(client, unserved, (), used_permissions())
    missing = [*needed, *optional]
    name = f"{NAME}_permissions"
    if not missing:
        return PreflightCheck(name, PASSED, "everything that looking into the cluster needs is permitted.")
    evidence = f"not permitted, and so not seen: {'; '.join(in_words(missing))}."
    hint = f"{ROLE_PAGE} has the rules; looking needs none of those that write."
    return PreflightCheck(name, DOUBTFUL, evidence, hint, "permission_optional_missing")
