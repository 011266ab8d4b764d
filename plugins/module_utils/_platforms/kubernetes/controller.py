# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which controller makes the pods. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    DEPLOYMENTS,
    LEADERWORKERSET,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Decision
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import WorkloadSpec


@dataclass(frozen=True)
class Choice:
    """The kind of a workload's objects, and why."""

    kind: str
    decision: Decision


def choose_controller(spec: WorkloadSpec, live_kind: str | None, leaderworkersets_served: bool | None) -> Choice:
    """Return the controller for ``spec``: as asked; as the workload has it (``live_kind``); else what is served.

    ``leaderworkersets_served`` is ``None`` where nobody has asked the API server yet: a LeaderWorkerSet is assumed.
    """
    asked = spec.kubernetes.controller
    if asked == LEADERWORKERSET:
        return _choice(LEADERWORKERSET, "as given", "user")
    if spec.pods == 1:
        if asked != DEPLOYMENTS and live_kind == LEADERWORKERSET:
            return _choice(LEADERWORKERSET, "the workload has it already")
        return _choice(DEPLOYMENT, "one pod needs no group")
    if asked == DEPLOYMENTS:
        return _choice(DEPLOYMENTS, "as given", "user")
    if live_kind in (LEADERWORKERSET, DEPLOYMENTS):
        return _choice(live_kind, "the workload has it already")
    if leaderworkersets_served is False:
        return _choice(DEPLOYMENTS, "the cluster serves no LeaderWorkerSet")
    return _choice(LEADERWORKERSET, "it starts and restarts the pods of a replica as a group")


def _choice(kind: str, reason: str, source: str = "plan") -> Choice:
    return Choice(kind, Decision("controller", kind, reason, source))
