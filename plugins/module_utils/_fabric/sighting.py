# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What one kind of evidence says the fabric is.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import UNKNOWN
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding


@dataclass(frozen=True)
class Sighting:
    """A kind of fabric with the confidence in it, and why. ``hardware`` is what was seen where it is ``unusable``;
    ``by_pods`` says that pods saw it, not the API alone; ``network`` is NCCL's own name, where it said one."""

    kind: str = UNKNOWN
    confidence: str = UNKNOWN
    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    hardware: str | None = None
    by_pods: bool = False
    network: str | None = None
