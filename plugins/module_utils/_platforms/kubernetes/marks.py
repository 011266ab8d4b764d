# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""How the collection knows its own objects again: labels on all of them, the record on the main one. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENTS,
    LEADERWORKERSET,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    RECORD_ANNOTATION,
    WORKLOAD_LABEL,
    head_name,
    object_key,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping


def main_object_key(kind: str, name: str) -> str:
    """Return the body key of the object that carries the record of a workload of this kind."""
    if kind == LEADERWORKERSET:
        return object_key("LeaderWorkerSet", name)
    return object_key("Deployment", head_name(name) if kind == DEPLOYMENTS else name)


def is_ours(found: Mapping[str, Any], name: str) -> bool:
    """Say whether the collection made an object for the workload ``name``."""
    labels = mapping(mapping(found.get("metadata")).get("labels"))
    return labels.get(MANAGED_BY_LABEL) == MANAGED_BY and labels.get(WORKLOAD_LABEL) == name


def with_record(manifest: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a copy of the main object's manifest that carries the record."""
    metadata = mapping(manifest.get("metadata"))
    annotations = {**mapping(metadata.get("annotations")), RECORD_ANNOTATION: text}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def record_text_of(found: Mapping[str, Any]) -> str | None:
    """Return the record's text of a main object, or ``None``."""
    text = mapping(mapping(found.get("metadata")).get("annotations")).get(RECORD_ANNOTATION)
    return text if isinstance(text, str) else None
