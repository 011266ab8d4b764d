# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads of the reference recipe on plain Kubernetes, and where their objects hold what."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LiveWorkload, RenderedWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.render import render
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    DEPLOYMENTS,
    LEADERWORKERSET,
    TRAITS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision, FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    DisruptionBudgetSpec,
    ExtraVolume,
    KubernetesSpec,
    ModelSpec,
    NetworkClient,
    NetworkPolicySpec,
    PlacementSpec,
    ResourcesSpec,
    RunAsSpec,
    SecretReference,
    ServiceSpec,
    ServingSpec,
    TolerationSpec,
    VolumeSpec,
    WorkloadSpec,
)

NAME = "my-llm-inference"
NAMESPACE = "my-project"
KINDS = (LEADERWORKERSET, DEPLOYMENTS)

RECIPE = WorkloadSpec(
    name=NAME,
    image="registry.example.com/vllm-openai:v0.33.0",
    model=ModelSpec("/data/input/Models/Mistral-Small-4-119B-2603", ("mistral4",)),
    serving=ServingSpec("cluster_internal"),
    pods=2,
    gpus_per_pod=2,
    volumes=(VolumeSpec("my-project-models", "/data"),),
    env={"NCCL_IB_DISABLE": "1", "NCCL_P2P_DISABLE": "0"},
)
INFINIBAND = FabricDecision(
    kind="infiniband",
    confidence="stated",
    inputs={"mode": "infiniband"},
    variables=(FabricVariable("NCCL_IB_HCA", "=mlx5_0:1", "the active port", "user"),),
    resources={"openshift.io/mellanoxnics": 1},
    annotations={"k8s.v1.cni.cncf.io/networks": "rdma-net"},
)
EVERY_OPTION = KubernetesSpec(
    priority_class="gpuops-low",
    scheduler="kai-scheduler",
    queue="team-a",
    service_account="serving",
    node_selector={"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
    affinity={
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "nvidia.com/gpu.present", "operator": "Exists"}]},
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-1"]}]},
                ]
            }
        }
    },
    extra_volumes=(ExtraVolume("certificates", "/etc/ssl/extra", {"configMap": {"name": "ca"}}),),
    capabilities=("IPC_LOCK",),
    shm_size="32Gi",
    scratch_size="100Gi",
    service=ServiceSpec("load_balancer", {"example.com/internal": "true"}),
    network_policy=NetworkPolicySpec(
        (
            NetworkClient(namespace_labels={"kubernetes.io/metadata.name": "gateway"}, pod_labels={"app": "envoy"}),
            NetworkClient(namespace_labels={}),
            NetworkClient(pod_labels={"app": "chat"}),
            NetworkClient(cidr="10.0.0.0/8"),
        )
    ),
    disruption_budget=DisruptionBudgetSpec(1),
    service_monitor=True,
    service_monitor_labels={"release": "prometheus"},
)
OF_GROUPS: dict[str, Any] = {
    "exclusive_topology": "topology.kubernetes.io/zone",
    "subgroup_size": 2,
    "subgroup_topology": "topology.gpuops.test/rack",
}
EVERYTHING: dict[str, Any] = {
    "image_pull_policy": "always",
    "image_pull_secrets": ("registry-login",),
    "priority": "very-high",
    "preemptibility": "preemptible",
    "fabric": INFINIBAND,
    "run_as": RunAsSpec(2000, 2000, (3000, 3001)),
    "resources": ResourcesSpec(0.5, 8.0, "32Gi", "65536Mi"),
    "placement": PlacementSpec(
        spread="required",
        exclude_machines=("node-7", "node-3"),
        tolerations=(
            TolerationSpec("nvidia.com/gpu"),
            TolerationSpec("team", "Equal", "ml", "NoExecute", 60),
        ),
    ),
    "volumes": (VolumeSpec("my-project-models", "/data", read_only=True), VolumeSpec("my-project-models", "/again")),
    "labels": {"team": "ml"},
    "annotations": {"note": ""},
    "env": {"HF_TOKEN": SecretReference("hf", "token"), "PRICE": "5$ $(HOME)", "EMPTY": "", "PASSWORD": "canary-1"},
    "serving": ServingSpec("vllm_api_key", 9000, api_key_secret=SecretReference("endpoint", "key")),
    "kubernetes": EVERY_OPTION,
}
# Rows of the recipe and of what people add to it: the kind of workload, and the options.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "2x2": (LEADERWORKERSET, {}),
    "2x2 as in the recipe": (DEPLOYMENTS, {}),
    "4x4": (LEADERWORKERSET, {"name": "my-llm-large", "pods": 4, "gpus_per_pod": 4, "env": {}, "replicas": 2}),
    "4x4 as in the recipe": (DEPLOYMENTS, {"name": "my-llm-large", "pods": 4, "gpus_per_pod": 4, "env": {}}),
    "single pod": (DEPLOYMENT, {"name": "my-llm-small", "pods": 1, "replicas": 3}),
    "single pod in a group": (LEADERWORKERSET, {"name": "my-llm-small", "pods": 1}),
    "infiniband": (LEADERWORKERSET, {"name": "my-llm-ib", "fabric": INFINIBAND, "env": {}}),
    "preemptible": (
        LEADERWORKERSET,
        {"preemptibility": "preemptible", "kubernetes": KubernetesSpec(priority_class="gpuops-low")},
    ),
    "ray": (LEADERWORKERSET, {"distributed_executor_backend": "ray"}),
    "ray as in the recipe": (DEPLOYMENTS, {"distributed_executor_backend": "ray"}),
    "no probes": (LEADERWORKERSET, {"readiness_probe": False, "startup_policy": "leader_ready"}),
    "stopped": (DEPLOYMENTS, {"replicas": 0}),
    "everything": (LEADERWORKERSET, EVERYTHING),
    "everything in groups": (
        LEADERWORKERSET,
        {**EVERYTHING, "pods": 4, "kubernetes": dataclasses.replace(EVERY_OPTION, **OF_GROUPS)},
    ),
    "everything as in the recipe": (DEPLOYMENTS, EVERYTHING),
    "everything, single pod": (DEPLOYMENT, {**EVERYTHING, "pods": 1}),
}


def spec_of(**changes: Any) -> WorkloadSpec:
    """Return the recipe's main workload with some options changed."""
    return dataclasses.replace(RECIPE, **changes)


def plan_of(**changes: Any) -> Plan:
    """Return the plan of the recipe's main workload with some options changed."""
    return plan_workload(spec_of(**changes), TRAITS)


def rendered(kind: str = LEADERWORKERSET, **changes: Any) -> RenderedWorkload:
    """Return the objects of the recipe's main workload with some options changed."""
    return render(plan_of(**changes), kind, NAMESPACE)


def of_kubernetes(kind: str = LEADERWORKERSET, **options: Any) -> RenderedWorkload:
    """Return the objects of the recipe's main workload with options that only Kubernetes takes."""
    return rendered(kind, kubernetes=KubernetesSpec(**options))


def variant(name: str) -> RenderedWorkload:
    """Return the objects of one of ``VARIANTS``."""
    kind, changes = VARIANTS[name]
    return rendered(kind, **changes)


def templates_of(workload: RenderedWorkload) -> dict[str, dict[str, Any]]:
    """Return the pod templates of a workload, the leader's as ``leader``, the others by the object that has them."""
    templates = {}
    for key, manifest in workload.body.items():
        spec = manifest["spec"]
        if "leaderWorkerTemplate" in spec:
            templates["leader"] = spec["leaderWorkerTemplate"]["leaderTemplate"]
            templates["follower"] = spec["leaderWorkerTemplate"]["workerTemplate"]
        elif "template" in spec:
            is_leader = key in (f"Deployment/{workload.name}", f"Deployment/{workload.name}-head")
            templates["leader" if is_leader else key] = spec["template"]
    return templates


def container_of(template: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a pod template."""
    (container,) = template["spec"]["containers"]
    return dict(container)


def leader_of(workload: RenderedWorkload) -> dict[str, Any]:
    """Return the leader's pod template."""
    return templates_of(workload)["leader"]


def causes_of(workload: RenderedWorkload) -> dict[str, str]:
    """Return severity by cause of the renderer's findings."""
    return {finding.cause: finding.severity for finding in workload.findings}


def live(workload: RenderedWorkload, replicas: int = 1, managed: bool = True) -> LiveWorkload:
    """Return a rendered workload as if it ran."""
    return LiveWorkload(
        name=workload.name,
        kind=workload.kind,
        handle="uid",
        phase="running",
        managed=managed,
        body=workload.body,
        replicas=replicas,
        replica_paths=workload.replica_paths,
    )
