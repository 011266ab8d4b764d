# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The fabric of a project's cluster, as the cluster shows it where the user gave a way there.

Run:ai's own API shows neither labels nor devices of machines.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import functools
from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ClusterEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    LiveWorkload,
    LookStarter,
    Target,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricPlacement
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.fabric_evidence import (
    KubernetesFabric,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    FABRIC_KINDS,
    NODES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_preflight import (
    refusal_of_jobs,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_view import (
    ClusterView,
    NotUsable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.project_looks import ProjectLooks
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

# Seconds for all lists of the cluster: those of a thousand machines take some.
_LISTS_SECONDS = 60.0
_NO_WAY = "Run:ai's API does not show it, and no kubeconfig of the cluster is given"


class RunaiFabric:
    """The fabric that the pods of one project can be given. Looks run in the cluster itself, in the project's
    namespace; without a way there they are trainings, which tell nothing but yes or no."""

    def __init__(self, connection: Connection, host: Host) -> None:
        self._project = ProjectLooks(connection, host)
        self._view = ClusterView(connection, host)
        self._obstacle = _NO_WAY
        self._client: KubernetesClient | None = None
        self._inside = self._found_inside(connection, host)

    @property
    def platform(self) -> LookStarter:
        """Return what starts looks."""
        inside = self._inside
        return self._project.trainings if inside is None or self.answers_only else inside.platform

    @property
    def answers_only(self) -> bool:
        """Say whether looks are trainings."""
        return self._inside is None or self.looks_refused is not None

    @functools.cached_property
    def looks_refused(self) -> Finding | None:
        """Return why trainings look although the cluster shows its fabric, or ``None``. Who only reads does not ask."""
        if self._client is None:
            return None
        try:
            return refusal_of_jobs(self._view, self._client)
        except NotUsable as obstacle:
            return obstacle.finding

    def target(self) -> Target:
        """Return where this points."""
        return self._project.platform.target()

    def workload(self, name: str) -> LiveWorkload | None:
        """Return the workload of this name with what was applied, or ``None``."""
        return self._project.platform.find(name)

    def evidence(self, placement: FabricPlacement) -> ClusterEvidence:
        """Return what the cluster shows; without a way there, or where it ends, only that nothing was seen, and why."""
        if self._inside is not None:
            try:
                with self._view.asking(_LISTS_SECONDS):
                    return self._inside.evidence(placement)
            except NotUsable as obstacle:
                self._obstacle = obstacle.finding.evidence
        kinds = (NODES, *FABRIC_KINDS)
        return ClusterEvidence(unseen={resource.kind: self._obstacle for resource in kinds})

    def _found_inside(self, connection: Connection, host: Host) -> KubernetesFabric | None:
        """Return the project's namespace in the cluster, or ``None`` where there is no way to it."""
        if connection.kubernetes is None:
            return None
        try:
            client = self._client = self._view.proven(self._project.namespace)
        except NotUsable as obstacle:
            self._obstacle = obstacle.finding.evidence
            return None
        # The cluster that is expected was looked for among those of Run:ai.
        return KubernetesFabric(replace(connection, expect_cluster=None), host, client)
