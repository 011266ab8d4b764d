# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The operation behind ``fabric_info``: evidence from the platform's API, and what is decided with it.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import decide
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric_kept import kept_fabric
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric_result import evidence_as_dict
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import (
    read_fabric_inputs,
    read_fabric_placement,
    read_kept_fabric,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_fabric_view
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

# Why no pod has looked.
_READS_ONLY = "fabric_info only reads the platform's API"


def read_fabric(params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Return what the platform's API shows of the fabric, and the decision.

    Raises ``GpuopsError`` where the platform cannot be reached, and where what is required is not there.
    """
    inputs = read_fabric_inputs(params)
    placement = read_fabric_placement(params)
    wish = read_kept_fabric(params)
    view = make_fabric_view(read_connection(params), host)
    kept = kept_fabric(view, wish, inputs)
    if kept.result is not None:
        return kept.result
    evidence = Evidence(cluster=view.evidence(placement), not_looked=_READS_ONLY, applied=kept.applied)
    return fabric_result(inputs, evidence, view.target().sentence())


def fabric_result(inputs: FabricInputs, evidence: Evidence, target: str) -> dict[str, Any]:
    """Return the result that evidence leads to. Raises ``GpuopsError``, with the same in its result, where what is
    required is not there."""
    shown = {"changed": False, "target": target, "evidence": evidence_as_dict(evidence)}
    try:
        judgement = decide(inputs, evidence)
    except GpuopsError as error:
        error.result.update(shown)
        raise
    return {**shown, **judgement.as_dict()}
