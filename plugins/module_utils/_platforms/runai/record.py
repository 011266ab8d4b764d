# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Where a Run:ai workload carries the record of what was applied last. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import (
    RECORD_ANNOTATION,
    RECORD_VARIABLE,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mappings
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import protect_expansion


def with_record(spec: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a copy of a spec that carries the record.

    A distributed inference, which is never changed but for its replicas, carries it as an annotation of the leader. An
    inference carries it as an environment variable: PATCH takes these, and no annotations.
    """
    leader = spec.get("leader")
    if isinstance(leader, Mapping):
        return {
            **spec,
            "leader": {**leader, "annotations": _with_entry(leader, "annotations", RECORD_ANNOTATION, text)},
        }
    variables = _with_entry(spec, "environmentVariables", RECORD_VARIABLE, protect_expansion(text))
    return {**spec, "environmentVariables": variables}


def record_text_of(spec: Mapping[str, Any]) -> str | None:
    """Return the record's text of a spec as the API returned it, or ``None``."""
    leader = spec.get("leader")
    if isinstance(leader, Mapping):
        return _entry_of(leader, "annotations", RECORD_ANNOTATION)
    text = _entry_of(spec, "environmentVariables", RECORD_VARIABLE)
    return None if text is None else text.replace("$$", "$")


def is_record(entry: Any) -> bool:
    """Say whether an annotation or a variable is the record itself."""
    return isinstance(entry, Mapping) and entry.get("name") in (RECORD_ANNOTATION, RECORD_VARIABLE)


def _with_entry(holder: Mapping[str, Any], field: str, name: str, value: str) -> list[Any]:
    others = [entry for entry in mappings(holder.get(field)) if entry.get("name") != name]
    return [*others, {"name": name, "value": value}]


def _entry_of(holder: Mapping[str, Any], field: str, name: str) -> str | None:
    for entry in mappings(holder.get(field)):
        if entry.get("name") == name and isinstance(entry.get("value"), str):
            return str(entry["value"])
    return None
