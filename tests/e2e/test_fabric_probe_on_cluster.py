# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that look at the fabric, as real containers with real networks, users, limits, capabilities and a real firewall.

There is one real machine and no RDMA hardware: devices are tested on recorded trees (tests/unit/fabric_probe).
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Any

import pytest
from support.cluster import NAMESPACE
from support.modules import run_module
from support.real_cluster import RealClusterHandle
from support.sandbox import until

from gpuops_cluster.objects import MACHINE

ENGINE_IMAGE = "registry.example.com/vllm-openai:v0.33.0"
# Pods may be given capabilities there.
OPEN = "my-project-open"
PORTS = [41234, 41235]
BLOCK = ("--protocol", "tcp", "--destination-port")


@pytest.fixture(autouse=True)
def no_leftovers(real_cluster: RealClusterHandle) -> Iterator[None]:
    """Every look is gone after a test, with the Service by which its pods found each other."""
    yield
    until(lambda: not any(left_over(real_cluster, namespace) for namespace in (OPEN, NAMESPACE)), "looks are gone")


def left_over(cluster: RealClusterHandle, namespace: str) -> list[str]:
    """Return the names of what is left of looks."""
    paths = (f"/apis/batch/v1/namespaces/{namespace}/jobs", f"/api/v1/namespaces/{namespace}/services")
    names = [entry["metadata"]["name"] for path in paths for entry in cluster.items(path)]
    return [name for name in names if "-look-" in name]


def probe(cluster: RealClusterHandle, **options: Any) -> dict[str, Any]:
    """Let two pods look, on the real machine."""
    parameters = {
        **cluster.connection,
        "image": ENGINE_IMAGE,
        "node_selector": {"kubernetes.io/hostname": MACHINE},
        "ports": PORTS,
        "start_timeout": 120,
        **options,
    }
    return run_module("fabric_probe", parameters)


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def test_two_pods_find_each_other_and_see_what_they_may(real_cluster: RealClusterHandle) -> None:
    result = probe(real_cluster)
    assert result["rc"] == 0, result
    assert (result["changed"], result["looks"]) == (False, 1)
    first, second = result["evidence"]["pods"]
    assert [(reach["port"], reach["is_reached"]) for reach in first["reaches"]] == [(port, True) for port in PORTS]
    assert [(reach["port"], reach["is_reached"]) for reach in second["reaches"]] == [(port, True) for port in PORTS]
    assert first["reaches"][0]["bandwidth"] > 0
    addresses = [[one["addresses"] for one in pod["interfaces"] if one["name"] == "eth0"] for pod in (first, second)]
    assert all(addresses) and addresses[0] != addresses[1]
    assert [one["has_default_route"] for one in first["interfaces"] if one["name"] == "eth0"] == [True]
    assert (first["ports"], first["uses"]) == ([], [])
    assert "one_machine_only" in causes(result)


def test_limits_and_capabilities_are_those_of_the_pods(real_cluster: RealClusterHandle) -> None:
    result = probe(real_cluster, **real_cluster.connection_in(OPEN), machines=1, capabilities=["IPC_LOCK"])
    assert result["rc"] == 0, result
    [pod] = result["evidence"]["pods"]
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    assert pod["memlock"] == (None if limit == resource.RLIM_INFINITY else limit)
    assert pod["bounding_capabilities"] == ["IPC_LOCK"]
    assert pod["effective_capabilities"] == [], "a capability that is added is not effective as UID 2000"
    if limit != resource.RLIM_INFINITY:
        assert 0 < pod["locked"] <= limit


def test_a_blocked_port_is_reported_as_such(real_cluster: RealClusterHandle) -> None:
    with real_cluster.blocked(*BLOCK, str(PORTS[1]), "--jump", "DROP"):
        result = probe(real_cluster)
    pods = result["evidence"]["pods"]
    assert [[reach["is_reached"] for reach in pod["reaches"]] for pod in pods] == [[True, False]] * 2
    assert {pod["reaches"][1]["error"] for pod in pods} == {"timed out: nothing answers"}
    [told] = [finding for finding in result["findings"] if finding["cause"] == "pods_not_reachable"]
    assert str(PORTS[1]) in told["evidence"] and "network policy" in told["hint"]
    assert "NCCL timeout between workers" in told["hint"]


def test_pods_that_are_hidden_from_each_other_do_not_wait_for_long(real_cluster: RealClusterHandle) -> None:
    with real_cluster.blocked(*BLOCK, f"{PORTS[0]}:{PORTS[1]}", "--jump", "DROP"):
        result = probe(real_cluster, start_timeout=600)
    pods = result["evidence"]["pods"]
    assert len(pods) == 2
    assert not any(reach["is_reached"] for pod in pods for reach in pod["reaches"])
    assert "pods_not_reachable" in causes(result)


def test_one_that_finds_no_machine_is_unknown(real_cluster: RealClusterHandle) -> None:
    result = probe(real_cluster, spread="required", start_timeout=15)
    assert result["rc"] == 0, result
    [seen] = result["evidence"]["pods"]
    assert (seen["machine"], seen["reaches"]) == (MACHINE, [])
    assert "look_not_started" in causes(result)


def test_the_collective_says_why_it_proves_nothing_without_a_gpu(real_cluster: RealClusterHandle) -> None:
    """Real pods with a GPU each that is none: torch and NCCL are real, and say what is missing."""
    result = probe(real_cluster, proof="nccl")
    proof = result["evidence"]["proof"]
    assert result["looks"] == 2
    assert proof["bandwidth"] is None
    assert "Found no NVIDIA driver" in proof["error"], proof
    assert result["decision"]["confidence"] != "proven"
