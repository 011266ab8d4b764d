# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A decision that was applied earlier, for the same wishes: it is kept, and nobody has to look again.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import asked_of
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import AUTO, FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.judgement import Judgement
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import TITLES, UNKNOWN
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.table import draw
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision


def keep(inputs: FabricInputs, applied: FabricDecision, workload: str) -> Judgement | None:
    """Return the decision that a workload runs with as today's; ``None`` where the user asks for something else now."""
    if applied.asked != asked_of(inputs):
        return None
    reason = f"{workload} runs with this decision, and nothing else is asked for since: nobody looked again"
    title = f"Fabric: {TITLES[applied.kind]} ({applied.confidence} when {workload} was deployed)"
    return Judgement(applied, [], [reason], draw(title, {}, applied, [reason], [], inputs.variables))


def asks_for_something(inputs: FabricInputs) -> bool:
    """Say whether the user asks anything of the fabric, beyond what every workload of several pods gets."""
    return inputs.mode != AUTO or bool(
        inputs.variables or inputs.resources or inputs.annotations or inputs.expect or not inputs.nccl_debug
    )


def keep_none(workload: str) -> Judgement:
    """Return that a workload goes on without a decision: one was never taken for it, and a newer version of the
    collection starts no pod anew."""
    reason = f"{workload} runs without a decision about the fabric, and none is asked for: replan takes one"
    decision = FabricDecision(UNKNOWN)
    return Judgement(decision, [], [reason], draw("Fabric: not decided", {}, decision, [reason], [], ()))
