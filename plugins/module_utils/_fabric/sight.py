# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Everything that is known, put together: the API, the pods, a real collective, and what the user states.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.clouds import Cloud
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.cluster_sighting import sight_cluster
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Evidence, ProofEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import TCP_ONLY, FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import (
    EFA,
    GKE,
    IB,
    PROVEN,
    RDMA,
    ROCE,
    SEEN,
    STATED,
    TCP,
    TITLES,
    UNKNOWN,
    UNUSABLE,
    USABLE,
    VERBS,
    listed,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import Needs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_sighting import sight_no_device, sight_pods
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import PodView
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sighting import Sighting
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding

# NCCL's name for its own two networks.
NCCL_IB = "IB"
NCCL_SOCKET = "Socket"

# Names of networks in NCCL's own lines, in small letters. The plugin for EFA changed its name.
_KIND_OF_NETWORK = {
    "socket": TCP,
    "aws libfabric": EFA,
    "libfabric": EFA,
    "gib": GKE,
    "fastrak": GKE,
}


def sight(
    inputs: FabricInputs, evidence: Evidence, needs: Needs, cloud: Cloud | None, views: Sequence[PodView]
) -> Sighting:
    """Return what the fabric is, by all that is known and by what the user asks of it."""
    answered = _sight_answer(inputs, evidence)
    seen = answered or _sight_evidence(evidence, needs, cloud, views)
    force = what_forces_sockets(inputs, seen)
    if force:
        return _forced(force, seen, evidence)
    return answered or _with_expectation(_with_proof(seen, evidence.proof), inputs)


def what_forces_sockets(inputs: FabricInputs, seen: Sighting) -> str:
    """Return which wish of the user's keeps NCCL off everything but sockets, or nothing."""
    network = inputs.variables.get("NCCL_NET", "")
    if network:
        return f"NCCL_NET={network}" if network.lower() == NCCL_SOCKET.lower() else ""
    if inputs.mode == TCP_ONLY:
        return "mode: tcp_only"
    if is_ib_disabled(inputs) and seen.kind not in (EFA, GKE):
        return f"NCCL_IB_DISABLE={inputs.variables['NCCL_IB_DISABLE']}"
    return ""


def is_ib_disabled(inputs: FabricInputs) -> bool:
    """Say whether the user switches NCCL's transport for InfiniBand and RoCE off. NCCL ignores what is no number."""
    try:
        return int(inputs.variables.get("NCCL_IB_DISABLE", "0"), base=0) != 0
    except ValueError:
        return False


def _sight_answer(inputs: FabricInputs, evidence: Evidence) -> Sighting | None:
    """Return what follows from a pod's answer, ``None`` where there is none: what pods report counts more."""
    stated = inputs.expect
    if evidence.confirmed is None or evidence.pods or stated not in VERBS:
        return None
    says = f"you state that it is {TITLES[stated]}"
    if evidence.confirmed:
        found = f"a pod as UID {inputs.uid} could use it; which devices, Run:ai's API cannot tell"
        return Sighting(stated, USABLE, (says, found), by_pods=True)
    resources = listed(sorted(inputs.resources))
    found = f"a pod as UID {inputs.uid} that asked for {resources} could not use {TITLES[stated]}"
    finding = Finding(
        WARNING,
        "fabric_not_confirmed",
        f"You state {TITLES[stated]}, and {found}: no port of it is up and configured, or no device could be opened "
        "and given memory.",
        "See to resources, annotations and locked memory. With the project's cluster by kubeconfig you are told which.",
        "expect",
    )
    return Sighting(UNUSABLE, SEEN, (found, says), (finding,), hardware=stated, by_pods=True)


def _sight_evidence(evidence: Evidence, needs: Needs, cloud: Cloud | None, views: Sequence[PodView]) -> Sighting:
    by_api = sight_cluster(evidence.cluster, needs, cloud)
    # What Google's plugins use cannot be tried without them.
    if not views or by_api.kind == GKE:
        return by_api
    by_pods = sight_pods(views, needs)
    if by_pods is not None:
        return by_pods
    if by_api.kind == TCP:
        tcp = sight_no_device(views)
        return replace(tcp, findings=by_api.findings)
    looked = "the pods that looked asked for no device, and saw none"
    return replace(by_api, reasons=(*by_api.reasons, looked))


def _forced(force: str, seen: Sighting, evidence: Evidence) -> Sighting:
    """Return TCP because the user wants it, with how well it is known to work."""
    reaches = [reach for pod in evidence.pods for reach in pod.reaches]
    confidence = USABLE if reaches and all(reach.is_reached for reach in reaches) else UNKNOWN
    proof = evidence.proof
    if proof is not None and not proof.error and (proof.network or "").lower() == NCCL_SOCKET.lower():
        confidence = PROVEN
    reasons = (f"{force}, as you ask", *seen.reasons)
    kept_off = seen.kind if seen.kind in RDMA else None
    return Sighting(TCP, confidence, reasons, seen.findings, hardware=kept_off, by_pods=seen.by_pods)


def _hardware_of(seen: Sighting) -> str | None:
    return seen.kind if seen.kind in RDMA else seen.hardware


def _with_proof(seen: Sighting, proof: ProofEvidence | None) -> Sighting:
    if proof is None:
        return seen
    if proof.error or not proof.network:
        why = proof.error or "NCCL did not say which network it took"
        finding = Finding(
            WARNING,
            "proof_failed",
            f"The collective between two pods proved nothing: {why}.",
            "Its lines are in the result.",
            "fabric",
        )
        return replace(seen, findings=(*seen.findings, finding))
    kind = _kind_of_network(proof, seen)
    if kind is None:
        finding = Finding(INFO, "network_not_known", f"NCCL used a network that is not known here: {proof.network}.")
        return replace(seen, findings=(*seen.findings, finding), network=proof.network)
    if kind == TCP and seen.kind in RDMA:
        return _fell_back(seen)
    reason = f"NCCL ran over {proof.network} between two pods"
    if proof.bandwidth is not None:
        reason += f", {proof.bandwidth:.4g} GB/s"
    if kind == TCP and seen.kind == UNUSABLE:
        # The proof was kept off what cannot be used, as the workload will be.
        return replace(seen, reasons=(*seen.reasons, reason))
    return replace(
        seen, kind=kind, confidence=PROVEN, reasons=(reason, *seen.reasons), by_pods=True, network=proof.network
    )


def _fell_back(seen: Sighting) -> Sighting:
    hardware = _hardware_of(seen)
    finding = Finding(
        WARNING,
        "nccl_fell_back_to_sockets",
        f"{TITLES[hardware or UNKNOWN]} is there, and NCCL used sockets nevertheless.",
        "NCCL's own lines in the result say why: look for NET/IB and ibv_.",
        "fabric",
    )
    reasons = ("NCCL itself took sockets between two pods", *seen.reasons)
    findings = (*seen.findings, finding)
    return Sighting(UNUSABLE, SEEN, reasons, findings, hardware=hardware, by_pods=True)


def _kind_of_network(proof: ProofEvidence, seen: Sighting) -> str | None:
    """Return the kind of fabric behind NCCL's name for a network."""
    network = (proof.network or "").lower()
    if network != NCCL_IB.lower():
        return _KIND_OF_NETWORK.get(network)
    if any("/RoCE" in line for line in proof.lines):
        return ROCE
    known = _hardware_of(seen)
    return known if known in (IB, ROCE) else IB


def _with_expectation(seen: Sighting, inputs: FabricInputs) -> Sighting:
    """Return what the user states where pods did not see it otherwise."""
    stated = inputs.expect
    if stated in (None, UNKNOWN, seen.kind) or stated not in TITLES or (stated == TCP and seen.kind == UNUSABLE):
        return seen
    if seen.by_pods and seen.kind != UNKNOWN:
        finding = _not_as_expected(stated, seen, "What the pods saw counts.")
        return replace(seen, findings=(*seen.findings, finding))
    findings = list(seen.findings)
    if seen.kind != UNKNOWN:
        findings.append(_not_as_expected(stated, seen, "Your word counts, since no pod has looked."))
    reasons = (f"you state that it is {TITLES[stated]}", *seen.reasons)
    hardware = seen.hardware or _hardware_of(seen)
    return Sighting(stated, STATED, reasons, tuple(findings), hardware=hardware)


def _not_as_expected(stated: str, seen: Sighting, hint: str) -> Finding:
    return Finding(
        WARNING,
        "fabric_not_as_expected",
        f"You state {TITLES[stated]}, and what was seen is {TITLES[seen.kind]} ({seen.confidence}).",
        hint,
        "expect",
    )
