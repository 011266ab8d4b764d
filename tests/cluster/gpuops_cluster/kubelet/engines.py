# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers HTTP in the place of the pods' engines: the sandbox's stand-in, told by each pod's own command line.

Port-forward to port 8000 of any pod leads here. Which pod is meant is read from the request's ``Host``, since KWOK
leads to one address whatever the pod is; so the client has to name the pod there.
"""

from __future__ import annotations

import base64
import json
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gpuops_cluster.api import Api
from gpuops_sandbox.runtime.stand_in_server import StandIn, read_command_line


def serve(api: Api, address: str, port: int) -> None:
    """Listen for ever."""

    class Handler(BaseHTTPRequestHandler):
        """One request to one pod."""

        def do_GET(self) -> None:
            """Answer as the pod's engine."""
            pod = self.headers.get("Host", "").partition(":")[0]
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            engine = _engine_of(api, pod)
            if engine is None:
                # As where nobody listens: the connection ends.
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, document = engine.answer(self.command, self.path.partition("?")[0], headers, body)
            content = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    ThreadingHTTPServer((address, port), Handler).serve_forever()


def _engine_of(api: Api, name: str) -> StandIn | None:
    """Return the engine of a pod of that name, whatever its namespace; ``None`` where none listens."""
    pods = api.items(f"/api/v1/pods?fieldSelector={urllib.parse.quote(f'metadata.name={name}')}")
    if not pods:
        return None
    container = pods[0]["spec"]["containers"][0]
    words = [*container.get("command", []), *container.get("args", [])]
    engine = StandIn(
        read_command_line(words[words.index("serve") :] if "serve" in words else words),
        {
            variable["name"]: _value(api, pods[0]["metadata"]["namespace"], variable)
            for variable in container.get("env", [])
        },
    )
    return None if engine.headless else engine


def _value(api: Api, namespace: str, variable: dict[str, Any]) -> str:
    """Return a variable as the process would see it: clear, or of a Secret; nothing for what is not there."""
    reference = variable.get("valueFrom", {}).get("secretKeyRef")
    if reference is None:
        return str(variable.get("value", ""))
    code, secret = api.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{reference['name']}")
    encoded = secret.get("data", {}).get(reference["key"], "") if code == 200 else ""
    return base64.b64decode(encoded).decode()
