# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures while a workload starts, in a kubelet's, a container runtime's and a kernel's own words.

The tests disturb a start that goes on beside them. Those that need an engine are the longer set (``make test-real``);
in the others a tiny HTTP process stands in for it, from which nothing about an engine is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis import stalls
from ansible_collections.gpuops.inference.plugins.module_utils._operations import pod_logs
from support.cluster import CLAIM, NAMESPACE, PODS
from support.modules import run_module
from support.real_cluster import RealClusterHandle
from support.results import causes, first_error, went_well
from support.sandbox import until
from support.tiny_engine import WITHOUT_A_COMPILER

Result = dict[str, Any]
Begin = Callable[..., Future[Result]]
STAND_IN = {"image": "registry.example.com/stand-in:v0.33.0", "shm_size": "1Gi", "scratch_size": "1Gi"}
ENGINE = {
    "image": "registry.example.com/vllm-openai:v0.33.0",
    "vllm_args": WITHOUT_A_COMPILER,
    "gpus_per_pod": 1,
    "shm_size": "1Gi",
    "start_timeout": 400,
}
SECONDS = 180
RENDEZVOUS_PORT = "29501"


@pytest.fixture
def name(real_cluster: RealClusterHandle) -> Iterator[str]:
    """The name of a workload that is removed after the test."""
    name = real_cluster.unique_name("disturbed")
    yield name
    went_well(run_module("vllm_workload", {**real_cluster.connection, "name": name, "state": "absent"}))


@pytest.fixture
def begin(real_cluster: RealClusterHandle, name: str) -> Iterator[Begin]:
    """Begins to deploy the workload, in a thread: ``begin(**options).result(SECONDS)``."""
    with ThreadPoolExecutor(max_workers=1) as pool:

        def start(**options: Any) -> Future[Result]:
            return pool.submit(run_module, "vllm_workload", real_cluster.workload(name, **options))

        yield start


def runs(cluster: RealClusterHandle, pod: str) -> bool:
    """Say whether the first container of a pod runs."""
    status, content = cluster.api("GET", f"{PODS}/{pod}")
    containers = content["status"].get("containerStatuses", []) if status == 200 else []
    return any("running" in entry["state"] for entry in containers)


def until_pods_run(cluster: RealClusterHandle, *pods: str) -> None:
    until(lambda: all(runs(cluster, pod) for pod in pods), f"{', '.join(pods)} run", SECONDS)


def claim_of(cluster: RealClusterHandle, name: str, host_path: dict[str, str]) -> None:
    """Make a claim whose volume is a folder of the machine, or none."""
    size = {"storage": "1Gi"}
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    # By this label they are removed before the next file of tests.
    labels = {"gpuops.test/provisioned": "true"}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{NAMESPACE}-{name}", "labels": labels},
            "spec": {
                **common,
                "capacity": size,
                "hostPath": host_path,
                "claimRef": {"namespace": NAMESPACE, "name": name},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {**common, "volumeName": f"{NAMESPACE}-{name}", "resources": {"requests": size}},
        },
    )
    path = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{name}"
    until(lambda: cluster.get(path)["status"].get("phase") == "Bound", "the claim is bound", SECONDS)


def test_a_folder_that_is_missing_on_the_machine(real_cluster: RealClusterHandle, name: str, begin: Begin) -> None:
    claim_of(real_cluster, name, {"path": "/srv/not-mounted-here", "type": "Directory"})
    volumes = [{"claim": name, "path": "/data"}]
    result = begin(**STAND_IN, pods=1, volumes=volumes, start_timeout=20).result(SECONDS)
    assert first_error(result)["cause"] == "start_timeout" and "volume_path_missing" in causes(result), result
    assert "/srv/not-mounted-here is not a directory" in str(result["findings"])


def test_a_mount_inside_a_volume_that_is_read_only(real_cluster: RealClusterHandle, name: str, begin: Begin) -> None:
    claim_of(real_cluster, name, {"path": "/tmp"})
    volumes = [
        {"claim": CLAIM, "path": "/data", "read_only": True},
        {"claim": name, "path": f"/data/{name}"},
    ]
    result = begin(**STAND_IN, pods=1, volumes=volumes).result(SECONDS)
    assert first_error(result)["cause"] == "volume_read_only", result


def test_a_process_that_is_killed_for_memory_while_the_container_ends_otherwise(
    real_cluster: RealClusterHandle, name: str, begin: Begin
) -> None:
    late = {"STAND_IN_EXIT_CODE": "1", "STAND_IN_EXIT_AFTER": "15"}
    small = {"shm_size": "64Mi", "resources": {"memory_limit": "192Mi"}}
    running = begin(**{**STAND_IN, **small}, env=late, start_timeout=120)
    until_pods_run(real_cluster, f"{name}-0")
    greedy = "x = bytearray(512 << 20)\nfor at in range(0, len(x), 4096): x[at] = 1"
    with pytest.raises(AssertionError):
        real_cluster.execute(f"{name}-0", "python3", "-c", greedy)
    result = running.result(SECONDS)
    error = first_error(result)
    assert (error["cause"], error["object"]) == ("out_of_memory", f"{name}-0"), result["findings"]
    assert "OOMKilled" in error["evidence"] and "/dev/shm" in error["hint"]


def test_a_scratch_folder_that_is_too_small(real_cluster: RealClusterHandle, name: str, begin: Begin) -> None:
    options = {**STAND_IN, "scratch_size": "16Mi", "env": {"STAND_IN_NEVER_READY": "1"}}
    running = begin(**options, start_timeout=300)
    until_pods_run(real_cluster, f"{name}-0")
    real_cluster.execute(f"{name}-0", "sh", "-c", 'head -c 64M /dev/zero >"$HOME/full"')
    error = first_error(running.result(SECONDS))
    assert error["cause"] == "storage_limit_exceeded" and "scratch" in error["evidence"], error


@pytest.mark.parametrize("victim", ["-0", "-0-1"], ids=["leader", "follower"])
def test_a_pod_that_is_killed_while_the_group_starts(
    real_cluster: RealClusterHandle, name: str, begin: Begin, victim: str
) -> None:
    running = begin(**STAND_IN, env={"STAND_IN_READY_AFTER": "12"}, start_timeout=300)
    until_pods_run(real_cluster, f"{name}-0", f"{name}-0-1")
    real_cluster.kill_container(f"{name}{victim}")
    result = went_well(running.result(SECONDS))
    assert {"container_killed", "group_recreated"} <= set(causes(result)), result["findings"]
    assert result["workload"]["phase"] == "running"


# What a follower's log says at the moment in which its worker is killed, by what it says of that then.
MOMENTS = {
    "worker_ended_silently": "world_size=2 rank=1",
    "worker_killed": "for KV cache on node",
}


@pytest.mark.real
@pytest.mark.parametrize("cause", MOMENTS)
def test_a_follower_whose_worker_is_killed_tells_so_in_its_own_log(
    real_cluster: RealClusterHandle, name: str, begin: Begin, cause: str
) -> None:
    """Before the engine has started, vLLM says nothing of a signal; after that its headless process ends with 0."""
    follower = f"{name}-0-1"
    running = begin(**ENGINE)
    until_pods_run(real_cluster, follower)
    until(lambda: MOMENTS[cause] in real_cluster.log(follower), "the follower has got that far", SECONDS)
    kill = (
        "import os, pathlib, signal\n"
        "for one in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
        "    if one.read_bytes().startswith(b'VLLM::Worker'):\n"
        "        os.kill(int(one.parent.name), signal.SIGKILL)\n"
    )
    real_cluster.execute(follower, "python3", "-c", kill)
    result = went_well(running.result(600))
    assert cause in causes(result) and "group_recreated" in causes(result), result["findings"]


@pytest.mark.real
def test_a_shared_memory_that_is_too_small(real_cluster: RealClusterHandle, name: str, begin: Begin) -> None:
    result = begin(**{**ENGINE, "pods": 1, "shm_size": "64Mi"}).result(600)
    assert first_error(result)["cause"] == "shared_memory_too_small", result["findings"]


@pytest.mark.real
@pytest.mark.parametrize("reject", ["icmp-host-unreachable", "icmp-net-unreachable"])
def test_a_firewall_between_pods_is_named_while_they_still_try(
    real_cluster: RealClusterHandle, name: str, begin: Begin, monkeypatch: pytest.MonkeyPatch, reject: str
) -> None:
    monkeypatch.setattr(pod_logs, "_STALL_SECONDS", 10.0)
    monkeypatch.setattr(stalls, "RENDEZVOUS_GRACE", 45.0)
    rule = ("--protocol", "tcp", "--destination-port", RENDEZVOUS_PORT, "--jump", "REJECT", "--reject-with", reject)
    with real_cluster.blocked(*rule):
        # vLLM itself would try for half of this time.
        result = begin(**{**ENGINE, "start_timeout": 1200}).result(600)
    error = first_error(result)
    assert (error["cause"], error["object"]) == ("leader_no_route", f"{name}-0-1"), result["findings"]
    assert "rendezvous_stalled" in causes(result)
