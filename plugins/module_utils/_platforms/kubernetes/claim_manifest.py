# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A volume claim in Kubernetes' words and in those of the options. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.ownership import owned_part
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import CLAIMS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._workload import claim
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import ClaimSpec

Object = Mapping[str, Any]

_ACCESS_MODES = {
    claim.READ_WRITE_MANY: "ReadWriteMany",
    claim.READ_ONLY_MANY: "ReadOnlyMany",
    claim.READ_WRITE_ONCE: "ReadWriteOnce",
    claim.READ_WRITE_ONCE_POD: "ReadWriteOncePod",
}
_VOLUME_MODES = {claim.FILESYSTEM: "Filesystem", claim.BLOCK: "Block"}
_OUR_ACCESS_MODES = {theirs: ours for ours, theirs in _ACCESS_MODES.items()}
_OUR_VOLUME_MODES = {theirs: ours for ours, theirs in _VOLUME_MODES.items()}
# Where the class of a claim stood before it was a field; the API server still heeds it.
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
# Options that the API server lets nobody change.
_FIXED = ("access_modes", "volume_mode", "storage_class", "selector")


def described(found: Object) -> dict[str, Any]:
    """Return what a claim is, by option; ``None`` where it has nothing."""
    metadata, spec = mapping(found.get("metadata")), mapping(found.get("spec"))
    annotations = mapping(metadata.get("annotations"))
    modes = [str(mode) for mode in spec.get("accessModes") or ()]
    volume_mode = str(spec.get("volumeMode") or "Filesystem")
    return {
        "size": mapping(mapping(spec.get("resources")).get("requests")).get("storage"),
        "access_modes": sorted(_OUR_ACCESS_MODES.get(mode, mode) for mode in modes),
        "volume_mode": _OUR_VOLUME_MODES.get(volume_mode, volume_mode),
        "storage_class": spec.get("storageClassName", annotations.get(_OLD_CLASS)),
        "volume_name": spec.get("volumeName") or None,
        "selector": dict(mapping(mapping(spec.get("selector")).get("matchLabels"))),
        "labels": dict(mapping(metadata.get("labels"))),
        "annotations": dict(annotations),
    }


def fixed_options(found: Object) -> dict[str, str]:
    """Return the options that cannot be changed any more; the volume can be named as long as there is none."""
    named = bool(mapping(found.get("spec")).get("volumeName"))
    return dict.fromkeys((*_FIXED, "volume_name") if named else _FIXED, "")


def is_ours(found: Object) -> bool:
    """Say whether the collection made a claim, or took it over."""
    return mapping(mapping(found.get("metadata")).get("labels")).get(MANAGED_BY_LABEL) == MANAGED_BY


def manifest(spec: ClaimSpec, found: Object | None) -> dict[str, Any]:
    """Return what is applied. Of a claim that is there (``found``), what nobody states stays as we applied it."""
    applied = mapping(owned_part(found).get("spec")) if found is not None else {}
    stated = spec.for_creation() if found is None else spec.stated()
    metadata: dict[str, Any] = {"name": spec.name, "labels": our_labels(spec)}
    if spec.annotations:
        metadata["annotations"] = dict(spec.annotations)
    return {
        "apiVersion": CLAIMS.api_version,
        "kind": CLAIMS.kind,
        "metadata": metadata,
        "spec": {**applied, **_fields(stated)},
    }


def our_labels(spec: ClaimSpec) -> dict[str, str]:
    """Return the labels of a claim of ours."""
    return {**spec.labels, MANAGED_BY_LABEL: MANAGED_BY}


def dropped(spec: ClaimSpec, found: Object, field: str) -> dict[str, str]:
    """Return the labels or annotations (``field``) that we applied and nobody asks for any more."""
    wanted = our_labels(spec) if field == "labels" else spec.annotations
    applied = mapping(mapping(owned_part(found).get("metadata")).get(field))
    return {name: value for name, value in applied.items() if name not in wanted}


def _fields(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a claim's spec for what is stated by option."""
    fields: dict[str, Any] = {}
    if "access_modes" in stated:
        fields["accessModes"] = [_ACCESS_MODES[mode] for mode in stated["access_modes"]]
    if "size" in stated:
        fields["resources"] = {"requests": {"storage": stated["size"]}}
    if "volume_mode" in stated:
        fields["volumeMode"] = _VOLUME_MODES[stated["volume_mode"]]
    if "storage_class" in stated:
        fields["storageClassName"] = stated["storage_class"]
    if "volume_name" in stated:
        fields["volumeName"] = stated["volume_name"]
    if "selector" in stated:
        fields["selector"] = {"matchLabels": stated["selector"]}
    return fields
