# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which fields of a live object are ours, as the API server keeps it in ``metadata.managedFields``. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import (
    Refused,
    field_conflicts,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding

FIELD_MANAGER = "gpuops.inference"
# Words of the format FieldsV1: a field, an entry of a list by its keys, by its value; the thing itself.
_FIELD, _KEYS, _VALUE, _ITSELF = "f:", "k:", "v:", "."
_NOTHING = object()


def owned_part(live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> dict[str, Any]:
    """Return what ``manager`` owns of an object by applying it, with the live values: what it would apply to change
    nothing. An object that it never applied has nothing but its name.

    The values are the server's: quantities in its own spelling, and its defaults inside what is one value to it
    (``fieldRef.apiVersion``)."""
    entries = mappings(mapping(live.get("metadata")).get("managedFields"))
    ours = _merged(entry for entry in entries if _applies(entry, manager))
    others = _merged(entry for entry in entries if not _applies(entry, manager))
    owned = _owned(live, ours, others) if ours else {}
    part: dict[str, Any] = dict(owned) if isinstance(owned, Mapping) else {}
    identity = {key: live[key] for key in ("apiVersion", "kind") if key in live}
    metadata = {**mapping(part.get("metadata")), "name": mapping(live.get("metadata")).get("name")}
    return {**identity, **part, "metadata": metadata}


def conflicts(
    refused: Refused,
    key: str,
    manifest: Mapping[str, Any] | None = None,
    live: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """Return who holds the fields that an apply was refused for, and with ``live`` since when: one finding
    (``field_held_by_another``) for each, its object our path below ``key``. A refusal for another reason keeps its
    own findings."""
    return field_conflicts(refused.details, key, manifest, live) or refused.findings


def _applies(entry: Mapping[str, Any], manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _merged(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of several entries together."""
    merged: dict[str, Any] = {}
    for entry in entries:
        _merge_into(merged, mapping(entry.get("fieldsV1")))
    return merged


def _merge_into(target: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for step, below in fields.items():
        _merge_into(target.setdefault(step, {}), mapping(below))


def _owned(live: Any, fields: Mapping[str, Any], others: Mapping[str, Any]) -> Any:
    """Return the part of ``live`` that ``fields`` name, or ``_NOTHING``. A field without steps below it is owned as a
    whole, but for what is named below it for others: then it is only the empty shell that is ours."""
    steps = [step for step in fields if step != _ITSELF]
    if not steps:
        return _without(live, others) if isinstance(live, Mapping) and _ITSELF not in fields else _shell(live, fields)
    if isinstance(live, Mapping):
        owned = {}
        for key, value in live.items():
            step = f"{_FIELD}{key}"
            if step in fields:
                part = _owned(value, mapping(fields[step]), mapping(others.get(step)))
                if part is not _NOTHING:
                    owned[key] = part
        return owned
    if isinstance(live, list):
        parts = [_owned_entry(entry, fields, others) for entry in live]
        return [part for part in parts if part is not _NOTHING]
    return live


def _owned_entry(entry: Any, fields: Mapping[str, Any], others: Mapping[str, Any]) -> Any:
    """Return what is owned of a list's entry, which is addressed by its keys or by its value."""
    for step in fields:
        if step.startswith(_KEYS) and isinstance(entry, Mapping):
            keys = json.loads(step[len(_KEYS) :])
            if all(entry.get(name) == value for name, value in keys.items()):
                return _owned(entry, mapping(fields[step]), mapping(others.get(step)))
        elif step.startswith(_VALUE) and json.loads(step[len(_VALUE) :]) == entry:
            return entry
    return _NOTHING


def _shell(live: Any, fields: Mapping[str, Any]) -> Any:
    """Return a value that is owned as such; of a thing of which only the thing itself is ours, the empty thing."""
    if _ITSELF in fields and isinstance(live, (Mapping, list)):
        return type(live)()
    return live


def _without(live: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping without what others own below it."""
    return {key: value for key, value in live.items() if f"{_FIELD}{key}" not in others}
