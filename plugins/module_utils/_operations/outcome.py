# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What an operation on a workload found and did, also when it failed on the way.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations.comparison import NONE
from ansible_collections.gpuops.inference.plugins.module_utils._operations.drift import Change
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LiveWorkload, WorkloadStatus
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan


@dataclass
class Outcome:
    """What was found and done.

    ``changed`` is set with the first write, in check mode with the first one that would be made. ``before`` and
    ``after`` are bodies as people may see them (``None``: no workload); ``plan_hash`` identifies what is applied.
    ``recreated`` says that the change is made by deleting and creating, ``kept`` that earlier decisions stand.
    """

    changed: bool = False
    live: LiveWorkload | None = None
    status: WorkloadStatus | None = None
    plan: Plan | None = None
    changes: tuple[Change, ...] = ()
    disruption: str = NONE
    findings: list[Finding] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    plan_hash: str | None = None
    recreated: bool = False
    kept: bool = False
