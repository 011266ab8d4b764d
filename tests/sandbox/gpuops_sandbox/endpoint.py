# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The serving endpoint: what Run:ai's ingress does for a workload's external address.

Run:ai gives every workload a host of its own (``https://<name>-<namespace>.<domain>``). Such names cannot resolve here,
so the simulator uses a path of its own: ``https://localhost:<port>/<namespace>/<name>/...``. The access rule of the
serving port is enforced; the request goes to the ready leaders in turn; ``Authorization`` is not handed on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from gpuops_sandbox.cluster.objects import Pod, Workload
from gpuops_sandbox.control_plane.authentication import Identity, bearer_of
from gpuops_sandbox.control_plane.sandbox import Sandbox, sandbox_of

LONGEST_ANSWER_SECONDS = 600.0
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "content-length", "host"}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def create_endpoint_app(sandbox: Sandbox) -> FastAPI:
    """Build the endpoint's application."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.sandbox = sandbox
    app.state.turn = itertools.count()
    app.add_api_route("/{namespace}/{name}", serve, methods=METHODS)
    app.add_api_route("/{namespace}/{name}/{path:path}", serve, methods=METHODS)
    return app


async def serve(request: Request, namespace: str, name: str, path: str = "") -> Response:
    """Check the caller, then hand the request to a ready leader."""
    sandbox = sandbox_of(request)
    workload = _served(sandbox, namespace, name)
    if workload is None:
        return _refuse(404, "no workload is served here")
    refusal = _access(sandbox, workload, request)
    if refusal is not None:
        return refusal
    leaders = [pod for pod in sandbox.cluster.pods_of(workload) if pod.is_leader and pod.ready]
    port = workload.serving_port_number
    if not leaders or port is None:
        return _refuse(503, "no healthy upstream")
    turn: Iterator[int] = request.app.state.turn
    return await _forward(sandbox, request, leaders[next(turn) % len(leaders)], port, path)


def _served(sandbox: Sandbox, namespace: str, name: str) -> Workload | None:
    for workload in sandbox.cluster.workloads.values():
        if (workload.project.namespace, workload.name) == (namespace, name) and workload.deletion_requested_at is None:
            return workload if workload.external else None
    return None


def _access(sandbox: Sandbox, workload: Workload, request: Request) -> JSONResponse | None:
    port = workload.serving_port or {}
    rule = port.get("authorizationType") or "public"
    if rule == "public":
        return None
    token = bearer_of(request)
    identity = sandbox.accounts.identify(token) if token else None
    if identity is None:
        return _refuse(401, "Unauthorized")
    if rule == "authenticatedUsers" or _listed(port, identity):
        return None
    return _refuse(403, "Forbidden")


def _listed(port: dict[str, list[str]], identity: Identity) -> bool:
    users, groups = port.get("authorizedUsers") or [], port.get("authorizedGroups") or []
    return identity.subject in users or bool(set(groups) & set(identity.groups))


async def _forward(sandbox: Sandbox, request: Request, pod: Pod, port: int, path: str) -> Response:
    target = f"/{path}" + (f"?{request.url.query}" if request.url.query else "")
    dropped = HOP_BY_HOP | {"authorization"}
    headers = tuple((key, value) for key, value in request.headers.items() if key.lower() not in dropped)
    try:
        body = await request.body()
        reply = await sandbox.cluster.ask(pod, port, request.method, target, headers, body, LONGEST_ANSWER_SECONDS)
    except TimeoutError:
        return _refuse(504, "upstream request timeout")
    except ConnectionError:
        return _refuse(503, "upstream connect error or disconnect/reset before headers")
    kept = {key: value for key, value in reply.headers if key not in HOP_BY_HOP}
    return Response(reply.body, status_code=reply.status, headers=kept)


def _refuse(status: int, message: str) -> JSONResponse:
    return JSONResponse({"code": status, "message": message}, status_code=status)
