# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PVC data sources of project scope: create, list, get, update, delete (facts 5.4)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gpuops_sandbox.cluster.objects import CLUSTER_ID, DataSource, Project
from gpuops_sandbox.control_plane import validation
from gpuops_sandbox.control_plane.authentication import authenticate
from gpuops_sandbox.control_plane.bodies import json_body
from gpuops_sandbox.control_plane.errors import ApiError, not_found
from gpuops_sandbox.control_plane.listing import check_parameters, timestamp
from gpuops_sandbox.control_plane.organization import TENANT_ID
from gpuops_sandbox.control_plane.sandbox import Sandbox, sandbox_of
from gpuops_sandbox.control_plane.storage_classes import CLASSES
from gpuops_sandbox.control_plane.submission import ACCEPTED
from gpuops_sandbox.control_plane.switches import ShownClaim

PATH = "/api/v1/asset/datasource/pvc"
PARAMETERS = {
    *("name", "scope", "projectId", "departmentId", "clusterId", "usageInfo", "statusInfo", "assetIds"),
    *("complyToProject", "complyToWorkloadType", "complyToReplicaType"),
}
NOT_CREATED = ("Issues found", ("NotCreated",))
WELL = ("No issues found", ())

router = APIRouter()


@router.post(PATH)
async def create_data_source(request: Request) -> JSONResponse:
    """Create a data source; its claim is made in the cluster at once, unless there is one."""
    identity = authenticate(request)
    sandbox = sandbox_of(request)
    body = validation.check_data_source_creation(await json_body(request), sandbox.switches)
    meta = body["meta"]
    if meta["scope"] != "project":
        raise ApiError(403, "You do not have sufficient permissions.")
    project = sandbox.cluster.projects.get(str(meta["projectId"]))
    if project is None or meta.get("clusterId") not in (None, CLUSTER_ID):
        raise not_found()
    if any(one.meta["name"] == meta["name"] for one in _of_project(sandbox, project)):
        raise ApiError(409, "Resource with this name already exists")
    source = DataSource(project, meta, body["spec"], identity.subject)
    sandbox.data_sources[source.id] = source
    sandbox.cluster.spawn(_bring_up(sandbox, source))
    return JSONResponse(_shown(sandbox, source, set()), status_code=202)


@router.get(PATH)
async def list_data_sources(request: Request) -> JSONResponse:
    """The data sources, without pages."""
    authenticate(request)
    sandbox = sandbox_of(request)
    parameters = request.query_params
    check_parameters(parameters, parameters.multi_items(), PARAMETERS)
    extras = {name for name in ("usageInfo", "statusInfo") if parameters.get(name) == "true"}
    if not (parameters.get("projectId") or "0").isdigit():
        raise ApiError(400, "projectId: must be a whole number")
    chosen = [
        one
        for one in sandbox.data_sources.values()
        if parameters.get("name") in (None, one.meta["name"])
        and parameters.get("projectId") in (None, one.project.id)
        and parameters.get("scope") in (None, "project")
    ]
    return JSONResponse({"entries": [_shown(sandbox, one, extras) for one in chosen]})


@router.get(PATH + "/{asset_id}")
async def get_data_source(request: Request, asset_id: str) -> JSONResponse:
    """One data source."""
    authenticate(request)
    sandbox = sandbox_of(request)
    return JSONResponse(_shown(sandbox, _found(sandbox, asset_id), {"usageInfo", "statusInfo"}))


@router.put(PATH + "/{asset_id}")
async def update_data_source(request: Request, asset_id: str) -> JSONResponse:
    """Change name, description and path: nothing else can be."""
    authenticate(request)
    sandbox = sandbox_of(request)
    body = validation.check_data_source_update(await json_body(request), sandbox.switches)
    source = _found(sandbox, asset_id)
    source.meta = {**source.meta, **body["meta"]}
    source.spec = {**source.spec, **(body.get("spec") or {})}
    source.updated_at = time.time()
    return JSONResponse(_shown(sandbox, source, set()), status_code=202)


@router.delete(PATH + "/{asset_id}")
async def delete_data_source(request: Request, asset_id: str) -> JSONResponse:
    """Begin to delete a data source, and the claim that was made for it."""
    authenticate(request)
    sandbox = sandbox_of(request)
    source = _found(sandbox, asset_id)
    if source.status != "Deleting":
        source.status, source.issues = "Deleting", ()
        sandbox.cluster.spawn(_take_down(sandbox, source))
    return JSONResponse(ACCEPTED, status_code=202)


async def _bring_up(sandbox: Sandbox, source: DataSource) -> None:
    await asyncio.sleep(sandbox.switches.creation_seconds)
    namespace, name = source.project.namespace, source.claim
    has_claim = await sandbox.cluster.has_claim(namespace, name)
    information = source.spec.get("claimInfo") or {}
    if not has_claim and not source.spec.get("existingPvc") and information.get("storageClass") in (None, *CLASSES):
        await sandbox.cluster.make_claim(namespace, name, information)
        has_claim = True
    if source.status == "Creating":
        source.status, source.issues = WELL if has_claim else NOT_CREATED


async def _take_down(sandbox: Sandbox, source: DataSource) -> None:
    await asyncio.sleep(sandbox.switches.deletion_seconds)
    if not source.spec.get("existingPvc"):
        await sandbox.cluster.remove_claim(source.project.namespace, source.claim)
    sandbox.data_sources.pop(source.id, None)


def _of_project(sandbox: Sandbox, project: Project) -> list[DataSource]:
    return [one for one in sandbox.data_sources.values() if one.project is project]


def _found(sandbox: Sandbox, asset_id: str) -> DataSource:
    source = sandbox.data_sources.get(asset_id)
    if source is None:
        raise not_found()
    return source


def _shown(sandbox: Sandbox, source: DataSource, extras: set[str]) -> dict[str, Any]:
    """Return a data source as runapy's ``PVCAsset`` has it."""
    where = sandbox.switches.claim_shown_in
    spec = dict(source.spec)
    if where is ShownClaim.CLUSTER_INFO:
        spec.pop("claimName", None)
    else:
        spec["claimName"] = source.claim
    shown: dict[str, Any] = {
        "meta": {
            **source.meta,
            "id": source.id,
            "kind": "pvc",
            "tenantId": TENANT_ID,
            "projectName": source.project.name,
            "createdBy": source.created_by,
            "createdAt": timestamp(source.created_at),
            "updatedBy": source.created_by,
            "updatedAt": timestamp(source.updated_at),
            "deletedAt": None,
        },
        "spec": spec,
    }
    if where is not ShownClaim.SPEC:
        shown["clusterInfo"] = {"resources": [{"name": source.claim}]}
    if "statusInfo" in extras:
        scope = {"scopeId": source.project.id, "scopeType": "project"}
        shown["status"] = {"status": source.status, "issues": [{**scope, "issue": one} for one in source.issues]}
    if "usageInfo" in extras:
        # Workloads of this simulator name claims themselves, without an asset.
        shown["usedBy"] = {"workspaces": [], "trainings": [], "distributed": [], "inferences": []}
    return shown
