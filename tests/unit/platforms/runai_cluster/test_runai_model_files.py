# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and fabric of a Run:ai project: jobs look where the cluster lets us run some, and trainings otherwise."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    KubernetesConnection,
    RunaiConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.fabric_evidence import RunaiFabric
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.model_files import RunaiModelFiles
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.training_looks import TrainingLooks
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


def test_the_fabric_is_shown_and_looked_at_from_pods(
    runai: RunaiConnection, way: KubernetesConnection, host: Host, cluster: ClusterServer
) -> None:
    fabric = RunaiFabric(Connection("runai", PROJECT, runai, kubernetes=way), host)
    assert (fabric.answers_only, fabric.looks_refused) == (False, None)
    assert not isinstance(fabric.platform, TrainingLooks)


def test_whoever_may_only_read_there_has_trainings_look_at_the_fabric(
    runai: RunaiConnection, way: KubernetesConnection, host: Host, cluster: ClusterServer
) -> None:
    cluster.forbidden = {"jobs"}
    fabric = RunaiFabric(Connection("runai", PROJECT, runai, kubernetes=way), host)
    assert (fabric.answers_only, isinstance(fabric.platform, TrainingLooks)) == (True, True)
    told = fabric.looks_refused
    assert told is not None and (told.cause, told.severity) == ("cluster_view_not_used", "info")
    assert "create" in told.evidence and "jobs" in told.evidence


def test_without_a_way_there_trainings_look_and_nothing_was_refused(runai: RunaiConnection, host: Host) -> None:
    fabric = RunaiFabric(Connection("runai", PROJECT, runai), host)
    assert (fabric.answers_only, fabric.looks_refused) == (True, None)
