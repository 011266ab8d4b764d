# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The record of what was applied last, as every platform writes it into the workload itself. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import AppliedRecord
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import canonical_json, hash_clear_value

# Raised whenever an older collection could misread the record; such a record is then as good as none to it.
FORMAT = 1
_HASHED = re.compile(r"sha256:[0-9a-f]{12}")
# What the list of a pod's environment variables is called: by Run:ai's API, by Kubernetes.
_VARIABLES = ("environmentVariables", "env")


def write_record(record: AppliedRecord) -> str:
    """Return the annotation's text. Clear environment values in the body are hashed if they are not yet."""
    return canonical_json(
        {
            "format": FORMAT,
            "collection_version": record.collection_version,
            "inputs": dict(record.inputs),
            "fabric": None if record.fabric is None else dict(record.fabric),
            "body": hash_environment(record.body),
        }
    )


def read_record(text: str | None) -> AppliedRecord | None:
    """Return the record of an annotation's text, or ``None`` for none, a broken one or one of a newer format."""
    if not text:
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    inputs, body, fabric = content.get("inputs"), content.get("body"), content.get("fabric")
    if not isinstance(inputs, dict) or not isinstance(body, dict):
        return None
    return AppliedRecord(
        inputs=inputs,
        body=body,
        fabric=fabric if isinstance(fabric, dict) else None,
        collection_version=str(content.get("collection_version") or ""),
    )


def same_settings(ours: AppliedRecord, theirs: AppliedRecord | None) -> bool:
    """Say whether two records describe the same workload, whichever version of the collection wrote them."""
    if theirs is None:
        return False
    return (
        dict(ours.inputs) == dict(theirs.inputs)
        and hash_environment(ours.body) == hash_environment(theirs.body)
        and ours.fabric == theirs.fabric
    )


def hash_environment(body: Mapping[str, Any], hashed: Callable[[str], bool] = lambda variable: True) -> dict[str, Any]:
    """Return a copy of a body in which clear environment values are ``sha256:`` and 12 digits, salted by the name.

    ``hashed`` says for which variables; by default for all.
    """
    return {key: _hashed_below(key, value, hashed) for key, value in body.items()}


def is_hashed(value: Any) -> bool:
    """Say whether a recorded value is the hash of one that is not kept."""
    return isinstance(value, str) and _HASHED.fullmatch(value) is not None


def _hashed_below(key: str, value: Any, hashed: Callable[[str], bool]) -> Any:
    if key in _VARIABLES and isinstance(value, (list, tuple)):
        return [_hashed_variable(entry, hashed) for entry in value]
    # Most values are texts, and asking whether something is a Mapping takes long.
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, Mapping)):
        return hash_environment(value, hashed)
    if isinstance(value, (list, tuple)):
        return [_hashed_below("", entry, hashed) for entry in value]
    return value


def _hashed_variable(entry: Any, hashed: Callable[[str], bool]) -> Any:
    if not isinstance(entry, (dict, Mapping)) or not isinstance(entry.get("value"), str):
        return entry
    name, value = str(entry.get("name")), entry["value"]
    if not hashed(name) or _HASHED.fullmatch(value):
        return entry
    return {**entry, "value": hash_clear_value(name, value)}
