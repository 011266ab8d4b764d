# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the platform's API alone says the fabric is. It shows what is there, never that it can be used.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.clouds import Cloud, has_fabric_of
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ClusterEvidence, FabricMachine
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import (
    GKE,
    IB,
    ROCE,
    SEEN,
    TCP,
    TITLES,
    UNUSABLE,
    counted,
    listed,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import Needs, network_unknown
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.offers import Offer, offers, unrecognised
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sighting import Sighting
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding

# Labels that say no more than that a PCI device or its driver is there: it may be the management network's.
_HARDWARE = (
    "feature.node.kubernetes.io/pci-15b3",
    "feature.node.kubernetes.io/pci-0200_15b3",
    "feature.node.kubernetes.io/rdma.",
    "feature.node.kubernetes.io/custom-rdma.",
)
# Labels that say that an InfiniBand device (PCI class 0207) or a cloud's fabric is there.
_FABRIC = ("feature.node.kubernetes.io/pci-0207_15b3",)
_LOOK = "Let fabric_probe look from pods, or state what the pods need (resources, annotations)."


def sight_cluster(cluster: ClusterEvidence | None, needs: Needs, cloud: Cloud | None) -> Sighting:
    """Return what the API says. What could not be read is unknown, never "there is none"."""
    if cluster is None:
        return Sighting(reasons=("the platform's API was not asked",))
    if cluster.machines is None:
        reason = next(iter(sorted(cluster.unseen.items())), ("", "the platform does not show them"))[1]
        return Sighting(reasons=(f"the machines could not be read ({reason})",))
    if not cluster.machines:
        return Sighting(reasons=("no machine with GPUs is there that the pods may use",))
    return _sight_machines(cluster, cluster.machines, needs, cloud)


def _sight_machines(
    cluster: ClusterEvidence, machines: Sequence[FabricMachine], needs: Needs, cloud: Cloud | None
) -> Sighting:
    if cloud is not None and cloud.kind == GKE and has_fabric_of(machines, cloud):
        return Sighting(GKE, SEEN, (f"all machines say that they are {cloud.name}",))
    if needs.offer is not None:
        return _sight_offer(cluster, needs.offer, needs, cloud)
    if needs.is_stated:
        return _not_told(f"nothing says what {listed(sorted(needs.resources))} leads to")
    if any(offer.missing_on for offer in offers(cluster)):
        return Sighting(reasons=("only some of the machines offer a network device",))
    odd = unrecognised(cluster)
    if odd and cluster.unseen:
        return _not_told(
            f"all machines offer {listed(odd)}, and what that is could not be read ({listed(sorted(cluster.unseen))})"
        )
    return _without_offer(machines, cloud)


def _sight_offer(cluster: ClusterEvidence, offer: Offer, needs: Needs, cloud: Cloud | None) -> Sighting:
    kind = offer.kind or (cloud.kind if cloud is not None else None)
    if kind is None:
        return _not_told(f"all machines offer {offer.name}, and nothing says whether that is InfiniBand or Ethernet")
    if kind == ROCE and needs.lacks_network:
        finding = network_unknown(offer.name, cluster.networks)
        reason = f"all machines offer {offer.name} (RoCE), but not with which network"
        return Sighting(reasons=(reason,), findings=(finding,), hardware=ROCE)
    source = f" ({offer.source})" if offer.source else ""
    return Sighting(kind, SEEN, (f"all machines offer {offer.name}, which is {TITLES[kind]}{source}",))


def _not_told(reason: str) -> Sighting:
    finding = Finding(WARNING, "fabric_not_told", f"The API does not tell the fabric: {reason}.", _LOOK, "fabric")
    return Sighting(reasons=(reason,), findings=(finding,))


def _without_offer(machines: Sequence[FabricMachine], cloud: Cloud | None) -> Sighting:
    """Return what follows where no machine offers a device that pods could ask for."""
    is_fabric = cloud is not None and cloud.kind is not None and has_fabric_of(machines, cloud)
    labels = _labelled(machines, _FABRIC)
    if is_fabric or labels:
        kind = cloud.kind if cloud is not None and is_fabric else IB
        sign = cloud.name if cloud is not None and is_fabric else listed(labels)
        finding = Finding(
            WARNING,
            "rdma_not_offered",
            f"{sign}: the machines have RDMA hardware, and none offers it to pods as a resource.",
            "An RDMA device plugin is missing (NVIDIA network operator), or the platform gives the device in another "
            "way: ask its owner.",
            "fabric",
        )
        reason = f"the machines have {TITLES[kind or IB]} by their labels, and no resource offers it to pods"
        return Sighting(UNUSABLE, SEEN, (reason,), (finding,), hardware=kind or IB)
    hints = _labelled(machines, _HARDWARE)
    findings: tuple[Finding, ...] = ()
    if hints:
        findings = (
            Finding(
                INFO,
                "rdma_hardware_without_resource",
                f"{listed(hints)}: an RDMA-capable card is there, perhaps the management network's; no resource offers "
                "it to pods.",
                "If it leads to a fabric, an RDMA device plugin is missing.",
                "fabric",
            ),
        )
    reason = f"{counted(len(machines), 'machine')} with GPUs, none of which offers pods a network device"
    return Sighting(TCP, SEEN, (reason,), findings)


def _labelled(machines: Sequence[FabricMachine], beginnings: tuple[str, ...]) -> list[str]:
    """Return the labels with these beginnings that are not ``false``."""
    return sorted(
        {
            name
            for machine in machines
            for name, value in machine.labels.items()
            if name.startswith(beginnings) and value != "false"
        }
    )
