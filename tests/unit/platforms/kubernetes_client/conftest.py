# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for the tests of the Kubernetes client: a scripted API server and a client of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from client_fixture_types import MakeClient
from scripted_server import Answer, Asked, Reaction, ScriptedServer


class ClosingServer(ScriptedServer):
    """Says that it closes the connection after each answer, as the scripted server does."""

    def react(self, asked: Asked) -> Reaction:
        """Return the next reaction to a request."""
        reaction = super().react(asked)
        if isinstance(reaction, Answer):
            return dataclasses.replace(reaction, headers={"Connection": "close", **reaction.headers})
        return reaction


@pytest.fixture(autouse=True)
def without_clusters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own clusters is seen."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def api() -> Iterator[ScriptedServer]:
    """An API server that knows nothing but what a test writes down."""
    scripted = ClosingServer()
    yield scripted
    scripted.close()


@pytest.fixture
def make_client(api: ScriptedServer, host: Host) -> MakeClient:
    """Return a maker of clients of the scripted API server (or at ``host_address``); other keywords change the
    connection or the host."""

    def make(host_address: str = api.url, **changes: Any) -> KubernetesClient:
        names = {field.name for field in dataclasses.fields(KubernetesConnection)}
        fields = {name: changes.pop(name) for name in list(changes) if name in names}
        surroundings = dataclasses.replace(host, **changes)
        connection = KubernetesConnection(**{"host": host_address, "api_key": "canary-token", **fields})
        retry = Retry(surroundings, jitter=lambda: 1.0, wall_clock=lambda: 0.0)
        return KubernetesClient(connection, "my-project", surroundings, retry)

    return make


@pytest.fixture
def client(make_client: MakeClient) -> KubernetesClient:
    return make_client()
