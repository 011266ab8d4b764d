# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The interface of a platform's fabric: what its API shows of what carries NCCL between pods.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ClusterEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    LiveWorkload,
    LookStarter,
    Target,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import TolerationSpec


@dataclass(frozen=True)
class FabricPlacement:
    """Which machines count: those with all labels of ``node_selector`` whose taints are tolerated."""

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[TolerationSpec, ...] = ()


class FabricView(Protocol):
    """What the operations on fabrics may ask. Every method may raise ``GpuopsError``; none changes anything."""

    @property
    def platform(self) -> LookStarter:
        """Return what starts looks."""

    @property
    def answers_only(self) -> bool:
        """Say whether looks leave no report here: how they end is all that they tell, which answers one question."""

    @property
    def looks_refused(self) -> Finding | None:
        """Return why looks leave no report although the API shows the machines, or ``None``."""

    def target(self) -> Target:
        """Return where this points (no request)."""

    def workload(self, name: str) -> LiveWorkload | None:
        """Return the workload of this name with what was applied, or ``None``."""

    def evidence(self, placement: FabricPlacement) -> ClusterEvidence:
        """Return what the API shows of the machines that pods with this placement may use. What may not be seen is
        named, and is no error."""
