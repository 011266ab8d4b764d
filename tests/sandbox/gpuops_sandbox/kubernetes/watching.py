# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the objects of a path: list, watch, and list anew when the watch has ended."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

from gpuops_sandbox.kubernetes.api import Api, ApiRefusal
from gpuops_sandbox.kubernetes.objects import RETRY_SECONDS
from gpuops_sandbox.kubernetes.vocabulary import Object

LOGGER = logging.getLogger("gpuops_sandbox")

# Takes an object, and whether it is gone.
Seen = Callable[[Object, bool], None]


async def follow(api: Api, path: str, selector: str, seen: Seen) -> None:
    """Hand every object of ``path``, and each of its changes, to ``seen`` exactly once. Ends by cancellation only.

    ``selector``: ``labelSelector=...`` or empty.
    """
    known: dict[str, Object] = {}
    while True:
        try:
            version = await _list(api, f"{path}?{selector}", known, seen)
            await _watch(api, f"{path}?{selector}&watch=true&resourceVersion={version}", known, seen)
        except (ApiRefusal, OSError) as error:
            LOGGER.warning("watch of %s is begun anew: %s", path, error)
            await asyncio.sleep(RETRY_SECONDS)


async def _list(api: Api, path: str, known: dict[str, Object], seen: Seen) -> str:
    found = await api.request("GET", path)
    there = {item["metadata"]["uid"]: item for item in found.get("items") or []}
    for uid in [uid for uid in known if uid not in there]:
        seen(known.pop(uid), True)
    for item in sorted(there.values(), key=_age):
        _take(item, known, seen)
    return str(found["metadata"]["resourceVersion"])


async def _watch(api: Api, path: str, known: dict[str, Object], seen: Seen) -> None:
    async with api.watch(path) as lines:
        async for line in lines:
            change = json.loads(line)
            content: Object = change["object"]
            if change["type"] == "ERROR":
                # 410: what was seen last is too old to go on from.
                raise ApiRefusal(int(content.get("code", 500)), str(content.get("message")))
            if change["type"] == "DELETED":
                known.pop(content["metadata"]["uid"], None)
                seen(content, True)
            else:
                _take(content, known, seen)


def _take(content: Object, known: dict[str, Object], seen: Seen) -> None:
    metadata = content["metadata"]
    before = known.get(metadata["uid"])
    known[metadata["uid"]] = content
    if before is None or before["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
        seen(content, False)


def _age(content: Object) -> tuple[str, str]:
    metadata = content["metadata"]
    return str(metadata.get("creationTimestamp") or ""), str(metadata["name"])
