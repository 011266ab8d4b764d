# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How workloads and their pods look in answers (facts 4.2, 5.2, 5.3), under the switches in force."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import BaseModel

from gpuops_sandbox.cluster.objects import CLUSTER_ID, NODE_POOL, Kind, Pod, Workload
from gpuops_sandbox.cluster.scheduler import priority_of
from gpuops_sandbox.control_plane import models
from gpuops_sandbox.control_plane.listing import timestamp
from gpuops_sandbox.control_plane.organization import DEPARTMENT, DEPARTMENT_ID, TENANT_ID
from gpuops_sandbox.control_plane.sandbox import Sandbox
from gpuops_sandbox.control_plane.switches import EndpointsShape, Version

IN_CLUSTER_DOMAIN = "svc.cluster.local"
CATEGORY = "Deploy"
CREATION = {
    Kind.DISTRIBUTED: models.DISTRIBUTED_CREATION,
    Kind.SINGLE: models.INFERENCE_CREATION,
    Kind.TRAINING: models.TRAINING_CREATION,
}
SECRETIVE = {"secret", "userCredential", "configMap", "podFieldRef"}


def shown_by_type(sandbox: Sandbox, workload: Workload) -> dict[str, Any]:
    """Return the answer of the type's own routes: ``DistributedInference`` or ``Inference1``."""
    return {
        "name": workload.name,
        "requestedName": workload.requested_name,
        "workloadId": workload.id,
        "projectId": workload.project.id,
        "departmentId": DEPARTMENT_ID,
        "clusterId": workload.cluster_id,
        "createdBy": workload.created_by,
        "createdAt": timestamp(workload.created_at),
        "deletedAt": timestamp(workload.deleted_at),
        "desiredPhase": workload.desired_phase,
        "actualPhase": workload.phase,
        "spec": _spec(sandbox, workload),
    }


def shown_in_list(sandbox: Sandbox, workload: Workload) -> dict[str, Any]:
    """Return an entry of ``GET /api/v1/workloads``."""
    body = _workload(sandbox, workload)
    if not sandbox.switches.list_carries_endpoints:
        for field in ("urls", "endpoints", "externalConnections"):
            body.pop(field, None)
    return body


def shown_in_detail(sandbox: Sandbox, workload: Workload) -> dict[str, Any]:
    """Return ``GET /api/v1/workloads/{id}``: the list's entry and why it is not scheduled."""
    body = _workload(sandbox, workload)
    messages = []
    if workload.phase_reason is not None:
        limit = workload.phase_reason == "OverLimit"
        what = "the GPU limit" if limit else "the limit of non-preemptible resources"
        message = f"You have reached {what} of project {workload.project.name}. {workload.phase_message}"
        messages.append(
            {
                "nodePool": NODE_POOL,
                "phaseReason": workload.phase_reason,
                "reason": workload.phase_message,
                "orgType": "PROJECT",
                "userMessage": sandbox.switches.scheduler_message or message,
            }
        )
    return body | {"pendingSchedulingMessages": messages}


def endpoint_url(sandbox: Sandbox, workload: Workload) -> str | None:
    """Return the serving address: outside where it is external, else the in-cluster one; None without serving port."""
    port = workload.serving_port_number
    if workload.serving_port is None:
        return None
    if workload.external:
        return f"{sandbox.endpoint_base}/{workload.project.namespace}/{workload.name}"
    return f"http://{workload.service_name}.{workload.project.namespace}.{IN_CLUSTER_DOMAIN}:{port}"


def shown_pod(workload: Workload, pod: Pod) -> dict[str, Any]:
    """Return a pod of a workload."""
    compute = pod.plan.spec.get("compute") or {}
    extended = [
        {"resource": entry["resource"], "quantity": entry["quantity"]}
        for entry in compute.get("extendedResources") or []
    ]
    container = {"name": "workload", "image": pod.plan.image, "startedAt": timestamp(pod.started_at)}
    return {
        "name": pod.name,
        "id": pod.id,
        "workloadId": workload.id,
        "workloadName": workload.name,
        "clusterId": workload.cluster_id,
        "projectId": workload.project.id,
        "projectName": workload.project.name,
        "tenantId": TENANT_ID,
        "priorityClassName": workload.priority_class,
        "nodeName": pod.machine,
        "k8sPhase": pod.kubernetes_phase,
        "k8sPhaseUpdatedAt": timestamp(pod.updated_at),
        "createdAt": timestamp(pod.created_at),
        "updatedAt": timestamp(pod.updated_at),
        "completedAt": timestamp(pod.completed_at),
        "deletedAt": timestamp(pod.deleted_at),
        "containers": [container],
        "currentNodePool": NODE_POOL if pod.machine else None,
        "requestedNodePools": [NODE_POOL],
        "requestedResources": {"gpu": {"request": pod.plan.gpus, "limit": None}, "extendedResources": extended},
        "allocatedResources": {"gpu": pod.plan.gpus if pod.machine else 0},
        "ip": pod.address,
        "tolerations": [],
    }


def _workload(sandbox: Sandbox, workload: Workload) -> dict[str, Any]:
    pods = sandbox.cluster.pods_of(workload)
    leader = workload.pod_plan(0).spec
    size = 1 + workload.followers
    requested = {"gpu": {"request": sum(workload.pod_plan(member).gpus for member in range(size)) * workload.replicas}}
    body: dict[str, Any] = {
        "tenantId": TENANT_ID,
        "id": workload.id,
        "name": workload.name,
        "type": type_of(sandbox, workload),
        "clusterId": workload.cluster_id,
        "projectId": workload.project.id,
        "projectName": workload.project.name,
        "departmentId": DEPARTMENT_ID,
        "departmentName": DEPARTMENT,
        "namespace": workload.project.namespace,
        "submittedBy": workload.created_by,
        "source": "Control-plane",
        "sourceApi": None,
        "category": category_of(workload),
        "priority": priority_of(workload),
        "priorityClassName": workload.priority_class,
        "preemptible": workload.preemptible,
        "phase": workload.phase,
        "phaseMessage": workload.phase_message,
        "phaseReason": workload.phase_reason,
        "phaseUpdatedAt": timestamp(workload.phase_updated_at),
        "k8sPhase": workload.phase,
        "k8sPhaseUpdatedAt": timestamp(workload.phase_updated_at),
        "conditions": [],
        "createdAt": timestamp(workload.created_at),
        "updatedAt": timestamp(workload.updated_at),
        "deletedAt": timestamp(workload.deleted_at),
        "completedAt": timestamp(workload.phase_updated_at) if workload.outcome is not None else None,
        "runningPods": sum(pod.running for pod in pods),
        "requestedPods": {"number": size * workload.replicas},
        "requestedNodePools": [NODE_POOL],
        "currentNodePools": [NODE_POOL] if any(pod.machine for pod in pods) else [],
        "workloadRequestedResources": requested,
        "podsRequestedResources": {"gpu": {"request": workload.pod_plan(0).gpus}},
        "allocatedResources": {"gpu": sum(pod.plan.gpus for pod in pods if pod.machine)},
        "actionsSupport": {"delete": True, "suspend": False},
        "images": sorted({workload.pod_plan(member).image for member in range(size)}),
        "command": leader.get("command"),
        "arguments": leader.get("args"),
        "environmentVariables": _environment(leader),
        "childrenIds": [],
        "datasources": [],
        "environments": [],
        "externalConnections": _connections(sandbox, workload),
        "distributedFramework": "LWS" if workload.kind is Kind.DISTRIBUTED else None,
    }
    return body | _addresses(sandbox, workload)


def type_of(sandbox: Sandbox, workload: Workload) -> str:
    """Return the type of a workload as the API names it."""
    if workload.kind is Kind.DISTRIBUTED:
        return sandbox.switches.workload_type_literal
    return "Training" if workload.kind is Kind.TRAINING else "Inference"


def category_of(workload: Workload) -> str:
    """Return the category of a workload: its own, or that of its type."""
    return str(workload.spec.get("category") or ("Train" if workload.kind is Kind.TRAINING else CATEGORY))


def _addresses(sandbox: Sandbox, workload: Workload) -> dict[str, Any]:
    url = endpoint_url(sandbox, workload)
    shape = sandbox.switches.endpoints_shape
    addresses = [] if url is None else [url]
    if shape is EndpointsShape.URLS_ONLY:
        return {"urls": addresses}
    if shape is EndpointsShape.URLS_AND_STRINGS:
        return {"urls": addresses, "endpoints": addresses}
    objects = [{"url": address, "external": workload.external, "name": "serving"} for address in addresses]
    return {"endpoints": objects}


def _connections(sandbox: Sandbox, workload: Workload) -> list[dict[str, Any]]:
    url, port = endpoint_url(sandbox, workload), workload.serving_port
    if url is None or port is None:
        return []
    return [
        {
            "name": "serving",
            "toolType": "inference",
            "connectionType": "ExternalUrl" if workload.external else "ClusterIP",
            "url": url,
            "authorizationType": port.get("authorizationType") or "public",
            "authorizedUsers": port.get("authorizedUsers") or [],
            "authorizedGroups": port.get("authorizedGroups") or [],
            "containerPort": workload.serving_port_number,
        }
    ]


def _environment(spec: dict[str, Any]) -> dict[str, str]:
    return {
        entry["name"]: entry.get("value") or ""
        for entry in spec.get("environmentVariables") or []
        if not SECRETIVE & {key for key, value in entry.items() if value}
    }


def _spec(sandbox: Sandbox, workload: Workload) -> dict[str, Any]:
    """Return the spec: as it was sent, or as servers tend to give it back (defaults filled in, nulls for the rest)."""
    spec = copy.deepcopy(workload.spec)
    if not sandbox.switches.spec_returned_with_nulls:
        return spec
    creation = CREATION[workload.kind]
    body = {"name": workload.name, "projectId": workload.project.id, "clusterId": CLUSTER_ID, "spec": spec}
    shown: BaseModel = creation.model_validate(body)
    filled: dict[str, Any] = shown.model_dump(mode="json", by_alias=True)["spec"]
    port = filled.get("servingPort")
    if port is not None:
        port["authorizationType"] = port.get("authorizationType") or "public"
    for pod in (filled, filled.get("leader"), filled.get("worker")):
        if pod is not None and pod.get("image"):
            default = "Always" if pod["image"].endswith(":latest") else "IfNotPresent"
            pod["imagePullPolicy"] = pod.get("imagePullPolicy") or default
    if sandbox.switches.version.before(Version.V2_24):
        filled.pop("preemptibility", None)
    filled["priorityClass"] = workload.priority_class
    filled["category"] = category_of(workload)
    return filled
