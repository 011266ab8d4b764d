# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was asked of Run:ai to Kubernetes objects: what the cluster itself would not notice."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_workloads import workload
from support.control_plane_client import pod_spec

from gpuops_sandbox.cluster.objects import Kind
from gpuops_sandbox.control_plane.switches import CommandSplitting
from gpuops_sandbox.kubernetes.manifests import claim, claims, leader_worker_set, objects_of

SHELL_WORDS = CommandSplitting.SHELL_WORDS


def template(role: str = "leader", **changes: Any) -> dict[str, Any]:
    """Return the pod spec of a role whose body has these changes."""
    bodies = {"leader": pod_spec(), "worker": pod_spec("--headless"), role: pod_spec() | changes}
    made = leader_worker_set(workload(**bodies), SHELL_WORDS)
    spec: dict[str, Any] = made["spec"]["leaderWorkerTemplate"][f"{role}Template"]["spec"]
    return spec


def test_a_leader_alone_is_a_group_of_one() -> None:
    alone = workload(workers=0, worker=None)
    group = leader_worker_set(alone, SHELL_WORDS)["spec"]["leaderWorkerTemplate"]
    assert group["size"] == 1 and group["workerTemplate"] == group["leaderTemplate"]


def test_policies_are_handed_on() -> None:
    made = leader_worker_set(workload(restartPolicy="None", startupPolicy="LeaderReady"), SHELL_WORDS)["spec"]
    assert made["startupPolicy"] == "LeaderReady" and made["leaderWorkerTemplate"]["restartPolicy"] == "None"


def test_no_serving_port_no_service() -> None:
    assert [one["kind"] for one in objects_of(workload(servingPort=None), SHELL_WORDS)] == ["LeaderWorkerSet"]
    assert [one["kind"] for one in objects_of(workload(Kind.SINGLE), SHELL_WORDS)] == ["Deployment", "Service"]


@pytest.mark.parametrize(
    ("storage", "compute", "volumes"),
    [
        ({}, {}, []),
        ({}, {"largeShmRequest": True}, [{"emptyDir": {"medium": "Memory"}}]),
        (
            {"emptyDirVolume": [{"path": "/dev/shm", "medium": "Memory", "sizeLimit": "2Gi"}]},
            {"largeShmRequest": True},
            [{"emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}],
        ),
        (
            {"secretVolume": [{"secret": "hub", "mountPath": "/secret", "defaultMode": "0440"}]},
            {},
            [{"secret": {"secretName": "hub", "defaultMode": 0o440}}],
        ),
        ({"configMapVolume": [{"configMap": "c", "mountPath": "/c", "exclude": True}]}, {}, []),
    ],
)
def test_volumes(storage: dict[str, Any], compute: dict[str, Any], volumes: list[dict[str, Any]]) -> None:
    spec = template(storage=storage, compute=compute)
    found = [{key: value for key, value in one.items() if key != "name"} for one in spec.get("volumes", [])]
    assert found == volumes


def test_a_read_only_claim_is_mounted_so() -> None:
    pvc = [{"path": "/data", "existingPvc": True, "claimName": "models", "readOnly": True}]
    spec = template(storage={"pvc": pvc})
    assert spec["volumes"][0]["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    assert spec["containers"][0]["volumeMounts"][0]["readOnly"] is True


def test_where_pods_may_run() -> None:
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["gpu-1"]}]}]
    spec = template(
        nodeType="h100",
        nodeAffinityRequired={"nodeSelectorTerms": terms},
        podAffinity={"type": "Required", "key": "topology.kubernetes.io/zone"},
        tolerations=[{"key": "a", "operator": "Exists", "effect": "NoExecute", "seconds": 5}],
    )
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    assert spec["nodeSelector"] == {"run.ai/type": "h100"}
    assert spec["affinity"]["nodeAffinity"] == {required: {"nodeSelectorTerms": terms}}
    assert spec["affinity"]["podAffinity"][required][0]["topologyKey"] == "topology.kubernetes.io/zone"
    wanted = {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    assert spec["tolerations"] == [wanted]


def test_a_probe_without_port_asks_the_serving_port() -> None:
    spec = template(probes={"readiness": {"periodSeconds": 3, "handler": {"httpGet": {"path": "/health"}}}})
    probe = spec["containers"][0]["readinessProbe"]
    assert probe == {"periodSeconds": 3, "httpGet": {"path": "/health", "port": 8000}}


def test_words_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(ValueError, match="No closing quotation"):
        template(command='vllm "serve')


def test_claims_are_for_one_machine_unless_asked_otherwise() -> None:
    assert claim("ns", "a", {"size": "1Gi"})["spec"]["accessModes"] == ["ReadWriteOnce"]
    modes = {"readWriteOnce": False, "readWriteMany": True}
    made = claim("ns", "a", {"size": "1Gi", "accessModes": modes, "storageClass": "nfs"})["spec"]
    assert made["accessModes"] == ["ReadWriteMany"] and made["storageClassName"] == "nfs"


def test_only_new_claims_are_made_and_each_once() -> None:
    new = {"path": "/new", "existingPvc": False, "claimInfo": {"size": "1Gi"}}
    old = {"path": "/data", "existingPvc": True, "claimName": "models"}
    body = pod_spec() | {"storage": {"pvc": [new, old]}}
    assert [one["metadata"]["name"] for one in claims(workload(leader=body, worker=body))] == ["my-llm-claim"]


@pytest.mark.parametrize(("said", "limit"), [({}, 6), ({"backoffLimit": 0}, 0)])
def test_a_training_is_a_job_whose_pods_do_not_restart(said: dict[str, Any], limit: int) -> None:
    [made] = objects_of(workload(Kind.TRAINING, servingPort=None, **said), SHELL_WORDS)
    assert made["kind"] == "Job" and made["spec"]["backoffLimit"] == limit
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Never"
