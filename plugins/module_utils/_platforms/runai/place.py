# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The project and the cluster that a workload goes to: looked up only when needed, and once.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import RunaiClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.refusals import ApiError
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.versions import Version, parse_version
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Project:
    """A project as the API describes it. ``handle`` is its id as text, which workload bodies want."""

    name: str
    handle: str
    cluster: str
    namespace: str | None
    phase: str


@dataclass(frozen=True)
class Cluster:
    """A cluster as the API describes it. ``version`` is ``None`` where it is not said; ``missing`` names what the
    cluster itself reports as not available (LeaderWorkerSet, Knative)."""

    name: str
    handle: str
    version: Version | None
    state: str
    missing: tuple[str, ...]


class Place:
    """Looks up the project and its cluster, and remembers them."""

    def __init__(self, client: RunaiClient, project: str) -> None:
        self._client = client
        self._name = project
        self._project: Project | None = None
        self._clusters: dict[str, Cluster] | None = None

    def project(self) -> Project:
        """Return the project; raise ``GpuopsError`` with names that are alike where there is none."""
        if self._project is None:
            found = [entry for entry in self._client.projects(self._name) if entry.get("name") == self._name]
            if not found:
                raise GpuopsError.from_finding(self._unknown_project())
            self._project = _project(found[0])
        return self._project

    def cluster(self, handle: str) -> Cluster | None:
        """Return the cluster of this id, or ``None`` where the credentials do not show it."""
        if self._clusters is None:
            self._clusters = self._visible_clusters()
        return self._clusters.get(handle)

    def known_cluster(self, handle: str | None) -> Cluster | None:
        """Return the cluster if it has been looked up already."""
        return self._clusters.get(handle) if self._clusters and handle else None

    def _visible_clusters(self) -> dict[str, Cluster]:
        """Return the clusters by id: none where the credentials may not list them (403)."""
        try:
            entries = self._client.clusters()
        except ApiError as error:
            if error.status == 403:
                return {}
            raise
        clusters = [_cluster(entry) for entry in entries if not entry.get("deletedAt")]
        return {cluster.handle: cluster for cluster in clusters}

    def _unknown_project(self) -> Finding:
        names = sorted({str(entry.get("name")) for entry in self._client.projects() if entry.get("name")})
        alike = difflib.get_close_matches(self._name, names, _NAMES_SHOWN, 0.5) or names[:_NAMES_SHOWN]
        if alike:
            hint = f"These credentials see: {', '.join(alike)}{', ...' if len(names) > len(alike) else ''}."
        else:
            hint = "These credentials see no project at all: give the service account an access rule for it."
        return Finding(ERROR, "project_not_found", f"there is no project {self._name!r}.", hint, "project")


def _project(entry: Mapping[str, Any]) -> Project:
    status = mapping(entry.get("status"))
    return Project(
        name=str(entry.get("name")),
        handle=str(entry.get("id")),
        cluster=str(entry.get("clusterId") or ""),
        namespace=status.get("namespace") or entry.get("requestedNamespace") or None,
        phase=str(status.get("phase") or "Unknown"),
    )


def _cluster(entry: Mapping[str, Any]) -> Cluster:
    status = mapping(entry.get("status"))
    missing = [
        str(name)
        for group in mapping(status.get("dependencies")).values()
        for name, found in mapping(group).items()
        if mapping(found).get("available") is False
    ]
    return Cluster(
        name=str(entry.get("name") or ""),
        handle=str(entry.get("uuid") or ""),
        version=parse_version(entry.get("version")),
        state=str(status.get("state") or "Unknown"),
        missing=tuple(missing),
    )
