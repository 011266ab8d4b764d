# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters and projects (facts 3.1, 3.2)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gpuops_sandbox.cluster.objects import CLUSTER_ID, CLUSTER_NAME, NODE_POOL, Project
from gpuops_sandbox.control_plane.authentication import authenticate
from gpuops_sandbox.control_plane.errors import ApiError, not_found
from gpuops_sandbox.control_plane.listing import LIST_PARAMETERS, Readers, check_parameters, page, select, timestamp
from gpuops_sandbox.control_plane.sandbox import Sandbox, sandbox_of

DEPARTMENT_ID = "7"
DEPARTMENT = "default"
TENANT_ID = 1000
NODE_POOL_ID = "1"

router = APIRouter()


@router.get("/api/v1/clusters")
async def list_clusters(request: Request) -> JSONResponse:
    """All clusters: a bare array without filter or pages."""
    authenticate(request)
    check_parameters(
        request.query_params, request.query_params.multi_items(), {"verbosity", "includeRequestedForDelete"}
    )
    return JSONResponse([_cluster(sandbox_of(request), request.query_params.get("verbosity", "full"))])


@router.get("/api/v1/clusters/{cluster_id}")
async def get_cluster(request: Request, cluster_id: str) -> JSONResponse:
    """One cluster."""
    authenticate(request)
    if cluster_id != CLUSTER_ID:
        raise not_found()
    return JSONResponse(_cluster(sandbox_of(request), "full"))


@router.get("/api/v1/org-unit/projects")
async def list_projects(request: Request) -> JSONResponse:
    """Projects by ``filterBy``."""
    authenticate(request)
    sandbox = sandbox_of(request)
    parameters = request.query_params
    check_parameters(parameters, parameters.multi_items(), LIST_PARAMETERS)
    projects = [_project(sandbox, project) for project in sandbox.cluster.projects.values()]
    readers: Readers[dict[str, Any]] = {
        "name": lambda item: item["name"],
        "clusterId": lambda item: item["clusterId"],
        "departmentId": lambda item: item["parentId"],
        "parentId": lambda item: item["parentId"],
        "parentName": lambda item: item["parent"]["name"],
        "phase": lambda item: item["status"]["phase"],
        "totalGpuQuota": lambda item: item["totalResources"]["gpuQuota"],
        "gpuAllocated": lambda item: item["status"]["quotaStatus"]["allocated"]["gpu"],
        "createdAt": lambda item: item["createdAt"],
    }
    return JSONResponse(page("projects", select(projects, parameters, readers), parameters, dict))


@router.get("/api/v1/org-unit/projects/{project_id}")
async def get_project(request: Request, project_id: str) -> JSONResponse:
    """One project."""
    authenticate(request)
    sandbox = sandbox_of(request)
    project = sandbox.cluster.projects.get(project_id)
    if project is None:
        raise not_found()
    return JSONResponse(_project(sandbox, project))


def project_of(sandbox: Sandbox, project_id: str, cluster_id: str) -> Project:
    """Return the project that a create body names, or raise what Run:ai answers to a wrong one."""
    project = sandbox.cluster.projects.get(project_id)
    if project is None:
        raise ApiError(403, "You do not have sufficient permissions.")
    if cluster_id != CLUSTER_ID:
        raise ApiError(400, f"project {project_id} does not belong to cluster {cluster_id}")
    return project


def _cluster(sandbox: Sandbox, verbosity: str) -> dict[str, Any]:
    if verbosity not in ("metadata", "full"):
        raise ApiError(400, "verbosity: must be metadata or full")
    switches = sandbox.switches
    body: dict[str, Any] = {
        "uuid": CLUSTER_ID,
        "tenantId": TENANT_ID,
        "name": CLUSTER_NAME,
        "domain": "localhost",
        "version": f"{switches.version.value}.0",
        "createdAt": timestamp(sandbox.started_at),
        "updatedAt": timestamp(sandbox.started_at),
        "deletedAt": None,
        "lastLiveness": timestamp(sandbox.started_at),
    }
    if verbosity == "full":
        body["status"] = {
            "state": "Connected",
            "platform": {"type": "vanilla", "kubeVersion": sandbox.cluster.kubernetes_version},
            "config": {"workloadOwnershipProtection": False, "subdomainEnabled": False, "ingressClass": "nginx"},
            "dependencies": {
                "required": {"prometheus": {"available": True}},
                "optional": {
                    "lws": {"available": switches.lws_installed},
                    "knative": {"available": switches.inference_available},
                },
            },
            "conditions": [],
            "operands": {},
        }
    return body


def _project(sandbox: Sandbox, project: Project) -> dict[str, Any]:
    allocated, fixed, requested = sandbox.cluster.gpus_of(project)
    resources = {
        "nodePool": {"id": NODE_POOL_ID, "name": NODE_POOL},
        "gpu": {"deserved": project.deserved_gpus, "limit": project.gpu_limit, "overQuotaWeight": 2},
        "cpu": {"deserved": None, "limit": None, "overQuotaWeight": 2},
        "memory": {"deserved": None, "limit": None, "overQuotaWeight": 2, "units": "Mib"},
        "priority": None,
    }
    quota = {
        "allocated": {"gpu": allocated, "cpu": 0, "memory": 0},
        "allocatedNonPreemptible": {"gpu": fixed, "cpu": 0, "memory": 0},
        "requested": {"gpu": requested, "cpu": 0, "memory": 0},
    }
    return {
        "id": project.id,
        "name": project.name,
        "clusterId": CLUSTER_ID,
        "parentId": DEPARTMENT_ID,
        "parent": {"id": DEPARTMENT_ID, "name": DEPARTMENT},
        "requestedNamespace": None,
        "enforceRunaiScheduler": True,
        "description": "",
        "schedulingRules": None,
        "defaultNodePools": [NODE_POOL],
        "nodeTypes": {"training": None, "workspace": None},
        "resources": [resources],
        "totalResources": {"gpuQuota": project.deserved_gpus, "cpuQuota": None, "memoryQuota": None},
        "createdAt": timestamp(project.created_at),
        "updatedAt": timestamp(project.created_at),
        "createdBy": "sandbox",
        "updatedBy": "sandbox",
        "status": {
            "namespace": project.namespace,
            "phase": "Ready",
            "phaseMessage": "",
            "quotaStatus": quota,
            "nodePoolQuotaStatuses": [{"nodePoolName": NODE_POOL} | quota],
            "additionalStatusData": {},
        },
    }
