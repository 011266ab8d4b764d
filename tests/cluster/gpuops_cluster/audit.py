# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the API server's audit log: what the tests' own users asked for, as the server saw it."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

# The audit log names Kubernetes' verbs; the HTTP method of each.
METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
WRITES = ("POST", "PATCH", "PUT", "DELETE")
# Created to ask a question; nothing is kept of them.
REVIEWS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")


class AuditLog:
    """The part of the log since the last ``forget``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def forget(self) -> None:
        """Leave everything out from now on that is written so far."""
        self._offset = self._path.stat().st_size if self._path.exists() else 0

    def requests(self) -> list[dict[str, Any]]:
        """Return the answered requests, oldest first; a watch also while it lasts."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        # The last line may still be on its way.
        lines = content[: content.rfind(b"\n") + 1].splitlines()
        return describe([json.loads(line) for line in lines])


def describe(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return audit events as requests, each once. Pure."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        parts = urllib.parse.urlsplit(event["requestURI"])
        found[event["auditID"]] = {
            "method": METHODS.get(event["verb"], event["verb"].upper()),
            "verb": event["verb"],
            "path": parts.path,
            "query": {name: values[-1] for name, values in urllib.parse.parse_qs(parts.query).items()},
            "status": event.get("responseStatus", {}).get("code"),
            "user": event["user"].get("username", ""),
            "user_agent": event.get("userAgent", ""),
            "ended": event["stage"] == "ResponseComplete",
        }
    return list(found.values())


def is_write(request: dict[str, Any]) -> bool:
    """Say whether a request could change something: no dry run and no question about rights."""
    return request["method"] in WRITES and "dryRun" not in request["query"] and not request["path"].startswith(REVIEWS)
