# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which of the table's permissions the user lacks: one request for all rules, and one for each that these leave open.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    PERMISSIONS,
    Permission,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    NAMESPACES,
    OF_ALL_NAMESPACES,
    RULES_REVIEWS,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings

Rule = Mapping[str, Any]


def missing_permissions(
    client: KubernetesClient,
    unserved: Sequence[Resource],
    needed_too: Sequence[Resource],
    rows: Sequence[Permission] = PERMISSIONS,
) -> tuple[list[Permission], list[Permission]]:
    """Return which of the permissions ``rows`` are missing: the needed ones, and the others.

    What the cluster does not serve (``unserved``) is not asked for; ``needed_too`` are kinds that are needed this time.
    """
    rules, is_complete = _rules(client)
    missing = [row for row in rows if row.resource not in unserved and not _is_allowed(client, row, rules, is_complete)]
    needed = [row for row in missing if row.needed or row.resource in needed_too]
    return needed, [row for row in missing if row not in needed]


def in_words(rows: Sequence[Permission]) -> list[str]:
    """Return permissions by kind, each with all its verbs: ``get, list storageclasses``."""
    verbs: dict[tuple[Resource, str | None], list[str]] = {}
    for row in rows:
        verbs.setdefault((row.resource, row.subresource), []).append(row.verb)
    return [
        f"{', '.join(known)} {resource.plural}"
        + (f"/{subresource}" if subresource else "")
        + (" of all namespaces" if resource in OF_ALL_NAMESPACES else "")
        for (resource, subresource), known in verbs.items()
    ]


def covers(rule: Rule, row: Permission) -> bool:
    """Say whether a rule of RBAC grants a permission on all objects of the kind."""
    if rule.get("resourceNames"):
        return False
    plural = row.resource.plural + (f"/{row.subresource}" if row.subresource else "")
    names = ("*", plural, f"*/{row.subresource}") if row.subresource else ("*", plural)
    return (
        _has(rule, "verbs", "*", row.verb)
        and _has(rule, "apiGroups", "*", row.resource.group)
        and _has(rule, "resources", *names)
    )


def _rules(client: KubernetesClient) -> tuple[list[Rule], bool]:
    """Return what the user may do in the namespace, and whether that is all: some authorizers cannot list it."""
    review = {
        "apiVersion": RULES_REVIEWS.api_version,
        "kind": RULES_REVIEWS.kind,
        "spec": {"namespace": client.namespace},
    }
    try:
        status = mapping(client.create(RULES_REVIEWS, review, dry_run=True).get("status"))
    except Refused:
        return [], False
    return mappings(status.get("resourceRules")), not status.get("incomplete")


def _is_allowed(client: KubernetesClient, row: Permission, rules: Sequence[Rule], is_complete: bool) -> bool:
    """Say whether the user has a permission.

    A Role of the namespace may name kinds that belong to the whole cluster, which grants nothing; only the namespace
    itself is granted so.
    """
    is_covered = any(covers(rule, row) for rule in rules)
    if is_covered and (row.resource.namespaced or row.resource is NAMESPACES):
        return True
    if is_complete and not is_covered:
        return False
    return client.allowed(row.verb, row.resource, row.subresource)


def _has(rule: Rule, key: str, *wanted: str) -> bool:
    granted = rule.get(key) or ()
    return any(word in granted for word in wanted)
