# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What a cluster says of itself, as far as the credentials may see it. Reads only.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    NotServed,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    ALL_PODS,
    CLAIMS,
    NAMESPACES,
    NODES,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    SERVICE_ACCOUNTS,
    STORAGE_CLASSES,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping

T = TypeVar("T")
Object = Mapping[str, Any]

ENFORCED_LEVEL_LABEL = "pod-security.kubernetes.io/enforce"
_FORBIDDEN = 403


@dataclass(frozen=True)
class Answer(Generic[T]):
    """``content`` is ``None`` where there is no such thing, or where it may not be seen: ``permitted`` tells which."""

    content: T | None
    permitted: bool = True


class ClusterFacts:
    """Asks the API server; what these credentials may not see is an answer too."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    def namespace(self) -> Answer[Object]:
        """Return the namespace itself."""
        return self._one(NAMESPACES, self._client.namespace)

    def claim(self, name: str) -> Answer[Object]:
        """Return a volume claim of the namespace."""
        return self._one(CLAIMS, name)

    def service_account(self, name: str) -> Answer[Object]:
        """Return a ServiceAccount of the namespace."""
        return self._one(SERVICE_ACCOUNTS, name)

    def priority_class(self, name: str) -> Answer[Object]:
        """Return a PriorityClass of the cluster."""
        return self._one(PRIORITY_CLASSES, name)

    def storage_class(self, name: str) -> Answer[Object]:
        """Return a StorageClass of the cluster."""
        return self._one(STORAGE_CLASSES, name)

    def priority_classes(self) -> Answer[list[Object]]:
        """Return the cluster's PriorityClasses."""
        return self._all(PRIORITY_CLASSES)

    def storage_classes(self) -> Answer[list[Object]]:
        """Return the cluster's StorageClasses."""
        return self._all(STORAGE_CLASSES)

    def quotas(self) -> Answer[list[Object]]:
        """Return the namespace's quotas."""
        return self._all(RESOURCE_QUOTAS)

    def objects(self, resource: Resource) -> Answer[list[Object]]:
        """Return all objects of a kind that not every cluster serves; no content where it is not served."""
        return self._all(resource)

    def machines(self, selector: Mapping[str, str] | None = None) -> Answer[list[Object]]:
        """Return the cluster's machines, or those with all labels of ``selector``."""
        labels = ",".join(f"{name}={value}" for name, value in sorted((selector or {}).items()))
        return self._all(NODES, labels)

    def all_pods(self) -> Answer[list[Object]]:
        """Return the pods of all namespaces that have not ended."""
        return self._all(ALL_PODS, fields="status.phase!=Succeeded,status.phase!=Failed")

    def _one(self, resource: Resource, name: str) -> Answer[Object]:
        return _permitted(lambda: self._client.get(resource, name))

    def _all(self, resource: Resource, labels: str = "", fields: str = "") -> Answer[list[Object]]:
        return _permitted(lambda: list(self._client.list(resource, labels=labels, fields=fields).items))


def enforced_level(namespace: Object) -> str | None:
    """Return the Pod Security level that a namespace enforces; ``None`` where its label says none."""
    level = mapping(mapping(namespace.get("metadata")).get("labels")).get(ENFORCED_LEVEL_LABEL)
    return str(level) if level else None


def is_ending(found: Object) -> bool:
    """Say whether an object's deletion has begun."""
    return bool(mapping(found.get("metadata")).get("deletionTimestamp"))


def _permitted(ask: Callable[[], T | None]) -> Answer[T]:
    try:
        return Answer(ask())
    except NotServed:
        return Answer(None)
    except Refused as refused:
        if refused.code != _FORBIDDEN:
            raise
        return Answer(None, permitted=False)
