# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the simulator's two applications over TLS sockets in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gpuops_sandbox.cluster.objects import CLUSTER_NAME
from gpuops_sandbox.control_plane.app import app_for
from gpuops_sandbox.control_plane.faults import TRANSPORT, Application, Receive, Scope, Send
from gpuops_sandbox.control_plane.sandbox import CLAIM, NAMESPACE, PROJECT, USER, Sandbox
from gpuops_sandbox.endpoint import create_endpoint_app
from gpuops_sandbox.sockets import ADDRESS, HOST, url_of

KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 2


@dataclass(frozen=True)
class Certificate:
    """Where the authority's certificate and the server's certificate and key are."""

    authority: Path
    server: Path
    key: Path


class TransportProtocol(H11Protocol):
    """Hands every request its transport, so that a fault can drop the connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        inner: Application = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[TRANSPORT] = self.transport
            await inner(scope, receive, send)

        self.app = with_transport


class QuietServer(uvicorn.Server):
    """A uvicorn server that leaves signals to the program around it, and ends when ``ending`` is set."""

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._ending = ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def main_loop(self) -> None:
        """Wait to be told to end, instead of looking ten times a second."""
        await self.on_tick(0)
        await self._ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drop the clients' idle connections instead of waiting for their good-bye, then end as usual."""
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)


def make_certificate(folder: Path) -> Certificate:
    """Make a certificate authority of this simulator alone, and a server certificate for the loopback."""
    authority = trustme.CA(organization_name="gpuops.inference sandbox")
    issued = authority.issue_cert(HOST, ADDRESS)
    certificate = Certificate(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority.cert_pem.write_to_path(str(certificate.authority))
    issued.private_key_pem.write_to_path(str(certificate.key))
    certificate.key.chmod(0o600)
    for number, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(str(certificate.server), append=number > 0)
    return certificate


def describe(sandbox: Sandbox, api: socket.socket, endpoint: socket.socket, certificate: Certificate) -> dict[str, Any]:
    """Return what a client needs to know: addresses, credentials, names, folders."""
    volumes = sandbox.cluster.volumes_directory
    return {
        "simulator": "gpuops_sandbox: a simulator of the Run:ai control plane, not Run:ai",
        "back_end": sandbox.cluster.description,
        "api_url": url_of(api),
        "admin_url": f"{url_of(api)}/sandbox",
        "admin_token": sandbox.admin_token,
        "endpoint_base": url_of(endpoint),
        "ca_path": str(certificate.authority),
        "client_id": sandbox.accounts.client_id,
        "client_secret": sandbox.accounts.client_secret,
        "username": USER,
        "password": sandbox.user_password,
        "project": PROJECT,
        "namespace": NAMESPACE,
        "claim": CLAIM,
        "cluster": CLUSTER_NAME,
        "volumes_directory": None if volumes is None else str(volumes),
    }


async def serve(
    sandbox: Sandbox, api: socket.socket, endpoint: socket.socket, certificate: Certificate, ready: Callable[[], None]
) -> None:
    """Serve until ``sandbox.ending`` is set; call ``ready`` once both applications answer."""
    sandbox.endpoint_base = url_of(endpoint)
    servers = [
        QuietServer(_configuration(app, certificate), sandbox.ending)
        for app in (app_for(sandbox), create_endpoint_app(sandbox))
    ]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, listener in zip(servers, (api, endpoint), strict=True)
    ]
    try:
        while not all(server.started for server in servers) and not any(task.done() for task in tasks):
            await asyncio.sleep(0.01)
        if all(server.started for server in servers):
            ready()
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sandbox.ending.set()
        await asyncio.gather(*tasks)


def _configuration(app: Application, certificate: Certificate) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=TransportProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ssl_certfile=str(certificate.server),
        ssl_keyfile=str(certificate.key),
    )
