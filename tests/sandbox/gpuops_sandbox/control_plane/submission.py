# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes of the workload types: create, get, update, delete (facts 4, 5.1; trainings have no update here)."""

from __future__ import annotations

import secrets
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gpuops_sandbox.cluster.objects import Kind, Workload
from gpuops_sandbox.control_plane import validation
from gpuops_sandbox.control_plane.authentication import authenticate
from gpuops_sandbox.control_plane.bodies import json_body
from gpuops_sandbox.control_plane.errors import ApiError, not_found
from gpuops_sandbox.control_plane.organization import project_of
from gpuops_sandbox.control_plane.presentation import shown_by_type
from gpuops_sandbox.control_plane.sandbox import Sandbox, sandbox_of
from gpuops_sandbox.control_plane.switches import AfterDelete, Version

ACCEPTED = {"code": 202, "message": "Request has been accepted."}
DISTRIBUTED = "/api/v1/workloads/distributed-inferences"
INFERENCES = "/api/v1/workloads/inferences"
TRAININGS = "/api/v1/workloads/trainings"

router = APIRouter()


@router.post(DISTRIBUTED)
async def create_distributed(request: Request) -> JSONResponse:
    """Create a distributed inference."""
    identity = authenticate(request)
    sandbox = sandbox_of(request)
    body = validation.check_distributed_creation(await json_body(request), sandbox.switches)
    return _create(sandbox, Kind.DISTRIBUTED, body, identity.subject)


@router.get(DISTRIBUTED + "/{workload_id}")
async def get_distributed(request: Request, workload_id: str) -> JSONResponse:
    """Show a distributed inference."""
    authenticate(request)
    return _get(sandbox_of(request), Kind.DISTRIBUTED, workload_id)


@router.patch(DISTRIBUTED + "/{workload_id}")
async def update_distributed(request: Request, workload_id: str) -> JSONResponse:
    """Scale a distributed inference: nothing else of it can be updated."""
    authenticate(request)
    sandbox = sandbox_of(request)
    if sandbox.switches.version.before(Version.V2_23):
        raise ApiError(405, "Method Not Allowed")
    body = validation.check_distributed_update(await json_body(request), sandbox.switches)
    workload = _living(sandbox, Kind.DISTRIBUTED, workload_id)
    workload.spec["replicas"] = body["spec"]["replicas"]
    workload.updated_at = time.time()
    sandbox.cluster.scale(workload)
    return JSONResponse(shown_by_type(sandbox, workload), status_code=202)


@router.delete(DISTRIBUTED + "/{workload_id}")
async def delete_distributed(request: Request, workload_id: str) -> JSONResponse:
    """Begin to delete a distributed inference."""
    authenticate(request)
    return _delete(sandbox_of(request), Kind.DISTRIBUTED, workload_id)


@router.post(INFERENCES)
async def create_inference(request: Request) -> JSONResponse:
    """Create a single-pod inference."""
    identity = authenticate(request)
    sandbox = sandbox_of(request)
    body = validation.check_inference_creation(await json_body(request), sandbox.switches)
    return _create(sandbox, Kind.SINGLE, body, identity.subject)


@router.get(INFERENCES + "/{workload_id}")
async def get_inference(request: Request, workload_id: str) -> JSONResponse:
    """Show a single-pod inference."""
    authenticate(request)
    return _get(sandbox_of(request), Kind.SINGLE, workload_id)


@router.patch(INFERENCES + "/{workload_id}")
async def update_inference(request: Request, workload_id: str) -> JSONResponse:
    """Update the fields of a single-pod inference that can be updated; a changed pod is a new revision."""
    authenticate(request)
    sandbox = sandbox_of(request)
    body = validation.check_inference_update(await json_body(request), sandbox.switches)
    workload = _living(sandbox, Kind.SINGLE, workload_id)
    changes: dict[str, Any] = body["spec"]
    before = dict(workload.spec)
    workload.spec |= changes
    workload.updated_at = time.time()
    if any(before.get(key) != value for key, value in changes.items()):
        if set(changes) <= {"autoscaling"}:
            sandbox.cluster.scale(workload)
        else:
            sandbox.cluster.roll(workload)
    return JSONResponse(shown_by_type(sandbox, workload), status_code=202)


@router.delete(INFERENCES + "/{workload_id}")
async def delete_inference(request: Request, workload_id: str) -> JSONResponse:
    """Begin to delete a single-pod inference."""
    authenticate(request)
    return _delete(sandbox_of(request), Kind.SINGLE, workload_id)


@router.post(TRAININGS)
async def create_training(request: Request) -> JSONResponse:
    """Create a training: one pod that runs to its end."""
    identity = authenticate(request)
    sandbox = sandbox_of(request)
    body = validation.check_training_creation(await json_body(request), sandbox.switches)
    return _create(sandbox, Kind.TRAINING, body, identity.subject)


@router.get(TRAININGS + "/{workload_id}")
async def get_training(request: Request, workload_id: str) -> JSONResponse:
    """Show a training."""
    authenticate(request)
    return _get(sandbox_of(request), Kind.TRAINING, workload_id)


@router.delete(TRAININGS + "/{workload_id}")
async def delete_training(request: Request, workload_id: str) -> JSONResponse:
    """Begin to delete a training."""
    authenticate(request)
    return _delete(sandbox_of(request), Kind.TRAINING, workload_id)


def _create(sandbox: Sandbox, kind: Kind, body: dict[str, Any], creator: str) -> JSONResponse:
    project = project_of(sandbox, body["projectId"], body["clusterId"])
    requested = body["name"]
    name = f"{requested}-{secrets.token_hex(3)}" if body.get("useGivenNameAsPrefix") else requested
    if sandbox.cluster.named(project, name) is not None:
        status = int(sandbox.switches.name_conflict_status.value)
        raise ApiError(status, "Resource with this name already exists", f"workload name {name} is in use")
    workload = Workload(kind, name, requested, project, body["clusterId"], body["spec"], creator)
    sandbox.cluster.submit(workload)
    return JSONResponse(shown_by_type(sandbox, workload), status_code=202)


def _get(sandbox: Sandbox, kind: Kind, workload_id: str) -> JSONResponse:
    return JSONResponse(shown_by_type(sandbox, found(sandbox, workload_id, kind)))


def _delete(sandbox: Sandbox, kind: Kind, workload_id: str) -> JSONResponse:
    sandbox.cluster.delete(_living(sandbox, kind, workload_id))
    return JSONResponse(ACCEPTED, status_code=202)


def found(sandbox: Sandbox, workload_id: str, kind: Kind | None = None) -> Workload:
    """Return a workload by id, or raise 404; a deleted one is found only where the switch says so."""
    workload = sandbox.cluster.workloads.get(workload_id)
    if workload is None or (kind is not None and workload.kind is not kind):
        raise not_found()
    if workload.deleted_at is not None and sandbox.switches.get_after_delete is AfterDelete.NOT_FOUND:
        raise not_found()
    return workload


def _living(sandbox: Sandbox, kind: Kind, workload_id: str) -> Workload:
    workload = sandbox.cluster.workloads.get(workload_id)
    if workload is None or workload.kind is not kind or workload.deleted_at is not None:
        raise not_found()
    return workload
