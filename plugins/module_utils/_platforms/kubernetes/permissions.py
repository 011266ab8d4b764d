# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the collection asks of the API server at all: every verb on every kind, and what for. Pure.

The Role of the documentation and of the tests is made from this table. A request that is not in it is a defect.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    ALL_PODS,
    CLAIMS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    EVENTS,
    FABRIC_KINDS,
    JOBS,
    LEADERWORKERSETS,
    LIMIT_RANGES,
    NAMESPACES,
    NETWORK_POLICIES,
    NETWORKS,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    SERVICE_ACCOUNTS,
    SERVICE_MONITORS,
    SERVICES,
    STORAGE_CLASSES,
    Resource,
)

ROLE_NAME = "gpuops-inference"
# Where people find the Role and the ClusterRole.
ROLE_PAGE = "docs/kubernetes.md"


@dataclass(frozen=True)
class Permission:
    """One verb on one kind. ``purpose`` completes "needed to ..."; without a permission that is not ``needed`` a
    feature is left out or says less."""

    verb: str
    resource: Resource
    purpose: str
    needed: bool = True
    subresource: str | None = None

    @property
    def words(self) -> str:
        """Return the permission in words: ``get pods/log``."""
        return f"{self.verb} {self.resource.plural}" + (f"/{self.subresource}" if self.subresource else "")


def _rows(resource: Resource, verbs: str, purpose: str, needed: bool = True) -> tuple[Permission, ...]:
    return tuple(Permission(verb, resource, purpose, needed) for verb in verbs.split())


def _subrows(resource: Resource, verbs: str, subresource: str, purpose: str) -> tuple[Permission, ...]:
    return tuple(Permission(verb, resource, purpose, False, subresource) for verb in verbs.split())


# A server-side apply that creates an object needs `create` beside `patch`.
PERMISSIONS: tuple[Permission, ...] = (
    Permission("get", LEADERWORKERSETS, "see whether one has the workload's name (not where the cluster serves none)"),
    *_rows(
        LEADERWORKERSETS,
        "list watch create patch delete",
        "run workloads of several pods as LeaderWorkerSets",
        needed=False,
    ),
    *_rows(DEPLOYMENTS, "get list watch create patch delete", "run workloads as Deployments"),
    *_rows(SERVICES, "get list create patch delete", "give the workload its address"),
    *_rows(PODS, "get list watch", "see how the workload's pods are"),
    Permission("get", PODS, "read why a pod ended", needed=False, subresource="log"),
    *_subrows(PODS, "get create", "proxy", "ask the leaders what they serve (smoke test)"),
    *_subrows(
        PODS, "get create", "portforward", "ask leaders with an API key, or past a network that blocks pods/proxy"
    ),
    *_subrows(PODS, "get create", "exec", "read how much memory the GPUs of the pods use (smoke test L4, option gpus)"),
    *_rows(JOBS, "get list create patch delete", "look at things inside the cluster, by jobs that end", needed=False),
    *_rows(PODS, "create", "have a pod checked by admission before anything is changed (dry run only)", needed=False),
    *_rows(PODS, "delete", "delete pods of lost machines (option force_lost_machines)", needed=False),
    *_rows(EVENTS, "list watch", "say why pods do not start", needed=False),
    *_rows(CLAIMS, "get list", "check the claims that the pods mount"),
    *_rows(CLAIMS, "create patch delete", "make claims, let them grow and remove them (model_volume)", needed=False),
    *_rows(NETWORK_POLICIES, "get list create patch delete", "set up the option network_policy", needed=False),
    *_rows(DISRUPTION_BUDGETS, "get list create patch delete", "set up the option disruption_budget", needed=False),
    *_rows(SERVICE_MONITORS, "get list create patch delete", "set up the option service_monitor", needed=False),
    *_rows(NAMESPACES, "get", "check the namespace and its pod security level", needed=False),
    *_rows(RESOURCE_QUOTAS, "list", "check the namespace's quota", needed=False),
    *_rows(LIMIT_RANGES, "list", "check the namespace's limits", needed=False),
    *_rows(SERVICE_ACCOUNTS, "get", "check the option service_account", needed=False),
    *_rows(NODES, "get", "say whether the machine of a pod that does not end is lost", needed=False),
    *_rows(NODES, "list", "check which machines have free GPUs, and which fabric they show", needed=False),
    *_rows(STORAGE_CLASSES, "get list", "check the storage class", needed=False),
    *_rows(PRIORITY_CLASSES, "get list", "check the priority class", needed=False),
    *_rows(
        ALL_PODS, "list", "count the GPUs that are free in preflight (it shows the pods of everybody)", needed=False
    ),
    *_rows(NETWORKS, "list", "see the networks that pods of the namespace can be given", needed=False),
    *(
        Permission("list", resource, "see which fabric there is, and what pods need for it", needed=False)
        for resource in FABRIC_KINDS
    ),
)


def permission(verb: str, resource: Resource, subresource: str | None = None) -> Permission | None:
    """Return the row of the table for a request, or ``None``."""
    for row in PERMISSIONS:
        if (row.verb, row.resource, row.subresource) == (verb, resource, subresource):
            return row
    return None


def role_manifest(namespace: str, name: str = ROLE_NAME) -> dict[str, Any]:
    """Return the Role that holds everything the collection does inside a namespace."""
    rows = [row for row in PERMISSIONS if row.resource.namespaced or row.resource is NAMESPACES]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace},
        "rules": _rules(rows),
    }


def cluster_role_manifest(name: str = ROLE_NAME) -> dict[str, Any]:
    """Return the ClusterRole of what is read of the whole cluster. All of it is optional."""
    rows = [row for row in PERMISSIONS if not row.resource.namespaced and row.resource is not NAMESPACES]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": _rules(rows),
    }


def _rules(rows: Iterable[Permission]) -> list[dict[str, Any]]:
    """Return the rules of a role: one for each resource, in the order of the table."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        plural = row.resource.plural + (f"/{row.subresource}" if row.subresource else "")
        verbs.setdefault((row.resource.group, plural), []).append(row.verb)
    return [{"apiGroups": [group], "resources": [plural], "verbs": known} for (group, plural), known in verbs.items()]
