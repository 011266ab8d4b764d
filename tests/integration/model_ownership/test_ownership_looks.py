# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at model files on both platforms, against a real API server. Jobs run on this machine, without volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.cluster import CLAIM, NAMESPACE, ClusterHandle
from support.modules import run_module
from support.runai_on_cluster import RunaiOnCluster
from support.sandbox import SandboxHandle, until
from support.walks import UID, make_file, make_folder, need_root, state

IMAGE = "registry.example.com/vllm-openai:v0.33.0"
OPEN = "my-project-baseline"


def options(folder: Path) -> dict[str, Any]:
    """Return the options for a model in a folder of this machine, which the jobs take for the claim."""
    return {"claim": CLAIM, "image": IMAGE, "mount_path": str(folder), "paths": ["model"]}


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def jobs(cluster: ClusterHandle, namespace: str) -> list[dict[str, Any]]:
    return cluster.items(f"/apis/batch/v1/namespaces/{namespace}/jobs")


def damaged(folder: Path) -> Path:
    """Make a model as root downloads it."""
    model = make_folder(folder / "model", 0o755, 0, 0)
    make_file(model / "weights", 0o600, 0, 0)
    return model


def test_repaired_and_then_left_alone(cluster: ClusterHandle, tmp_path: Path) -> None:
    need_root()
    model = damaged(tmp_path)
    parameters = {**cluster.connection_in(OPEN), **options(tmp_path)}
    first = run_module("model_ownership", parameters, diff=True)
    assert first["rc"] == 0 and first["changed"], first
    assert {owner for _mode, owner, *_rest in state(model).values()} == {UID}
    before = state(model)
    second = run_module("model_ownership", parameters)
    assert (second["rc"], second["changed"], state(model)) == (0, False, before)
    until(lambda: not jobs(cluster, OPEN), "the jobs are gone")


def test_check_mode_asks_and_starts_nothing(cluster: ClusterHandle, tmp_path: Path) -> None:
    cluster.forget_requests()
    parameters = {**cluster.connection, **options(tmp_path)}
    result = run_module("model_ownership", parameters, check_mode=True)
    assert (result["rc"], result["looks"], result["not_looked_at"]) == (0, 0, [f"the files of {CLAIM}"])
    assert cluster.writes() == []


def test_a_user_who_may_make_no_jobs_is_told_that_nobody_looked_and_which_right_is_missing(
    cluster: ClusterHandle, tmp_path: Path
) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["persistentvolumeclaims", "pods", "namespaces"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]},
    ]
    user = cluster.user("no-jobs", rules)
    result = run_module("model_ownership", {**user, **options(tmp_path)})
    assert (result["rc"], result["changed"], result["proof"], causes(result)) == (0, False, None, ["no_looks"])
    assert "jobs" in result["findings"][0]["evidence"]


@pytest.mark.parametrize(
    ("mode", "spread", "rc"),
    [
        ("ReadWriteOncePod", "preferred", 1),
        ("ReadWriteOnce", "required", 1),
        ("ReadWriteOnce", "preferred", 0),
        ("ReadWriteMany", "required", 0),
    ],
)
def test_a_claim_that_the_pods_cannot_share_is_refused_before_anything_is_changed(
    cluster: ClusterHandle, tmp_path: Path, mode: str, spread: str, rc: int
) -> None:
    need_root()
    model = damaged(tmp_path)
    before = state(model)
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": f"{mode}-{spread}".lower(), "namespace": OPEN}
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    parameters = {**cluster.connection_in(OPEN), **options(tmp_path), "claim": metadata["name"], "spread": spread}
    cluster.forget_requests()
    result = run_module("model_ownership", {**parameters, "pods": 2})
    assert (result["rc"], result["changed"]) == (rc, rc == 0), result
    assert ("volume_claim_not_shared" in causes(result)) == (mode != "ReadWriteMany")
    if rc:
        assert (state(model), cluster.writes()) == (before, [])
        assert mode in result["msg"] and "2 pods" in result["msg"]
    assert run_module("model_ownership", {**parameters, "pods": 1})["rc"] == 0


def test_run_ai_without_a_way_into_its_cluster_asks_nothing_in_check_mode(
    sandbox: SandboxHandle, tmp_path: Path
) -> None:
    result = run_module("model_ownership", {**sandbox.connection, **options(tmp_path)}, check_mode=True)
    assert (result["rc"], result["changed"], result["answers"]) == (0, False, {"before": None, "after": None})
    assert "not_looked_at" in causes(result)
    assert sandbox.writes() == []


def test_run_ai_with_a_kubeconfig_gets_the_whole_report(
    runai_on_cluster: RunaiOnCluster, cluster: ClusterHandle, tmp_path: Path
) -> None:
    make_file(make_folder(tmp_path / "model") / "weights")
    parameters = {**runai_on_cluster.connection, **options(tmp_path), "kubeconfig": cluster.description["kubeconfig"]}
    result = run_module("model_ownership", parameters)
    assert result["rc"] == 0, result
    assert result["proof"]["readable"] is True
    assert result["target"].startswith("runai at ")
    namespace = runai_on_cluster.description["namespace"]
    assert namespace != NAMESPACE
    until(lambda: not jobs(cluster, namespace), "the jobs are gone")


def test_run_ai_with_another_clusters_kubeconfig_says_so(
    runai_on_cluster: RunaiOnCluster, cluster: ClusterHandle, tmp_path: Path
) -> None:
    parameters = {**runai_on_cluster.connection, **options(tmp_path), "kubeconfig": str(tmp_path / "none")}
    result = run_module("model_ownership", parameters, check_mode=True)
    assert result["rc"] == 0
    assert {"cluster_view_not_used", "not_looked_at"} <= set(causes(result))
