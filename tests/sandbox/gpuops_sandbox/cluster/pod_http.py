# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request to a pod: to the real process at its address, or to an in-process stand-in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import h11

from gpuops_sandbox.cluster.objects import Pod

CHUNK = 65536


@dataclass(frozen=True)
class Reply:
    """An HTTP answer. Header names are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@runtime_checkable
class InProcessPod(Protocol):
    """A pod without a process: it answers by a call."""

    async def respond(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Answer one request. Raises ``ConnectionError`` where nothing would listen."""


async def request(
    pod: Pod,
    port: int,
    method: str,
    path: str,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    timeout: float,
    host: str | None = None,
) -> Reply:
    """Send a request to a pod's port and return the whole answer.

    Raises ``ConnectionError`` (nobody listens, or no HTTP answer) and ``TimeoutError`` (after ``timeout`` seconds).
    """
    if pod.handle is None or pod.address is None:
        raise ConnectionRefusedError(f"pod {pod.name} does not run")
    try:
        if isinstance(pod.handle, InProcessPod):
            return await asyncio.wait_for(pod.handle.respond(method, path, dict(headers), body), timeout)
        sent = (("host", f"{host or pod.address}:{port}"), *headers, ("connection", "close"))
        return await asyncio.wait_for(_exchange(host or pod.address, port, method, path, sent, body), timeout)
    except asyncio.TimeoutError as error:
        raise TimeoutError(f"no answer from {pod.address}:{port} within {timeout:g} seconds") from error
    except h11.ProtocolError as error:
        raise ConnectionError(f"{pod.address}:{port} does not speak HTTP: {error}") from error
    except ConnectionRefusedError as error:
        raise ConnectionRefusedError("connect: connection refused") from error
    except ConnectionError:
        raise
    except OSError as error:
        raise ConnectionError(str(error)) from error


async def _exchange(
    host: str, port: int, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes
) -> Reply:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        connection = h11.Connection(h11.CLIENT)
        length = (("content-length", str(len(body))),) if body else ()
        start = h11.Request(method=method, target=path, headers=[*headers, *length])
        writer.write(connection.send(start) or b"")
        if body:
            writer.write(connection.send(h11.Data(data=body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        return await _read_reply(connection, reader)
    finally:
        writer.close()


async def _read_reply(connection: h11.Connection, reader: asyncio.StreamReader) -> Reply:
    status = 0
    headers: tuple[tuple[str, str], ...] = ()
    chunks: list[bytes] = []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
        elif isinstance(event, h11.Data):
            chunks.append(bytes(event.data))
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return Reply(status, headers, b"".join(chunks))
