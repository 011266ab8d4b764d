# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading request bodies."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

from gpuops_sandbox.control_plane.errors import ApiError


async def json_body(request: Request) -> Any:
    """Return the JSON body of a request, or raise 400."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ApiError(400, "header Content-Type has unexpected value: application/json is needed")
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise ApiError(400, "request body has an error: it is not JSON") from error
