# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real failures in real containers, each named with its cause and followed to its end.

Those that need an engine are the longer set (``make test-real``); in the others a tiny HTTP process stands in for it,
from which nothing about an engine is claimed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.cluster import CLAIM, NAMESPACE, PODS
from support.modules import run_module
from support.real_cluster import RealClusterHandle
from support.results import causes, went_well
from support.sandbox import until
from support.tiny_engine import FOR_A_CPU, WITHOUT_A_COMPILER

from gpuops_cluster.objects import MACHINE
from gpuops_sandbox.engine.tiny_model import copy_model

STAND_IN = "registry.example.com/stand-in:v0.33.0"
VLLM = "registry.example.com/vllm-openai:v0.33.0"
ENGINE = {"image": VLLM, "vllm_args": WITHOUT_A_COMPILER, "start_timeout": 400}
SMALL = {"shm_size": "1Gi", "scratch_size": "1Gi"}
RENDEZVOUS_PORT = "29501"


@pytest.fixture
def name(real_cluster: RealClusterHandle) -> Iterator[str]:
    """The name of a workload that is removed after the test."""
    name = real_cluster.unique_name("fails")
    yield name
    went_well(run_module("vllm_workload", {**real_cluster.connection, "name": name, "state": "absent"}))


def deploy(cluster: RealClusterHandle, name: str, **options: Any) -> dict[str, Any]:
    return run_module("vllm_workload", cluster.workload(name, **{"image": STAND_IN, **SMALL, **options}))


def smoke_test(cluster: RealClusterHandle, name: str, **options: Any) -> dict[str, Any]:
    return run_module("vllm_smoke_test", {**cluster.connection, "name": name, "fail_on": "never", **options})


def uids(cluster: RealClusterHandle, name: str) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in cluster.pods(name)}


def until_made_anew(cluster: RealClusterHandle, name: str, before: dict[str, str]) -> None:
    """Wait until every pod of the group is another one."""
    until(
        lambda: uids(cluster, name),
        "all pods of the group are made anew",
        180,
        lambda now: set(now) == set(before) and not set(now.values()) & set(before.values()),
    )


def test_an_image_that_is_nowhere(real_cluster: RealClusterHandle, name: str) -> None:
    result = deploy(real_cluster, name, image="registry.example.com/vllm-openai:no-such-tag")
    assert result["failed"] and causes(result)[0] == "image_pull_failed", result["findings"]
    assert "not found" in result["findings"][0]["evidence"]


def test_a_pod_that_fills_its_scratch_folder_is_evicted_and_the_group_made_anew(
    real_cluster: RealClusterHandle, name: str
) -> None:
    went_well(deploy(real_cluster, name, scratch_size="16Mi"))
    before = uids(real_cluster, name)
    real_cluster.execute(f"{name}-0", "sh", "-c", 'head -c 64M /dev/zero >"$HOME/full"')
    until_made_anew(real_cluster, name, before)
    again = went_well(deploy(real_cluster, name, scratch_size="16Mi"))
    assert again["changed"] is False
    asked = {**real_cluster.connection, "name": name}
    [seen] = went_well(run_module("vllm_workload_info", asked))["workloads"]
    assert seen["phase"] == "running"
    assert any("Usage of EmptyDir volume" in event["message"] for event in seen["events"]), seen["events"]


def test_a_machine_that_is_lost_is_named_and_its_pods_are_released_on_demand(
    real_cluster: RealClusterHandle, name: str
) -> None:
    went_well(deploy(real_cluster, name))
    absent = {**real_cluster.connection, "name": name, "state": "absent"}
    real_cluster.stop_kubelet()
    try:
        until(lambda: not real_cluster.machine_is_ready(), "the machine is not ready", 120)
        stuck = run_module("vllm_workload", {**absent, "delete_timeout": 30})
        assert stuck["failed"] and "machine_lost" in causes(stuck), stuck["findings"]
        told = next(finding for finding in stuck["findings"] if finding["cause"] == "machine_lost")
        assert MACHINE in told["evidence"]
        assert set(uids(real_cluster, name)) == {f"{name}-0", f"{name}-0-1"}, "nothing was forced"
        forced = went_well(run_module("vllm_workload", {**absent, "force_lost_machines": True}))
        assert forced["changed"] is True and uids(real_cluster, name) == {}
    finally:
        real_cluster.start_kubelet()
    until(real_cluster.machine_is_ready, "the machine is back", 120)


def test_pods_of_a_machine_that_is_there_are_never_forced(real_cluster: RealClusterHandle, name: str) -> None:
    went_well(deploy(real_cluster, name))
    metadata = {"name": f"{name}-0", "namespace": NAMESPACE, "finalizers": ["gpuops.test/held"]}
    real_cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    options = {"state": "absent", "force_lost_machines": True, "delete_timeout": 30}
    held = run_module("vllm_workload", {**real_cluster.connection, "name": name, **options})
    assert held["failed"] and "machine_lost" not in causes(held), held["findings"]
    assert f"{name}-0" in uids(real_cluster, name)
    freed = {"metadata": {"finalizers": None}}
    real_cluster.api("PATCH", f"{PODS}/{name}-0", freed, "application/merge-patch+json")


@pytest.mark.real
@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"vllm_args": ["--no-such-flag", "3", *WITHOUT_A_COMPILER]}, "unknown_flag"),
        ({"model": {"path": "/data/input/Models/nowhere"}}, "model_path_missing"),
        ({"gpus_per_pod": 3}, "tensor_parallel_heads"),
        ({"vllm_args": ["--max-model-len", "4096", *WITHOUT_A_COMPILER[2:]]}, "max_model_len_too_large"),
        ({"resources": {"memory_limit": "400Mi"}}, "out_of_memory"),
    ],
    ids=["unknown flag", "no model", "heads not divisible", "context too long", "memory limit"],
)
def test_an_engine_that_ends_at_its_start(
    options: dict[str, Any], cause: str, real_cluster: RealClusterHandle, name: str
) -> None:
    small = {"pods": 1, "gpus_per_pod": 1, "shm_size": "128Mi"}
    result = deploy(real_cluster, name, **{**ENGINE, **small, **options})
    assert result["failed"] and cause in causes(result), result["findings"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("mode", "owner", "cause"),
    [(0o700, 0, "model_folder_unreadable"), (0o755, 0, "model_weights_unreadable")],
    ids=["folder", "weights"],
)
def test_a_model_that_the_serving_user_may_not_read(
    mode: int, owner: int, cause: str, real_cluster: RealClusterHandle, name: str
) -> None:
    folder = real_cluster.volumes / NAMESPACE / CLAIM / "input" / "Models" / name
    copy_model(folder, owner, owner)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o600)
    folder.chmod(mode)
    options = {**ENGINE, "pods": 1, "gpus_per_pod": 1, "model": {"path": f"/data/input/Models/{name}"}}
    result = deploy(real_cluster, name, **options)
    assert result["failed"] and cause in causes(result), result["findings"]


@pytest.mark.real
def test_pods_that_cannot_reach_each_other(real_cluster: RealClusterHandle, name: str) -> None:
    rule = ("--protocol", "tcp", "--destination-port", RENDEZVOUS_PORT, "--jump", "REJECT")
    with real_cluster.blocked(*rule):
        result = deploy(real_cluster, name, **{**ENGINE, "gpus_per_pod": 1, "start_timeout": 240})
    assert result["failed"], result
    assert "rendezvous_stalled" in causes(result), result["findings"]


@pytest.mark.real
def test_a_killed_leader_takes_the_group_with_it_and_it_serves_again(
    real_cluster: RealClusterHandle, name: str
) -> None:
    options = {**ENGINE, "gpus_per_pod": 1}
    went_well(deploy(real_cluster, name, **options))
    before = uids(real_cluster, name)
    real_cluster.kill_container(f"{name}-0")
    until_made_anew(real_cluster, name, before)
    assert went_well(deploy(real_cluster, name, **options))["changed"] is False
    assert smoke_test(real_cluster, name)["verdict"] == "passed"


@pytest.mark.real
def test_an_image_without_a_compiler(real_cluster: RealClusterHandle, name: str) -> None:
    """This vLLM compiles at its start; one that does so at its first completion is healthy until then (unit tests)."""
    compiling = {"TORCHDYNAMO_DISABLE": "0"}
    options = {**ENGINE, "pods": 1, "gpus_per_pod": 1, "vllm_args": FOR_A_CPU, "env": compiling}
    result = deploy(real_cluster, name, **options)
    assert result["failed"] and "compiler_missing" in causes(result), result["findings"]


@pytest.mark.real
def test_deployments_serve_the_same_with_fixed_ranks(real_cluster: RealClusterHandle, name: str) -> None:
    options = {**ENGINE, "controller": "deployments"}
    result = went_well(deploy(real_cluster, name, **options))
    assert "not_self_healing" in causes(result)
    names = {
        entry["metadata"]["name"] for entry in real_cluster.items(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
    }
    assert names == {f"{name}-head", f"{name}-worker-0"}
    assert smoke_test(real_cluster, name, up_to="L4")["verdict"] == "passed"
    assert went_well(deploy(real_cluster, name, **options))["changed"] is False
