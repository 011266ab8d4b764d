# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The admin routes. Real Run:ai has none of them: everything under ``/sandbox/`` belongs to the simulator alone.

They need the admin token of the state file in the header ``X-Sandbox-Admin``.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.background import BackgroundTask

from gpuops_sandbox.back_end import Disturbance, NotPossible
from gpuops_sandbox.cluster.objects import Pod
from gpuops_sandbox.control_plane.bodies import json_body
from gpuops_sandbox.control_plane.errors import ApiError, not_found
from gpuops_sandbox.control_plane.faults import FaultError
from gpuops_sandbox.control_plane.sandbox import Sandbox, sandbox_of
from gpuops_sandbox.control_plane.switches import SwitchError

ADMIN_HEADER = "x-sandbox-admin"
DONE: dict[str, Any] = {"done": True}


def only_admin(request: Request) -> None:
    """Refuse whoever has not the admin token."""
    given = request.headers.get(ADMIN_HEADER, "")
    if not hmac.compare_digest(given.encode(), sandbox_of(request).admin_token.encode()):
        raise ApiError(401, f"the simulator's admin routes need the admin token in the header {ADMIN_HEADER}")


router = APIRouter(prefix="/sandbox", dependencies=[Depends(only_admin)])


@router.get("/requests")
async def requests(request: Request) -> JSONResponse:
    """What was asked of the API since the start or the last reset."""
    return JSONResponse(sandbox_of(request).requests.as_json())


@router.delete("/requests")
async def forget_requests(request: Request) -> JSONResponse:
    """Reset the log of requests."""
    sandbox_of(request).requests.clear()
    return JSONResponse(DONE)


@router.post("/faults")
async def add_faults(request: Request) -> JSONResponse:
    """Add fault rules (a list, or one)."""
    faults = sandbox_of(request).faults
    body = await json_body(request)
    try:
        for rule in body if isinstance(body, list) else [body]:
            faults.add(rule)
    except (FaultError, TypeError, ValueError) as error:
        raise ApiError(400, str(error)) from error
    return JSONResponse(faults.as_json())


@router.get("/faults")
async def show_faults(request: Request) -> JSONResponse:
    """The fault rules and how often each matched."""
    return JSONResponse(sandbox_of(request).faults.as_json())


@router.delete("/faults")
async def forget_faults(request: Request) -> JSONResponse:
    """Remove all fault rules and end an outage."""
    faults = sandbox_of(request).faults
    faults.rules.clear()
    faults.outage_until = 0.0
    return JSONResponse(DONE)


@router.post("/outage")
async def outage(request: Request) -> JSONResponse:
    """Drop every API connection for ``seconds``."""
    seconds = float((await _object(request)).get("seconds", 60))
    sandbox_of(request).faults.outage_until = time.monotonic() + seconds
    return JSONResponse({"seconds": seconds})


@router.get("/switches")
async def switches(request: Request) -> JSONResponse:
    """The open points as they are set."""
    return JSONResponse(sandbox_of(request).switches.as_json())


@router.put("/switches")
async def turn_switches(request: Request) -> JSONResponse:
    """Turn some switches; the others stay."""
    sandbox = sandbox_of(request)
    try:
        sandbox.set_switches(await _object(request))
    except SwitchError as error:
        raise ApiError(400, str(error)) from error
    return JSONResponse(sandbox.switches.as_json())


@router.get("/state")
async def state(request: Request) -> JSONResponse:
    """What there is: machines, projects, workloads and their pods."""
    return JSONResponse(await _state(sandbox_of(request)))


@router.post("/pods/{namespace}/{name}/{how}")
async def disturb_pod(request: Request, namespace: str, name: str, how: str) -> JSONResponse:
    """Do something to a pod.

    - ``kill``: delete its object as a lost machine or ``kubectl delete --force`` would; its controller makes it anew
    - ``crash``: kill its processes: its container ends with 137, and the restart policy decides
    - ``pause``, ``resume``: stop its processes (SIGSTOP), so that it stays and answers nothing; let them go on
    """
    cluster = sandbox_of(request).cluster
    pod = cluster.find_pod(namespace, name)
    if pod is None or how not in set(Disturbance):
        raise not_found()
    try:
        await cluster.disturb(pod, Disturbance(how))
    except NotPossible as error:
        raise ApiError(409, str(error)) from error
    return JSONResponse(DONE)


@router.get("/pods/{namespace}/{name}/log")
async def pod_log(request: Request, namespace: str, name: str) -> PlainTextResponse:
    """The pod's log: an aid for tests. Run:ai's API has no logs."""
    text = await sandbox_of(request).cluster.log_of(namespace, name)
    if text is None:
        raise not_found()
    return PlainTextResponse(text)


@router.post("/projects")
async def add_project(request: Request) -> JSONResponse:
    """Make a project: ``{name, namespace?, deserved_gpus?, gpu_limit?}``, or change the quota of an existing one."""
    sandbox = sandbox_of(request)
    body = await _object(request)
    name = _text(body, "name")
    project = sandbox.cluster.project_named(name)
    if project is None:
        namespace = str(body.get("namespace") or f"runai-{name}")
        project = sandbox.cluster.add_project(name, namespace, int(body.get("deserved_gpus", 0)))
    project.deserved_gpus = int(body.get("deserved_gpus", project.deserved_gpus))
    project.gpu_limit = body.get("gpu_limit", project.gpu_limit)
    await sandbox.cluster.follow_project(project)
    return JSONResponse({"id": project.id, "name": name, "namespace": project.namespace})


@router.post("/claims")
async def add_claim(request: Request) -> JSONResponse:
    """Make a PVC: ``{namespace, name}``; answers with its folder, where claims are folders."""
    body = await _object(request)
    folder = await sandbox_of(request).cluster.make_claim(_text(body, "namespace"), _text(body, "name"))
    return JSONResponse({"path": None if folder is None else str(folder)})


@router.delete("/data-sources")
async def forget_data_sources(request: Request) -> JSONResponse:
    """Forget all PVC data sources; claims stay."""
    sandbox_of(request).data_sources.clear()
    return JSONResponse(DONE)


@router.post("/secrets")
async def add_secret(request: Request) -> JSONResponse:
    """Make a secret: ``{namespace, name, data: {key: value}}``."""
    return await _put(request, sandbox_of(request).cluster.put_secret)


@router.post("/config-maps")
async def add_config_map(request: Request) -> JSONResponse:
    """Make a config map: ``{namespace, name, data: {key: value}}``."""
    return await _put(request, sandbox_of(request).cluster.put_config_map)


@router.post("/expire-tokens")
async def expire_tokens(request: Request) -> JSONResponse:
    """Make every token that was issued so far invalid."""
    sandbox_of(request).accounts.expire_all()
    return JSONResponse(DONE)


@router.post("/shutdown")
async def shutdown(request: Request) -> JSONResponse:
    """End the simulator and everything that runs in it."""
    return JSONResponse(DONE, background=BackgroundTask(sandbox_of(request).ending.set))


async def _object(request: Request) -> dict[str, Any]:
    body = await json_body(request)
    if not isinstance(body, dict):
        raise ApiError(400, "a JSON object is needed")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ApiError(400, f"{name}: a text is needed")
    return value


async def _put(request: Request, put: Callable[[str, str, dict[str, str]], Awaitable[None]]) -> JSONResponse:
    body = await _object(request)
    data = body.get("data")
    if not isinstance(data, dict):
        raise ApiError(400, "data: an object of strings is needed")
    await put(_text(body, "namespace"), _text(body, "name"), {str(key): str(value) for key, value in data.items()})
    return JSONResponse(DONE)


async def _state(sandbox: Sandbox) -> dict[str, Any]:
    cluster = sandbox.cluster
    return {
        "simulator": "gpuops_sandbox: a simulator of the Run:ai control plane, not Run:ai",
        "back_end": cluster.description,
        "machines": [{"name": machine.name, "gpus": machine.gpus} for machine in await cluster.machines_now()],
        "projects": [
            {
                "id": project.id,
                "name": project.name,
                "namespace": project.namespace,
                "deserved_gpus": project.deserved_gpus,
                "gpu_limit": project.gpu_limit,
            }
            for project in cluster.projects.values()
        ],
        "workloads": [
            {
                "id": workload.id,
                "name": workload.name,
                "project": workload.project.name,
                "kind": workload.kind.value,
                "phase": workload.phase,
                "deleted": workload.deleted_at is not None,
                "pods": [_pod_state(pod) for pod in cluster.pods_of(workload)],
            }
            for workload in cluster.workloads.values()
        ],
    }


def _pod_state(pod: Pod) -> dict[str, Any]:
    return {
        "name": pod.name,
        "id": pod.id,
        "machine": pod.machine,
        "address": pod.address,
        "phase": pod.kubernetes_phase,
        "ready": pod.ready,
        "restarts": pod.restarts,
        "waiting_reason": pod.waiting_reason,
        "exit_code": pod.exit_code,
        "pid": pod.handle.pid if pod.handle is not None else None,
    }
