# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The value ``fabric``: what carries NCCL between pods, the variables that follow from it, and what the pods need.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("infiniband", "roce", "efa", "gke", "tcp", "unusable", "unknown")
CONFIDENCES = ("seen", "usable", "proven", "stated", "unknown")


@dataclass(frozen=True)
class FabricVariable:
    """One environment variable with the reason it is set and where that reason comes from."""

    name: str
    value: str
    reason: str = ""
    source: str = ""


@dataclass(frozen=True)
class FabricDecision:
    """A decision about the fabric.

    Only a change in what the user asked (``asked``) counts as the user's change; new evidence alone never changes a
    running workload. ``resources`` are extended resources per pod (name to count), ``annotations``
    go onto the pods.
    """

    kind: str
    confidence: str = "unknown"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    variables: tuple[FabricVariable, ...] = ()
    resources: Mapping[str, int] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, Any]:
        """Return what the user asked: ``inputs`` (the mode and the user's own variables) of a judged fabric, the whole
        value where it is the user's own word (``stated``) or where no inputs led to it. A word that is among the inputs
        (``expect``) led to a judgement like any other."""
        return dict(self.inputs) if self.is_judged else self.as_dict()

    @property
    def is_judged(self) -> bool:
        """Say whether it was judged by evidence and by what the user asked, and not written by hand."""
        return bool(self.inputs) and (self.confidence != "stated" or "expect" in self.inputs)

    @property
    def own_choice(self) -> frozenset[str]:
        """Return the names of the variables that were chosen for the user: those of a judged fabric which he did not
        set himself."""
        of_user = self.inputs.get("variables") or {}
        return frozenset(item.name for item in self.variables if self.is_judged and item.name not in of_user)

    def does_the_same(self, other: FabricDecision) -> bool:
        """Say whether two decisions lead to the same pods, whatever their reasons."""
        return (
            {variable.name: variable.value for variable in self.variables}
            == {variable.name: variable.value for variable in other.variables}
            and dict(self.resources) == dict(other.resources)
            and dict(self.annotations) == dict(other.annotations)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary of the decision, as modules return and accept it."""
        return {
            "kind": self.kind,
            "confidence": self.confidence,
            "inputs": dict(self.inputs),
            "variables": [
                {"name": variable.name, "value": variable.value, "reason": variable.reason, "source": variable.source}
                for variable in self.variables
            ],
            "resources": dict(self.resources),
            "annotations": dict(self.annotations),
        }

    @classmethod
    def from_dict(cls, decision: Mapping[str, Any]) -> FabricDecision:
        """Return the decision of a dictionary that ``as_dict`` made."""
        return cls(
            kind=decision["kind"],
            confidence=decision["confidence"],
            inputs=decision["inputs"],
            variables=tuple(FabricVariable(**variable) for variable in decision["variables"]),
            resources=decision["resources"],
            annotations=decision["annotations"],
        )
