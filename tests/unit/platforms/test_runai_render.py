# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies for all recipe variants, checked key by key against the models of runapy 1.224."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import RenderedWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    write_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    with_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.versions import INFERENCE_PATCHABLE
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import DISTRIBUTED, INFERENCE
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ModelSpec,
    PlacementSpec,
    ResourcesSpec,
    RunAsSpec,
    SecretReference,
    ServingSpec,
    TolerationSpec,
    VolumeSpec,
)
from pydantic import BaseModel
from runai.models.distributed_inference_creation_request import DistributedInferenceCreationRequest
from runai.models.inference_creation_request import InferenceCreationRequest
from runai.models.inference_update_spec_spec import InferenceUpdateSpecSpec
from runai_examples import CLUSTER_ID, NAME, PROJECT_ID, infiniband, record_of, rendered

MODELS = {DISTRIBUTED: DistributedInferenceCreationRequest, INFERENCE: InferenceCreationRequest}
EVERYTHING: dict[str, Any] = {
    "image_pull_policy": "always",
    "image_pull_secrets": ("registry-login",),
    "priority": "very-high",
    "run_as": RunAsSpec(2000, 2000, (3000, 3001)),
    "resources": ResourcesSpec(4.0, 8.0, "32Gi", "64Gi"),
    "placement": PlacementSpec(
        node_pools=("a100", "default"),
        node_type="dgx",
        exclude_machines=("node-7", "node-3"),
        tolerations=(
            TolerationSpec("nvidia.com/gpu"),
            TolerationSpec("team", "Equal", "ml", "NoExecute", 60),
        ),
    ),
    "volumes": (VolumeSpec("my-project-models", "/data", read_only=True),),
    "labels": {"team": "ml"},
    "annotations": {"note": ""},
    "env": {"HF_TOKEN": SecretReference("hf", "token"), "PRICE": "5$ $(HOME)", "EMPTY": ""},
}


def request_of(workload: RenderedWorkload) -> dict[str, Any]:
    """Return the body as it is sent when the workload is created."""
    spec = with_record(workload.body["spec"], write_record(record_of(workload)))
    return {"name": workload.name, "projectId": PROJECT_ID, "clusterId": CLUSTER_ID, "spec": spec}


def unknown_keys(value: Any, model: type[BaseModel], path: str = "") -> list[str]:
    """Return the keys at any depth that the model does not have (the models themselves drop them in silence)."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    unknown = []
    for key, item in value.items():
        inner = model_inside(fields[key].annotation) if key in fields else None
        if key not in fields:
            unknown.append(f"{path}{key}")
        for entry in item if isinstance(item, list) else [item]:
            if inner is not None and isinstance(entry, Mapping):
                unknown += unknown_keys(entry, inner, f"{path}{key}.")
    return unknown


def model_inside(annotation: Any) -> type[BaseModel] | None:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, (model_inside(part) for part in typing.get_args(annotation))), None)


VARIANTS: dict[str, dict[str, Any]] = {
    "2x2": {},
    "2x2, not preemptible": {"preemptibility": "non_preemptible"},
    "2x2, preemptibility not stated": {"preemptibility": None},
    "4x4": {
        "name": "my-llm-large",
        "pods": 4,
        "gpus_per_pod": 4,
        "model": ModelSpec("/data/input/Models/Large-405B"),
        "preemptibility": None,
        "env": {},
    },
    "single pod, inference": {"name": "my-llm-small", "pods": 1, "model": ModelSpec("/data/input/Models/Small-7B")},
    "single pod, leader only": {"pods": 1, "single_pod_as": "distributed"},
    "infiniband": {"name": "my-llm-ib", "fabric": infiniband(), "env": {}},
    "everything": EVERYTHING,
    "everything, single pod": {**EVERYTHING, "pods": 1},
    "no probe, no group restart": {"readiness_probe": False, "restart_policy": "none", "replicas": 3},
    "users": {"serving": ServingSpec("authorized_users", 9000, authorized_users=("a@example.com",))},
    "groups, single pod": {"pods": 1, "serving": ServingSpec("authorized_groups", authorized_groups=("ml",))},
    "public": {"serving": ServingSpec("public")},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_api_knows_every_field(variant: str) -> None:
    workload = rendered(**VARIANTS[variant])
    body, model = request_of(workload), MODELS[workload.kind]
    assert unknown_keys(body, model) == []
    model.model_validate(body)


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_empty_is_sent(variant: str) -> None:
    def walk(value: Any, key: str = "") -> None:
        assert value is not None
        assert value not in ({}, [])
        assert value != "" or key == "value"
        if isinstance(value, Mapping):
            for name, item in value.items():
                walk(item, name)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(request_of(rendered(**VARIANTS[variant])))


def spec_of(**changes: Any) -> dict[str, Any]:
    return dict(rendered(**changes).body["spec"])


def clear(pod: Mapping[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in pod["environmentVariables"] if "value" in entry}


def line_of(pod: Mapping[str, Any]) -> str:
    return " ".join(pod[key] for key in ("command", "args") if key in pod)


def test_the_recipes_main_deployment() -> None:
    spec = spec_of()
    assert {key: value for key, value in spec.items() if key not in ("leader", "worker")} == {
        "workers": 1,
        "replicas": 1,
        "preemptibility": "preemptible",
        "restartPolicy": "RecreateGroupOnPodRestart",
        "startupPolicy": "LeaderCreated",
        "servingPort": {
            "port": 8000,
            "protocol": "http",
            "authorizationType": "authenticatedUsers",
            "exposeExternally": True,
        },
    }
    for role, label in (("leader", "head"), ("worker", "worker")):
        pod = spec[role]
        assert pod["image"] == "registry.example.com/vllm-openai:v0.33.0"
        assert pod["compute"] == {"gpuDevicesRequest": 2, "largeShmRequest": True}
        assert pod["storage"]["pvc"] == [{"path": "/data", "existingPvc": True, "claimName": "my-project-models"}]
        assert len(pod["storage"]["emptyDirVolume"]) == 1
        assert pod["security"] == {
            "uidGidSource": "custom",
            "runAsUid": 2000,
            "runAsGid": 2000,
            "runAsNonRoot": True,
        }
        assert {entry["name"]: entry["value"] for entry in pod["labels"]} == {
            "app.kubernetes.io/managed-by": "gpuops.inference",
            "gpuops.inference/workload": NAME,
            "run.ai/workload": NAME,
            "run.ai/role": label,
        }
        environment = clear(pod)
        assert environment["NCCL_IB_DISABLE"] == "1"
        assert environment["NCCL_P2P_DISABLE"] == "0"
        for words in ("--tensor-parallel-size 2", "--pipeline-parallel-size 2", "--served-model-name mistral4"):
            assert words in line_of(pod)
        assert line_of(pod).startswith("vllm serve /data/input/Models/Mistral-Small-4-119B-2603 ")
    assert "--headless" in line_of(spec["worker"])
    assert "$(LWS_WORKER_INDEX)" in line_of(spec["worker"])
    assert "--headless" not in line_of(spec["leader"])
    assert spec["leader"]["probes"]["readiness"]["handler"]["httpGet"]["port"] == 8000
    assert "probes" not in spec["worker"]


def test_four_pods_of_four_gpus() -> None:
    spec = spec_of(**VARIANTS["4x4"])
    assert (spec["workers"], spec["leader"]["compute"]["gpuDevicesRequest"]) == (3, 4)
    assert "--tensor-parallel-size 4 --pipeline-parallel-size 4" in line_of(spec["worker"])
    assert "preemptibility" not in spec


def test_a_single_pod_is_an_inference() -> None:
    workload = rendered(**VARIANTS["single pod, inference"])
    spec = workload.body["spec"]
    assert workload.kind == INFERENCE
    assert spec["compute"]["gpuDevicesRequest"] == 2
    assert spec["servingPort"] == {
        "container": 8000,
        "protocol": "http",
        "authorizationType": "authenticatedUsers",
        "clusterLocalAccessOnly": False,
    }
    assert spec["autoscaling"] == {"minReplicas": 1, "maxReplicas": 1}
    assert spec["servingConfiguration"] == {"initializationTimeoutSeconds": 3600}
    assert not {"workers", "leader", "worker", "restartPolicy"} & set(spec)
    closed = spec_of(pods=1, serving=ServingSpec("public"))["servingPort"]
    assert (closed["authorizationType"], closed["clusterLocalAccessOnly"]) == ("public", True)


def test_a_single_pod_can_be_a_leader_without_workers() -> None:
    workload = rendered(**VARIANTS["single pod, leader only"])
    assert workload.kind == DISTRIBUTED
    assert workload.body["spec"]["workers"] == 0
    assert "worker" not in workload.body["spec"]


def test_infiniband_brings_variables_device_and_network() -> None:
    spec = spec_of(**VARIANTS["infiniband"])
    for pod in (spec["leader"], spec["worker"]):
        assert {name: value for name, value in clear(pod).items() if name.startswith("NCCL")} == {
            "NCCL_IB_DISABLE": "0",
            "NCCL_IB_HCA": "mlx5_0",
            "NCCL_NET_GDR_LEVEL": "5",
            "NCCL_P2P_DISABLE": "0",
        }
        assert pod["compute"]["extendedResources"] == [{"resource": "openshift.io/mellanoxnics", "quantity": "1"}]
        assert pod["annotations"] == [{"name": "k8s.v1.cni.cncf.io/networks", "value": "rdma-net"}]


@pytest.mark.parametrize(
    ("stated", "sent"), [("preemptible", "preemptible"), ("non_preemptible", "non-preemptible"), (None, None)]
)
def test_preemptibility(stated: str | None, sent: str | None) -> None:
    assert spec_of(preemptibility=stated).get("preemptibility") == sent
    assert spec_of(preemptibility=stated, pods=1).get("preemptibility") == sent


@pytest.mark.parametrize("external", [True, False])
@pytest.mark.parametrize("access", ["public", "authenticated_users"])
def test_access_and_exposure_are_always_sent(access: str, external: bool) -> None:
    serving = ServingSpec(access, external=external)
    port = spec_of(serving=serving)["servingPort"]
    assert port["exposeExternally"] is external
    assert port["authorizationType"] == {"public": "public", "authenticated_users": "authenticatedUsers"}[access]
    assert spec_of(serving=serving, pods=1)["servingPort"]["clusterLocalAccessOnly"] is not external


@pytest.mark.parametrize("pods", [1, 2])
def test_everything_that_can_be_stated(pods: int) -> None:
    spec = spec_of(**{**EVERYTHING, "pods": pods})
    assert spec["nodePools"] == ["a100", "default"]
    assert spec["priorityClass"] == "very-high"
    pod = spec["worker"] if pods > 1 else spec
    assert pod["imagePullPolicy"] == "Always"
    assert pod["imagePullSecrets"] == [{"name": "registry-login"}]
    assert pod["security"]["supplementalGroups"] == "3000,3001"
    assert pod["compute"] == {
        "gpuDevicesRequest": 2,
        "largeShmRequest": True,
        "cpuCoreRequest": 4.0,
        "cpuCoreLimit": 8.0,
        "cpuMemoryRequest": "32Gi",
        "cpuMemoryLimit": "64Gi",
    }
    assert pod["storage"]["pvc"][0]["readOnly"] is True
    assert pod["nodeType"] == "dgx"
    assert pod["nodeAffinityRequired"] == {
        "nodeSelectorTerms": [
            {
                "matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["node-3", "node-7"]}
                ]
            }
        ]
    }
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "Any"},
        {"key": "team", "operator": "Equal", "value": "ml", "effect": "NoExecute", "seconds": 60},
    ]
    variables = {entry["name"]: entry for entry in pod["environmentVariables"]}
    assert variables["HF_TOKEN"] == {"name": "HF_TOKEN", "secret": {"name": "hf", "key": "token"}}
    assert variables["PRICE"]["value"] == "5$$ $$(HOME)"
    assert variables["EMPTY"]["value"] == ""
    assert {"name": "team", "value": "ml"} in pod["labels"]
    assert {"name": "note", "value": ""} in pod["annotations"]
    assert "podAffinity" not in pod


def test_pod_fields_are_references() -> None:
    variables = {entry["name"]: entry for entry in spec_of()["leader"]["environmentVariables"]}
    assert variables["VLLM_HOST_IP"] == {"name": "VLLM_HOST_IP", "podFieldRef": {"path": "status.podIP"}}


def test_our_labels_cannot_be_taken_over() -> None:
    labels = {entry["name"]: entry["value"] for entry in spec_of(labels={"run.ai/role": "x"})["leader"]["labels"]}
    assert labels["run.ai/role"] == "head"


def test_rendering_is_stable() -> None:
    assert rendered(**EVERYTHING) == rendered(**EVERYTHING)


def test_what_is_called_patchable_is_patchable() -> None:
    known = {field.alias or name for name, field in InferenceUpdateSpecSpec.model_fields.items()}
    assert set(INFERENCE_PATCHABLE) | {"autoscaling"} == known
