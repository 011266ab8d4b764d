# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the leaders of workloads answer HTTP, whatever their pods are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from support.cluster import ClusterHandle
from support.leader_server import LeaderServer


class Leaders(Protocol):
    """Where the leaders of workloads with the serving port ``port`` answer, once they were opened."""

    port: int

    def open(self, names: Iterable[str]) -> None:
        """Let the pods of these names answer."""


class OwnLeaders:
    """Leaders that answer by themselves: those of the simulated cluster."""

    port = 8000

    def open(self, names: Iterable[str]) -> None:
        """They do already."""


class PlayedLeaders:
    """Leaders of the test cluster, in which nothing runs: the API server's proxy finds them at a server of the test."""

    def __init__(self, cluster: ClusterHandle, namespace: str, server: LeaderServer) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._server = server
        self.port = server.port

    def open(self, names: Iterable[str]) -> None:
        """Let the pods have the server's address, as their machine's network would give them one."""
        address = self._server.address
        for name in names:
            path = f"/api/v1/namespaces/{self._namespace}/pods/{name}"
            self._cluster.patch_status(path, {"podIP": address, "podIPs": [{"ip": address}]})
