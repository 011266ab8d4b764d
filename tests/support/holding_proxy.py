# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A way to the API server in plain HTTP, as ``kubectl proxy`` is one, on which a request can be held."""

from __future__ import annotations

import http.client
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from support.sandbox import WRITES, until

from gpuops_cluster.api import Identity

# Headers that are about one connection only.
_OF_A_CONNECTION = ("connection", "transfer-encoding", "content-length", "host", "keep-alive")
# What can happen to a held request: it never arrives, or only once it is released.
NEVER = "never"
LATE = "late"


class HoldingProxy:
    """Sends on what it gets, with the credentials of ``identity``; the ``nth`` write may be held."""

    def __init__(self, identity: Identity) -> None:
        address = urllib.parse.urlsplit(identity.url)
        self._address = (address.hostname or "", address.port or 443)
        self._context = ssl.create_default_context(cafile=str(identity.authority))
        self._context.load_cert_chain(str(identity.certificate), str(identity.key))
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._hit = threading.Event()
        self._sent = threading.Event()
        self._fate = ""
        self._nth = 0
        self._seen = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            """Answers by asking the API server."""

            protocol_version = "HTTP/1.0"

            def handle_one_request(self) -> None:
                """Send the request on; whoever has gone away needs no answer."""
                self.raw_requestline = self.rfile.readline(65537)
                if self.raw_requestline and self.parse_request():
                    try:
                        proxy._pass_on(self)
                    except OSError:
                        self.close_connection = True

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> HoldingProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def hold(self, nth: int, fate: str) -> None:
        """Hold the ``nth`` write from now on; ``fate``: see above."""
        with self._lock:
            self._nth, self._fate, self._seen = nth, fate, 0
            for event in (self._hit, self._released, self._sent):
                event.clear()

    def is_hit(self) -> bool:
        """Say whether the request has come that was to be held."""
        return self._hit.is_set()

    def until_hit(self) -> None:
        """Wait for the request that is to be held; one that is let through has its answer by then."""
        until(self.is_hit, "the request that is to be held comes", 60)

    def release(self) -> None:
        """Let what is held go on, and hold nothing more; what was only late has its answer then."""
        with self._lock:
            self._nth = 0
            self._released.set()
            is_late = self._fate == LATE and self._hit.is_set()
        if is_late:
            until(self._sent.is_set, "the held request has its answer", 60)

    def _pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fate = self._fate_of(handler)
        if fate:
            self._hit.set()
            self._released.wait()
        if fate == NEVER:
            return
        connection = http.client.HTTPSConnection(*self._address, context=self._context, timeout=120)
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in _OF_A_CONNECTION}
        connection.request(handler.command, handler.path, body or None, headers)
        answer = connection.getresponse()
        if fate == LATE:
            self._sent.set()
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_A_CONNECTION:
                handler.send_header(name, value)
        handler.end_headers()
        while chunk := answer.read1(65536):
            handler.wfile.write(chunk)
            handler.wfile.flush()

    def _fate_of(self, handler: BaseHTTPRequestHandler) -> str:
        """Count a write, and return what shall happen to it (nothing: it is sent on)."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        if handler.command not in WRITES or "dryRun" in query or "/apis/authorization.k8s.io/" in handler.path:
            return ""
        with self._lock:
            self._seen += 1
            return self._fate if self._seen == self._nth else ""
