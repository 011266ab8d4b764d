# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LeaderWorkerSet's and the kubelet's part: restarts, crash loops, images, environment, words."""

from __future__ import annotations

from typing import Any

import pytest
from conftest_types import StartSandbox
from support.control_plane_client import NAMESPACE, Client, changed, distributed_body, eventually, pod_spec

from gpuops_sandbox.cluster.objects import Pod
from gpuops_sandbox.cluster.pod_request import build_request
from gpuops_sandbox.control_plane.switches import CommandSplitting
from gpuops_sandbox.runtime.contract import PodRequest

PROBE = {"readiness": {"periodSeconds": 1, "timeoutSeconds": 1, "handler": {"httpGet": {"path": "/health"}}}}


def failing(body: dict[str, Any], role: str = "leader", **variables: str) -> dict[str, Any]:
    listed = [{"name": name, "value": value} for name, value in variables.items()]
    return changed(body, f"spec.{role}.environmentVariables", listed)


def request_of(client: Client, workload_id: str, member: int = 0, splitting: str = "shell_words") -> PodRequest:
    """Return what the runtime was asked for."""
    cluster = client.running.cluster
    workload = cluster.workloads[workload_id]
    pods: list[Pod] = eventually(lambda: [pod for pod in cluster.pods_of(workload) if pod.machine])
    return build_request(workload, pods[member], pods, cluster.tables, CommandSplitting(splitting))


def test_the_kubelet_tells_what_it_does(client: Client) -> None:
    workload_id = client.create(distributed_body())
    client.reach(workload_id, "Running")
    assert {"Scheduled", "Pulling", "Pulled", "Created", "Started"} <= set(client.reasons(workload_id))


def test_a_crash_recreates_the_whole_group(client: Client) -> None:
    workload_id = client.create(distributed_body())
    client.reach(workload_id, "Running")
    before = {pod["id"] for pod in client.pods(workload_id)}
    client.running.admin("POST", f"/pods/{NAMESPACE}/my-llm-0-1/crash")
    eventually(lambda: "RecreateGroupOnPodRestart" in client.reasons(workload_id))
    client.reach(workload_id, "Running")
    after = {pod["id"] for pod in client.pods(workload_id)}
    assert len(after) == 2 and not before & after
    deleted = client.get(f"/api/v1/workloads/{workload_id}/pods", deleted="true")["pods"]
    assert {pod["id"] for pod in deleted} == before


def test_without_group_restart_only_that_container_restarts(start_sandbox: StartSandbox) -> None:
    client = start_sandbox(restart_backoff_seconds=60)
    body = failing(distributed_body(restartPolicy="None"), "worker", STAND_IN_EXIT_CODE="1", STAND_IN_EXIT_AFTER="0.2")
    workload_id = client.create(body)
    eventually(lambda: "BackOff" in client.reasons(workload_id))
    workload = client.workload(workload_id)
    assert workload["phase"] == "Degraded" and "CrashLoopBackOff" in workload["phaseMessage"]
    assert "RecreateGroupOnPodRestart" not in client.reasons(workload_id)
    assert client.running.cluster.pods_of(client.running.cluster.workloads[workload_id])[0].ready


def test_readiness_is_asked_for_and_its_failure_told(client: Client) -> None:
    body = changed(failing(distributed_body(), STAND_IN_HEALTH_STATUS="503"), "spec.leader.probes", PROBE)
    workload_id = client.create(body)
    eventually(lambda: "Unhealthy" in client.reasons(workload_id))
    assert client.phase(workload_id) == "Initializing"


def test_a_paused_pod_gets_unready_and_recovers(client: Client) -> None:
    probe = {"readiness": PROBE["readiness"] | {"failureThreshold": 1}}
    workload_id = client.create(changed(distributed_body(), "spec.leader.probes", probe))
    client.reach(workload_id, "Running")
    client.running.admin("POST", f"/pods/{NAMESPACE}/my-llm-0/pause")
    client.reach(workload_id, "Degraded")
    client.running.admin("POST", f"/pods/{NAMESPACE}/my-llm-0/resume")
    client.reach(workload_id, "Running")


def test_leader_ready_holds_the_followers_back(client: Client) -> None:
    body = failing(distributed_body(startupPolicy="LeaderReady"), STAND_IN_READY_AFTER="1.5")
    workload_id = client.create(changed(body, "spec.leader.probes", PROBE))
    eventually(lambda: "Unhealthy" in client.reasons(workload_id))
    assert [pod["name"] for pod in client.pods(workload_id)] == ["my-llm-0"]
    client.reach(workload_id, "Running")
    assert len(client.pods(workload_id)) == 2


def test_a_secret_that_is_missing_stops_the_container(client: Client) -> None:
    secret = [{"name": "TOKEN", "secret": {"name": "hub", "key": "token"}}]
    workload_id = client.create(changed(distributed_body(), "spec.leader.environmentVariables", secret))
    workload = eventually(lambda: (found := client.workload(workload_id))["phaseMessage"] and found)
    assert 'CreateContainerConfigError: secret "hub" not found' in workload["phaseMessage"]
    client.running.admin("POST", "/secrets", {"namespace": NAMESPACE, "name": "hub", "data": {"token": "s3cret"}})
    client.reach(workload_id, "Running")
    assert request_of(client, workload_id).environment["TOKEN"] == "s3cret"
    assert "TOKEN" not in client.workload(workload_id)["environmentVariables"]


def test_root_is_not_a_non_root_user(client: Client) -> None:
    workload_id = client.create(changed(distributed_body(), "spec.leader.security", {"runAsNonRoot": True}))
    eventually(lambda: "runAsNonRoot" in client.workload(workload_id)["phaseMessage"])


def test_a_pod_gets_what_lws_and_run_ai_inject(client: Client) -> None:
    given = [
        {"name": "ADDRESS", "podFieldRef": {"path": "status.podIP"}},
        {"name": "INDEX", "podFieldRef": {"path": "metadata.labels['leaderworkerset.sigs.k8s.io/worker-index']"}},
        {"name": "MASTER", "value": "$(LWS_LEADER_ADDRESS):29501"},
    ]
    body = changed(distributed_body(), "spec.worker.environmentVariables", given)
    body = changed(body, "spec.worker.args", "--node-rank $(LWS_WORKER_INDEX) --literal $$(LWS_WORKER_INDEX) $(NOPE)")
    workload_id = client.create(body)
    follower = request_of(client, workload_id, 1)
    environment = follower.environment
    assert environment["LWS_LEADER_ADDRESS"] == "my-llm-0.my-llm.runai-my-project"
    assert (environment["LWS_GROUP_SIZE"], environment["LWS_WORKER_INDEX"], environment["INDEX"]) == ("2", "1", "1")
    assert environment["RUNAI_JOB_NAME"] == "my-llm" and environment["RUNAI_NUM_OF_GPUS"] == "2"
    assert environment["ADDRESS"] == follower.address
    assert environment["MASTER"] == "my-llm-0.my-llm.runai-my-project:29501"
    assert follower.arguments == ("--node-rank", "1", "--literal", "$(LWS_WORKER_INDEX)", "$(NOPE)")
    assert follower.hosts["my-llm-0.my-llm.runai-my-project"] == request_of(client, workload_id).address
    assert (follower.uid, follower.gid, follower.gpus) == (2000, 2000, 2)
    assert follower.shared_memory_bytes == 1024**3 and follower.mounts[0].path == "/data"


@pytest.mark.parametrize(
    ("splitting", "command", "arguments"),
    [
        ("whitespace", ("vllm", "serve", '"a', 'b"'), ("--port", "8000")),
        ("shell_words", ("vllm", "serve", "a b"), ("--port", "8000")),
        ("sh_c", ("sh", "-c", 'vllm serve "a b" --port 8000'), ()),
    ],
)
def test_strings_are_split_as_the_switch_says(
    client: Client, splitting: str, command: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    leader = pod_spec("--port 8000") | {"command": 'vllm serve "a b"'}
    request = request_of(client, client.create(distributed_body(leader=leader)), 0, splitting)
    assert (request.command, request.arguments) == (command, arguments)


def test_a_small_shared_memory_unless_asked_for(client: Client) -> None:
    leader = pod_spec()
    leader["compute"] = {"gpuDevicesRequest": 2}
    leader["storage"] = leader["storage"] | {"emptyDirVolume": [{"path": "/scratch", "sizeLimit": "1Gi"}]}
    request = request_of(client, client.create(distributed_body(leader=leader)))
    assert request.shared_memory_bytes == 64 * 1024**2
    assert [(mount.path, mount.source, mount.size_bytes) for mount in request.mounts[1:]] == [
        ("/scratch", None, 1024**3)
    ]
