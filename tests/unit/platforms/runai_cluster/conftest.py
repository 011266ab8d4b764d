# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload on a scripted control plane, and the API server of the cluster that runs its pods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LiveWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from cluster_server import CANARY_KEY, ClusterServer, told
from runai_examples import NAME
from scripted_server import Answer, Asked, ScriptedServer
from scripted_workload import STATUS, MakePlatform, exists


@pytest.fixture
def cluster() -> Iterator[ClusterServer]:
    """The API server of the project's cluster, with one replica of two running pods."""
    server = ClusterServer()
    yield server
    server.close()


@pytest.fixture
def way(cluster: ClusterServer) -> KubernetesConnection:
    """The way there."""
    return KubernetesConnection(host=cluster.url, api_key=CANARY_KEY, only_stated=True, request_timeout=5)


@pytest.fixture
def seen(server: ScriptedServer, cluster: ClusterServer) -> None:
    """The workload runs, and Run:ai lists the pods that the cluster has."""
    exists(server, createdAt="2026-11-23T11:59:59Z")

    def pods(asked: Asked) -> Answer:
        return Answer(200, {"pods": [told(one) for one in cluster.pods]})

    server.on("GET", f"{STATUS}/pods", pods)


@pytest.fixture
def with_view(make_platform: MakePlatform, way: KubernetesConnection) -> Callable[..., RunaiPlatform]:
    """Return a maker of platforms with a way into the cluster."""

    def make(**changes: Any) -> RunaiPlatform:
        return make_platform(**{"kubernetes": way, **changes})

    return make


@pytest.fixture
def both(with_view: Callable[..., RunaiPlatform], seen: None) -> tuple[RunaiPlatform, LiveWorkload]:
    """A platform with a way into the cluster, and its workload."""
    platform = with_view()
    live = platform.find(NAME)
    assert live is not None
    return platform, live
