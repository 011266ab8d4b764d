# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for the tests of the Run:ai platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import runai_examples as examples
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    EndpointConnection,
    RunaiConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.progress import Progress
from local_certificates import Certificates
from runai_examples import FakeTime
from scripted_server import Answer, ScriptedServer


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A control plane that lets everybody with the right credentials in and has one project."""
    scripted = ScriptedServer()
    scripted.on("POST", "/api/v2/token", Answer(200, {"access_token": examples.CANARY_TOKEN, "expires_in": 3600}))
    scripted.on("GET", "/api/v1/org-unit/projects", Answer(200, {"projects": [examples.project()]}))
    scripted.on("GET", "/api/v1/clusters", Answer(200, [examples.cluster()]))
    scripted.on("GET", "/api/v1/workloads", Answer(200, {"workloads": []}))
    yield scripted
    scripted.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls_server(certificates: Certificates) -> Iterator[ScriptedServer]:
    scripted = ScriptedServer(certificates.context)
    yield scripted
    scripted.close()


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def said() -> list[str]:
    """The progress lines of the test's host."""
    return []


@pytest.fixture
def host(time: FakeTime, said: list[str]) -> Host:
    return Host(progress=Progress(said.append, clock=time.clock), clock=time.clock, sleep=time.sleep)


@pytest.fixture
def runai(server: ScriptedServer) -> RunaiConnection:
    return RunaiConnection(url=server.url, client_id="my-app", client_secret=examples.CANARY_SECRET, request_timeout=5)


@pytest.fixture
def retry(host: Host) -> Retry:
    return Retry(host, jitter=lambda: 1.0, wall_clock=lambda: 0.0)


MakePlatform = Callable[..., RunaiPlatform]


@pytest.fixture
def make_platform(runai: RunaiConnection, host: Host) -> MakePlatform:
    """Return a maker of platforms; keywords change the connection (``runai_`` in front: its Run:ai part)."""

    def make(*, in_check_mode: bool = False, **changes: Any) -> RunaiPlatform:
        ours = {name: value for name, value in changes.items() if not name.startswith("runai_")}
        theirs = {name.removeprefix("runai_"): value for name, value in changes.items() if name.startswith("runai_")}
        connection = Connection("runai", examples.PROJECT, replace(runai, **theirs), endpoint=EndpointConnection())
        surroundings = replace(host, check_mode=in_check_mode)
        return RunaiPlatform(
            replace(connection, **ours), surroundings, Retry(surroundings, jitter=lambda: 1.0, wall_clock=lambda: 0.0)
        )

    return make


@pytest.fixture
def platform(make_platform: MakePlatform) -> RunaiPlatform:
    return make_platform()
