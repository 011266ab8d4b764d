# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Connections to a pod through the API server and the kubelet: WebSockets whose messages belong to numbered channels.

The package's own ``stream`` is not used: it has no time limits, leaves out whom to act as, hides what the API server
said when it refused, and its threads write tracebacks. The WebSocket below it, a dependency of the package, is.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import transport
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.authentication import Access
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError, HttpReply, Trust

# The subprotocol that every kubelet since 1.6 speaks: each message begins with the number of its channel.
CHANNELS_V4 = "v4.channel.k8s.io"
_CHUNK_BYTES = 64 * 1024


class NotOpened(Exception):
    """The API server answered with something else than a connection: ``reply``."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(str(reply.status))
        self.reply = reply


class Channels:
    """The messages of a connection. Everything ends at ``deadline``; ``time_limit`` is what that was, in seconds."""

    def __init__(self, websocket: Any, deadline: float, time_limit: float) -> None:
        self._websocket = websocket
        self._deadline = deadline
        self._time_limit = time_limit

    def send(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel. Raises ``HttpError``."""
        for start in range(0, len(data), _CHUNK_BYTES):
            self._within_limit(self._websocket.send_binary, bytes((channel,)) + data[start : start + _CHUNK_BYTES])

    def receive(self) -> tuple[int, bytes] | None:
        """Return the channel and the content of the next message, or ``None`` at the end. Raises ``HttpError``."""
        websocket = import_module("websocket")
        try:
            code, message = self._within_limit(self._websocket.recv_data)
        except websocket.WebSocketConnectionClosedException:
            return None
        return (message[0], bytes(message[1:])) if code == websocket.ABNF.OPCODE_BINARY and message else None

    def end(self) -> None:
        """Give the connection up."""
        try:
            self._websocket.shutdown()
        except OSError:
            return

    def _within_limit(self, call: Any, *arguments: Any) -> Any:
        websocket = import_module("websocket")
        left = self._deadline - time.monotonic()
        timed_out = HttpError(transport.TIMED_OUT, f"no answer within {self._time_limit:g} s", True, True)
        if left <= 0:
            raise timed_out
        self._websocket.settimeout(left)
        try:
            return call(*arguments)
        except websocket.WebSocketConnectionClosedException:
            raise
        except (websocket.WebSocketTimeoutException, TimeoutError):
            raise timed_out from None
        except (websocket.WebSocketException, OSError):
            raise HttpError(transport.INTERRUPTED, "the connection was dropped", True, True) from None


def open_channels(access: Access, path: str, protocols: Sequence[str], time_limit: float, user_agent: str) -> Channels:
    """Open a connection to the subresource of a pod at ``path``, which has its query.

    ``protocols`` are those that the caller understands, the best one first. ``time_limit`` is in seconds, for
    everything that goes through it, too. Raises ``HttpError`` and ``NotOpened``.
    """
    websocket = import_module("websocket")
    deadline = time.monotonic() + time_limit
    credentials = [f"{name}: {value}" for name, value in access.headers()]
    connection = websocket.WebSocket()
    try:
        connection.connect(
            f"ws{access.address.removeprefix('http')}{path}",
            # Given one, the library decides nothing about proxies and certificates.
            socket=_connected(access, time_limit),
            header=[f"User-Agent: {user_agent}", *credentials],
            subprotocols=list(protocols),
            suppress_origin=True,
            redirect_limit=0,
        )
    except websocket.WebSocketBadStatusException as error:
        raise NotOpened(_refusal(error)) from None
    except (websocket.WebSocketTimeoutException, TimeoutError):
        raise HttpError(transport.TIMED_OUT, f"no connection within {time_limit:g} s", False, True) from None
    except (websocket.WebSocketException, OSError, ValueError) as error:
        if connection.getstatus() is None:
            raise _not_connected(error) from None
    if connection.getstatus() != http.client.SWITCHING_PROTOCOLS:
        # A redirect, which is not followed: who is there must not get the credentials.
        connection.shutdown()
        raise NotOpened(HttpReply(int(connection.getstatus()), {}, b""))
    return Channels(connection, deadline, time_limit)


def _connected(access: Access, time_limit: float) -> socket.socket:
    """Return a connection to the API server, through the proxy that all other requests take, trusted as these are."""
    parts, configuration = urlsplit(access.address), access.configuration
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = getattr(access.pool, "proxy", None)
    if proxy is None:
        connection = http.client.HTTPConnection(host, port, timeout=time_limit)
    elif proxy.scheme == "http":
        connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=time_limit)
        connection.set_tunnel(host, port, dict(access.pool.proxy_headers or {}))
    else:
        raise HttpError(
            transport.PROXY, "a proxy that is itself reached over TLS cannot be used for connections to pods"
        )
    connection.connect()
    if parts.scheme != "https":
        return connection.sock
    trust = Trust(
        bool(configuration.verify_ssl), configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file
    )
    return trust.context().wrap_socket(connection.sock, server_hostname=configuration.tls_server_name or host)


def _refusal(error: Any) -> HttpReply:
    """Return the API server's answer to a handshake that it refused."""
    headers = {str(name).lower(): str(value) for name, value in (error.resp_headers or {}).items()}
    content = getattr(error, "resp_body", None) or b""
    return HttpReply(int(error.status_code), headers, bytes(content))


def _not_connected(error: Exception) -> HttpError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return HttpError(transport.UNTRUSTED, f"the server's certificate is not trusted ({error.verify_message})")
    if isinstance(error, ConnectionRefusedError):
        return HttpError(transport.REFUSED, "the connection was refused", False, True)
    if isinstance(error, socket.gaierror):
        return HttpError(transport.UNRESOLVED, "the host name cannot be resolved", False, True)
    if str(error).startswith("Tunnel connection failed"):
        return HttpError(transport.PROXY, f"the proxy refused the connection ({error})", False, True)
    return HttpError(transport.INTERRUPTED, "the connection was dropped", False, True)
