# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Evidence in short sentences, for the left column of the table.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric import table
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.clouds import Cloud
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ClusterEvidence,
    Evidence,
    PodEvidence,
    Reach,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.interfaces import with_addresses
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import TITLES, counted, listed
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.offers import Offer, offers
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import PodView, PortView, in_mebibytes

_MOST_LINES = 6


def tell_evidence(
    inputs: FabricInputs, evidence: Evidence, cloud: Cloud | None, views: Sequence[PodView]
) -> dict[str, list[str]]:
    """Return what was asked and seen, by topic."""
    pods = evidence.pods
    return {
        table.ASKED: _asked(inputs),
        table.MACHINES: [*_machines(evidence.cluster), *([f"platform: {cloud.name}"] if cloud else [])],
        table.RESOURCES: [_offer(offer) for offer in offers(evidence.cluster)][:_MOST_LINES],
        table.NETWORKS: [f"network: {name}" for name in _networks(evidence.cluster)],
        table.PORTS: _ports(views) or [_no_port(inputs, evidence)],
        table.MEMORY: _grouped([(pod.machine, _memory(pod, inputs.uid)) for pod in pods]),
        table.INTERFACES: _grouped([(pod.machine, _interfaces(pod)) for pod in pods if pod.interfaces]),
        table.REACH: _reaches([reach for pod in pods for reach in pod.reaches]),
        table.PROOF: _proof(evidence),
        table.USER: [f"you set {name}" for name in sorted(inputs.variables)],
    }


def _asked(inputs: FabricInputs) -> list[str]:
    pods = (
        f"{counted(inputs.pods, 'pod')} with {counted(inputs.gpus_per_pod, 'GPU')}{' each' if inputs.pods > 1 else ''}"
    )
    return [f"asked: mode {inputs.mode}, UID {inputs.uid}", f"asked: {pods}"]


def _machines(cluster: ClusterEvidence | None) -> list[str]:
    if cluster is None:
        return ["machines: the API was not asked"]
    notes = [f"could not be read: {kind} ({why})" for kind, why in cluster.unseen.items()][:_MOST_LINES]
    if cluster.machines is None:
        return [*(notes or ["machines: not shown by this platform"]), *cluster.platform_notes]
    kinds = Counter(f"{machine.gpus} x {machine.gpu_product or 'GPU'}" for machine in cluster.machines)
    told = [f"{counted(count, 'machine')} with {kind}" for kind, count in sorted(kinds.items())][:_MOST_LINES]
    return [*(told or ["no machine with GPUs"]), *notes, *cluster.platform_notes]


def _offer(offer: Offer) -> str:
    kind = TITLES[offer.kind] if offer.kind else "InfiniBand or Ethernet"
    where = (
        f"missing on {listed(offer.missing_on, 2)}" if offer.missing_on else f"at least {offer.least} on each machine"
    )
    sharing = f", {offer.sharing}" if offer.sharing else ""
    return f"{offer.name}: {where}; {kind}{sharing}"


def _networks(cluster: ClusterEvidence | None) -> list[str]:
    return list(cluster.networks[:_MOST_LINES]) if cluster else []


def _no_port(inputs: FabricInputs, evidence: Evidence) -> str:
    if evidence.confirmed is not None and inputs.expect is not None and not evidence.pods:
        could = "could" if evidence.confirmed else "could not"
        return f"a pod that tried {TITLES[inputs.expect]} answered that it {could} use it"
    if evidence.pods:
        return "no RDMA device in the pods that looked"
    return f"not looked from pods{f': {evidence.not_looked}' if evidence.not_looked else ''}"


def _ports(views: Sequence[PodView]) -> list[str]:
    told = [(view.pod.machine, line) for view in views for line in _ports_of(view)]
    return _grouped(told)


def _ports_of(view: PodView) -> list[str]:
    """Return a pod's ports, those that are alike on one line."""
    alike: dict[str, list[str]] = {}
    for port in view.ports:
        alike.setdefault(_port(port), []).append(port.name)
    return [f"{listed(names, 8)}: {words}" for words, names in alike.items()]


def _port(port: PortView) -> str:
    rate = f", {port.rate:g} Gbit/s" if port.rate else ""
    virtual = ", virtual function" if port.port.is_virtual else ""
    state = "usable" if port.is_usable else "not tried" if port.trouble is None else port.trouble.words
    return f"{TITLES[port.kind]}{rate}{virtual}; {state}"


def _grouped(told: Sequence[tuple[str, str]]) -> list[str]:
    """Return what machines say, each text once, with the machines that say it."""
    groups: dict[str, list[str]] = {}
    for machine, text in told:
        groups.setdefault(text, []).append(machine)
    lines = [f"{listed(list(dict.fromkeys(machines)), 2)}: {text}" for text, machines in groups.items()]
    return lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], f"... {len(lines) - _MOST_LINES} more"]


def _memory(pod: PodEvidence, uid: int) -> str:
    limit = "no limit" if pod.memlock is None else f"at most {in_mebibytes(pod.memlock)}"
    locked = f", {in_mebibytes(pod.locked)} locked by way of trial" if pod.locked is not None else ""
    return f"locked memory for UID {uid}: {limit}{locked}; GPUDirect: {pod.gpudirect}"


def _interfaces(pod: PodEvidence) -> str:
    names = [f"{entry.name}{' (default route)' if entry.has_default_route else ''}" for entry in with_addresses(pod)]
    return f"interfaces {listed(names)}" if names else "no interface with an address"


def _reaches(reaches: Sequence[Reach]) -> list[str]:
    if not reaches:
        return []
    reached = [reach for reach in reaches if reach.is_reached]
    line = f"TCP between the pods: {len(reached)} of {counted(len(reaches), 'attempt')} reached the other"
    speeds = [reach.bandwidth for reach in reached if reach.bandwidth is not None]
    return [f"{line}, at least {max(speeds):.3g} Gbit/s" if speeds else line]


def _proof(evidence: Evidence) -> list[str]:
    proof = evidence.proof
    if proof is None:
        return []
    if proof.error:
        return [f"NCCL between two pods: {proof.error}"]
    speed = f", {proof.bandwidth:.4g} GB/s" if proof.bandwidth is not None else ""
    return [f"NCCL between two pods: network {proof.network or 'not told'}{speed}"]
