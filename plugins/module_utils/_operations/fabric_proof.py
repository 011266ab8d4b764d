# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The proof of a fabric: two pods with a GPU each and a real collective between them, over the pinned transport.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.all_reduce import ProofTask
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import decide
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Evidence, ProofEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import (
    AUTO,
    REQUIRE_RDMA,
    FabricInputs,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_report import proof_evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.programs import proof_command
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.variables import (
    DEBUG_LEVEL,
    DEBUG_SUBSYSTEMS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import Looks, NotLooked
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_probe import RANDOM_PORTS, ProbeOptions
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import REPORT_PATH, Look, LookCopies
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricVariable

_SUBJECT = "a collective between two pods"
_WHAT = "fabric-proof"
_COPIES = 2
# torch with CUDA on one GPU.
_CPU, _MEMORY = "4", "16Gi"


def prove_fabric(
    looks: Looks, seen: Look, inputs: FabricInputs, evidence: Evidence, options: ProbeOptions
) -> ProofEvidence:
    """Carry the collective out and return what it showed. ``seen`` is the look before it, which it is like."""
    start, limit = float(options.start_timeout), float(options.time_limit)
    task = ProofTask(
        port=secrets.choice(options.ports or RANDOM_PORTS), meet_seconds=start, seconds=limit, report=REPORT_PATH
    )
    look = replace(
        seen,
        what=_WHAT,
        command=proof_command(task),
        environment={
            **pinned_variables(inputs, evidence),
            "NCCL_DEBUG": DEBUG_LEVEL,
            "NCCL_DEBUG_SUBSYS": DEBUG_SUBSYSTEMS,
        },
        # A moment for its report, after its own limit.
        time_limit=start + limit + 30.0,
        copies=LookCopies(_COPIES, options.spread),
        needs=replace(seen.needs, gpus=1, cpu=_CPU, memory=_MEMORY, scratch=True),
    )
    try:
        outcomes = looks.run_copies(look, _SUBJECT)
    except NotLooked as error:
        return ProofEvidence(network=None, error=error.message)
    failures = [outcome.failure.evidence for outcome in outcomes if outcome.failure is not None]
    shown = proof_evidence([outcome.report for outcome in outcomes if outcome.report is not None])
    if not failures:
        return shown
    return replace(shown, bandwidth=None, error=" ".join([shown.error, *dict.fromkeys(failures)]).strip())


def pinned_variables(inputs: FabricInputs, evidence: Evidence) -> dict[str, str]:
    """Return the variables that are decided, with the transport pinned where one is known: a fall back to sockets would
    be a proof of nothing."""
    try:
        strict = replace(inputs, mode=REQUIRE_RDMA) if inputs.mode == AUTO else inputs
        return _values(decide(strict, evidence).decision.variables)
    except GpuopsError:
        # No RDMA is known: what carries NCCL then is what the proof is about.
        return _values(decide(replace(inputs, mode=AUTO), evidence).decision.variables)


def _values(variables: Sequence[FabricVariable]) -> dict[str, str]:
    return {variable.name: variable.value for variable in variables}
