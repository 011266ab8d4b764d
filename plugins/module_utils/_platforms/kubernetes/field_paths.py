# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Fields as the API server names them, in the paths by which bodies are compared. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# A step of a path: `.name`, `[3]`, `[name="vllm"]`, `[containerPort=8000,protocol="TCP"]`, `["finalizer"]`.
_STEP = re.compile(r"\.?(?P<name>[^.\[\]]+)|\[(?P<entry>(?:\"(?:[^\"\\]|\\.)*\"|[^\]\"])*)\]")
_KEY = re.compile(r"(?P<name>\w+)=(?P<value>\"(?:[^\"\\]|\\.)*\"|[^,]+)")


def our_path(key: str, field: str, manifest: Mapping[str, Any] | None = None) -> str:
    """Return ``<Kind>/<name>.spec.containers[vllm].image`` for ``.spec.containers[0].image`` or
    ``.spec.containers[name="vllm"].image``.

    ``manifest`` tells the names of entries that the server addresses by place or by other keys.
    """
    path, value = key, manifest
    for step in _STEP.finditer(field):
        name, entry = step["name"], step["entry"]
        if name is not None:
            path += f".{name}"
            value = value.get(name) if isinstance(value, Mapping) else None
        else:
            value = _entry(value, entry)
            path += f"[{_name_of(value, entry)}]"
    return path


def _entry(entries: Any, address: str) -> Any:
    """Return the list's entry at a place or with the given keys, or ``None``."""
    if not isinstance(entries, (list, tuple)):
        return None
    if address.isdigit():
        return entries[int(address)] if int(address) < len(entries) else None
    keys = _keys(address)
    for entry in entries:
        # The server adds keys that have a default (protocol), which are not in the manifest.
        if keys and isinstance(entry, Mapping) and all(entry.get(name, value) == value for name, value in keys.items()):
            return entry
    return None


def _name_of(entry: Any, address: str) -> str:
    if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        return str(entry["name"])
    keys = _keys(address)
    return ",".join(str(value) for value in keys.values()) if keys else address.strip('"')


def _keys(address: str) -> dict[str, Any]:
    keys = {}
    for found in _KEY.finditer(address):
        try:
            keys[found["name"]] = json.loads(found["value"])
        except ValueError:
            keys[found["name"]] = found["value"]
    return keys
