# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The option ``fabric``: the decision about what carries NCCL between pods.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.texts import read_texts
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import (
    CONFIDENCES,
    KINDS,
    FabricDecision,
    FabricVariable,
)


def fabric_argument_spec() -> dict[str, Any]:
    """Return the argument of the option ``fabric``."""
    return {
        "type": "dict",
        "options": {
            "kind": {"type": "str", "required": True, "choices": list(KINDS)},
            "confidence": {"type": "str", "choices": list(CONFIDENCES), "default": "unknown"},
            "inputs": {"type": "dict", "default": {}},
            "variables": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "value": {"type": "str", "required": True},
                    "reason": {"type": "str", "default": ""},
                    "source": {"type": "str", "default": ""},
                },
            },
            "resources": {"type": "dict", "default": {}},
            "annotations": {"type": "dict", "default": {}},
        },
    }


def read_fabric(fabric: Mapping[str, Any] | None) -> FabricDecision | None:
    """Return the decision of validated, plain options. Raises ``OptionError`` for a count that is none."""
    if fabric is None:
        return None
    return FabricDecision(
        kind=fabric["kind"],
        confidence=fabric["confidence"],
        inputs=dict(fabric["inputs"]),
        variables=tuple(
            FabricVariable(variable["name"], variable["value"], variable["reason"], variable["source"])
            for variable in fabric["variables"]
        ),
        resources=read_counts(fabric["resources"], "fabric.resources"),
        annotations=read_texts(fabric["annotations"], "fabric.annotations"),
    )


def read_counts(resources: Mapping[str, Any], option: str) -> dict[str, int]:
    """Return how many of each extended resource a pod needs. Raises ``OptionError`` for a count that is none."""
    return {name: _read_count(count, f"{option}.{name}") for name, count in resources.items()}


def _read_count(count: Any, option: str) -> int:
    try:
        return int(str(count))
    except ValueError:
        raise OptionError.of(option, f"{count!r} is not a count.", "Give a whole number of at least 1.") from None
