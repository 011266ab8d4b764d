# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application: the simulated Run:ai control plane, and the simulator's admin routes beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from gpuops_sandbox.control_plane import (
    admin,
    authentication,
    data_sources,
    organization,
    storage_classes,
    submission,
    workloads,
)
from gpuops_sandbox.control_plane.errors import ApiError, answer_crash, answer_error, answer_http_error
from gpuops_sandbox.control_plane.faults import FaultMiddleware
from gpuops_sandbox.control_plane.sandbox import Sandbox


def app_for(sandbox: Sandbox) -> FastAPI:
    """Build the control plane's application. Its cluster runs between the start and the end of the lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await sandbox.cluster.start()
        try:
            yield
        finally:
            await sandbox.cluster.stop()

    app = FastAPI(title="Simulator of the Run:ai control plane", openapi_url=None, lifespan=lifespan)
    app.state.sandbox = sandbox
    app.add_middleware(FaultMiddleware, faults=sandbox.faults, log=sandbox.requests)
    app.add_exception_handler(ApiError, answer_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(Exception, answer_crash)
    for part in (authentication, organization, data_sources, storage_classes, submission, workloads, admin):
        app.include_router(part.router)
    return app
