# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is decided about the fabric, with what is to be said of it.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding


@dataclass(frozen=True)
class Judgement:
    """A decision, the findings (errors first), and the table that a person reads, line by line.

    ``reasons`` say in one sentence each what led to the kind of fabric.
    """

    decision: FabricDecision
    findings: list[Finding]
    reasons: Sequence[str]
    table: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {
            "decision": self.decision.as_dict(),
            "findings": [finding.as_dict() for finding in self.findings],
            "reasons": list(self.reasons),
            "table": list(self.table),
        }
