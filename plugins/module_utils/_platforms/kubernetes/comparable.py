# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Bodies in the form in which they are compared, recorded and shown. Pure.

A body is ``{"<Kind>/<name>": manifest}``. Amounts are written in one form, clear environment values hashed, the record
of what was applied left out. Fields that only the server or somebody else has stay away by ``restricted``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.quantities import normal_quantity
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    RECORD_ANNOTATION,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import hash_environment
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import addresses
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import looks_secret

# Of the metadata only what an applied manifest can state; everything else is the server's.
_STATED_METADATA = ("name", "labels", "annotations")
# Annotations that clients and controllers of Kubernetes keep for themselves.
_NOISE = (
    RECORD_ANNOTATION,
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
)
# Fields that hold one quantity, or a mapping of them.
_QUANTITY = "sizeLimit"
_QUANTITIES = ("limits", "requests")


def comparable(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rendered, recorded or live body as it is compared. Doing it twice changes nothing."""
    return hash_environment(_normalised(body))


def shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body as people may see it: only environment values whose name looks secret are hashed."""
    return hash_environment(_normalised(body), looks_secret)


def stripped(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object of the API server without what the server itself keeps in it (status, identity, managers)."""
    kept = {key: value for key, value in found.items() if key not in ("status", "metadata")}
    metadata = found.get("metadata")
    if isinstance(metadata, Mapping):
        kept["metadata"] = {key: metadata[key] for key in _STATED_METADATA if metadata.get(key)}
    return kept


def restricted(found: Any, like: Any) -> Any:
    """Return the part of a live value that has the shape of ``like``: its keys, and those entries of its lists that
    have the same name (or other identity). What is not there is left out; a value of another type is returned whole."""
    if isinstance(like, Mapping) and isinstance(found, Mapping):
        return {key: restricted(found[key], value) for key, value in like.items() if key in found}
    if isinstance(like, (list, tuple)) and isinstance(found, (list, tuple)):
        if not any(isinstance(entry, Mapping) for entry in like):
            return list(found)
        entries = dict(zip(addresses(found), found, strict=True))
        pairs = zip(addresses(like), like, strict=True)
        return [restricted(entries[address], entry) for address, entry in pairs if address in entries]
    return found


def _normalised(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _object(value) if isinstance(value, Mapping) else value for key, value in body.items()}


def _object(manifest: Mapping[str, Any]) -> dict[str, Any]:
    cleaned: dict[str, Any] = _cleaned(manifest)
    metadata = cleaned.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("annotations"), dict):
        annotations = {name: text for name, text in metadata["annotations"].items() if name not in _NOISE}
        rest = {key: value for key, value in metadata.items() if key != "annotations"}
        cleaned["metadata"] = {**rest, "annotations": annotations} if annotations else rest
    return cleaned


def _cleaned(value: Any) -> Any:
    """Return plain data without nulls, its quantities in their one form."""
    # Most values are texts, and asking whether something is a Mapping takes long.
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, Mapping)):
        return {key: _field(key, item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_cleaned(item) for item in value if item is not None]
    return value


def _variable(entry: Any) -> Any:
    """Return a variable without an empty value: the API server leaves it out of some kinds of objects."""
    if isinstance(entry, Mapping) and entry.get("value") == "":
        return {key: item for key, item in entry.items() if key != "value"}
    return entry


def _field(key: str, value: Any) -> Any:
    if key == _QUANTITY:
        return normal_quantity(value)
    if key in _QUANTITIES and isinstance(value, (dict, Mapping)):
        return {name: normal_quantity(amount) for name, amount in value.items() if amount is not None}
    if key == "emptyDir" and isinstance(value, Mapping):
        # The ordinary medium, which some kinds of objects give back as nothing.
        return {name: _field(name, item) for name, item in value.items() if item is not None and item != ""}
    if key == "env" and isinstance(value, (list, tuple)):
        return [_variable(entry) for entry in _cleaned(value)]
    return _cleaned(value)
