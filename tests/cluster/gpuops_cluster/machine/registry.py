# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty image registry: whatever is pulled that was not imported is not found, in a registry's own words."""

from __future__ import annotations

import argparse
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = "127.0.0.1"
ANSWER = json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}).encode()


class EmptyRegistry(BaseHTTPRequestHandler):
    """Answers that it speaks the protocol, and that it has nothing."""

    def do_GET(self) -> None:
        """Answer a question for a manifest or a layer."""
        is_root = self.path.rstrip("/") == "/v2"
        body = b"{}" if is_root else ANSWER
        self.send_response(200 if is_root else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET


def main(arguments: list[str]) -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="gpuops_cluster.machine.registry", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    ThreadingHTTPServer((ADDRESS, parser.parse_args(arguments).port), EmptyRegistry).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
