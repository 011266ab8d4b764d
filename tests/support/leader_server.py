# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP servers that stand where the leaders' engines would be: requests that the API server or the kubelet hands on
arrive at a real socket."""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.needs import missing

from gpuops_sandbox.runtime.stand_in_server import StandIn

# The API server says in this header of a request that it hands on where it was asked for.
_ASKED_FOR = re.compile(r"/pods/(?P<pod>[^:/%]+)(?::|%3A)?")
COMMAND = ["serve", "/m", "--served-model-name", "mistral4", "-tp", "2", "-pp", "2"]
# What a handler does instead of answering: close the connection, or say nothing for ever.
HANG_UP = "hang up"
HANG = "hang"
Reply = tuple[int, Any] | str


def own_address() -> str:
    """Return an address of this machine that is not its loopback, which the API server would not lead to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: it only asks which address would be used.
            probe.connect(("203.0.113.1", 9))
        except OSError:
            missing("an address besides 127.0.0.1 on this machine: connect it to any network")
        return str(probe.getsockname()[0])


@dataclass
class Asked:
    """One request as it arrived. ``pod`` is empty where it came past the API server's proxy."""

    pod: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class LeaderServer:
    """Answers like the stand-in engine on ``address``; ``replies`` by pod and path go before that."""

    address: str
    port: int = 0
    api_key: str = ""
    replies: dict[tuple[str, str], Reply] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._engine = StandIn({**_words(), "api_key": [self.api_key] if self.api_key else []}, {})
        self._over = threading.Event()
        self._server = http.server.ThreadingHTTPServer((self.address, self.port), _handler(self._answer, self._over))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop listening."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def paths(self, pod: str | None = None) -> list[str]:
        """Return what was asked for, in order."""
        return [asked.path for asked in self.asked if pod in (None, asked.pod)]

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        found = _ASKED_FOR.search(headers.get("x-forwarded-uri", ""))
        asked = Asked(found["pod"] if found else "", method, path, headers, body)
        self.asked.append(asked)
        for key in ((asked.pod, path), ("", path)):
            if key in self.replies:
                return self.replies[key]
        return self._engine.answer(method, path, headers, body)


def _words() -> dict[str, list[str]]:
    return {"model": ["/m"], "served_names": ["mistral4"], "tensor": ["2"], "pipeline": ["2"]}


def _handler(
    answer: Callable[[str, str, dict[str, str], bytes], Reply], over: threading.Event
) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            reply = answer(self.command, self.path, headers, body)
            if reply == HANG:
                over.wait()
            if isinstance(reply, str):
                self.close_connection = True
                return
            status, document = reply
            content = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "http://203.0.113.9/elsewhere")
            self.send_header("Content-Type", "text/plain" if isinstance(document, str) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            if "close" in self.headers.get("Connection", ""):
                # As uvicorn says it.
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)

        do_GET = _handle
        do_POST = _handle

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    return Handler
