# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, labels and paths of the objects that stand for Run:ai workloads in a cluster.

What Run:ai's documentation and tools say is marked DOCUMENTED; what they leave open, and was chosen here, UNCERTAIN.
"""

from __future__ import annotations

from typing import Any

from gpuops_sandbox.cluster.objects import Workload

Object = dict[str, Any]

# DOCUMENTED (Run:ai's support tooling selects by them): on pods, and on a project's namespace.
WORKLOAD_LABEL = "workloadName"
QUEUE_LABEL = "runai/queue"
# DOCUMENTED for objects that users submit themselves. UNCERTAIN: that Run:ai puts them on its own LeaderWorkerSets too.
PRIORITY_LABEL = "priorityClassName"
PREEMPTIBILITY_LABEL = "kai.scheduler/preemptibility"
# LeaderWorkerSet's own (documented there).
GROUP_LABEL = "leaderworkerset.sigs.k8s.io/group-index"
MEMBER_LABEL = "leaderworkerset.sigs.k8s.io/worker-index"
# This simulator's own, on everything that it makes: it finds its objects by it, and touches no others.
OWN_LABEL = "gpuops-sandbox/workload"
REVISION_LABEL = "gpuops-sandbox/revision"

# UNCERTAIN: the container's name in Run:ai's pods, and the machine label behind `nodeType`.
CONTAINER = "workload"
NODE_TYPE_LABEL = "run.ai/type"
# Run:ai's default is Always for `:latest`; here images are rather imported than pulled.
DEFAULT_PULL_POLICY = "IfNotPresent"
GPU_RESOURCE = "nvidia.com/gpu"
SHARED_MEMORY_PATH = "/dev/shm"

LWS_VERSION = "leaderworkerset.x-k8s.io/v1"
PLURALS = {
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "Job": "jobs",
    "LeaderWorkerSet": "leaderworkersets",
    "Namespace": "namespaces",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Secret": "secrets",
    "Service": "services",
}
# What is made of workloads (claims stay when their workload goes).
WORKLOAD_KINDS = (
    (LWS_VERSION, "LeaderWorkerSet"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
    ("v1", "Service"),
)


def collection_path(version: str, kind: str, namespace: str | None = None) -> str:
    """Return the API path of all objects of a kind."""
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{namespace}/{PLURALS[kind]}" if namespace else f"{root}/{PLURALS[kind]}"


def collection_of(content: Object) -> str:
    """Return the API path below which an object lies."""
    return collection_path(content["apiVersion"], content["kind"], content["metadata"].get("namespace"))


def path_of(content: Object) -> str:
    """Return the API path of an object."""
    return f"{collection_of(content)}/{content['metadata']['name']}"


def pod_path(namespace: str, name: str) -> str:
    """Return the API path of a pod."""
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def labels_of(workload: Workload) -> dict[str, str]:
    """Return the labels of everything that is made of a workload."""
    return {WORKLOAD_LABEL: workload.name, OWN_LABEL: workload.id}
