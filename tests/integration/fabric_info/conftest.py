# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test cluster with the kinds that speak of fabrics, and machines that show one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.cluster import ClusterHandle
from support.fabric_objects import delete_all, serve, unserve
from support.fabric_scenes import FabricCluster


@pytest.fixture(scope="module")
def _served_kinds(cluster_server: ClusterHandle) -> Iterator[None]:
    cluster_server.needs_played_pods()
    cluster_server.reset()
    serve(cluster_server)
    yield
    unserve(cluster_server)


@pytest.fixture
def fabric_cluster(_served_kinds: None, cluster: ClusterHandle) -> FabricCluster:
    """The cluster with all kinds and no object of them."""
    delete_all(cluster)
    return FabricCluster(cluster)
