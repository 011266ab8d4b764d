# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What pods need beside variables so that they get the fabric: an extended resource, and the network that goes with it.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ClusterEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import ROCE, counted, listed
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.known_resources import SHARED
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.offers import Offer, offers
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding

# Read by Multus, which attaches the networks that it names.
NETWORKS_ANNOTATION = "k8s.v1.cni.cncf.io/networks"


@dataclass(frozen=True)
class Needs:
    """What each pod asks for. ``offer`` is what is known of the resource, ``None`` where there is none that all
    machines offer; ``is_stated`` means that the user named the resources."""

    resources: Mapping[str, int] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    offer: Offer | None = None
    is_stated: bool = False

    @property
    def lacks_network(self) -> bool:
        """Say whether RDMA over Ethernet would come without the network that gives it an address."""
        return bool(self.resources) and NETWORKS_ANNOTATION not in self.annotations


def choose_needs(inputs: FabricInputs, cluster: ClusterEvidence | None) -> tuple[Needs, list[Finding]]:
    """Return what pods have to ask for to get the best network device that all machines with GPUs offer.

    A look asks for the same as the workload. What the user states is taken instead of what would be chosen.
    """
    all_offers = offers(cluster)
    if inputs.resources:
        return _stated(inputs, cluster, all_offers)
    offer = next((offer for offer in all_offers if not offer.missing_on), None)
    if offer is None:
        return Needs(annotations=dict(inputs.annotations)), _only_on_some(all_offers, cluster)
    count = offer.count_for(inputs.gpus_per_pod)
    annotations = dict(inputs.annotations) or _annotations(offer, count)
    return Needs({offer.name: count}, annotations, offer), _others(offer, all_offers, inputs)


def network_unknown(resources: str, networks: Sequence[str] = ()) -> Finding:
    """Say that nothing tells which network goes with RDMA over Ethernet. ``networks`` are those that are there."""
    there = f" There are: {listed(networks)}." if networks else ""
    return Finding(
        WARNING,
        "roce_network_unknown",
        f"{resources} leads to RDMA over Ethernet, and nothing says which network gives it an address in the "
        f"pods.{there}",
        f"State it in annotations as {NETWORKS_ANNOTATION}.",
        "annotations",
    )


def _annotations(offer: Offer, count: int) -> dict[str, str]:
    """Return the annotation that attaches the resource's network: once for each device of the pod's own."""
    if not offer.networks:
        return {}
    times = 1 if offer.sharing == SHARED else count
    return {NETWORKS_ANNOTATION: ",".join([offer.networks[0]] * times)}


def _stated(
    inputs: FabricInputs, cluster: ClusterEvidence | None, all_offers: tuple[Offer, ...]
) -> tuple[Needs, list[Finding]]:
    offer = next((offer for offer in all_offers if offer.name in inputs.resources), None)
    count = inputs.resources[offer.name] if offer else 1
    annotations = dict(inputs.annotations) or (_annotations(offer, count) if offer else {})
    machines = (cluster.machines if cluster else None) or ()
    findings = []
    for name, wanted in sorted(inputs.resources.items()):
        short = [machine.name for machine in machines if machine.resources.get(name, 0) < wanted]
        if short:
            findings.append(
                Finding(
                    WARNING,
                    "fabric_resource_not_everywhere",
                    f"{counted(len(short), 'machine')} with GPUs of {len(machines)} cannot give {wanted} of {name}: "
                    f"{listed(short)}.",
                    "Pods that ask for it run on the others only.",
                    "resources",
                )
            )
    return Needs(dict(inputs.resources), annotations, offer, is_stated=True), findings


def _only_on_some(all_offers: tuple[Offer, ...], cluster: ClusterEvidence | None) -> list[Finding]:
    """Say that a resource is there, but not on all machines."""
    total = len((cluster.machines if cluster else None) or ())
    return [
        Finding(
            WARNING,
            "fabric_resource_not_everywhere",
            f"{offer.name} is offered by {total - len(offer.missing_on)} of {total} machines with GPUs, not by "
            f"{listed(offer.missing_on)}.",
            "State it in resources to have the pods on the machines that offer it, or choose those machines.",
            "resources",
        )
        for offer in all_offers
    ]


def _others(offer: Offer, all_offers: tuple[Offer, ...], inputs: FabricInputs) -> list[Finding]:
    """Say that something else could have been chosen."""
    findings = []
    others = [other.name for other in all_offers if other is not offer and not other.missing_on]
    if others:
        findings.append(
            Finding(
                INFO,
                "several_fabric_resources",
                f"The machines also offer {listed(others)}; {offer.name} is taken.",
                "State the one you want in resources.",
                "resources",
            )
        )
    if len(offer.networks) > 1 and not inputs.annotations:
        findings.append(
            Finding(
                WARNING if offer.kind == ROCE else INFO,
                "several_fabric_networks",
                f"{offer.name} goes with several networks ({listed(offer.networks)}); {offer.networks[0]} is taken.",
                f"State the one you want as the annotation {NETWORKS_ANNOTATION}.",
                "annotations",
            )
        )
    return findings
