# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which extended resources the machines offer that bring network devices, and what is known of each.

Custom resources are asked first, the names of the resources second.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ClusterEvidence,
    DeviceResource,
    FabricMachine,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import EFA, IB, KIND_OF_LINK, ROCE
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.known_resources import (
    KNOWN,
    SHARED,
    KnownResource,
    is_device,
    known_resource,
)

# The preferred first: what may be InfiniBand comes before what is RoCE, which may be for storage only.
_KINDS = (IB, None, ROCE, EFA)


@dataclass(frozen=True)
class Offer:
    """A resource that at least one machine offers. ``kind`` and ``sharing`` are ``None`` where nothing says them;
    ``is_defined`` means that a custom resource does. ``missing_on`` are the machines without it; ``per_gpu`` is the
    smallest number of devices for each GPU, ``least`` the smallest number on a machine."""

    name: str
    kind: str | None
    sharing: str | None
    networks: tuple[str, ...]
    source: str
    is_defined: bool
    missing_on: tuple[str, ...]
    least: int
    per_gpu: float

    def count_for(self, gpus: int) -> int:
        """Return how many of it a pod with so many GPUs asks for: its part of the machine's, one where pods share."""
        if self.sharing in (SHARED, None):
            return 1
        return max(1, min(self.least, int(self.per_gpu * gpus)))


def offers(cluster: ClusterEvidence | None) -> tuple[Offer, ...]:
    """Return what is offered, the preferred first: what all machines have, InfiniBand, what a custom resource defines,
    what brings its network."""
    machines = (cluster.machines if cluster else None) or ()
    defined = _by_name(cluster.resources if cluster else ())
    names = sorted({name for machine in machines for name, count in machine.resources.items() if count > 0})
    found = [offer for name in names if (offer := _offer(name, defined.get(name, []), machines))]
    return tuple(sorted(found, key=_preference))


def unrecognised(cluster: ClusterEvidence | None) -> tuple[str, ...]:
    """Return the resources that every machine offers and of which nobody says what they are."""
    machines = (cluster.machines if cluster else None) or ()
    defined = _by_name(cluster.resources if cluster else ())
    names = [{name for name, count in machine.resources.items() if count > 0} for machine in machines]
    common = set.intersection(*names) if names else set()
    return tuple(sorted(n for n in common if n not in defined and known_resource(n) is None and is_device(n)))


def _by_name(resources: Iterable[DeviceResource]) -> dict[str, list[DeviceResource]]:
    by_name: dict[str, list[DeviceResource]] = {}
    for resource in resources:
        by_name.setdefault(resource.resource, []).append(resource)
    return by_name


def _offer(name: str, defined: list[DeviceResource], machines: tuple[FabricMachine, ...]) -> Offer | None:
    """Return the offer, or ``None`` where the resource brings no RDMA device."""
    known = known_resource(name)
    if any(entry.is_rdma is False for entry in defined) or (known is None and not defined):
        return None
    # The link layer of an ordinary network card says nothing of RDMA.
    brings_rdma = [entry for entry in defined if entry.is_rdma or name in KNOWN]
    kinds = [KIND_OF_LINK[entry.link_layer] for entry in brings_rdma if entry.link_layer in KIND_OF_LINK]
    known = known or KnownResource(None, None, "")
    sharings = [entry.sharing for entry in defined if entry.sharing]
    counts = [(machine.resources.get(name, 0), max(machine.gpus, 1)) for machine in machines]
    having = [(count, gpus) for count, gpus in counts if count > 0]
    return Offer(
        name=name,
        kind=kinds[0] if kinds else known.kind,
        sharing=sharings[0] if sharings else known.sharing,
        networks=tuple(sorted({network for entry in defined for network in entry.networks})),
        source=", ".join(sorted({entry.source for entry in defined if entry.source})) or known.source,
        is_defined=bool(defined),
        missing_on=tuple(machine.name for machine in machines if machine.resources.get(name, 0) <= 0),
        least=min(count for count, _gpus in having),
        per_gpu=min(count / gpus for count, gpus in having),
    )


def _preference(offer: Offer) -> tuple[bool, int, bool, bool, str]:
    rank = _KINDS.index(offer.kind)
    return bool(offer.missing_on), rank, not offer.is_defined, not offer.networks, offer.name
