# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run:ai with a kubeconfig: the simulated control plane makes LeaderWorkerSets in the whole cluster, as the product.

One deployment is looked at with and without the kubeconfig: the results differ only in what could not be seen. With the
stand-in image in every run of the tests, with real vLLM in the longer set (``make test-real``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.cluster import CLAIM
from support.modules import run_module
from support.real_cluster import RealClusterHandle
from support.results import went_well
from support.runai_on_cluster import RunaiOnCluster, runai_on_test_cluster
from support.tiny_engine import WITHOUT_A_COMPILER

from gpuops_sandbox.engine.tiny_model import MODEL_FOLDER, SERVING_USER, copy_model

STAND_IN = "registry.example.com/stand-in:v0.33.0"
REAL = "registry.example.com/vllm-openai:v0.33.0"
NAME = "seen-twice"
START_SECONDS = 600


@pytest.fixture(scope="module")
def runai(real_cluster: RealClusterHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunaiOnCluster]:
    """A simulated Run:ai over the whole cluster, with the model on the project's claim."""
    handle = runai_on_test_cluster(tmp_path_factory.mktemp("runai") / "state", real_cluster)
    try:
        claim = real_cluster.volumes / handle.description["namespace"] / CLAIM
        copy_model(claim / MODEL_FOLDER, SERVING_USER, SERVING_USER)
        yield handle
    finally:
        handle.end()


@pytest.fixture(scope="module", params=[STAND_IN, pytest.param(REAL, marks=pytest.mark.real)], ids=["stand-in", "vLLM"])
def deployed(request: pytest.FixtureRequest, runai: RunaiOnCluster, way: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters of a deployment that serves, made with the kubeconfig."""
    parameters = runai.workload(
        NAME,
        image=request.param,
        vllm_args=WITHOUT_A_COMPILER,
        start_timeout=START_SECONDS,
        serving={"access": "authenticated_users", "external": False},
        **way,
    )
    went_well(run_module("vllm_workload", parameters))
    yield parameters
    went_well(run_module("vllm_workload", {**runai.connection, "name": NAME, "state": "absent"}))


@pytest.fixture(scope="module")
def way(real_cluster: RealClusterHandle) -> dict[str, Any]:
    """The option that leads into the cluster."""
    return {"kubeconfig": real_cluster.connection["kubeconfig"]}


def test_a_second_run_changes_nothing_with_and_without(
    deployed: dict[str, Any], runai: RunaiOnCluster, real_cluster: RealClusterHandle
) -> None:
    runai.forget_requests()
    real_cluster.forget_requests()
    without = {option: value for option, value in deployed.items() if option != "kubeconfig"}
    for parameters in (deployed, without):
        assert went_well(run_module("vllm_workload", parameters))["changed"] is False
    assert runai.writes() == [] and real_cluster.writes() == []


def test_only_what_could_not_be_seen_is_different(
    deployed: dict[str, Any], runai: RunaiOnCluster, way: dict[str, Any]
) -> None:
    asked = {**runai.connection, "name": NAME, "logs": True}
    [without] = went_well(run_module("vllm_workload_info", asked))["workloads"]
    [with_cluster] = went_well(run_module("vllm_workload_info", {**asked, **way}))["workloads"]
    told_by_the_cluster = {"events", "messages", "pods"}
    assert {key: value for key, value in without.items() if key not in told_by_the_cluster} == {
        key: value for key, value in with_cluster.items() if key not in told_by_the_cluster
    }
    assert [pod["name"] for pod in without["pods"]] == [pod["name"] for pod in with_cluster["pods"]]
    logs = [[bool(pod["log"]) for pod in one["pods"] if pod["role"] == "leader"] for one in (without, with_cluster)]
    assert logs == [[False], [True]]


def test_the_model_is_proven_through_the_cluster(
    deployed: dict[str, Any], runai: RunaiOnCluster, way: dict[str, Any]
) -> None:
    asked = {**runai.connection, "name": NAME, "fail_on": "never", "up_to": "L4"}
    without = run_module("vllm_smoke_test", asked)
    assert [level["status"] for level in without["levels"]] == ["passed", "unknown", "unknown", "unknown"], without
    with_cluster = run_module("vllm_smoke_test", {**asked, **way})
    statuses = {level["level"]: level["status"] for level in with_cluster["levels"]}
    assert {level: statuses[level] for level in ("L0", "L1", "L2")} == {"L0": "passed", "L1": "passed", "L2": "passed"}
    assert with_cluster["replicas_proven"] == "1 of 1" and with_cluster["answer"]["text"]
    # A stand-in holds nothing of its devices, which is what the level is there to find.
    assert statuses["L4"] == ("passed" if deployed["image"] == REAL else "failed"), with_cluster["levels"]
    assert len(with_cluster["gpus"]) == 4
