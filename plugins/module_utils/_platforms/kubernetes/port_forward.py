# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""One HTTP request to a port of a pod, through the API server and the kubelet: port-forward over WebSocket.

The package's own ``stream.portforward`` is not used: it has no time limits, leaves out whom to act as, hides what the
API server said when it refused, and its thread writes tracebacks. The WebSocket below it, a dependency of the package,
is.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import transport
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.authentication import Access
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError, HttpReply, Trust

# The subprotocol that every kubelet since 1.6 speaks: each message begins with the number of its channel, each channel
# with a message of two bytes, the port (k8s.io/cri-streaming, portforward/websocket.go).
_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_PORT_BYTES = 2
_CHUNK_BYTES = 64 * 1024


class NotForwarded(Exception):
    """The API server answered with something else than a connection: ``reply``."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(str(reply.status))
        self.reply = reply


class Channel:
    """A connection to a port of a pod, as far as ``http.client`` needs a socket. Everything ends at ``deadline``."""

    def __init__(self, websocket: Any, deadline: float, time_limit: float) -> None:
        self._websocket = websocket
        self._deadline = deadline
        self._time_limit = time_limit
        self._begun: set[int] = set()
        self._complaint = ""
        self._left = b""

    def sendall(self, data: bytes) -> None:
        """Send bytes to the pod. Raises ``HttpError``."""
        for start in range(0, len(data), _CHUNK_BYTES):
            self._within_limit(self._websocket.send_binary, bytes((_DATA,)) + data[start : start + _CHUNK_BYTES])

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what the pod sends, as a file."""
        return io.BufferedReader(_Received(self))

    def receive(self, size: int) -> bytes:
        """Return the next bytes of the pod, none at the end. Raises ``HttpError``."""
        while not self._left:
            message = self._message()
            if message is None:
                if self._complaint:
                    raise HttpError(transport.UNREACHABLE, self._complaint, True, True)
                return b""
            self._take(message)
        data, self._left = self._left[:size], self._left[size:]
        return data

    def close(self) -> None:
        """Do nothing: ``http.client`` closes its socket before it reads an answer that ends with the connection."""

    def end(self) -> None:
        """Give the connection up."""
        try:
            self._websocket.shutdown()
        except OSError:
            return

    def _take(self, message: bytes) -> None:
        """Sort a message into data and complaints; the first of each channel only names the port."""
        channel, content = message[0], message[1:]
        if channel not in self._begun:
            self._begun.add(channel)
            content = content[_PORT_BYTES:]
        if channel == _DATA:
            self._left += content
        elif channel == _ERROR and content:
            self._complaint = " ".join(content.decode("utf-8", "replace").split())

    def _message(self) -> bytes | None:
        """Return the next message, or ``None`` at the end; after a complaint nothing more is waited for."""
        websocket = import_module("websocket")
        if self._complaint:
            return None
        try:
            code, message = self._within_limit(self._websocket.recv_data)
        except websocket.WebSocketConnectionClosedException:
            return None
        return bytes(message) if code == websocket.ABNF.OPCODE_BINARY and message else None

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


class _Received(io.RawIOBase):
    """What comes through a channel, as a raw file."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what has come; 0 at the end."""
        data = self._channel.receive(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def open_channel(access: Access, path: str, port: int, time_limit: float, user_agent: str) -> Channel:
    """Open a connection to a port of the pod whose ``portforward`` subresource is at ``path``.

    ``time_limit`` is in seconds, for everything that goes through it, too. Raises ``HttpError`` and ``NotForwarded``.
    """
    websocket = import_module("websocket")
    deadline = time.monotonic() + time_limit
    credentials = [f"{name}: {value}" for name, value in access.headers()]
    connection = websocket.WebSocket()
    try:
        connection.connect(
            f"ws{access.address.removeprefix('http')}{path}?ports={port}",
            # Given one, the library decides nothing about proxies and certificates.
            socket=_connected(access, time_limit),
            header=[f"User-Agent: {user_agent}", *credentials],
            subprotocols=[_PROTOCOL],
            suppress_origin=True,
            redirect_limit=0,
        )
    except websocket.WebSocketBadStatusException as error:
        raise NotForwarded(_refusal(error)) from None
    except (websocket.WebSocketTimeoutException, TimeoutError):
        raise HttpError(transport.TIMED_OUT, f"no connection within {time_limit:g} s", False, True) from None
    except (websocket.WebSocketException, OSError, ValueError) as error:
        if connection.getstatus() is None:
            raise _not_connected(error) from None
    if connection.getstatus() != http.client.SWITCHING_PROTOCOLS:
        # A redirect, which is not followed: who is there must not get the credentials.
        connection.shutdown()
        raise NotForwarded(HttpReply(int(connection.getstatus()), {}, b""))
    return Channel(connection, deadline, time_limit)


def send_through(
    channel: Channel, host: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None, limit: int
) -> HttpReply:
    """Send an HTTP request through a channel and return the answer, whatever its status. Raises ``HttpError``.

    ``limit`` is the largest body that is read, in bytes.
    """
    started = time.monotonic()
    connection = http.client.HTTPConnection(host)
    # Given one, it makes none itself.
    connection.sock = channel
    dropped = HttpError(transport.INTERRUPTED, "the connection was dropped before the answer was complete", True, True)
    try:
        connection.request(method, path, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        content = response.read(limit + 1)
    except (http.client.HTTPException, OSError):
        raise dropped from None
    finally:
        channel.end()
    if len(content) > limit:
        raise HttpError(transport.TOO_LARGE, f"the answer is larger than {limit} bytes", True)
    if response.length:
        raise dropped
    fields = {name.lower(): value for name, value in response.headers.items()}
    return HttpReply(response.status, fields, content, time.monotonic() - started)


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
        raise HttpError(transport.PROXY, "a proxy that is itself reached over TLS cannot be used for port-forward")
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
