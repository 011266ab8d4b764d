# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Whether a Run:ai project is ready for workloads, as far as the control plane's API tells: reads only.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    DOUBTFUL,
    FAILED,
    PASSED,
    UNKNOWN,
    PreflightCheck,
    PreflightNeeds,
    from_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import checks
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import RunaiClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_preflight import view_checks
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_view import (
    CLAIM_MISSING,
    ClusterView,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.data_sources import DataSources
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import Cluster, Place, Project
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.versions import (
    DISTRIBUTED_SINCE,
    in_words,
    is_older,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError

_NOT_USABLE = ("Deleting", "Deleted")
_NOT_CONNECTED = ("Disconnected", "WaitingToConnect")


class Preflight:
    """Checks one project of one control plane; ``view`` looks into the cluster, where the user gave a way there."""

    def __init__(self, client: RunaiClient, place: Place, connection: Connection, view: ClusterView | None) -> None:
        self._client = client
        self._place = place
        self._connection = connection
        self._view = view

    def checks(self, needs: PreflightNeeds) -> list[PreflightCheck]:
        """Return all checks, those that others rest on first. Raises where the control plane cannot be reached or does
        not let us in."""
        try:
            project = self._place.project()
        except GpuopsError as error:
            if [finding.cause for finding in error.findings] != ["project_not_found"]:
                raise
            return [self._api(), self._trust(), from_findings("project", error.findings, "")]
        return [
            self._api(),
            self._trust(),
            _project(project),
            *self._cluster(project, needs),
            self._quota(project, needs),
            *self._inside(project, needs),
        ]

    def _api(self) -> PreflightCheck:
        address = self._connection.runai.url if self._connection.runai else ""
        return PreflightCheck("api", PASSED, f"the control plane at {address} answers, and the login was taken.")

    def _trust(self) -> PreflightCheck:
        return from_findings(
            "tls", checks.of_connection(self._connection), "the control plane's certificate is checked."
        )

    def _inside(self, project: Project, needs: PreflightNeeds) -> list[PreflightCheck]:
        """Look into the cluster; what it does not show of the claims is unknown."""
        seen = view_checks(self._view, self._connection, project.namespace, needs) if self._view is not None else []
        sources = DataSources(self._client, project)
        explained = [
            replace(check, hint=sources.hint(check.name.partition(" ")[2]) or check.hint)
            if check.cause == CLAIM_MISSING
            else check
            for check in seen
        ]
        names = {check.name for check in seen}
        unseen = [_unseen_claim(claim) for claim in needs.claims if f"claim {claim}" not in names]
        return explained + unseen

    def _cluster(self, project: Project, needs: PreflightNeeds) -> list[PreflightCheck]:
        """Look at the project's cluster: connected, new enough, with the parts that the workload needs."""
        cluster = self._place.cluster(project.cluster)
        if cluster is None:
            evidence = "these credentials may not see the clusters, so nobody looked whether it is connected."
            return [PreflightCheck("cluster", UNKNOWN, evidence, "Give them a role that may read clusters.")]
        return [_connected(cluster), _parts(cluster, needs)]

    def _quota(self, project: Project, needs: PreflightNeeds) -> PreflightCheck:
        """Compare the GPUs with the project's quota and limit."""
        entries = [entry for entry in self._client.projects(project.name) if entry.get("name") == project.name]
        entry: Mapping[str, Any] = entries[0] if entries else {}
        quota = _number(mapping(entry.get("totalResources")).get("gpuQuota"))
        in_use = _number(mapping(mapping(mapping(entry.get("status")).get("quotaStatus")).get("allocated")).get("gpu"))
        pools = mappings(entry.get("resources"))
        limits = [_number(mapping(pool.get("gpu")).get("limit")) for pool in pools]
        if quota is None:
            return PreflightCheck("quota", UNKNOWN, f"the control plane says nothing of the quota of {project.name}.")
        used = in_use or 0
        evidence = f"project {project.name}: {used:g} of {quota:g} GPUs of its quota are in use{_by_pool(pools)}."
        # A pool without a limit may give more than its quota.
        most = None if None in limits or not limits else sum(limit for limit in limits if limit is not None)
        if most is not None and needs.gpus > most:
            found = f"{evidence} {needs.gpus} are needed, and its limit is {most:g}."
            return PreflightCheck("quota", FAILED, found, "Have the limit raised, or use fewer.", "quota_exceeded")
        if needs.gpus > quota - used:
            found = f"{evidence} {needs.gpus} are needed."
            hint = (
                "Unless they are this workload's own, its pods wait, or run above the quota with preemptibility: "
                "preemptible."
            )
            return PreflightCheck("quota", DOUBTFUL, found, hint, "quota_exceeded")
        return PreflightCheck("quota", PASSED, evidence)


def _project(project: Project) -> PreflightCheck:
    namespace = f", namespace {project.namespace}" if project.namespace else ""
    evidence = f"project {project.name} is there (phase {project.phase}{namespace})."
    if project.phase in _NOT_USABLE:
        return PreflightCheck("project", FAILED, evidence, "Choose another project.", "project_not_ready")
    if project.phase == "NotReady":
        return PreflightCheck("project", DOUBTFUL, evidence, "Its workloads may not start.", "project_not_ready")
    return PreflightCheck("project", PASSED, evidence)


def _connected(cluster: Cluster) -> PreflightCheck:
    version = in_words(cluster.version) if cluster.version else "of unknown version"
    evidence = f"cluster {cluster.name}, Run:ai {version}: {cluster.state}."
    if cluster.state in _NOT_CONNECTED:
        return PreflightCheck("cluster", FAILED, evidence, "Nothing starts before it is back.", "cluster_not_connected")
    return PreflightCheck("cluster", PASSED, evidence)


def _parts(cluster: Cluster, needs: PreflightNeeds) -> PreflightCheck:
    """Judge whether the cluster can run replicas of several pods, and what it reports as missing."""
    if needs.pods > 1 and is_older(cluster.version, DISTRIBUTED_SINCE):
        evidence = f"several pods need Run:ai {in_words(DISTRIBUTED_SINCE)}."
        return PreflightCheck("cluster_parts", FAILED, evidence, "Upgrade the cluster.", "version_too_old")
    if cluster.missing:
        evidence = f"the cluster reports as not available: {', '.join(cluster.missing)}."
        hint = "Replicas of several pods need LeaderWorkerSet, a single-pod inference Knative Serving."
        return PreflightCheck("cluster_parts", DOUBTFUL, evidence, hint, "cluster_parts_missing")
    return PreflightCheck("cluster_parts", PASSED, "the cluster reports nothing as missing.")


def _by_pool(pools: Sequence[Mapping[str, Any]]) -> str:
    """Return the quota of each node pool, where there are several: `` (node pools: default 8, a100 4)``."""
    parts = [
        f"{mapping(pool.get('nodePool')).get('name')} {_number(mapping(pool.get('gpu')).get('deserved')) or 0:g}"
        for pool in pools
    ]
    return f" (node pools: {', '.join(parts)})" if len(parts) > 1 else ""


def _unseen_claim(claim: str) -> PreflightCheck:
    evidence = "the Run:ai API does not show the volume claims of the namespace."
    hint = "A kubeconfig of the project's cluster shows them; without it a missing one is told by the pods' events."
    return PreflightCheck(f"claim {claim}", UNKNOWN, evidence, hint)


def _number(value: Any) -> float | None:
    """Return a number of GPUs; ``None`` where nothing is said or no limit is meant (negative)."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and value >= 0 else None
