# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bare application, called without a socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from support.control_plane_client import distributed_body

from gpuops_sandbox.choice import choose_sandbox
from gpuops_sandbox.control_plane.app import app_for
from gpuops_sandbox.control_plane.faults import ConnectionDropped
from gpuops_sandbox.control_plane.switches import Switches


async def talk(folder: Path) -> tuple[int, int, list[str]]:
    app = app_for(choose_sandbox(folder, Switches(creation_seconds=0)))
    accounts = app.state.sandbox.accounts
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://sandbox") as http:
            form = {"grant_type": "client_credentials", "client_id": accounts.client_id}
            answer = await http.post("/api/v2/token", data=form | {"client_secret": accounts.client_secret})
            http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            created = await http.post("/api/v1/workloads/distributed-inferences", json=distributed_body())
            app.state.sandbox.faults.add({"action": {"type": "reset"}})
            with pytest.raises(ConnectionDropped):
                await http.get("/api/v1/workloads")
            listed = await http.get("/api/v1/workloads")
            return answer.status_code, created.status_code, [one["name"] for one in listed.json()["workloads"]]


def test_the_application_answers_in_process(tmp_path: Path) -> None:
    assert asyncio.run(talk(tmp_path)) == (200, 202, ["my-llm"])
