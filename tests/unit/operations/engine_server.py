# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server on this machine where a leader's engine would be, and looks whose command really runs here."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LookStatus, WorkloadStatus
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import REPORT_BYTES, REPORT_PATH, Look
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import SecretReference

ADDRESS = "127.0.0.1"
# What a handler does instead of answering: close the connection, say nothing for ever, send a little now and then.
HANG_UP, HANG, TRICKLE = "hang up", "hang", "trickle"
Reply = tuple[int, Any] | str


@dataclass
class EngineServer:
    """Answers with ``replies`` by path, of which each one in turn and the last one again and again."""

    replies: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._server = http.server.ThreadingHTTPServer((ADDRESS, 0), _handler(self._answer, self._over))
        self._server.daemon_threads = True
        self.address = f"{ADDRESS}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def end(self) -> None:
        """Stop listening."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        self.asked.append((method, path, headers, json.loads(body) if body else None))
        turns = self.replies.get(path, [(404, {"detail": "Not Found"})])
        return turns.pop(0) if len(turns) > 1 else turns[0]


def carried_out(look: Look, folder: Path, secrets: dict[SecretReference, str] | None = None) -> LookStatus:
    """Run a look's command as its container would be run, and return how it ended."""
    report = folder / "termination-log"
    report.write_bytes(b"")
    command = [word.replace(REPORT_PATH, str(report)) for word in look.command]
    variables = {
        name: (secrets or {})[value] if isinstance(value, SecretReference) else value
        for name, value in look.environment.items()
    }
    done = subprocess.run(
        [sys.executable, *command[1:]],
        env={"PATH": os.environ["PATH"], **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    left = report.read_bytes()
    assert len(left) <= REPORT_BYTES, "the kubelet would cut it off"
    text = left.decode() if done.returncode == 0 else done.stderr
    return LookStatus(WorkloadStatus("succeeded"), is_over=True, exit_status=done.returncode, report=text)


def _handler(
    answer: Callable[[str, str, dict[str, str], bytes], Reply], over: threading.Event
) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = answer(self.command, self.path, headers, self.rfile.read(int(headers.get("content-length", "0"))))
            self.close_connection = True
            if reply == HANG:
                over.wait()
            if reply == TRICKLE:
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                while not over.wait(0.05):
                    self.wfile.write(b" ")
            if isinstance(reply, str):
                return
            status, document = reply
            content = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            # As uvicorn says it.
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)

        do_GET = _handle
        do_POST = _handle

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    return Handler
