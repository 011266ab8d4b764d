# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of the Kubernetes API with a client certificate: nothing of the collection's is used."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuops_cluster.failure import ClusterError

# Patience with one answer: deleting a thousand pods on a busy machine takes a minute.
SECONDS = 120.0
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True)
class Identity:
    """Where an API server is and who asks: paths of PEM files, or none where something on the way logs in."""

    url: str
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Api:
    """Sends requests as one identity. A connection for each request: simple, and some milliseconds here."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        context = ssl.create_default_context(cafile=identity.authority)
        if identity.certificate is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """Return status and content (parsed where it is JSON). Raises ``OSError`` where no answer comes."""
        try:
            with self._open(method, path, body, content_type) as answer:
                return int(answer.status), _content(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _content(error.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error

    def get(self, path: str) -> dict[str, Any]:
        """Return an object. Raises ``ClusterError`` where it is not there."""
        return _expect(self.request("GET", path), "GET", path)

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a list; none where the resource is not served."""
        status, content = self.request("GET", path)
        if status == 404:
            return []
        items: list[dict[str, Any]] = _expect((status, content), "GET", path).get("items") or []
        return items

    def apply(self, path: str, body: dict[str, Any], manager: str = "gpuops-test-cluster") -> dict[str, Any]:
        """Create or change an object by server-side apply; conflicts are overruled."""
        whole = f"{path}?fieldManager={manager}&force=true"
        return _expect(self.request("PATCH", whole, body, APPLY), "PATCH", path)

    def watch(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the events of a watch until the server ends it."""
        with self._open("GET", path, None, "application/json", seconds=None) as answer:
            try:
                for line in answer:
                    yield json.loads(line)
            except http.client.HTTPException as error:
                raise ConnectionError(f"GET {path}: {error!r}") from error

    def _open(self, method: str, path: str, body: Any, content_type: str, seconds: float | None = SECONDS) -> Any:
        request = urllib.request.Request(
            f"{self.identity.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": content_type, "Accept": "application/json"},
        )
        return self._opener.open(request, timeout=seconds)


def wait_until(
    look: Callable[[], bool], what: str, seconds: float = 60.0, alive: Callable[[], None] | None = None
) -> None:
    """Look until it is true. Raises ``ClusterError`` after ``seconds``; ``alive`` may raise earlier."""
    deadline = time.monotonic() + seconds
    while not look():
        if alive is not None:
            alive()
        if time.monotonic() > deadline:
            raise ClusterError(f"not within {seconds:g} s: {what}")
        time.sleep(0.03)


def _expect(answer: tuple[int, Any], method: str, path: str) -> dict[str, Any]:
    status, content = answer
    if status >= 300 or not isinstance(content, dict):
        message = content.get("message", content) if isinstance(content, dict) else content
        raise ClusterError(f"{method} {path}: {status} {message}")
    return content


def _content(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw.strip() else None
    except ValueError:
        return raw.decode("utf-8", "replace")
