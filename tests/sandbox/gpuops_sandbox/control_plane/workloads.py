# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes that know every workload type: list, detail, pods, events, history (facts 5.2, 5.3)."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gpuops_sandbox.cluster.objects import Event, Workload
from gpuops_sandbox.cluster.scheduler import priority_of
from gpuops_sandbox.control_plane.authentication import authenticate
from gpuops_sandbox.control_plane.errors import ApiError
from gpuops_sandbox.control_plane.listing import (
    LIST_PARAMETERS,
    Readers,
    check_parameters,
    descending,
    page,
    select,
    timestamp,
)
from gpuops_sandbox.control_plane.organization import DEPARTMENT, DEPARTMENT_ID
from gpuops_sandbox.control_plane.presentation import (
    category_of,
    shown_in_detail,
    shown_in_list,
    shown_pod,
    type_of,
)
from gpuops_sandbox.control_plane.sandbox import Sandbox, sandbox_of
from gpuops_sandbox.control_plane.submission import found

POD_FILTERS = ["name", "workloadId", "projectId", "clusterId", "nodeName", "k8sPhase", "workloadName"]

router = APIRouter()


def _workload_readers(sandbox: Sandbox) -> Readers[Workload]:
    return {
        "type": lambda one: type_of(sandbox, one),
        "name": lambda one: one.name,
        "clusterId": lambda one: one.cluster_id,
        "projectId": lambda one: one.project.id,
        "projectName": lambda one: one.project.name,
        "departmentId": lambda one: DEPARTMENT_ID,
        "departmentName": lambda one: DEPARTMENT,
        "createdAt": lambda one: timestamp(one.created_at),
        "deletedAt": lambda one: timestamp(one.deleted_at),
        "submittedBy": lambda one: one.created_by,
        "phase": lambda one: one.phase,
        "phaseUpdatedAt": lambda one: timestamp(one.phase_updated_at),
        "category": category_of,
        "priority": priority_of,
        "priorityClassName": lambda one: one.priority_class,
    }


def _pod_readers() -> Readers[dict[str, Any]]:
    return {name: partial(_value, name) for name in POD_FILTERS}


def _value(name: str, item: dict[str, Any]) -> Any:
    return item.get(name)


@router.get("/api/v1/workloads")
async def list_workloads(request: Request) -> JSONResponse:
    """Workloads by ``filterBy``; ``deleted=true`` lists only deleted ones."""
    authenticate(request)
    sandbox = sandbox_of(request)
    parameters = request.query_params
    check_parameters(parameters, parameters.multi_items(), LIST_PARAMETERS | {"deleted"})
    deleted = _truth(parameters.get("deleted"), "deleted")
    workloads = [one for one in sandbox.cluster.workloads.values() if (one.deleted_at is not None) is deleted]
    chosen = select(workloads[::-1], parameters, _workload_readers(sandbox))
    return JSONResponse(page("workloads", chosen, parameters, lambda one: shown_in_list(sandbox, one)))


@router.get("/api/v1/workloads/pods")
async def list_pods(request: Request) -> JSONResponse:
    """Pods of all workloads by ``filterBy``."""
    authenticate(request)
    sandbox = sandbox_of(request)
    parameters = request.query_params
    check_parameters(parameters, parameters.multi_items(), LIST_PARAMETERS | {"verbosity", "deleted"})
    deleted = _truth(parameters.get("deleted"), "deleted")
    items = [pod for one in sandbox.cluster.workloads.values() for pod in _pods(sandbox, one, deleted)]
    return JSONResponse(page("pods", select(items, parameters, _pod_readers()), parameters, dict))


@router.get("/api/v1/workloads/{workload_id}")
async def get_workload(request: Request, workload_id: str) -> JSONResponse:
    """One workload in detail."""
    authenticate(request)
    sandbox = sandbox_of(request)
    return JSONResponse(shown_in_detail(sandbox, found(sandbox, workload_id)))


@router.get("/api/v1/workloads/{workload_id}/pods")
async def workload_pods(request: Request, workload_id: str) -> JSONResponse:
    """The pods of one workload."""
    authenticate(request)
    sandbox = sandbox_of(request)
    parameters = request.query_params
    check_parameters(parameters, parameters.multi_items(), {"deleted", "offset", "limit", "search"})
    items = _pods(sandbox, found(sandbox, workload_id), _truth(parameters.get("deleted"), "deleted"))
    return JSONResponse(page("pods", select(items, parameters, _pod_readers()), parameters, dict))


@router.get("/api/v1/workloads/{workload_id}/events")
async def workload_events(request: Request, workload_id: str) -> JSONResponse:
    """The Kubernetes events of one workload, newest first unless asked otherwise."""
    authenticate(request)
    workload = found(sandbox_of(request), workload_id)
    parameters = request.query_params
    check_parameters(parameters, parameters.multi_items(), {"offset", "limit", "sortOrder", "search"})
    fields: Readers[Event] = {"message": lambda event: event.message, "reason": lambda event: event.reason}
    chosen = select(workload.events, {"search": parameters.get("search", "")}, fields)
    if descending(parameters, "desc"):
        chosen = chosen[::-1]
    return JSONResponse(page("events", chosen, parameters, lambda event: _event(workload, event)))


@router.get("/api/v1/workloads/{workload_id}/history")
async def workload_history(request: Request, workload_id: str) -> JSONResponse:
    """Phase updates and events of one workload, newest first unless asked otherwise."""
    authenticate(request)
    workload = found(sandbox_of(request), workload_id)
    parameters = request.query_params
    check_parameters(parameters, parameters.multi_items(), {"offset", "limit", "sortOrder"})
    records: list[dict[str, Any]] = [
        {
            "meta": {"creationTimestamp": timestamp(update.created_at), "type": "PhaseUpdate"},
            "spec": {"phaseUpdate": {"phase": update.phase, "phaseMessage": update.message}},
        }
        for update in workload.history
    ] + [
        {
            "meta": {"creationTimestamp": timestamp(event.created_at), "type": "Event"},
            "spec": {"event": _event(workload, event)},
        }
        for event in workload.events
    ]
    records.sort(key=lambda record: str(record["meta"]["creationTimestamp"]), reverse=descending(parameters, "desc"))
    return JSONResponse(page("records", records, parameters, dict))


def _pods(sandbox: Sandbox, workload: Workload, deleted: bool) -> list[dict[str, Any]]:
    pods = workload.deleted_pods if deleted else sandbox.cluster.pods_of(workload)
    return [shown_pod(workload, pod) for pod in pods]


def _event(workload: Workload, event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "createdAt": timestamp(event.created_at),
        "clusterId": workload.cluster_id,
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "source": event.source,
        "involvedObject": {
            "uid": event.uid,
            "kind": event.kind,
            "name": event.name,
            "namespace": event.namespace,
        },
    }


def _truth(text: str | None, name: str) -> bool:
    if text not in (None, "true", "false"):
        raise ApiError(400, f"{name}: must be true or false")
    return text == "true"
