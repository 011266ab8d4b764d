# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""One HTTP request: TLS trust as in every Ansible module, proxies from the environment, no redirects, no retries.

TLS contexts come from ``ansible.module_utils.urls``. Its ``Request`` itself is not used: it makes the context anew for
each request (21 ms), in ansible-core 2.16 opens a second connection without a time limit for the check of the
certificate, reads ``~/.netrc``, and raises on every status that is not 2xx.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.urls import make_context

# Answers of a server that is not trusted (a model's own endpoint) are cut off here: DESIGN section 5, ``HttpAnswer``.
UNTRUSTED_ANSWER_BYTES = 1024 * 1024
# A page of 500 workloads, the API's largest, is about 2 MiB; this leaves room without an end.
TRUSTED_ANSWER_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024

REFUSED = "refused"
UNRESOLVED = "unresolved"
UNTRUSTED = "untrusted"
TIMED_OUT = "timed_out"
INTERRUPTED = "interrupted"
UNREACHABLE = "unreachable"
PROXY = "proxy"
TOO_LARGE = "too_large"
INVALID = "invalid"


class HttpError(Exception):
    """No complete answer came.

    ``kind`` is a word of this file (``timed_out``), ``reason`` a sentence without secrets. ``maybe_executed`` is true
    where the server may have received and carried out the request; ``passing`` where a later try may succeed.
    """

    def __init__(self, kind: str, reason: str, maybe_executed: bool = False, passing: bool = False) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.maybe_executed = maybe_executed
        self.passing = passing


@dataclass(frozen=True)
class HttpReply:
    """A complete answer of any status. Names of ``headers`` are in lower case; ``seconds`` is the time it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0

    def text(self) -> str:
        """Return the body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body's JSON value, or ``None`` for an empty body; raise ``ValueError`` when it is not JSON."""
        return json.loads(self.text()) if self.body.strip() else None


@dataclass(frozen=True)
class Trust:
    """Whom to trust and as whom to appear: ``ca_path`` a file of PEM certificates, ``client_cert``/``client_key``
    PEM files. With ``validate_certs`` false any certificate is taken."""

    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return the TLS context; raise ``OSError`` (``ssl.SSLError`` included) when a file is missing or no PEM."""
        context: ssl.SSLContext = make_context(
            cafile=self.ca_path,
            validate_certs=self.validate_certs,
            client_cert=self.client_cert,
            client_key=self.client_key,
        )
        return context


@dataclass
class Transport:
    """Sends requests to one server. The TLS context is made at the first request over https and kept."""

    trust: Trust = field(default_factory=Trust)
    answer_limit: int = TRUSTED_ANSWER_BYTES
    _context: ssl.SSLContext | None = None

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, time_limit: float
    ) -> HttpReply:
        """Send one request and return the answer, whatever its status; a redirect is an answer too.

        ``time_limit`` is in seconds, for each step of the connection and for the whole answer. Raises ``HttpError``.
        """
        started = time.monotonic()
        try:
            request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)
            opener = self._opener(url)
        except ValueError:
            raise HttpError(INVALID, "the address or a header cannot be sent as it is") from None
        try:
            response = opener.open(request, timeout=time_limit)
            if response is None:
                raise HttpError(INVALID, "only http and https addresses can be used")
            with response:
                content = self._read(response, started + time_limit, time_limit)
                fields = {name.lower(): value for name, value in response.headers.items()}
                return HttpReply(int(response.status), fields, content, time.monotonic() - started)
        except urllib.error.URLError as error:
            reason = error.reason
            cause = reason if isinstance(reason, BaseException) else OSError(str(reason))
            raise _while_sending(cause, time_limit) from None
        except (ValueError, http.client.InvalidURL):
            raise HttpError(INVALID, "the address or a header cannot be sent as it is") from None
        except (OSError, http.client.HTTPException) as error:
            raise _while_answering(error, time_limit) from None

    def _opener(self, url: str) -> urllib.request.OpenerDirector:
        """Return a bare opener: no redirects, no cookies, no files; proxies as the environment says just now."""
        opener = urllib.request.OpenerDirector()
        opener.add_handler(urllib.request.ProxyHandler())
        opener.add_handler(urllib.request.HTTPHandler())
        if url.startswith("https://"):
            if self._context is None:
                self._context = self.trust.context()
            opener.add_handler(urllib.request.HTTPSHandler(context=self._context))
        return opener

    def _read(self, response: Any, deadline: float, time_limit: float) -> bytes:
        """Read the body up to the size limit, giving up at the deadline even when a trickle keeps coming."""
        chunks: list[bytes] = []
        size = 0
        while True:
            chunk = response.read1(_CHUNK_BYTES)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
            if size > self.answer_limit:
                raise HttpError(TOO_LARGE, f"the answer is larger than {self.answer_limit} bytes", True)
            if time.monotonic() > deadline:
                raise _timed_out(time_limit)
        if response.length:
            raise HttpError(INTERRUPTED, "the connection ended in the middle of the answer", True, True)
        return b"".join(chunks)


def _timed_out(time_limit: float) -> HttpError:
    return HttpError(TIMED_OUT, f"no answer within {time_limit:g} s", True, True)


def _while_sending(cause: BaseException, time_limit: float) -> HttpError:
    """Classify what went wrong between the look-up of the name and the last byte of the request."""
    if isinstance(cause, socket.gaierror):
        again = cause.errno == socket.EAI_AGAIN
        return HttpError(UNRESOLVED, f"the host name cannot be resolved ({cause.strerror})", False, again)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return HttpError(UNTRUSTED, f"the server's certificate is not trusted ({cause.verify_message})")
    if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return HttpError(INTERRUPTED, "the connection was dropped", True, True)
    if isinstance(cause, ssl.SSLError):
        return HttpError(UNTRUSTED, f"no TLS connection could be made ({cause.reason or 'TLS error'})")
    if isinstance(cause, ConnectionRefusedError):
        return HttpError(REFUSED, "the connection was refused", False, True)
    if isinstance(cause, TimeoutError):
        return _timed_out(time_limit)
    if isinstance(cause, ConnectionError):
        return HttpError(INTERRUPTED, "the connection was reset", True, True)
    text = str(cause)
    if text.startswith("Tunnel connection failed"):
        return HttpError(PROXY, f"the proxy refused the connection ({text})")
    strerror = getattr(cause, "strerror", None)
    return HttpError(UNREACHABLE, f"no connection could be made ({strerror or 'network error'})", False, True)


def _while_answering(error: Exception, time_limit: float) -> HttpError:
    """Classify what went wrong after the request had been sent: it may have been carried out."""
    if isinstance(error, TimeoutError):
        return _timed_out(time_limit)
    return HttpError(INTERRUPTED, "the connection was dropped before the answer was complete", True, True)
