# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Run:ai's models do not know is refused, with the field's name and without any trace of a workload."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from support.control_plane_client import (
    DISTRIBUTED,
    INFERENCES,
    Client,
    changed,
    distributed_body,
    inference_body,
    pod_spec,
)

POD = "spec.leader"
REFUSED: list[tuple[str, Any, str]] = [
    ("projectId", 33, "projectId"),
    ("project_id", "33", "project_id"),
    ("name", "", "name"),
    ("name", "My-LLM", "name"),
    ("name", "a" * 64, "name"),
    ("clusterId", None, "clusterId"),
    ("assets", {}, "assets"),
    ("spec", None, "spec"),
    ("spec.leader", None, "spec.leader"),
    ("spec.worker", None, "spec.worker"),
    ("spec.workers", "1", "spec.workers"),
    ("spec.workers", True, "spec.workers"),
    ("spec.workers", 1001, "spec.workers"),
    ("spec.replicas", -1, "spec.replicas"),
    ("spec.restartPolicy", "Always", "spec.restartPolicy"),
    ("spec.startupPolicy", "Ready", "spec.startupPolicy"),
    ("spec.preemptibility", "Preemptible", "spec.preemptibility"),
    ("spec.priorityClass", "urgent", "spec.priorityClass"),
    ("spec.nodePools", ["a100"], "spec.nodePools"),
    ("spec.autoscaling", {}, "spec.autoscaling"),
    ("spec.servingPort.container", 8000, "spec.servingPort.container"),
    ("spec.servingPort.port", 0, "spec.servingPort.port"),
    ("spec.servingPort.protocol", "grpc", "spec.servingPort.protocol"),
    ("spec.servingPort.authorizationType", "authorizedUsersOrGroups", "spec.servingPort.authorizationType"),
    ("spec.servingPort.authorizationType", "authorizedUsers", "spec.servingPort.authorizedUsers"),
    ("spec.servingPort.authorizedUsers", ["a@example.com"], "spec.servingPort.authorizedUsers"),
    (f"{POD}.image", None, f"{POD}.image"),
    (f"{POD}.env", [], f"{POD}.env"),
    (f"{POD}.args", ["serve"], f"{POD}.args"),
    (f"{POD}.command", "", f"{POD}.command"),
    (f"{POD}.imagePullPolicy", "Sometimes", f"{POD}.imagePullPolicy"),
    (f"{POD}.environmentVariables.0.value", 1, f"{POD}.environmentVariables[0].value"),
    (f"{POD}.environmentVariables.0.secret", {"name": "a", "key": "b"}, f"{POD}.environmentVariables[0]"),
    (f"{POD}.environmentVariables.0", {"name": "A"}, f"{POD}.environmentVariables[0]"),
    (f"{POD}.environmentVariables.0", {"name": "A", "secret": {"name": "a"}}, "environmentVariables[0].secret.key"),
    (f"{POD}.environmentVariables.0.valueFrom", {}, f"{POD}.environmentVariables[0].valueFrom"),
    (f"{POD}.compute.gpuDevicesRequest", 1.5, f"{POD}.compute.gpuDevicesRequest"),
    (f"{POD}.compute.gpuRequestType", "migProfile", f"{POD}.compute.gpuRequestType"),
    (f"{POD}.compute.gpuRequestType", "memory", f"{POD}.compute.gpuRequestType"),
    (f"{POD}.compute.cpuMemoryRequest", "lots", f"{POD}.compute.cpuMemoryRequest"),
    (f"{POD}.compute.extendedResources", [{"resource": "a/b", "quantity": 1}], "extendedResources[0].quantity"),
    (f"{POD}.storage.nfs", [], f"{POD}.storage.nfs"),
    (f"{POD}.storage.hostPath", [], f"{POD}.storage.hostPath"),
    (f"{POD}.storage.pvc.0.path", None, f"{POD}.storage.pvc[0].path"),
    (f"{POD}.storage.pvc.0.claimName", None, f"{POD}.storage.pvc[0].claimName"),
    (f"{POD}.storage.pvc.0.claimInfo", {"size": "1Gi"}, f"{POD}.storage.pvc[0].claimInfo"),
    (f"{POD}.storage.pvc.0.existingPvc", False, f"{POD}.storage.pvc[0].claimInfo"),
    (f"{POD}.storage.pvc.0.mountPath", "/data", f"{POD}.storage.pvc[0].mountPath"),
    (f"{POD}.security.fsGroup", 2000, f"{POD}.security.fsGroup"),
    (f"{POD}.security.privileged", True, f"{POD}.security.privileged"),
    (f"{POD}.security.runAsUid", "2000", f"{POD}.security.runAsUid"),
    (f"{POD}.security.capabilities", ["CAP_IPC_LOCK"], f"{POD}.security.capabilities[0]"),
    (f"{POD}.security.supplementalGroups", "a,b", f"{POD}.security.supplementalGroups"),
    (f"{POD}.annotations", {"a": "b"}, f"{POD}.annotations"),
    (f"{POD}.annotations", [{"name": "x" * 64, "value": ""}], f"{POD}.annotations[0].name"),
    (f"{POD}.probes", {"liveness": {}}, f"{POD}.probes.liveness"),
    (f"{POD}.probes", {"readiness": {"handler": {"exec": {}}}}, f"{POD}.probes.readiness.handler.exec"),
    (f"{POD}.probes", {"readiness": {"periodSeconds": 0}}, f"{POD}.probes.readiness.periodSeconds"),
    (f"{POD}.tolerations", [{"operator": "Maybe"}], f"{POD}.tolerations[0].operator"),
    ("spec.worker.hostNetwork", True, "spec.worker.hostNetwork"),
]


@pytest.mark.parametrize(("path", "value", "named"), REFUSED)
def test_a_wrong_distributed_body_is_refused_by_name(shared_client: Client, path: str, value: Any, named: str) -> None:
    answer = shared_client.call("POST", DISTRIBUTED, json=changed(distributed_body(), path, value))
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert set(body) == {"code", "message"} and body["code"] == 400
    assert named in body["message"]
    assert shared_client.get("/api/v1/workloads")["workloads"] == []


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("spec.workers", 1, "spec.workers"),
        ("spec.servingPort.port", 8000, "spec.servingPort.port"),
        ("spec.servingPort.container", None, "spec.servingPort.container"),
        ("spec.autoscaling.maxReplicas", 0, "spec.autoscaling.maxReplicas"),
        ("spec.autoscaling.minReplicas", 2, "spec.autoscaling.minReplicas"),
        ("spec.storage.s3", [], "spec.storage.s3"),
        ("spec.image", None, "spec.image"),
    ],
)
def test_a_wrong_inference_body_is_refused_by_name(shared_client: Client, path: str, value: Any, named: str) -> None:
    answer = shared_client.call("POST", INFERENCES, json=changed(inference_body(), path, value))
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["message"]


def test_what_is_not_json_is_refused(shared_client: Client) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {shared_client.token}"}
    assert shared_client.http.post(DISTRIBUTED, headers=headers, content=b"{").status_code == 400
    assert shared_client.http.post(DISTRIBUTED, headers=headers, content=b"[]").status_code == 400


def test_the_whole_of_the_schema_is_accepted(client: Client) -> None:
    pod = pod_spec() | {
        "annotations": [{"name": "k8s.v1.cni.cncf.io/networks", "value": "rdma-net"}],
        "labels": [{"name": "team", "value": "ml"}],
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecrets": [{"name": "registry", "userCredential": True}],
        "nodeType": "h100",
        "nodeAffinityRequired": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
        },
        "podAffinity": {"type": "Preferred", "key": "kubernetes.io/hostname"},
        "tolerations": [{"operator": "Exists", "key": "gpu", "effect": "NoSchedule"}],
        "workingDir": "/scratch",
        "createHomeDir": False,
        "probes": {"readiness": {"periodSeconds": 1, "handler": {"httpGet": {"path": "/health", "port": 8000}}}},
    }
    pod["compute"] = pod["compute"] | {"extendedResources": [{"resource": "rdma/ib", "quantity": "1"}]}
    pod["storage"] = pod["storage"] | {"emptyDirVolume": [{"path": "/scratch", "sizeLimit": "1Gi"}]}
    follower = copy.deepcopy(pod)
    del follower["probes"]
    body = distributed_body(leader=pod, worker=follower, startupPolicy="LeaderCreated", priorityClass="high")
    client.reach(client.create(body), "Running")


def test_a_leader_alone_needs_no_worker(client: Client) -> None:
    body = changed(distributed_body(workers=0), "spec.worker", None)
    workload_id = client.create(body)
    client.reach(workload_id, "Running")
    assert [pod["name"] for pod in client.pods(workload_id)] == ["my-llm-0"]


@pytest.mark.parametrize(
    ("spec", "status"), [({"replicas": 2}, 202), ({"replicas": 2, "workers": 1}, 400), ({"leader": {}}, 400), ({}, 400)]
)
def test_only_replicas_of_a_distributed_inference_can_be_patched(
    client: Client, spec: dict[str, Any], status: int
) -> None:
    workload_id = client.create(distributed_body())
    assert client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": spec}).status_code == status


@pytest.mark.parametrize("field", ["annotations", "labels", "security", "servingPort", "storage", "tolerations"])
def test_fields_of_an_inference_that_cannot_be_patched_are_refused(client: Client, field: str) -> None:
    workload_id = client.create(inference_body(), INFERENCES)
    answer = client.call("PATCH", f"{INFERENCES}/{workload_id}", json={"spec": {field: None}})
    assert answer.status_code == 400 and f"spec.{field}" in answer.json()["message"]


def test_a_project_that_is_not_there_is_refused(shared_client: Client) -> None:
    assert (
        shared_client.call("POST", DISTRIBUTED, json=changed(distributed_body(), "projectId", "99")).status_code == 403
    )
    assert (
        shared_client.call("POST", DISTRIBUTED, json=changed(distributed_body(), "clusterId", "x")).status_code == 400
    )
