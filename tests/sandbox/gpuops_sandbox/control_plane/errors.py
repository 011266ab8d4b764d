# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run:ai's error bodies (facts 2.4)."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse


class ApiError(Exception):
    """An answer with an ``Error`` body. ``extra`` joins the body (``complianceIssues``)."""

    def __init__(
        self, status: int, message: str, details: str | None = None, extra: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.extra = extra or {}


def not_found() -> ApiError:
    """Return the 404 of an id that does not exist."""
    return ApiError(404, "Resource id not found.")


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Turn an ``ApiError`` into its answer."""
    if not isinstance(error, ApiError):
        raise error
    body: dict[str, Any] = {"code": error.status, "message": error.message}
    if error.details is not None:
        body["details"] = error.details
    return JSONResponse(body | error.extra, status_code=error.status)


async def answer_crash(request: Request, error: Exception) -> JSONResponse:
    """Answer what Run:ai answers when its own code fails; the traceback goes to the simulator's log."""
    return JSONResponse({"code": 500, "message": "Something went wrong."}, status_code=500)


async def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """Give FastAPI's own refusals (no such route, wrong method) Run:ai's body."""
    status = int(getattr(error, "status_code", 500))
    detail = str(getattr(error, "detail", "Something went wrong."))
    return JSONResponse({"code": status, "message": detail}, status_code=status)
