# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's whole state, shared by the API, the endpoint and the admin routes."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request

from gpuops_sandbox.back_end import BackEnd
from gpuops_sandbox.cluster.objects import DataSource
from gpuops_sandbox.control_plane.authentication import Accounts
from gpuops_sandbox.control_plane.faults import Faults
from gpuops_sandbox.control_plane.request_log import RequestLog
from gpuops_sandbox.control_plane.switches import Switches

PROJECT = "my-project"
NAMESPACE = "runai-my-project"
CLAIM = "my-project-models"
USER = "researcher@example.com"
USER_GROUPS = ("ml-engineers",)


@dataclass
class Sandbox:
    """Everything that lives as long as the simulator."""

    cluster: BackEnd
    accounts: Accounts
    faults: Faults
    requests: RequestLog
    state_directory: Path
    endpoint_base: str = "https://localhost"
    admin_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    user_password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    data_sources: dict[str, DataSource] = field(default_factory=dict)
    started_at: float = field(default_factory=time.time)
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def switches(self) -> Switches:
        """The open points, as they are set now."""
        return self.cluster.switches

    def set_switches(self, values: dict[str, Any]) -> None:
        """Turn switches; every workload's phase is looked at again."""
        self.cluster.switches = self.cluster.switches.changed(values)
        for workload in self.cluster.workloads.values():
            workload.event_repeat_seconds = self.switches.event_repeat_seconds
            self.cluster.changed(workload)


def make_sandbox(cluster: BackEnd, state_directory: Path, deserved_gpus: int) -> Sandbox:
    """Build the control plane's state over a back end: one project, which owns so many GPUs, and one user."""
    cluster.add_project(PROJECT, NAMESPACE, deserved_gpus)
    sandbox = Sandbox(cluster, Accounts(), Faults(), RequestLog(), state_directory)
    sandbox.accounts.add_user(USER, sandbox.user_password, USER_GROUPS)
    return sandbox


def sandbox_of(request: Request) -> Sandbox:
    """Return the simulator behind a request."""
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox
