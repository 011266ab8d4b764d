# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Specs, plans, API answers and clocks that the tests of the Run:ai platform share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import AppliedRecord, RenderedWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.render import render
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import TRAITS
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision, FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ModelSpec,
    ServingSpec,
    VolumeSpec,
    WorkloadSpec,
)

PROJECT = "my-project"
PROJECT_ID = "33"
CLUSTER_ID = "71f69d83-ba66-4822-adf5-55ce55efd210"
NAMESPACE = "runai-my-project"
NAME = "my-llm-inference"
WORKLOAD_ID = "0d2b5f3e-58a2-4a52-9f4e-7c9a5a9d7c11"

CANARY_SECRET = "canary-client-secret-5f2d"
CANARY_TOKEN = "eyJ.canary-token-81c7.sig"
ENDPOINT_TOKEN = "canary-endpoint-token-77aa"


def recipe_spec(**changes: Any) -> WorkloadSpec:
    """Return the reference recipe's main deployment: 2 pods of 2 GPUs."""
    spec = WorkloadSpec(
        name=NAME,
        image="registry.example.com/vllm-openai:v0.33.0",
        model=ModelSpec("/data/input/Models/Mistral-Small-4-119B-2603", ("mistral4",)),
        serving=ServingSpec("authenticated_users", external=True),
        pods=2,
        gpus_per_pod=2,
        volumes=(VolumeSpec("my-project-models", "/data"),),
        preemptibility="preemptible",
        env={"NCCL_IB_DISABLE": "1", "NCCL_P2P_DISABLE": "0"},
    )
    return replace(spec, **changes)


def infiniband() -> FabricDecision:
    """Return the InfiniBand decision of the reference recipe, with the device and the network it needs."""
    values = {"NCCL_IB_DISABLE": "0", "NCCL_IB_HCA": "mlx5_0", "NCCL_NET_GDR_LEVEL": "5", "NCCL_P2P_DISABLE": "0"}
    return FabricDecision(
        kind="infiniband",
        confidence="stated",
        inputs={"mode": "infiniband"},
        variables=tuple(FabricVariable(name, value, "recipe", "user") for name, value in values.items()),
        resources={"openshift.io/mellanoxnics": 1},
        annotations={"k8s.v1.cni.cncf.io/networks": "rdma-net"},
    )


def recipe_plan(**changes: Any) -> Plan:
    return plan_workload(recipe_spec(**changes), TRAITS)


def rendered(**changes: Any) -> RenderedWorkload:
    return render(recipe_plan(**changes))


def record_of(workload: RenderedWorkload, **inputs: Any) -> AppliedRecord:
    return AppliedRecord(inputs or {"image": "x"}, workload.body, {"kind": "tcp"}, "0.1.0")


def listed(**changes: Any) -> dict[str, Any]:
    """Return an entry of the list of workloads."""
    entry = {
        "id": WORKLOAD_ID,
        "name": NAME,
        "type": "DistributedInference",
        "projectName": PROJECT,
        "projectId": PROJECT_ID,
        "clusterId": CLUSTER_ID,
        "namespace": NAMESPACE,
        "phase": "Running",
        "deletedAt": None,
        "urls": ["https://my-llm-inference-runai-my-project.inference.example.com"],
    }
    return {**entry, **changes}


def definition(spec: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what the API says that a workload consists of."""
    content = {
        "name": NAME,
        "workloadId": WORKLOAD_ID,
        "projectId": PROJECT_ID,
        "clusterId": CLUSTER_ID,
        "desiredPhase": "Running",
        "actualPhase": "Creating",
        "deletedAt": None,
        "spec": json.loads(json.dumps(spec)),
    }
    return {**content, **changes}


def project(**changes: Any) -> dict[str, Any]:
    status = {"namespace": NAMESPACE, "phase": "Ready"}
    return {"id": PROJECT_ID, "name": PROJECT, "clusterId": CLUSTER_ID, "status": status, **changes}


def cluster(version: str = "2.24.3", **changes: Any) -> dict[str, Any]:
    status = {"state": "Connected", "dependencies": {"required": {}, "optional": {}}}
    return {"uuid": CLUSTER_ID, "name": "prod", "version": version, "status": status, **changes}


def with_nulls(spec: Mapping[str, Any], names: tuple[str, ...] = ("category", "exclude", "description")) -> Any:
    """Return a body as a server may give it back: nulls for what was not sent, at every level."""
    if isinstance(spec, Mapping):
        return {**dict.fromkeys(names), **{key: with_nulls(value, names) for key, value in spec.items()}}
    return [with_nulls(value, names) for value in spec] if isinstance(spec, list) else spec


@dataclass
class FakeTime:
    """A clock that moves only when somebody sleeps (or when a test says so)."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
