# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quota, gangs, preemption, and claims that are missing."""

from __future__ import annotations

import pytest
from conftest_types import StartSandbox
from support.control_plane_client import DISTRIBUTED, NAMESPACE, Client, distributed_body, eventually, pod_spec

from gpuops_sandbox.choice import Size

FOUR_GPUS = Size(machines=2, gpus_per_machine=2)


def fixed(name: str) -> dict[str, object]:
    return distributed_body(name, preemptibility="non-preemptible")


def test_what_is_not_preemptible_must_fit_the_quota(start_sandbox: StartSandbox) -> None:
    client = start_sandbox(size=Size(machines=4, gpus_per_machine=2, deserved_gpus=3))
    workload_id = client.create(fixed("my-llm"))
    workload = eventually(lambda: (found := client.workload(workload_id))["phaseReason"] and found)
    assert workload["phase"] == "Pending" and workload["phaseReason"] == "NonPreemptibleOverQuota"
    [message] = workload["pendingSchedulingMessages"]
    assert message["orgType"] == "PROJECT" and "non-preemptible" in message["userMessage"]
    assert client.pods(workload_id)[0]["nodeName"] is None
    over_quota = client.create(distributed_body("may-use-more"))
    client.reach(over_quota, "Running")
    client.running.admin("POST", "/projects", {"name": "my-project", "deserved_gpus": 4})
    client.reach(workload_id, "Running")


def test_a_limit_is_a_limit_for_all(start_sandbox: StartSandbox) -> None:
    client = start_sandbox(size=FOUR_GPUS)
    client.running.admin("POST", "/projects", {"name": "my-project", "gpu_limit": 2})
    workload_id = client.create(distributed_body())
    eventually(lambda: client.workload(workload_id)["phaseReason"] == "OverLimit")


def test_a_gang_is_placed_as_a_whole_or_not_at_all(start_sandbox: StartSandbox) -> None:
    client = start_sandbox(size=FOUR_GPUS)
    workload_id = client.create(distributed_body(workers=2))
    eventually(lambda: "FailedScheduling" in client.reasons(workload_id))
    assert client.phase(workload_id) == "Pending"
    assert [pod["nodeName"] for pod in client.pods(workload_id)] == [None, None, None]
    assert client.get("/api/v1/org-unit/projects")["projects"][0]["status"]["quotaStatus"]["allocated"]["gpu"] == 0


def test_pods_of_a_gang_go_to_different_machines_where_there_is_room(client: Client) -> None:
    workload_id = client.create(distributed_body())
    client.reach(workload_id, "Running")
    assert len({pod["nodeName"] for pod in client.pods(workload_id)}) == 2


def test_the_preemptible_gives_way_and_comes_back(start_sandbox: StartSandbox) -> None:
    client = start_sandbox(size=FOUR_GPUS)
    evicted = client.create(distributed_body("preemptible"))
    client.reach(evicted, "Running")
    winner = client.create(fixed("fixed"))
    client.reach(winner, "Running")
    client.reach(evicted, "Pending")
    assert "Preempted" in client.reasons(evicted)
    client.call("DELETE", f"{DISTRIBUTED}/{winner}")
    client.reach(evicted, "Running")


def test_the_preemptible_evicts_nobody(start_sandbox: StartSandbox) -> None:
    client = start_sandbox(size=FOUR_GPUS)
    first = client.create(fixed("fixed"))
    client.reach(first, "Running")
    second = client.create(distributed_body("late", priorityClass="very-high"))
    eventually(lambda: "FailedScheduling" in client.reasons(second))
    assert client.phase(first) == "Running" and client.phase(second) == "Pending"


def test_a_new_claim_is_made(client: Client) -> None:
    claim = {"path": "/data", "existingPvc": False, "claimName": "fresh", "claimInfo": {"size": "1Gi"}}
    pod = pod_spec() | {"storage": {"pvc": [claim]}}
    client.reach(client.create(distributed_body(leader=pod, worker=pod)), "Running")
    assert client.running.cluster.tables.claim(NAMESPACE, "fresh").is_dir()


@pytest.mark.parametrize("free", [True, False])
def test_an_evicted_gang_is_not_counted_as_crashing(start_sandbox: StartSandbox, free: bool) -> None:
    client = start_sandbox(size=FOUR_GPUS, crash_loop_phase="Failed", crash_loop_restarts=1)
    evicted = client.create(distributed_body("preemptible"))
    client.reach(evicted, "Running")
    winner = client.create(fixed("fixed"))
    client.reach(evicted, "Pending")
    if free:
        client.call("DELETE", f"{DISTRIBUTED}/{winner}")
        client.reach(evicted, "Running")
    assert "Failed" not in client.phases(evicted)
