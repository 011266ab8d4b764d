# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Words of Kubernetes and LeaderWorkerSet (0.9) and how ours map to them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import Resource
from ansible_collections.gpuops.inference.plugins.module_utils._workload import spec
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import FOLLOWER, LEADER, PlatformTraits

# Kinds of workload. Several pods: one of the first two; a single pod is one plain Deployment.
LEADERWORKERSET = spec.LEADERWORKERSET
DEPLOYMENTS = spec.DEPLOYMENTS
DEPLOYMENT = "deployment"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "gpuops.inference"
OUR_PREFIX = "gpuops.inference/"
WORKLOAD_LABEL = "gpuops.inference/workload"
# The place of a pod in its replica, where a controller of its own runs each: "0" is the leader.
POD_INDEX_LABEL = "gpuops.inference/pod-index"
# What a look reads: on its job and its pod. These carry the workload's label too, so that a NetworkPolicy of the
# workload lets them through, and are none of its own.
LOOK_LABEL = "gpuops.inference/look"
# Tells the Service that clients use from the one that the pods of a replica use among themselves.
SERVICE_LABEL = "gpuops.inference/service"
HTTP_SERVICE = "http"
RENDEZVOUS_SERVICE = "rendezvous"
# The labels of the reference recipe's selectors.
RECIPE_WORKLOAD_LABEL = "run.ai/workload"
RECIPE_ROLE_LABEL = "run.ai/role"
RECIPE_ROLES = {LEADER: "head", FOLLOWER: "worker"}

RECORD_ANNOTATION = "gpuops.inference/applied"
# The same on every pod of a replica that several Deployments run, so that they change together.
GROUP_ANNOTATION = "gpuops.inference/group"

# LeaderWorkerSet, api/leaderworkerset/v1/leaderworkerset_types.go.
LWS_PREFIX = "leaderworkerset.sigs.k8s.io/"
LWS_GROUP_LABEL = f"{LWS_PREFIX}group-key"
LWS_EXCLUSIVE_TOPOLOGY = f"{LWS_PREFIX}exclusive-topology"
LWS_SUBGROUP_TOPOLOGY = f"{LWS_PREFIX}subgroup-exclusive-topology"

# Run:ai's and KAI's schedulers read these (facts 6.5).
QUEUE_LABELS = ("runai/queue", "kai.scheduler/queue")
PRIORITY_LABEL = "priorityClassName"
PREEMPTIBILITY_LABEL = "kai.scheduler/preemptibility"
PREEMPTIBILITY = {"preemptible": "preemptible", "non_preemptible": "non-preemptible"}

HOSTNAME_LABEL = "kubernetes.io/hostname"
GPU_RESOURCE = "nvidia.com/gpu"
CONTAINER = "vllm"
HTTP_PORT = "http"

RESTART_POLICY = {
    spec.RECREATE_GROUP: "RecreateGroupOnPodRestart",
    spec.RECREATE_GROUP_AFTER_START: "RecreateGroupAfterStart",
    spec.NO_RESTART: "None",
}
STARTUP_POLICY = {spec.LEADER_CREATED: "LeaderCreated", spec.LEADER_READY: "LeaderReady"}
PULL_POLICY = {"always": "Always", "if_not_present": "IfNotPresent", "never": "Never"}
SERVICE_TYPE = {spec.CLUSTER_IP: "ClusterIP", spec.NODE_PORT: "NodePort", spec.LOAD_BALANCER: "LoadBalancer"}

# Seconds. A pod that is asked to end sleeps first, until no Service sends it requests any more; then come SIGTERM and,
# STOP_GRACE later, SIGKILL. A follower needs 15 s to end; the rest is for the running requests of a single pod.
PRE_STOP = 5
STOP_GRACE = 55

TRAITS = PlatformTraits(
    name="kubernetes",
    leader_address="$(LWS_LEADER_ADDRESS)",
    rank="$(LWS_WORKER_INDEX)",
    stop_grace_seconds=STOP_GRACE,
    access_modes=(spec.CLUSTER_INTERNAL, spec.VLLM_API_KEY),
    restart_policies=spec.RESTART_POLICIES,
    single_string_commands=False,
    foreign_options={
        "node_pools": "Use node_selector with the label that the machines of the pool carry.",
        "node_type": "Use node_selector.",
        "single_pod_as": "Leave it out: pods: 1 is a Deployment.",
        "serving.external": "Use service.type: load_balancer, or an Ingress or HTTPRoute to the workload's Service.",
    },
)


def object_key(kind: str, name: str) -> str:
    """Return the key of an object in a body, which begins its flattened paths."""
    return f"{kind}/{name}"


def head_name(name: str) -> str:
    """Return what the leader's Deployment and the Service of the rendezvous are called."""
    return f"{name}-head"


def follower_name(name: str, index: int) -> str:
    """Return what the Deployment of a follower is called; ``index`` is the pod's place in its replica, from 1 on."""
    return f"{name}-worker-{index - 1}"


def object_labels(name: str) -> dict[str, str]:
    """Return the labels of everything that belongs to the workload ``name``."""
    return {MANAGED_BY_LABEL: MANAGED_BY, WORKLOAD_LABEL: name}


def pod_labels(name: str, role: str) -> dict[str, str]:
    """Return the labels of the workload's pods of one role."""
    return {**object_labels(name), RECIPE_WORKLOAD_LABEL: name, RECIPE_ROLE_LABEL: RECIPE_ROLES[role]}


def pod_selector(name: str) -> str:
    """Return the selector of the workload's own pods, whatever runs them, without those of looks at it."""
    return f"{WORKLOAD_LABEL}={name},!{LOOK_LABEL}"


def leader_selector(name: str) -> dict[str, str]:
    """Return the labels that select the leaders of the workload's replicas, whatever runs them."""
    return {WORKLOAD_LABEL: name, RECIPE_ROLE_LABEL: RECIPE_ROLES[LEADER]}


def manifest(
    resource: Resource,
    name: str,
    spec_of_object: Mapping[str, Any],
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return an object without its namespace."""
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        "spec": dict(spec_of_object),
    }
