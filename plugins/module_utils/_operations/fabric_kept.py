# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The decision that a workload was deployed with.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import AppliedFabric, Evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.judgement import Judgement
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.keep import (
    asks_for_something,
    keep,
    keep_none,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric_result import evidence_as_dict
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import KeptFabric
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import DELETING, FAILED
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricView
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision


@dataclass(frozen=True)
class Kept:
    """``result`` is that of a decision which is kept, ``None`` where one has to be taken; ``applied`` is what the
    workload runs with."""

    result: dict[str, Any] | None = None
    applied: AppliedFabric | None = None


def kept_fabric(view: FabricView, kept: KeptFabric, inputs: FabricInputs) -> Kept:
    """Return whether the workload's own decision is the result for these inputs.

    One that has failed may have failed for its fabric: then it is worth looking again, and ``vllm_workload`` takes what
    comes of it. One that runs without any decision keeps none as long as nothing is asked of the fabric.
    """
    if kept.workload is None or kept.replan:
        return Kept()
    live = view.workload(kept.workload)
    if live is None or live.record is None or live.phase in (FAILED, DELETING):
        return Kept()
    if not live.record.fabric:
        return Kept() if asks_for_something(inputs) else Kept(_result(view, keep_none(kept.workload), None))
    applied = FabricDecision.from_dict(live.record.fabric)
    judgement = keep(inputs, applied, kept.workload)
    if judgement is not None:
        return Kept(_result(view, judgement, judgement.decision.as_dict()))
    variables = {variable.name: variable.value for variable in applied.variables}
    return Kept(None, AppliedFabric(applied.kind, applied.resources, applied.annotations, variables))


def _result(view: FabricView, judgement: Judgement, decision: dict[str, Any] | None) -> dict[str, Any]:
    """Return the result of what is kept; ``decision`` is ``None`` where the workload has none."""
    return {
        "changed": False,
        "target": view.target().sentence(),
        **judgement.as_dict(),
        "decision": decision,
        "evidence": evidence_as_dict(Evidence(not_looked=judgement.reasons[0])),
    }
