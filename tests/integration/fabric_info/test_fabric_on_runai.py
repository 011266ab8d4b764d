# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``fabric_info`` on Run:ai: without a way to the cluster nothing is known, with one the cluster is read."""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    cluster_role_manifest,
    role_manifest,
)
from support.cluster import ClusterHandle
from support.modules import run_module
from support.runai_on_cluster import RunaiOnCluster
from support.sandbox import SandboxHandle

MODULE = "fabric_info"
WANTED = {"pods": 2, "gpus_per_pod": 2}


def test_without_a_kubeconfig_nothing_is_known_and_it_says_so(sandbox: SandboxHandle) -> None:
    result = run_module(MODULE, {**sandbox.connection, **WANTED})
    shown = result["evidence"]["cluster"]
    assert (result["rc"], shown["machines"], result["decision"]["kind"]) == (0, None, "unknown")
    assert "no kubeconfig" in shown["unseen"]["Node"]
    assert sandbox.writes() == []


def test_what_is_required_needs_to_be_known(sandbox: SandboxHandle) -> None:
    result = run_module(MODULE, {**sandbox.connection, **WANTED, "mode": "require_rdma"})
    assert result["failed"] and result["decision"]["kind"] == "unknown"


def test_the_users_word_counts(sandbox: SandboxHandle) -> None:
    stated = {"expect": "infiniband", "resources": {"rdma/ib": 1}}
    result = run_module(MODULE, {**sandbox.connection, **WANTED, **stated})
    decision = result["decision"]
    assert (decision["kind"], decision["confidence"]) == ("infiniband", "stated")
    assert decision["resources"] == {"rdma/ib": 1}
    assert not [one for one in decision["variables"] if one["name"] == "NCCL_IB_HCA"]


def test_a_project_that_is_not_there_is_named(sandbox: SandboxHandle) -> None:
    result = run_module(MODULE, {**sandbox.connection, **WANTED, "project": "no-such-project"})
    assert result["failed"] and [finding["cause"] for finding in result["findings"]] == ["project_not_found"]


def _way(cluster: ClusterHandle, runai: RunaiOnCluster, name: str, cluster_rules: list[Any]) -> dict[str, Any]:
    """Return the options of a user of the cluster who may look into the project's namespace."""
    namespace = str(runai.description["namespace"])
    options = cluster.user(name, role_manifest(namespace)["rules"], namespace, cluster_rules)
    return {option: options[option] for option in ("kubeconfig", "context")}


def test_with_a_kubeconfig_the_cluster_is_read(runai_on_cluster: RunaiOnCluster, cluster: ClusterHandle) -> None:
    way = _way(cluster, runai_on_cluster, "fabric-looker", cluster_role_manifest()["rules"])
    result = run_module(MODULE, {**runai_on_cluster.connection, **WANTED, **way})
    assert result["rc"] == 0, result
    (group,) = result["evidence"]["cluster"]["machines"]
    assert group["names"] == ["gpu-1", "gpu-2", "gpu-3", "gpu-4"]
    assert group["resources"] == {"rdma/rdma_shared_device_a": 1000}
    assert result["target"].startswith("runai at ")
    assert cluster.writes() == []


def test_a_user_who_may_not_see_machines_learns_that(runai_on_cluster: RunaiOnCluster, cluster: ClusterHandle) -> None:
    way = _way(cluster, runai_on_cluster, "fabric-narrow", [])
    shown = run_module(MODULE, {**runai_on_cluster.connection, **WANTED, **way})["evidence"]["cluster"]
    assert shown["machines"] is None
    assert shown["unseen"]["Node"] == "not permitted: list nodes of the whole cluster"


def test_a_cluster_that_gives_no_answer_is_no_error(sandbox: SandboxHandle) -> None:
    way = {"host": "https://127.0.0.1:9", "api_key": "token-of-nowhere"}
    shown = run_module(MODULE, {**sandbox.connection, **WANTED, **way})["evidence"]["cluster"]
    assert shown["machines"] is None
    assert "the cluster is not looked into: could not" in shown["unseen"]["Node"]
