# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is to be said of a decision as a whole, and why mode ``require_rdma`` refuses one.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import REQUIRE_RDMA, FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import GKE, RDMA, TITLES, UNKNOWN
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sight import what_forces_sockets
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sighting import Sighting
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.variables import shows_network
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING, Finding


def refusals(inputs: FabricInputs, sighting: Sighting, decision: FabricDecision, evidence: Evidence) -> list[Finding]:
    """Return why mode ``require_rdma`` cannot be kept. With one pod nothing runs between pods: nothing is required."""
    if inputs.mode != REQUIRE_RDMA or inputs.pods < 2:
        return []
    force = what_forces_sockets(inputs, sighting)
    if force:
        found = f"require_rdma forbids TCP, and {force} asks for it."
        return [Finding(ERROR, "mode_contradicted", found, "Leave one of them out.", "mode")]
    if decision.kind not in RDMA:
        found = f"require_rdma, and the fabric is {TITLES[decision.kind]}: {'; '.join(sighting.reasons)}."
        hint = "Mend what the findings name, state the fabric (expect, resources, annotations), or take mode auto."
        return [Finding(ERROR, "rdma_required", found, hint, "mode")]
    if evidence.pods and _lacks_a_device(decision, evidence):
        found = f"require_rdma, and no pod that looked has a device of {TITLES[decision.kind]}."
        hint = "State in resources what gives the pods their device (and its network in annotations)."
        return [Finding(ERROR, "rdma_required", found, hint, "mode")]
    if not _is_pinned(decision):
        found = f"require_rdma, and it is not known how NCCL names the network of {TITLES[decision.kind]} here."
        hint = 'Set NCCL_NET in your variables to the name after "Using network" in NCCL\'s log, or take mode auto.'
        return [Finding(ERROR, "network_name_unknown", found, hint, "mode")]
    return []


def remarks(inputs: FabricInputs, decision: FabricDecision, evidence: Evidence) -> list[Finding]:
    """Return what a person should know of the decision itself."""
    if inputs.pods < 2:
        return []
    findings = []
    variables = {variable.name: variable.value for variable in decision.variables}
    if not shows_network(variables):
        findings.append(
            Finding(
                INFO,
                "transport_not_visible",
                "NCCL will not say in the log which network it took: the smoke test leaves the transport at unknown.",
                "Set nccl_debug to true and leave NCCL_DEBUG out, or set it to INFO with NCCL_DEBUG_SUBSYS=INIT,NET.",
                "nccl_debug",
            )
        )
    if _lacks_a_device(decision, evidence):
        findings.append(
            Finding(
                WARNING,
                "no_resource_known",
                f"{TITLES[decision.kind]} is decided, and no resource that gives the pods a device: variables attach "
                "none.",
                "State it in resources (and its network in annotations), unless the platform gives the device "
                "otherwise.",
                "resources",
            )
        )
    if evidence.not_looked and not evidence.pods:
        told = f"No pod has looked: {evidence.not_looked.rstrip('.')}."
        findings.append(Finding(INFO, "not_looked", told, "fabric_probe looks from pods.", "fabric"))
    if decision.kind == UNKNOWN:
        hint = "Nothing is set that could do harm: NCCL takes RDMA where the pods have it, and TCP otherwise."
        findings.append(Finding(INFO, "fabric_unknown", "The fabric is not known.", hint, "fabric"))
    return findings


def _lacks_a_device(decision: FabricDecision, evidence: Evidence) -> bool:
    """Say whether nothing is known to give the pods the device that their fabric needs."""
    if decision.kind not in RDMA or decision.kind == GKE or decision.resources:
        return False
    return not any(pod.ports for pod in evidence.pods)


def _is_pinned(decision: FabricDecision) -> bool:
    """Say whether NCCL is held to one network."""
    return any(variable.name == "NCCL_NET" and variable.value for variable in decision.variables)
