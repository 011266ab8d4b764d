# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads of the test cluster whose leaders really answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from served_workloads import KEY, ServedWorkloads
from support.cluster import ClusterHandle
from support.leader_server import LeaderServer, own_address


@pytest.fixture
def server() -> Iterator[LeaderServer]:
    """What the leaders' address leads to, from the API server."""
    server = LeaderServer(own_address())
    yield server
    server.end()


@pytest.fixture
def forwarded(cluster: ClusterHandle) -> Iterator[LeaderServer]:
    """What port-forward leads to, whatever the pod: an engine that asks for a key."""
    server = LeaderServer("127.0.0.1", cluster.description["ports"]["forward"], api_key=KEY)
    yield server
    server.end()


@pytest.fixture
def served(cluster: ClusterHandle, server: LeaderServer) -> ServedWorkloads:
    """Makes workloads whose leaders are at the server."""
    return ServedWorkloads(cluster, server)
