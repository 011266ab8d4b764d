# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Three-way comparison: what was applied last, what is wanted, what is live. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten, is_below
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import hash_clear_value, short_hash
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import SecretReference, WorkloadSpec

# Inputs that describe how a state is reached or which are compared with the live object itself.
_NOT_COMPARED = ("name", "replicas")


@dataclass(frozen=True)
class Change:
    """One difference. ``path`` is a flattened path of the body; ``None`` means that the path is not there.

    ``origin`` is ``wanted`` (the user changed it) or ``drift`` (something else changed the live object).
    """

    path: str
    before: Any
    after: Any
    origin: str

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {"path": self.path, "before": self.before, "after": self.after, "origin": self.origin}


def differences(before: Mapping[str, Any], after: Mapping[str, Any], origin: str) -> list[Change]:
    """Return every path whose leaf differs between two flattened values, in the order of the paths."""
    return [
        Change(path, before.get(path), after.get(path), origin)
        for path in sorted(set(before) | set(after))
        if before.get(path) != after.get(path)
    ]


def readable(changes: Iterable[Change], before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the changes with the values of two flattened bodies as people may see them, where these have the path."""
    return tuple(
        Change(
            change.path,
            before.get(change.path, change.before),
            after.get(change.path, change.after),
            change.origin,
        )
        for change in changes
    )


def inputs_of(spec: WorkloadSpec) -> dict[str, Any]:
    """Return the user's inputs as plain data for the record of what was applied.

    Inputs that have their default are left out, so that a newer collection with one more option, or with another
    default, sees no change of the user's. Clear environment values are hashed. Of the fabric only what the user asked
    counts.
    """
    inputs: dict[str, Any] = {}
    for entry in dataclasses.fields(spec):
        value = getattr(spec, entry.name)
        if entry.name in _NOT_COMPARED or value == _default_of(entry):
            continue
        inputs[entry.name] = _plain_input(entry.name, value)
    return inputs


def body_hash(body: Mapping[str, Any], leaving_out: Iterable[str] = ()) -> str:
    """Return the short hash that identifies a body (``plan_hash`` in results), without the paths to leave out."""
    ignored = tuple(leaving_out)
    return short_hash({path: leaf for path, leaf in flatten(body).items() if not is_below(path, ignored)})


def with_fields(body: Mapping[str, Any], source: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Return ``body`` with the named fields (dotted paths of keys) as they are in ``source``."""
    result = dict(body)
    for dotted in fields:
        key, _dot, rest = dotted.partition(".")
        if rest:
            result[key] = with_fields(result.get(key) or {}, source.get(key) or {}, (rest,))
        elif key in source:
            result[key] = source[key]
        else:
            result.pop(key, None)
    return result


def _plain_input(name: str, value: Any) -> Any:
    """Return one input as plain data."""
    if name == "env":
        return {variable: _plain_variable(variable, content) for variable, content in value.items()}
    if name == "fabric":
        return value.asked
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            entry.name: _plain_input("", getattr(value, entry.name))
            for entry in dataclasses.fields(value)
            if getattr(value, entry.name) != _default_of(entry)
        }
    if isinstance(value, Mapping):
        return {key: _plain_input("", item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain_input("", item) for item in value]
    return value


def _plain_variable(name: str, value: str | SecretReference) -> Any:
    """Return one environment variable of the user as the record keeps it."""
    if isinstance(value, SecretReference):
        return {"secret": value.secret, "key": value.key}
    return hash_clear_value(name, value)


def _default_of(entry: dataclasses.Field[Any]) -> Any:
    """Return a field's default, or a value equal to nothing where there is none."""
    if entry.default is not dataclasses.MISSING:
        return entry.default
    if entry.default_factory is not dataclasses.MISSING:
        return entry.default_factory()
    return object()
