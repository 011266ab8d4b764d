# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTP server in a thread whose answers are written down beforehand, and that remembers what it was asked."""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it arrived. Names of ``headers`` are in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    raw_query: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """An answer: ``content`` is JSON unless it is bytes."""

    status: int = 200
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reset:
    """The connection is reset instead of an answer."""


@dataclass(frozen=True)
class Silence:
    """No answer at all until the server is closed."""


@dataclass(frozen=True)
class Cut:
    """An answer that promises more bytes than it has."""

    content: bytes = b'{"half": '


@dataclass(frozen=True)
class Trickle:
    """A body of which one byte comes every ``pause`` seconds, without an end."""

    pause: float = 0.02


Reaction = Answer | Reset | Silence | Cut | Trickle
Script = Reaction | Callable[[Asked], Reaction]


class ScriptedServer:
    """Answers each route with its reactions in turn; the last one is repeated. Unknown routes answer 404."""

    def __init__(self, certificate: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._routes: list[tuple[str, re.Pattern[str], list[Script]]] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        if certificate is not None:
            self._server.socket = certificate.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def on(self, method: str, path: str, *reactions: Script) -> None:
        """Script the route ``method`` and ``path`` (a regular expression for the whole path); a new script wins."""
        with self._lock:
            self._routes.insert(0, (method, re.compile(path), list(reactions)))

    def react(self, asked: Asked) -> Reaction:
        """Return the next reaction to a request, remembering the request."""
        with self._lock:
            self.asked.append(asked)
            for method, path, reactions in self._routes:
                if method == asked.method and path.fullmatch(asked.path):
                    reaction = reactions.pop(0) if len(reactions) > 1 else reactions[0]
                    break
            else:
                reaction = Answer(404, {"code": 404, "message": "Resource id not found."})
        return reaction(asked) if callable(reaction) else reaction

    def count(self, method: str, path: str) -> int:
        """Return how many requests matched."""
        return len(self.matching(method, path))

    def matching(self, method: str, path: str) -> list[Asked]:
        """Return the requests that matched."""
        return [asked for asked in self.asked if asked.method == method and re.fullmatch(path, asked.path)]

    def close(self) -> None:
        """Stop the server and everything that it still holds open."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: connections that break are what the tests are about."""


def _handler_for(script: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, unquote(parts.path), parse_qs(parts.query), parts.query, headers, body)
            reaction = script.react(asked)
            self.close_connection = True
            if isinstance(reaction, Reset):
                _reset(self.connection)
            elif isinstance(reaction, Silence):
                script.closing.wait()
            elif isinstance(reaction, Cut):
                self._head(200, {"Content-Length": str(len(reaction.content) + 100)})
                self.wfile.write(reaction.content)
            elif isinstance(reaction, Trickle):
                self._head(200, {"Content-Length": "1000000"})
                while not script.closing.wait(reaction.pause):
                    self.wfile.write(b" ")
            else:
                self._answer(reaction)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _respond

        def _answer(self, answer: Answer) -> None:
            content = answer.content
            raw = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
            self._head(
                answer.status,
                {"Content-Type": "application/json", "Content-Length": str(len(raw)), **answer.headers},
            )
            self.wfile.write(raw)

        def _head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing to stderr."""

    return Handler


def _reset(connection: socket.socket) -> None:
    """Close with a reset (RST) instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
