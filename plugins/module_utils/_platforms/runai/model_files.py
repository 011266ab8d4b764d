# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The model files of one project: in the cluster that runs it, where the user gave a way there, else by trainings.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LookStarter, Target
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.model_files import (
    KubernetesModelFiles,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.model_files import Reader
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


class RunaiModelFiles:
    """The model files of one project. Jobs run in the cluster itself, in the project's namespace; without a way there
    they are trainings, which tell nothing but yes or no."""

    def __init__(self, connection: Connection, host: Host) -> None:
        self._project = ProjectLooks(connection, host)
        self._obstacle: Finding | None = None
        self._inside = self._found_inside(connection, host)

    @property
    def platform(self) -> LookStarter:
        """Return what starts looks."""
        return self._project.trainings if self._inside is None else self._inside.platform

    @property
    def answers_only(self) -> bool:
        """Say whether looks are trainings."""
        return self._inside is None

    def target(self) -> Target:
        """Return where this points."""
        return self._project.platform.target()

    def check(self, claim: str, pods: int, apart: bool) -> list[Finding]:
        """Return what stands against mounting a claim into so many pods, or why the cluster is not looked into."""
        if self._inside is not None:
            return self._inside.check(claim, pods, apart)
        return [] if self._obstacle is None else [self._obstacle]

    def readers(self, claim: str) -> Sequence[Reader]:
        """Return the workloads that serve from a claim now, as far as the cluster shows them, or the API."""
        return self._project.workloads.readers(claim) if self._inside is None else self._inside.readers(claim)

    def rehearse(self, look: Look) -> list[Finding]:
        """Let the cluster try the pod of a look; the API has no dry run."""
        return [] if self._inside is None else self._inside.rehearse(look)

    def _found_inside(self, connection: Connection, host: Host) -> KubernetesModelFiles | None:
        """Return the project's namespace in the cluster, or ``None`` where there is no way to it."""
        if connection.kubernetes is None:
            return None
        view = ClusterView(connection, host)
        try:
            client = view.proven(self._project.namespace)
            self._obstacle = refusal_of_jobs(view, client)
        except NotUsable as obstacle:
            self._obstacle = obstacle.finding
        if self._obstacle is not None:
            return None
        # The cluster that is expected was looked for among those of Run:ai.
        return KubernetesModelFiles(replace(connection, expect_cluster=None), host, client)
