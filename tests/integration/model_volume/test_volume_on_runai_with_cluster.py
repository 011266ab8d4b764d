# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims of Run:ai with a kubeconfig: compared in a real API server, written by Run:ai alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.cluster import ClusterHandle
from support.modules import run_module
from support.results import causes, only_error, went_well
from support.runai_on_cluster import RunaiOnCluster
from support.sandbox import CLAIM

from gpuops_cluster.objects import STORAGE_CLASS

Volume = Callable[..., dict[str, Any]]


@pytest.fixture
def volume(runai_on_cluster: RunaiOnCluster) -> Volume:
    """Runs ``model_volume`` with the connection of Run:ai and the kubeconfig: ``volume(name, **options)``."""

    def run(name: str, **options: Any) -> dict[str, Any]:
        parameters = {**runai_on_cluster.connection, "name": name, **options}
        return run_module("model_volume", parameters, environment=runai_on_cluster.variables)

    return run


def test_a_claim_that_is_there_is_compared(cluster: ClusterHandle, volume: Volume) -> None:
    cluster.forget_requests()
    result = went_well(volume(CLAIM, size="500Gi", access_modes=["read_write_many"]))
    assert result["changed"] is False and causes(result) == []
    assert (result["volume"]["phase"], result["volume"]["capacity"]) == ("bound", "1Ti")
    refused = only_error(volume(CLAIM, access_modes=["read_write_once"]))
    assert (refused["cause"], refused["object"]) == ("volume_differs", "access_modes")
    assert cluster.writes() == []


def test_a_claim_that_is_not_there_is_told(runai_on_cluster: RunaiOnCluster, volume: Volume) -> None:
    assert only_error(volume("nowhere"))["cause"] == "volume_claim_missing"
    assert only_error(volume("nowhere", data_source="nowhere"))["cause"] == "volume_claim_missing"
    assert runai_on_cluster.writes() == []


def test_a_new_claim_is_made_by_run_ai_and_waited_for_in_the_cluster(
    cluster: ClusterHandle, runai_on_cluster: RunaiOnCluster, volume: Volume
) -> None:
    cluster.forget_requests()
    result = went_well(volume("new-models", size="5Gi"))
    assert result["changed"] and result["volume"]["phase"] in ("available", "bound")
    path = f"/api/v1/namespaces/{runai_on_cluster.description['namespace']}/persistentvolumeclaims/new-models"
    made = cluster.get(path)
    assert made["spec"]["accessModes"] == ["ReadWriteMany"]
    assert made["spec"]["storageClassName"] == STORAGE_CLASS
    assert cluster.writes() == [], "the collection itself writes nothing into the cluster"
    assert went_well(volume("new-models", size="5Gi"))["changed"] is False


def test_a_kubeconfig_that_cannot_be_used_leaves_it_unknown(runai_on_cluster: RunaiOnCluster, volume: Volume) -> None:
    result = went_well(volume(CLAIM, access_modes=["read_write_many"], context="no-such-context", data_source="models"))
    assert {"cluster_view_not_used", "volume_not_seen"} <= set(causes(result))
