# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The Run:ai REST API as far as the collection uses it: one thin method per request.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import RunaiConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import BUSY_STATUSES, Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import refusals
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.authentication import Authenticator
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    HttpError,
    HttpReply,
    Transport,
    Trust,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

Record = dict[str, Any]
# The API's largest page (facts: ``limit`` 1 to 500).
PAGE_SIZE = 500
_DATA_SOURCES = "/api/v1/asset/datasource/pvc"
# 408 and 5xx say nothing about whether a request was carried out.
_DOUBTFUL_STATUSES = tuple(status for status in BUSY_STATUSES if status != 429)


class DoubtfulAnswer(Exception):
    """A creation may or may not have been carried out; the text says what came instead of an answer."""


class RunaiClient:
    """Sends the requests. Reads and what is idempotent are repeated while the control plane is busy or gone."""

    def __init__(
        self,
        connection: RunaiConnection,
        host: Host,
        transport: Transport | None = None,
        retry: Retry | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        self._connection = connection
        self._host = host
        self._transport = transport or Transport(_trust(connection))
        self._retry = retry or Retry(host)
        self.authenticator = authenticator or Authenticator(connection, host, self._transport, self._retry)

    def projects(self, name: str | None = None) -> list[Record]:
        """Return the project of this name (a list of one or none), or without a name all that can be seen."""
        query = filter_query(name=name) if name else ""
        return self._pages("/api/v1/org-unit/projects", query, "projects", "read the projects")

    def clusters(self) -> list[Record]:
        """Return all clusters, with their status."""
        content = self._read("/api/v1/clusters?verbosity=full", "read the clusters")
        return _records(content)

    def workloads(self, name: str, project: str) -> list[Record]:
        """Return what the project has under this name, whatever its type."""
        query = filter_query(name=name, projectName=project)
        return self._pages("/api/v1/workloads", query, "workloads", f"look up workload {name}")

    def project_workloads(self, project: str) -> list[Record]:
        """Return all workloads of a project, whatever their type."""
        query = filter_query(projectName=project)
        return self._pages("/api/v1/workloads", query, "workloads", "read the project's workloads")

    def workload(self, handle: str) -> Record | None:
        """Return one workload with its phase and messages, or ``None`` where there is none."""
        return self._read_one(f"/api/v1/workloads/{quote(handle, safe='')}", "read the workload's status")

    def definition(self, kind: str, handle: str) -> Record | None:
        """Return what a workload of this kind consists of (``spec``), or ``None`` where there is none of that kind.

        Whether the id of a workload of another kind is answered with 404 or 400 is not documented.
        """
        return self._read_one(_path(kind, handle), "read the workload", (400, 404))

    def pods(self, handle: str) -> list[Record]:
        """Return the pods of a workload."""
        path = f"/api/v1/workloads/{quote(handle, safe='')}/pods"
        return self._pages(path, "", "pods", "read the workload's pods")

    def events(self, handle: str) -> list[Record]:
        """Return the newest events of a workload (one page)."""
        path = f"/api/v1/workloads/{quote(handle, safe='')}/events?limit={PAGE_SIZE}"
        return _records(self._read_one(path, "read the workload's events"), "events")

    def data_sources(self, project: str, **query: str) -> list[Record]:
        """Return the PVC data sources of a project, by its id. ``query`` asks for less, or for more of each."""
        parameters = urlencode({"projectId": project, **query})
        return _records(self._read(f"{_DATA_SOURCES}?{parameters}", "read the PVC data sources"), "entries")

    def history(self, handle: str) -> list[Record]:
        """Return the recorded phases and events of a workload (one page)."""
        path = f"/api/v1/workloads/{quote(handle, safe='')}/history?limit={PAGE_SIZE}"
        return _records(self._read_one(path, "read the workload's history"), "records")

    def create(self, kind: str, body: Mapping[str, Any]) -> Record:
        """Create a workload. Sent once; only where it surely did not arrive (refused connection, 429) again.

        Raises ``DoubtfulAnswer`` where it may have been carried out, ``ApiError`` where it was refused.
        """
        return self._create(f"/api/v1/workloads/{kind}", body, f"create workload {body.get('name', '')}")

    def update(self, kind: str, handle: str, spec: Mapping[str, Any]) -> None:
        """Set the given fields of a workload. Setting them twice is the same, so a doubtful answer is repeated."""
        self._repeatable("PATCH", _path(kind, handle), {"spec": dict(spec)}, "change the workload")

    def delete(self, kind: str, handle: str) -> None:
        """Ask for the deletion of a workload; one that is gone already is as good."""
        self._delete(_path(kind, handle), "delete the workload")

    def create_data_source(self, body: Mapping[str, Any]) -> Record:
        """Create a PVC data source. Sent once, as a workload is; raises the same."""
        name = body["meta"]["name"]
        return self._create(_DATA_SOURCES, body, f"create the PVC data source {name}")

    def update_data_source(self, handle: str, body: Mapping[str, Any]) -> None:
        """Set name, description and path of a data source; doing it twice is the same."""
        self._repeatable("PUT", f"{_DATA_SOURCES}/{quote(handle, safe='')}", body, "change the PVC data source")

    def delete_data_source(self, handle: str) -> None:
        """Ask for the deletion of a data source; one that is gone already is as good."""
        self._delete(f"{_DATA_SOURCES}/{quote(handle, safe='')}", "delete the PVC data source")

    def storage_classes(self, cluster: str) -> list[Record] | None:
        """Return the storage classes of a cluster, by its id; ``None`` where they may not be seen, or where the
        control plane does not have them."""
        path = f"/api/v2/storage-classes?clusterId={quote(cluster, safe='')}"
        content = self._read_one(path, "read the storage classes", (400, 403, 404))
        return None if content is None else _records(content, "items")

    def _create(self, path: str, body: Mapping[str, Any], what: str) -> Record:
        try:
            reply = self._retry.call(
                lambda: self._authorized("POST", path, body),
                lambda status: status == 429,
                lambda error: error.passing and not error.maybe_executed,
            )
        except HttpError as error:
            if error.maybe_executed:
                raise DoubtfulAnswer(error.reason) from None
            raise refusals.unreachable(error, what, self._connection.url) from None
        if reply.status in _DOUBTFUL_STATUSES:
            raise DoubtfulAnswer(refusals.refusal(reply, what, self._host.redactor).message)
        content = self._content(reply, what)
        return content if isinstance(content, dict) else {}

    def _delete(self, path: str, what: str) -> None:
        try:
            self._repeatable("DELETE", path, None, what)
        except refusals.ApiError as error:
            if error.status != 404:
                raise

    def _read(self, path: str, what: str) -> Any:
        return self._repeatable("GET", path, None, what)

    def _read_one(self, path: str, what: str, absent: tuple[int, ...] = (404,)) -> Record | None:
        """Return an object, or ``None`` where the API says by a status in ``absent`` that there is none."""
        try:
            content = self._read(path, what)
        except refusals.ApiError as error:
            if error.status in absent:
                return None
            raise
        return content if isinstance(content, dict) else None

    def _pages(self, path: str, query: str, key: str, what: str) -> list[Record]:
        """Return the entries of all pages; ``next`` is the offset of the next one and absent at the end."""
        entries: list[Record] = []
        offset = 0
        while True:
            paging = urlencode({"limit": PAGE_SIZE, **({"offset": offset} if offset else {})})
            content = self._read(f"{path}?{'&'.join(part for part in (query, paging) if part)}", what)
            entries += _records(content, key)
            following = content.get("next") if isinstance(content, Mapping) else None
            if not isinstance(following, int) or following <= offset:
                return entries
            offset = following

    def _repeatable(self, method: str, path: str, body: Mapping[str, Any] | None, what: str) -> Any:
        try:
            reply = self._retry.call(lambda: self._authorized(method, path, body))
        except HttpError as error:
            raise refusals.unreachable(error, what, self._connection.url) from None
        return self._content(reply, what)

    def _content(self, reply: HttpReply, what: str) -> Any:
        """Return the JSON of a success; raise ``ApiError`` for every other answer."""
        if not 200 <= reply.status < 300:
            raise refusals.refusal(reply, what, self._host.redactor)
        try:
            return reply.json()
        except ValueError:
            raise refusals.not_json(reply, what) from None

    def _authorized(self, method: str, path: str, body: Mapping[str, Any] | None) -> HttpReply:
        """Send one request with the token. A 401 was not carried out: log in once more and send it again."""
        token = self.authenticator.token()
        reply = self._send(method, path, body, token)
        if reply.status != 401:
            return reply
        reply = self._send(method, path, body, self.authenticator.renew(token))
        if reply.status == 401:
            raise self.authenticator.not_taken()
        return reply

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, token: str) -> HttpReply:
        # Getting the token may have taken its time.
        self._host.alive()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "gpuops.inference"}
        content: bytes | None = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode("utf-8")
        url = self._connection.url + path
        time_limit = self._retry.time_limit(self._connection.request_timeout)
        return self._transport.request(method, url, headers, content, time_limit)


def filter_query(**terms: str) -> str:
    """Return ``filterBy`` with equality terms: one parameter, terms separated by commas, each one encoded.

    How a comma inside a value would be written is not documented, so one is refused with ``OptionError``, as is an
    empty value.
    """
    for field, value in terms.items():
        if "," in value or not value.strip():
            raise OptionError.of(
                "project" if field.startswith("project") else field,
                f"{value!r} cannot be looked up.",
                "Names consist of lower-case letters, digits and hyphens.",
            )
    return "filterBy=" + ",".join(quote(f"{field}=={value}", safe="") for field, value in terms.items())


def _trust(connection: RunaiConnection) -> Trust:
    """Return the TLS trust; raise ``OptionError`` naming the file that cannot be used."""
    trust = Trust(connection.validate_certs, connection.ca_path, connection.client_cert, connection.client_key)
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("runai_ca_path", Trust(True, connection.ca_path).context),
        ("runai_client_cert", trust.context),
    )
    given = {"runai_ca_path": connection.ca_path, "runai_client_cert": connection.client_cert}
    for option, check in checks:
        path = given[option]
        if path:
            try:
                check()
            except OSError as error:
                reason = error.strerror or "it holds no usable certificate or key"
                raise OptionError.of(option, f"{path} cannot be used: {reason}.", "Give a PEM file.") from None
    return trust


def _path(kind: str, handle: str) -> str:
    return f"/api/v1/workloads/{kind}/{quote(handle, safe='')}"


def _records(content: Any, key: str | None = None) -> list[Record]:
    """Return the objects of a list, which stands bare or under ``key``."""
    entries = content.get(key) if key is not None and isinstance(content, Mapping) else content
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
