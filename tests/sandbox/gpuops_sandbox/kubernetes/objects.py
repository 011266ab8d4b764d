# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes, changes and removes the simulator's objects in the cluster; like a controller it tries until it is decided."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from gpuops_sandbox.cluster.objects import Workload
from gpuops_sandbox.kubernetes.api import MERGE, Api, ApiRefusal
from gpuops_sandbox.kubernetes.vocabulary import (
    OWN_LABEL,
    WORKLOAD_KINDS,
    Object,
    collection_of,
    collection_path,
    path_of,
)

RETRY_SECONDS = 0.5
TOO_MANY_REQUESTS = 429
LOGGER = logging.getLogger("gpuops_sandbox")


class Objects:
    """The cluster's objects, as far as this simulator makes them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def create(self, content: Object, workload: Workload | None = None) -> Object:
        """Create an object where there is none, and return it. Raises ``ApiRefusal``.

        An object of a workload must not be somebody else's; any other may be there already.
        """
        try:
            return await self._insist("POST", collection_of(content), content, workload=workload)
        except ApiRefusal as refusal:
            if refusal.status != 409:
                raise
            there = await self._insist("GET", path_of(content))
            # It may be our own: the answer to an earlier attempt was lost.
            if workload is not None and _owner(there) != workload.id:
                raise
            return there

    async def put(self, kind: str, namespace: str, name: str, data: dict[str, str]) -> None:
        """Create or replace a table of strings (a Secret, a ConfigMap)."""
        metadata = {"name": name, "namespace": namespace}
        content = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}
        await self._api.apply(path_of(content), content)

    async def scale(self, path: str, replicas: int) -> None:
        """Change an object's number of replicas, and nothing else."""
        await self._insist("PATCH", path, {"spec": {"replicas": replicas}}, MERGE)

    async def delete(self, path: str, **options: Any) -> None:
        """Delete an object that may be there, with the fields of ``DeleteOptions``."""
        await self._insist("DELETE", path, options)

    async def remove(self, namespace: str, selector: str) -> None:
        """Begin to delete what was made of workloads, from the whole down to its pods."""
        for version, kind in WORKLOAD_KINDS:
            path = f"{collection_path(version, kind, namespace)}?labelSelector={selector}"
            await self.delete(path, propagationPolicy="Foreground")

    async def is_empty(self, namespace: str, selector: str) -> bool:
        """Return whether nothing of that is left."""
        for version, kind in WORKLOAD_KINDS:
            path = f"{collection_path(version, kind, namespace)}?labelSelector={selector}"
            if (await self._insist("GET", path)).get("items"):
                return False
        return True

    async def is_there(self, path: str) -> bool:
        """Return whether an object exists."""
        return bool(await self._insist("GET", path))

    async def _insist(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        workload: Workload | None = None,
    ) -> Object:
        """Send a request again and again until the server decides, or its workload is to go. Raises ``ApiRefusal``.

        Where nothing is there the answer is empty, but for a POST: a kind that is not served cannot be made.
        """
        while True:
            try:
                return await self._api.request(method, path, body, content_type)
            except ApiRefusal as refusal:
                if refusal.status == 404 and method != "POST":
                    return {}
                decided = refusal.status < 500 and refusal.status != TOO_MANY_REQUESTS
                if decided or (workload is not None and workload.deletion_requested_at is not None):
                    raise
                LOGGER.warning("%s %s: %s", method, path, refusal)
            except OSError as error:
                LOGGER.warning("%s", error)
            await asyncio.sleep(RETRY_SECONDS)


def _owner(content: Object) -> str | None:
    labels = (content.get("metadata") or {}).get("labels") or {}
    owner: str | None = labels.get(OWN_LABEL)
    return owner
