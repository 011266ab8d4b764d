# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox makes in a Kubernetes cluster, as the cluster itself shows it."""

from __future__ import annotations

import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from support.cluster import LEADERWORKERSETS, ClusterHandle
from support.control_plane_client import (
    DISTRIBUTED,
    INFERENCES,
    NAMESPACE,
    Client,
    changed,
    distributed_body,
    eventually,
    inference_body,
    pod_spec,
)
from support.runai_on_cluster import RunaiOnCluster, runai_on_test_cluster
from support.sandbox import CLAIM

CORE = f"/api/v1/namespaces/{NAMESPACE}"
SETS = f"{LEADERWORKERSETS}/namespaces/{NAMESPACE}/leaderworkersets"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PATIENCE = 180.0
PROBE = {"readiness": {"periodSeconds": 5, "handler": {"httpGet": {"path": "/health", "port": 8000}}}}
FULL_LEADER: dict[str, Any] = {
    **pod_spec("--port 8000 --node-rank $(LWS_WORKER_INDEX)"),
    "imagePullPolicy": "Never",
    "compute": {
        "gpuDevicesRequest": 2,
        "largeShmRequest": True,
        "cpuCoreRequest": 4,
        "cpuMemoryLimit": "64Gi",
        "extendedResources": [{"resource": "rdma/rdma_shared_device_a", "quantity": "1"}],
    },
    "security": {
        "runAsUid": 2000,
        "runAsGid": 2000,
        "runAsNonRoot": True,
        "supplementalGroups": "0, 44",
        "capabilities": ["IPC_LOCK"],
        "seccompProfileType": "RuntimeDefault",
    },
    "environmentVariables": [
        {"name": "PLAIN", "value": "1"},
        {"name": "TOKEN", "secret": {"name": "hub", "key": "token"}},
        {"name": "VLLM_HOST_IP", "podFieldRef": {"path": "status.podIP"}},
        {"name": "LEFT_OUT", "value": "1", "exclude": True},
    ],
    "annotations": [{"name": "k8s.v1.cni.cncf.io/networks", "value": "rdma-net"}],
    "labels": [{"name": "team", "value": "ml"}],
    "tolerations": [{"operator": "Exists", "key": "nvidia.com/gpu", "effect": "Any"}],
    "probes": PROBE,
}


def variables(container: dict[str, Any]) -> dict[str, Any]:
    """Return a container's environment: the value, or where it comes from."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def pods_of(cluster: ClusterHandle, name: str) -> list[dict[str, Any]]:
    """Return the pods that Run:ai's own tooling would find."""
    selector = urllib.parse.quote(f"workloadName={name}")
    return sorted(cluster.items(f"{CORE}/pods?labelSelector={selector}"), key=lambda pod: pod["metadata"]["name"])


def test_a_distributed_inference_is_a_leader_worker_set(client: Client, cluster: ClusterHandle) -> None:
    client.running.admin("POST", "/secrets", {"namespace": NAMESPACE, "name": "hub", "data": {"token": "s3cret"}})
    workload_id = client.create(distributed_body(leader=FULL_LEADER, startupPolicy="LeaderCreated"))
    client.reach(workload_id, "Running", PATIENCE)
    made = cluster.get(f"{SETS}/my-llm")
    assert made["spec"]["leaderWorkerTemplate"]["size"] == 2
    assert made["spec"]["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"
    assert made["metadata"]["labels"]["kai.scheduler/preemptibility"] == "preemptible"
    assert cluster.get(f"/api/v1/namespaces/{NAMESPACE}")["metadata"]["labels"]["runai/queue"] == "my-project"
    leader, follower = pods_of(cluster, "my-llm")
    spec, [container] = leader["spec"], leader["spec"]["containers"]
    assert container["command"] == ["vllm", "serve", "/data/model", "--served-model-name", "mistral4"]
    assert container["args"] == ["--port", "8000", "--node-rank", "$(LWS_WORKER_INDEX)"]
    assert container["imagePullPolicy"] == "Never" and container["readinessProbe"]["httpGet"]["port"] == 8000
    assert follower["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    whole = {"nvidia.com/gpu": "2", "rdma/rdma_shared_device_a": "1"}
    assert container["resources"]["limits"] == whole | {"memory": "64Gi"}
    assert container["resources"]["requests"] == whole | {"cpu": "4", "memory": "64Gi"}
    environment = variables(container)
    assert environment["LWS_LEADER_ADDRESS"] == f"my-llm-0.my-llm.{NAMESPACE}"
    assert (environment["RUNAI_JOB_NAME"], environment["RUNAI_JOB_UUID"]) == ("my-llm", workload_id)
    assert environment["PLAIN"] == "1" and "LEFT_OUT" not in environment
    assert environment["TOKEN"] == {"secretKeyRef": {"name": "hub", "key": "token"}}
    assert environment["VLLM_HOST_IP"]["fieldRef"]["fieldPath"] == "status.podIP"
    assert variables(follower["spec"]["containers"][0])["LWS_WORKER_INDEX"] == "1"
    assert spec["securityContext"]["runAsUser"] == 2000 and spec["securityContext"]["supplementalGroups"] == [0, 44]
    assert container["securityContext"]["capabilities"] == {"add": ["IPC_LOCK"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes[mounts["/data"]]["persistentVolumeClaim"]["claimName"] == CLAIM
    assert volumes[mounts["/dev/shm"]]["emptyDir"] == {"medium": "Memory"}
    assert leader["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] == "rdma-net"
    assert leader["metadata"]["labels"]["team"] == "ml"
    assert {"key": "nvidia.com/gpu", "operator": "Exists"} in spec["tolerations"]


def test_the_service_leads_to_the_leaders_alone(client: Client, cluster: ClusterHandle) -> None:
    workload_id = client.create(distributed_body(replicas=2))
    client.reach(workload_id, "Running", PATIENCE)

    def targets() -> set[str]:
        path = "/apis/discovery.k8s.io/v1/namespaces"
        slices = cluster.items(
            f"{path}/{NAMESPACE}/endpointslices?labelSelector=kubernetes.io/service-name=my-llm-serving"
        )
        return {one["targetRef"]["name"] for found in slices for one in found["endpoints"] or []}

    eventually(lambda: targets() == {"my-llm-0", "my-llm-1"})


def test_an_inference_is_a_deployment_with_knative_s_name(client: Client, cluster: ClusterHandle) -> None:
    workload_id = client.create(inference_body(), INFERENCES)
    client.reach(workload_id, "Running", PATIENCE)
    client.call("PATCH", f"{INFERENCES}/{workload_id}", json={"spec": {"args": "--seed 1"}})
    eventually(lambda: cluster.api("GET", f"{DEPLOYMENTS}/my-small-llm-00001-deployment")[0] == 404, PATIENCE)
    made = cluster.get(f"{DEPLOYMENTS}/my-small-llm-00002-deployment")
    assert made["spec"]["template"]["spec"]["containers"][0]["args"] == ["--seed", "1"]
    assert cluster.get(f"{CORE}/services/my-small-llm")["spec"]["ports"][0]["port"] == 8000


@pytest.mark.parametrize(
    ("splitting", "command"), [("whitespace", ["vllm", '"a', 'b"']), ("sh_c", ["sh", "-c", 'vllm "a b" --port 8000'])]
)
def test_strings_are_split_as_the_switch_says(
    client: Client, cluster: ClusterHandle, splitting: str, command: list[str]
) -> None:
    client.running.admin("PUT", "/switches", {"command_splitting": splitting})
    leader = pod_spec("--port 8000") | {"command": 'vllm "a b"'}
    client.create(distributed_body(leader=leader))
    eventually(lambda: cluster.api("GET", f"{SETS}/my-llm")[0] == 200)
    template = cluster.get(f"{SETS}/my-llm")["spec"]["leaderWorkerTemplate"]["leaderTemplate"]
    assert template["spec"]["containers"][0]["command"] == command


def test_a_claim_of_the_workload_s_own_is_made_and_stays(client: Client, cluster: ClusterHandle) -> None:
    modes = {"readWriteOnce": False, "readWriteMany": True}
    information = {"size": "1Gi", "accessModes": modes}
    claim = {"path": "/data", "existingPvc": False, "claimName": "fresh", "claimInfo": information}
    pod = pod_spec() | {"storage": {"pvc": [claim]}}
    workload_id = client.create(distributed_body(leader=pod, worker=pod))
    client.reach(workload_id, "Running", PATIENCE)
    client.call("DELETE", f"{DISTRIBUTED}/{workload_id}")
    eventually(lambda: not client.get("/api/v1/workloads")["workloads"], PATIENCE)
    assert cluster.get(f"{CORE}/persistentvolumeclaims/fresh")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_nothing_but_claims_stays_of_a_deleted_workload(client: Client, cluster: ClusterHandle) -> None:
    workload_id = client.create(distributed_body())
    client.reach(workload_id, "Running", PATIENCE)
    client.call("DELETE", f"{DISTRIBUTED}/{workload_id}")
    eventually(lambda: not client.get("/api/v1/workloads")["workloads"], PATIENCE)
    for path in (SETS, f"{CORE}/services", f"{CORE}/pods", f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets"):
        assert cluster.items(path) == []


def test_what_the_cluster_refuses_is_said(client: Client) -> None:
    claim = {"path": "/data", "existingPvc": False, "claimName": "Not_A_Name", "claimInfo": {"size": "1Gi"}}
    leader = pod_spec() | {"storage": {"pvc": [claim]}}
    workload = client.reach(client.create(distributed_body(leader=leader)), "Failed", PATIENCE)
    assert "Not_A_Name" in workload["phaseMessage"]


def test_a_set_of_somebody_else_is_left_alone(client: Client, cluster: ClusterHandle) -> None:
    container = {"name": "main", "image": "registry.example.com/of-somebody-else:v1"}
    template = {"spec": {"containers": [container]}}
    foreign = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "my-llm", "namespace": NAMESPACE},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 1, "workerTemplate": template}},
    }
    cluster.apply(foreign)
    workload_id = client.create(distributed_body())
    assert "already exists" in client.reach(workload_id, "Failed", PATIENCE)["phaseMessage"]
    client.call("DELETE", f"{DISTRIBUTED}/{workload_id}")
    eventually(lambda: not client.get("/api/v1/workloads")["workloads"], PATIENCE)
    assert cluster.api("DELETE", f"{SETS}/my-llm")[0] == 200
    eventually(lambda: not cluster.items(f"{CORE}/pods"), PATIENCE)


@pytest.mark.parametrize("how", ["crash", "pause", "resume"])
def test_what_only_simulated_pods_can_do_is_refused(client: Client, runai_on_cluster: RunaiOnCluster, how: str) -> None:
    client.reach(client.create(distributed_body()), "Running", PATIENCE)
    with pytest.raises(AssertionError, match=f"409 .*{how} is for simulated pods"):
        runai_on_cluster.pod(how, "my-llm-0")
    with pytest.raises(AssertionError, match="404"):
        runai_on_cluster.pod(how, "my-llm-7")


def test_a_pod_s_log_is_the_machine_s(client: Client, runai_on_cluster: RunaiOnCluster) -> None:
    client.reach(client.create(distributed_body()), "Running", PATIENCE)
    assert "Application startup complete" in runai_on_cluster.log("my-llm-0")


def test_the_api_server_may_be_away_for_a_while(client: Client, cluster: ClusterHandle) -> None:
    workload_id = client.create(distributed_body())
    client.reach(workload_id, "Running", PATIENCE)
    cluster.stop_api_server()
    waiting = client.create(changed(distributed_body("later"), "spec.replicas", 1))
    answer = client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": 2}})
    assert answer.status_code == 202 and client.phase(waiting) == "Creating"
    cluster.start_api_server()
    eventually(lambda: client.workload(workload_id)["runningPods"] == 4, PATIENCE)
    client.reach(waiting, "Running", PATIENCE)
    client.running.admin("POST", f"/pods/{NAMESPACE}/later-0/kill")
    eventually(lambda: client.get(f"/api/v1/workloads/{waiting}/pods", deleted="true")["pods"], PATIENCE)


def test_the_end_of_the_sandbox_takes_its_objects_along(
    runai_on_cluster: RunaiOnCluster, cluster: ClusterHandle, tmp_path: Path
) -> None:
    second = runai_on_test_cluster(tmp_path / "second", cluster)
    second.create_foreign("short-lived")
    eventually(lambda: cluster.items(SETS))
    second.end()
    eventually(lambda: not cluster.items(SETS), PATIENCE)
    eventually(lambda: not cluster.items(f"{CORE}/pods"), PATIENCE)
    assert cluster.get(f"{CORE}/persistentvolumeclaims/{CLAIM}")["status"]["phase"] == "Bound"


def test_a_new_sandbox_removes_what_a_killed_one_left(
    runai_on_cluster: RunaiOnCluster, cluster: ClusterHandle, tmp_path: Path
) -> None:
    labels = {"gpuops-sandbox/workload": "of-a-killed-one", "workloadName": "left"}
    container = {"name": "workload", "image": "registry.example.com/stand-in:v1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    left = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "left", "namespace": NAMESPACE, "labels": labels},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 1, "workerTemplate": template}},
    }
    cluster.apply(left)
    second = runai_on_test_cluster(tmp_path / "second", cluster)
    assert cluster.items(SETS) == []
    second.end()


def test_a_kubeconfig_without_rights_is_said(cluster: ClusterHandle, tmp_path: Path) -> None:
    kubeconfig = Path(cluster.user("may-nothing", [])["kubeconfig"])
    with pytest.raises(AssertionError, match=r"did not start: .*may-nothing.* cannot list resource"):
        RunaiOnCluster(tmp_path / "state", kubeconfig)
