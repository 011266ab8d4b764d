# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads of the reference recipe, corrected, and what the kubelet does to a pod's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision, FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import (
    EnvironmentVariable,
    Plan,
    PlatformTraits,
    PodTemplate,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ModelSpec,
    ServingSpec,
    VolumeSpec,
    WorkloadSpec,
)

RUNAI = PlatformTraits(
    name="runai",
    leader_address="$(LWS_LEADER_ADDRESS)",
    rank="$(LWS_WORKER_INDEX)",
    stop_grace_seconds=30,
    access_modes=("public", "authenticated_users", "authorized_users", "authorized_groups"),
)
MODEL = "/data/input/Models/Mistral-Small-4-119B-2603"

RECIPE = WorkloadSpec(
    name="my-llm-inference",
    image="registry.example.com/vllm-openai:v0.33.0",
    model=ModelSpec(MODEL, ("mistral4",)),
    serving=ServingSpec("authenticated_users", external=True),
    pods=2,
    gpus_per_pod=2,
    volumes=(VolumeSpec("my-project-models", "/data"),),
    preemptibility="preemptible",
    env={"NCCL_IB_DISABLE": "1", "NCCL_P2P_DISABLE": "0"},
)

INFINIBAND = FabricDecision(
    kind="infiniband",
    confidence="stated",
    inputs={"mode": "infiniband"},
    variables=(
        FabricVariable("NCCL_IB_HCA", "=mlx5_0:1", "the active port", "user"),
        FabricVariable("NCCL_NET", "IB", "fail instead of falling back to TCP", "NCCL"),
    ),
    resources={"openshift.io/mellanoxnics": 1},
    annotations={"k8s.v1.cni.cncf.io/networks": "rdma-net"},
)


def workload(**changes: Any) -> WorkloadSpec:
    """Return the recipe's main workload with some options changed."""
    return dataclasses.replace(RECIPE, **changes)


def plan_of(**changes: Any) -> Plan:
    """Return the plan of the recipe's main workload with some options changed, on Run:ai."""
    return plan_workload(workload(**changes), RUNAI)


def words_of(pod: PodTemplate) -> list[str]:
    """Return command and arguments of a pod as one list."""
    return [*pod.command, *pod.arguments]


def texts_of(pod: PodTemplate) -> dict[str, str]:
    """Return the clear environment values of a pod."""
    return {item.name: item.value for item in pod.environment if isinstance(item.value, str)}


def variable_of(pod: PodTemplate, name: str) -> EnvironmentVariable:
    """Return the one variable of this name."""
    (found,) = [item for item in pod.environment if item.name == name]
    return found


def causes_of(plan: Plan) -> dict[str, str]:
    """Return severity by cause of the plan's findings."""
    return {finding.cause: finding.severity for finding in plan.findings}


def expand_as_kubelet(text: str, variables: Mapping[str, str]) -> str:
    """Return what the kubelet makes of a word (Kubernetes, third_party/forked/golang/expansion/expand.go)."""
    result = []
    position = 0
    while position < len(text):
        if text[position] != "$" or position + 1 == len(text):
            result.append(text[position])
            position += 1
        elif text[position + 1] == "$":
            result.append("$")
            position += 2
        elif text[position + 1] == "(" and ")" in text[position + 2 :]:
            end = text.index(")", position + 2)
            name = text[position + 2 : end]
            result.append(variables.get(name, f"$({name})"))
            position = end + 1
        else:
            result.append(text[position : position + 2])
            position += 2
    return "".join(result)


def group_variables(rank: int, pods: int) -> dict[str, str]:
    """Return what LeaderWorkerSet puts into every container."""
    return {
        "LWS_LEADER_ADDRESS": "my-llm-inference-0.my-llm-inference.runai-my-project",
        "LWS_GROUP_SIZE": str(pods),
        "LWS_WORKER_INDEX": str(rank),
    }
