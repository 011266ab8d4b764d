# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the sandbox's control plane over the test cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.control_plane_client import Client
from support.leaders import PlayedLeaders
from support.runai_on_cluster import RunaiOnCluster

from gpuops_sandbox.testing import RunningSandbox, admin_opener


@pytest.fixture
def client(runai_on_cluster: RunaiOnCluster) -> Client:
    """A client of a sandbox over the cluster, with every switch at its default."""
    state = runai_on_cluster.description
    return Client(RunningSandbox(state, admin_opener(Path(state["ca_path"]))))


@pytest.fixture
def leaders(played_leaders: PlayedLeaders) -> PlayedLeaders:
    """What lets leaders answer."""
    return played_leaders
