# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of the Kubernetes API for one event loop: nothing of the collection's, and not the test cluster's,
whose requests block.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx

from gpuops_sandbox.cluster.pod_http import Reply
from gpuops_sandbox.kubernetes.kubeconfig import Access

SECONDS = 30.0
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
MANAGER = "gpuops-sandbox"


class ApiRefusal(Exception):
    """An answer other than success. ``status`` is HTTP's; the text is the server's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Sends requests to one API server. What does not reach it raises ``ConnectionError`` or ``TimeoutError``."""

    def __init__(self, access: Access) -> None:
        # What pods answer is handed on as it is, to clients that may not know httpx' compressions.
        headers = {"Accept-Encoding": "identity"}
        if access.token:
            headers["Authorization"] = f"Bearer {access.token}"
        self._client = httpx.AsyncClient(
            base_url=access.url,
            verify=access.trust,
            headers=headers,
            timeout=SECONDS,
            # A watch holds its connection, and there are several for each project.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Return the object of a successful answer. Raises ``ApiRefusal``."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": content_type}
        with _plain_errors(f"{method} {path}"):
            answer = await self._client.request(method, path, content=content, headers=headers)
        return _expect(answer.status_code, answer.content)

    async def text(self, path: str) -> str:
        """Return the text of a successful answer. Raises ``ApiRefusal``."""
        with _plain_errors(f"GET {path}"):
            answer = await self._client.get(path)
        if answer.is_error:
            _expect(answer.status_code, answer.content)
        return answer.text

    async def apply(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create or change an object by server-side apply; conflicts are overruled. Raises ``ApiRefusal``."""
        return await self.request("PATCH", f"{path}?fieldManager={MANAGER}&force=true", body, APPLY)

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[AsyncIterator[str]]:
        """Open a watch; give the lines of its answer. Raises ``ApiRefusal``."""
        with _plain_errors(f"GET {path}"):
            async with self._client.stream("GET", path, timeout=httpx.Timeout(SECONDS, read=None)) as answer:
                if answer.is_error:
                    _expect(answer.status_code, await answer.aread())
                yield answer.aiter_lines()

    async def ask_pod(
        self, path: str, method: str, headers: tuple[tuple[str, str], ...], body: bytes, seconds: float
    ) -> Reply:
        """Send a request to a pod by the API server's proxy and return the pod's own answer, byte by byte."""
        with _plain_errors(f"{method} {path}"):
            async with self._client.stream(
                method, path, headers=list(headers), content=body or None, timeout=seconds
            ) as answer:
                content = b"".join([part async for part in answer.aiter_raw()])
        refused = _status_message(content) if answer.is_error else None
        if refused is not None:
            # Said by the API server: the pod was not reached.
            raise ConnectionError(refused)
        pairs = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer.headers.raw)
        return Reply(answer.status_code, tuple(pairs), content)


@contextmanager
def _plain_errors(what: str) -> Iterator[None]:
    """Turn httpx' errors into the standard library's."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise TimeoutError(f"{what}: no answer in time") from error
    except httpx.HTTPError as error:
        raise ConnectionError(f"{what}: {error or type(error).__name__}") from error


def _expect(status: int, content: bytes) -> dict[str, Any]:
    if status >= 300:
        raise ApiRefusal(status, _status_message(content) or content.decode("utf-8", "replace"))
    found: dict[str, Any] = json.loads(content)
    return found


def _status_message(content: bytes) -> str | None:
    """Return the message of the API server's own ``Status``, or None where the body is none."""
    try:
        found = json.loads(content)
    except ValueError:
        return None
    if isinstance(found, dict) and found.get("kind") == "Status" and found.get("apiVersion") == "v1":
        return str(found.get("message") or found.get("reason") or "")
    return None
