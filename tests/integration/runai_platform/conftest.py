# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox over the back end that a test asks for."""

from __future__ import annotations

import pytest
from support.leaders import Leaders, OwnLeaders
from support.runai_on_cluster import RunaiOnCluster
from support.sandbox import SandboxHandle


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> SandboxHandle:
    """The sandbox as at the start; over the test cluster where the parameter says ``on_cluster``."""
    if getattr(request, "param", None) == "on_cluster":
        on_cluster: SandboxHandle = request.getfixturevalue("runai_on_cluster")
        return on_cluster
    simulated: SandboxHandle = request.getfixturevalue("sandbox_server")
    simulated.reset()
    return simulated


@pytest.fixture
def leaders(request: pytest.FixtureRequest, sandbox: SandboxHandle) -> Leaders:
    """What lets the leaders of the sandbox's workloads answer."""
    if isinstance(sandbox, RunaiOnCluster):
        played: Leaders = request.getfixturevalue("played_leaders")
        return played
    return OwnLeaders()
