# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The decision that a running workload was deployed with.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.keep import keep
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import KeptFabric
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import RUNNING
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricView
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision


def kept_fabric(view: FabricView, kept: KeptFabric, inputs: FabricInputs) -> dict[str, Any] | None:
    """Return the result that a running workload's own decision makes, or ``None`` where there is none for these inputs.

    One that does not run may fail for its fabric: then it is worth looking again.
    """
    if kept.workload is None or kept.replan:
        return None
    live = view.workload(kept.workload)
    if live is None or live.phase != RUNNING or live.record is None or not live.record.fabric:
        return None
    judgement = keep(inputs, FabricDecision.from_dict(live.record.fabric), kept.workload)
    if judgement is None:
        return None
    return {
        "changed": False,
        "target": view.target().sentence(),
        **judgement.as_dict(),
        "evidence": {"cluster": None, "pods": [], "proof": None, "not_looked": judgement.reasons[0]},
    }
