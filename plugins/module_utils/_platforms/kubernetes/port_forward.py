# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""One HTTP request to a port of a pod, through the API server and the kubelet: port-forward over WebSocket.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import transport
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.authentication import Access
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.channels import (
    CHANNELS_V4,
    Channels,
    open_channels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError, HttpReply

# Each channel begins with a message of two bytes, the port (k8s.io/cri-streaming, portforward/websocket.go).
_DATA, _ERROR = 0, 1
_PORT_BYTES = 2


class ForwardedPort:
    """A connection to a port of a pod, as far as ``http.client`` needs a socket."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._begun: set[int] = set()
        self._complaint = ""
        self._left = b""

    def sendall(self, data: bytes) -> None:
        """Send bytes to the pod. Raises ``HttpError``."""
        self._channels.send(_DATA, data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what the pod sends, as a file."""
        return io.BufferedReader(_Received(self))

    def receive(self, size: int) -> bytes:
        """Return the next bytes of the pod, none at the end. Raises ``HttpError``."""
        while not self._left:
            # After a complaint nothing more is waited for.
            if self._complaint:
                raise HttpError(transport.UNREACHABLE, self._complaint, True, True)
            message = self._channels.receive()
            if message is None:
                return b""
            self._take(*message)
        data, self._left = self._left[:size], self._left[size:]
        return data

    def close(self) -> None:
        """Do nothing: ``http.client`` closes its socket before it reads an answer that ends with the connection."""

    def end(self) -> None:
        """Give the connection up."""
        self._channels.end()

    def _take(self, channel: int, content: bytes) -> None:
        """Sort a message into data and complaints; the first of each channel only names the port."""
        if channel not in self._begun:
            self._begun.add(channel)
            content = content[_PORT_BYTES:]
        if channel == _DATA:
            self._left += content
        elif channel == _ERROR and content:
            self._complaint = " ".join(content.decode("utf-8", "replace").split())


class _Received(io.RawIOBase):
    """What comes from a port, as a raw file."""

    def __init__(self, port: ForwardedPort) -> None:
        super().__init__()
        self._port = port

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what has come; 0 at the end."""
        data = self._port.receive(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def open_port(access: Access, path: str, port: int, time_limit: float, user_agent: str) -> ForwardedPort:
    """Open a connection to a port of the pod whose ``portforward`` subresource is at ``path``.

    ``time_limit`` is in seconds, for everything that goes through it, too. Raises ``HttpError`` and ``NotOpened``.
    """
    return ForwardedPort(open_channels(access, f"{path}?ports={port}", (CHANNELS_V4,), time_limit, user_agent))


def send_through(
    port: ForwardedPort, host: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, limit: int
) -> HttpReply:
    """Send an HTTP request to a port and return the answer, whatever its status. Raises ``HttpError``.

    ``limit`` is the largest body that is read, in bytes.
    """
    started = time.monotonic()
    connection = http.client.HTTPConnection(host)
    # Given one, it makes none itself.
    connection.sock = port
    dropped = HttpError(transport.INTERRUPTED, "the connection was dropped before the answer was complete", True, True)
    try:
        connection.request(method, path, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        content = response.read(limit + 1)
    except (http.client.HTTPException, OSError):
        raise dropped from None
    finally:
        port.end()
    if len(content) > limit:
        raise HttpError(transport.TOO_LARGE, f"the answer is larger than {limit} bytes", True)
    if response.length:
        raise dropped
    fields = {name.lower(): value for name, value in response.headers.items()}
    return HttpReply(response.status, fields, content, time.monotonic() - started)
