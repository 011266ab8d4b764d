# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Plain data as paths: how the leaves of a body are named in differences and in the rules about them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What tells the entries of a list apart where they have no name: a claim by its path too, a toleration by its effect.
_IDENTIFYING = ("claimName", "resource", "key", "operator", "effect", "path")


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of plain data by path: ``spec.leader.environmentVariables[HOME].value``.

    Entries of a list that carry a name are addressed by it, so that their order is no difference. A list of plain
    values (the words of a command) is one leaf.
    """
    if isinstance(value, Mapping) and value:
        leaves: dict[str, Any] = {}
        for key, item in value.items():
            leaves.update(flatten(item, f"{path}.{key}" if path else str(key)))
        return leaves
    if isinstance(value, (list, tuple)) and any(isinstance(item, (Mapping, list, tuple)) for item in value):
        leaves = {}
        for address, item in zip(addresses(value), value, strict=True):
            leaves.update(flatten(item, f"{path}[{address}]"))
        return leaves
    return {path: list(value) if isinstance(value, tuple) else value}


def addresses(entries: Sequence[Any]) -> list[str]:
    """Return what the entries of a list are called in paths, each one otherwise."""
    names: list[str] = []
    for index, entry in enumerate(entries):
        name = _entry_name(entry, index)
        names.append(name if name not in names else f"{name}#{index}")
    return names


def is_below(path: str, parents: Iterable[str]) -> bool:
    """Say whether ``path`` is one of ``parents`` or lies below one of them."""
    return any(path == parent or path.startswith((f"{parent}.", f"{parent}[")) for parent in parents)


def _entry_name(item: Any, index: int) -> str:
    """Return what tells a list's entry from the others: its name, or its identifying parts, or its place."""
    if not isinstance(item, Mapping):
        return str(index)
    if isinstance(item.get("name"), str):
        return str(item["name"])
    parts = [str(item[key]) for key in _IDENTIFYING if isinstance(item.get(key), str)]
    return ",".join(parts) or str(index)
