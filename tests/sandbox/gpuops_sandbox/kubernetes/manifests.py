# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that stand for a workload. Pure.

A distributed inference is a LeaderWorkerSet, as in Run:ai, but without the ``DistributedInferenceWorkload`` that owns
it there (its schema is not public). A single-pod inference is a Deployment and a Service: stand-ins for Knative, which
is not needed for anything that is tried here; its pods are called as Knative calls them. A training is a Job. The
scheduler is the cluster's own: no gang, no quota, no preemptibility.
"""

from __future__ import annotations

from typing import Any

from gpuops_sandbox.cluster.objects import Kind, Project, Workload
from gpuops_sandbox.cluster.training import DEFAULT_BACKOFF_LIMIT
from gpuops_sandbox.cluster.volumes import claims_of
from gpuops_sandbox.control_plane.switches import CommandSplitting
from gpuops_sandbox.kubernetes.pod_template import claim_name, pod_template
from gpuops_sandbox.kubernetes.vocabulary import (
    LWS_VERSION,
    MEMBER_LABEL,
    OWN_LABEL,
    PREEMPTIBILITY_LABEL,
    PRIORITY_LABEL,
    QUEUE_LABEL,
    REVISION_LABEL,
    WORKLOAD_LABEL,
    Object,
    labels_of,
)

# In the order of the API's fields; the API's default is the first.
ACCESS_MODES = {"readWriteOnce": "ReadWriteOnce", "readOnlyMany": "ReadOnlyMany", "readWriteMany": "ReadWriteMany"}


def namespace_of(project: Project) -> Object:
    """Return a project's namespace."""
    metadata = {"name": project.namespace, "labels": {QUEUE_LABEL: project.name}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def objects_of(workload: Workload, splitting: CommandSplitting) -> list[Object]:
    """Return everything that is made of a workload, what runs first.

    Raises ``ValueError`` where ``command`` or ``args`` cannot be split into words.
    """
    return [running_object(workload, splitting), *serving_service(workload)]


def running_object(workload: Workload, splitting: CommandSplitting) -> Object:
    """Return the object whose controller makes the workload's pods. Raises ``ValueError`` as above."""
    makers = {Kind.DISTRIBUTED: leader_worker_set, Kind.SINGLE: deployment, Kind.TRAINING: job}
    return makers[workload.kind](workload, splitting)


def leader_worker_set(workload: Workload, splitting: CommandSplitting) -> Object:
    """Return the LeaderWorkerSet of a distributed inference."""
    spec = workload.spec
    leader = workload.pod_plan(0)
    follower = workload.pod_plan(1) if spec.get("worker") else leader
    return {
        "apiVersion": LWS_VERSION,
        "kind": "LeaderWorkerSet",
        "metadata": _metadata(workload, workload.name),
        "spec": {
            "replicas": workload.replicas,
            "startupPolicy": spec.get("startupPolicy") or "LeaderCreated",
            "leaderWorkerTemplate": {
                "size": 1 + workload.followers,
                "restartPolicy": spec.get("restartPolicy") or "RecreateGroupOnPodRestart",
                "leaderTemplate": pod_template(workload, leader, splitting),
                "workerTemplate": pod_template(workload, follower, splitting),
            },
        },
    }


def deployment_name(workload: Workload, revision: int) -> str:
    """Return the name of a revision's Deployment, as Knative names it."""
    return f"{workload.name}-{revision:05d}-deployment"


def deployment(workload: Workload, splitting: CommandSplitting) -> Object:
    """Return the Deployment of a single-pod inference's newest revision."""
    revision = {REVISION_LABEL: str(workload.revision)}
    template = pod_template(workload, workload.pod_plan(0), splitting)
    template["metadata"]["labels"] |= revision
    metadata = _metadata(workload, deployment_name(workload, workload.revision))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata | {"labels": metadata["labels"] | revision},
        "spec": {
            "replicas": workload.replicas,
            "selector": {"matchLabels": {OWN_LABEL: workload.id} | revision},
            "template": template,
        },
    }


def job(workload: Workload, splitting: CommandSplitting) -> Object:
    """Return the Job of a training: pods one after another, until one succeeds or the retries are used up."""
    limit = workload.spec.get("backoffLimit")
    template = pod_template(workload, workload.pod_plan(0), splitting)
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(workload, workload.name),
        "spec": {"backoffLimit": DEFAULT_BACKOFF_LIMIT if limit is None else limit, "template": template},
    }


def serving_service(workload: Workload) -> list[Object]:
    """Return the Service of a workload's serving port; none where it has no such port."""
    port = workload.serving_port_number
    if port is None:
        return []
    leads = {MEMBER_LABEL: "0"} if workload.kind is Kind.DISTRIBUTED else {}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata(workload, workload.service_name),
            "spec": {
                "selector": {WORKLOAD_LABEL: workload.name} | leads,
                "ports": [{"name": "serving", "port": port, "targetPort": port}],
            },
        }
    ]


def claims(workload: Workload) -> list[Object]:
    """Return the claims that a workload brings itself (``existingPvc`` false). They stay when it goes."""
    specs = [workload.pod_plan(member).spec for member in range(1 + min(workload.followers, 1))]
    entries = {
        claim_name(workload, entry): entry["claimInfo"]
        for spec in specs
        for entry in claims_of(spec)
        if not entry.get("existingPvc")
    }
    return [claim(workload.project.namespace, name, information) for name, information in entries.items()]


def claim(namespace: str, name: str, information: dict[str, Any]) -> Object:
    """Return a claim by Run:ai's ``claimInfo``; without access modes it is for one machine, as there."""
    modes = information.get("accessModes") or {}
    wanted = [word for field, word in ACCESS_MODES.items() if modes.get(field, field == "readWriteOnce")]
    spec: Object = {"accessModes": wanted, "resources": {"requests": {"storage": information["size"]}}}
    for field, ours in (("storageClass", "storageClassName"), ("volumeMode", "volumeMode")):
        if information.get(field):
            spec[ours] = information[field]
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _metadata(workload: Workload, name: str) -> Object:
    labels = {**labels_of(workload), PRIORITY_LABEL: workload.priority_class}
    if workload.spec.get("preemptibility"):
        labels[PREEMPTIBILITY_LABEL] = workload.spec["preemptibility"]
    return {"name": name, "namespace": workload.project.namespace, "labels": labels}
