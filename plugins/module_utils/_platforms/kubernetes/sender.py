# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""One request to the API server over the package's connections: no retries, no redirects, every failure classified.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import transport
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import refusals
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.authentication import (
    Access,
    load_access,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError, HttpReply
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.version import COLLECTION_VERSION

USER_AGENT = f"gpuops.inference/{COLLECTION_VERSION}"
JSON = "application/json"
# urllib3's method, in two pieces: ansible-test takes the word for that of Python's own library.
_SEND = "".join(("url", "open"))
# Longest piece of a stream that is read at once.
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class HttpRequest:
    """One request: ``path`` below the API server's address, ``body`` plain JSON data."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = JSON


class Stream:
    """An answer that goes on. ``time_limit`` is how long nothing may come, in seconds; ``interrupt`` may be called by
    another thread, and whoever reads then sees an end."""

    def __init__(self, response: Any, time_limit: float) -> None:
        self._response = response
        self._time_limit = time_limit
        self.status = int(response.status)
        plain = self._socket()
        if plain is not None:
            plain.settimeout(time_limit)

    def lines(self) -> Iterator[bytes]:
        """Return each line as soon as it is complete. Raises ``HttpError`` when the connection breaks."""
        import urllib3.exceptions

        begun = b""
        try:
            for chunk in self._response.stream(_CHUNK_BYTES):
                *complete, begun = (begun + chunk).split(b"\n")
                yield from (line for line in complete if line.strip())
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise classified(error, self._time_limit) from None

    def reply(self, limit: int | None = None) -> HttpReply:
        """Return what is left as one answer of at most ``limit`` bytes, for one that is no stream."""
        import urllib3.exceptions

        try:
            content = self._response.read(None if limit is None else limit + 1)
            if limit is not None and len(content) > limit:
                raise HttpError(transport.TOO_LARGE, f"the answer is larger than {limit} bytes", True)
            return _reply(self._response, content)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise classified(error, self._time_limit) from None

    def interrupt(self) -> None:
        """End a read that another thread waits in."""
        # The socket below TLS: what another thread reads from must not be taken apart under its hands.
        plain = self._socket()
        try:
            if plain is not None:
                socket.socket.shutdown(plain, socket.SHUT_RDWR)
                return
            with socket.socket(fileno=os.dup(self._response.fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError, AttributeError):
            # It has ended already.
            return

    def close(self) -> None:
        """Give the connection up."""
        self._response.close()

    def _socket(self) -> socket.socket | None:
        """Return the connection's socket; ``None`` where the server said that this answer is its last."""
        found = getattr(getattr(self._response, "connection", None), "sock", None)
        return found if isinstance(found, socket.socket) else None


class Sender:
    """Sends requests with the credentials. After a 401 these are loaded anew once; several threads may send."""

    def __init__(self, connection: KubernetesConnection, host: Host) -> None:
        self._connection = connection
        self._host = host
        self._lock = threading.Lock()
        self._access = load_access(connection, host)

    @property
    def access(self) -> Access:
        """Return how the API server is reached at present."""
        return self._access

    def send(self, request: HttpRequest, time_limit: float) -> HttpReply:
        """Send a request once and return the answer, whatever its status but 401.

        ``time_limit`` is in seconds, for the connection and for each read. Raises ``HttpError``, and ``GpuopsError``
        where the credentials are not taken.
        """
        started = time.monotonic()
        response = self._authorized(request, time_limit, whole=True)
        return _reply(response, response.data, time.monotonic() - started)

    def stream(self, request: HttpRequest, time_limit: float, read_limit: float) -> Stream:
        """Begin to read an answer that goes on: it begins within ``time_limit``, and then nothing may come for
        ``read_limit`` seconds."""
        return Stream(self._authorized(request, time_limit, whole=False), read_limit)

    def exchange(self, request: HttpRequest, time_limit: float, answer_limit: int) -> HttpReply:
        """Send a request once to something behind the API server, which is not trusted; return the answer of either.

        ``time_limit`` is in seconds, for the whole of it; ``answer_limit`` in bytes. Raises as ``send`` does; a 401
        that is not the API server's own is an answer.
        """
        access = self._access
        reply = _whole(access, request, time_limit, answer_limit)
        if reply.status != 401 or not refusals.is_own(reply):
            return reply
        access = self._renewed(access)
        reply = _whole(access, request, time_limit, answer_limit)
        if reply.status == 401 and refusals.is_own(reply):
            raise access.not_taken()
        return reply

    def _authorized(self, request: HttpRequest, time_limit: float, whole: bool) -> Any:
        access = self._access
        response = _once(access, request, time_limit, whole)
        if response.status != 401:
            return response
        access = self._renewed(access)
        response = _once(access, request, time_limit, whole)
        if response.status == 401:
            raise access.not_taken()
        return response

    def _renewed(self, refused: Access) -> Access:
        """Return credentials that were loaded after the refused ones: a file may have been replaced meanwhile."""
        with self._lock:
            if self._access is refused:
                self._access = load_access(self._connection, self._host)
                refused.pool.clear()
            return self._access


def _once(access: Access, request: HttpRequest, time_limit: float, whole: bool) -> Any:
    """Return urllib3's response, its body read already where ``whole``."""
    import urllib3

    content = None if request.body is None else json.dumps(request.body).encode("utf-8")
    # Takes a header twice (groups to impersonate); urllib3 1 has it in a module of its own only.
    headers = import_module("urllib3._collections").HTTPHeaderDict({"Accept": JSON, "User-Agent": USER_AGENT})
    if content is not None:
        headers["Content-Type"] = request.content_type
    for name, value in access.headers():
        headers.add(name, value)
    url = access.address + request.path + (f"?{urlencode(request.query)}" if request.query else "")
    try:
        return getattr(access.pool, _SEND)(
            request.method,
            url,
            body=content,
            headers=headers,
            timeout=urllib3.Timeout(connect=time_limit, read=time_limit),
            retries=False,
            redirect=False,
            preload_content=whole,
        )
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        raise classified(error, time_limit) from None


def _whole(access: Access, request: HttpRequest, time_limit: float, answer_limit: int) -> HttpReply:
    """Return the whole answer; what comes in a trickle is cut off, too."""
    end = time.monotonic() + time_limit
    stream = Stream(_once(access, request, time_limit, whole=False), time_limit)
    watchdog = threading.Timer(max(end - time.monotonic(), 0.0), stream.interrupt)
    watchdog.daemon = True
    watchdog.start()
    try:
        reply = stream.reply(answer_limit)
    except HttpError:
        if time.monotonic() < end:
            raise
        raise _timed_out(time_limit) from None
    finally:
        watchdog.cancel()
        stream.close()
    if time.monotonic() >= end:
        raise _timed_out(time_limit)
    return replace(reply, seconds=time.monotonic() - end + time_limit)


def _timed_out(time_limit: float) -> HttpError:
    return HttpError(transport.TIMED_OUT, f"no answer within {time_limit:g} s", True, True)


def _reply(response: Any, content: bytes, seconds: float = 0.0) -> HttpReply:
    fields = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return HttpReply(int(response.status), fields, content, seconds)


def classified(error: Exception, time_limit: float) -> HttpError:
    """Return what went wrong in the words of ``transport``: whether the request may have been carried out, and whether
    a later one may succeed. Nothing of the texts of urllib3 is used: they quote addresses and headers."""
    from urllib3 import exceptions

    inner = _inner(error)
    timed_out = HttpError(transport.TIMED_OUT, f"no answer within {time_limit:g} s", True, True)
    if isinstance(error, exceptions.ProxyError):
        return _proxy(inner)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return HttpError(transport.UNTRUSTED, f"the server's certificate is not trusted ({inner.verify_message})")
    if isinstance(error, exceptions.SSLError):
        return _tls(inner)
    if isinstance(inner, socket.gaierror):
        again = inner.errno == socket.EAI_AGAIN
        return HttpError(transport.UNRESOLVED, f"the host name cannot be resolved ({inner.strerror})", False, again)
    if isinstance(inner, ConnectionRefusedError):
        return HttpError(transport.REFUSED, "the connection was refused", False, True)
    if isinstance(error, exceptions.NewConnectionError):
        reason = getattr(inner, "strerror", None) or "network error"
        return HttpError(transport.UNREACHABLE, f"no connection could be made ({reason})", False, True)
    if isinstance(error, exceptions.ConnectTimeoutError):
        return HttpError(transport.TIMED_OUT, f"no connection within {time_limit:g} s", False, True)
    if isinstance(error, (exceptions.TimeoutError, TimeoutError)):
        return timed_out
    if isinstance(error, (exceptions.ProtocolError, exceptions.DecodeError, http.client.HTTPException, OSError)):
        return HttpError(transport.INTERRUPTED, "the connection was dropped", True, True)
    if isinstance(error, ValueError):
        return HttpError(transport.INVALID, "the address or a header cannot be sent as it is")
    return HttpError(transport.INTERRUPTED, "no complete answer came", True, True)


def _inner(error: BaseException) -> BaseException:
    """Return the first cause of an error of urllib3, which wraps it in its arguments or chains it."""
    for _depth in range(5):
        wrapped = [entry for entry in getattr(error, "args", ()) if isinstance(entry, BaseException)]
        cause = wrapped[0] if wrapped else error.__cause__ or error.__context__
        if cause is None:
            return error
        error = cause
    return error


def _proxy(inner: BaseException) -> HttpError:
    if isinstance(inner, (ConnectionRefusedError, socket.gaierror)):
        return HttpError(transport.PROXY, "the proxy cannot be reached", False, True)
    text = str(inner)
    if text.startswith("Tunnel connection failed"):
        return HttpError(transport.PROXY, f"the proxy refused the connection ({text})", False, " 50" in text)
    return HttpError(transport.PROXY, "the connection through the proxy broke", True, True)


def _tls(inner: BaseException) -> HttpError:
    if isinstance(inner, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return HttpError(transport.INTERRUPTED, "the connection was dropped", True, True)
    if isinstance(inner, ssl.SSLError):
        reason = inner.reason or "TLS error"
        return HttpError(transport.UNTRUSTED, f"no TLS connection could be made ({reason})")
    reason = getattr(inner, "strerror", None) or "its name or a certificate file does not fit"
    return HttpError(transport.UNTRUSTED, f"no TLS connection could be made ({reason})")
