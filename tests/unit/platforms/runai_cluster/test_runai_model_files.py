# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a Run:ai project: seen to by jobs where the cluster lets us run some, and by trainings otherwise."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    KubernetesConnection,
    RunaiConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.model_files import RunaiModelFiles
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from cluster_server import ClusterServer
from runai_examples import PROJECT


def test_whoever_may_run_jobs_gets_reports(
    runai: RunaiConnection, way: KubernetesConnection, host: Host, cluster: ClusterServer
) -> None:
    files = RunaiModelFiles(Connection("runai", PROJECT, runai, kubernetes=way), host)
    assert files.answers_only is False
    assert files.check("my-project-models", 1, False) == []


def test_whoever_may_only_read_there_gets_trainings_and_is_told_why(
    runai: RunaiConnection, way: KubernetesConnection, host: Host, cluster: ClusterServer
) -> None:
    cluster.forbidden = {"jobs"}
    files = RunaiModelFiles(Connection("runai", PROJECT, runai, kubernetes=way), host)
    assert files.answers_only is True
    [told] = files.check("my-project-models", 1, False)
    assert (told.cause, told.severity) == ("cluster_view_not_used", "info")
    assert "create" in told.evidence and "jobs" in told.evidence
