# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the serving user could do with each RDMA port that a pod saw, and what stands in the way.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    DeviceUse,
    Gid,
    PodEvidence,
    RdmaPort,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import EFA, IB, KIND_OF_LINK, ROCE

# Locked memory below which NCCL is expected to fail for a user other than root, in bytes.
ENOUGH_MEMLOCK = 1024**3
IPC_LOCK = "IPC_LOCK"

NOT_ACTIVE = "port_not_active"
NO_SUBNET_MANAGER = "no_subnet_manager"
NOT_VISIBLE = "device_not_visible"
NO_ADDRESS = "roce_without_address"
NOT_OPENED = "device_not_opened"
NOT_REGISTERED = "memory_not_registered"

_LINK_LOCAL_NETWORK = ipaddress.IPv6Network("fe80::/10")


@dataclass(frozen=True)
class Trouble:
    """Why a port cannot be used: a stable word, and a clause for a person."""

    cause: str
    words: str


@dataclass(frozen=True)
class PortView:
    """A port that a pod saw: its kind of fabric, what stands in its way, and whether it was really used (opened, and
    memory registered)."""

    port: RdmaPort
    kind: str
    trouble: Trouble | None
    is_usable: bool

    @property
    def name(self) -> str:
        """Return device and port as NCCL writes them."""
        return f"{self.port.device}:{self.port.port}"

    @property
    def rate(self) -> float:
        """Return the rate in Gbit/s, 0 where it is not known."""
        rate = self.port.rate
        return rate if rate is not None and math.isfinite(rate) else 0.0


@dataclass(frozen=True)
class PodView:
    """A pod and its ports. Ports of a link layer that nobody knows are left out."""

    pod: PodEvidence
    ports: tuple[PortView, ...]

    def of(self, kind: str) -> tuple[PortView, ...]:
        """Return the ports of a kind of fabric."""
        return tuple(port for port in self.ports if port.kind == kind)

    def sound(self, kind: str) -> tuple[PortView, ...]:
        """Return those of a kind that nothing stands in the way of."""
        return tuple(port for port in self.of(kind) if port.trouble is None)

    def usable(self, kind: str) -> tuple[PortView, ...]:
        """Return those of a kind that were really used."""
        return tuple(port for port in self.sound(kind) if port.is_usable)

    def best(self, kind: str) -> tuple[PortView, ...]:
        """Return those to use: of the sound ones (used ones, if there are any) the fastest."""
        ports = self.usable(kind) or self.sound(kind)
        fastest = max((port.rate for port in ports), default=0.0)
        return tuple(port for port in ports if port.rate == fastest)


def view_pod(pod: PodEvidence, variables: Mapping[str, str]) -> PodView:
    """Return what the ports of a pod are good for. ``variables`` are the user's."""
    uses = {use.device: use for use in pod.uses}
    views = []
    for port in sorted(pod.ports, key=_natural):
        kind = kind_of(port)
        if kind is not None:
            use = uses.get(port.device)
            trouble = _trouble(port, kind, use, pod, variables)
            is_used = use is not None and use.can_open is True and use.can_register is True
            views.append(PortView(port, kind, trouble, is_used and trouble is None))
    return PodView(pod, tuple(views))


def kind_of(port: RdmaPort) -> str | None:
    """Return the kind of fabric that a port belongs to, ``None`` where it is none that NCCL knows."""
    if port.driver == "efa":
        return EFA
    return KIND_OF_LINK.get(port.link_layer)


def locks_too_little(pod: PodEvidence) -> bool:
    """Say whether the limit of locked memory is too small for RDMA, and nothing lifts it."""
    return pod.memlock is not None and pod.memlock < ENOUGH_MEMLOCK and IPC_LOCK not in pod.effective_capabilities


def in_mebibytes(size: int) -> str:
    """Return a size in bytes for a person."""
    return f"{size / 1024**2:g} MiB"


def address_of(gid: Gid) -> ipaddress.IPv6Address | None:
    """Return the address that a GID is, ``None`` where it is none."""
    try:
        return ipaddress.IPv6Address(gid.value)
    except ValueError:
        return None


def _trouble(
    port: RdmaPort, kind: str, use: DeviceUse | None, pod: PodEvidence, variables: Mapping[str, str]
) -> Trouble | None:
    if "ACTIVE" not in port.state.upper():
        return Trouble(NOT_ACTIVE, f"its state is {port.state or 'not known'}, not ACTIVE")
    if kind == IB and port.lid == 0:
        return Trouble(NO_SUBNET_MANAGER, "its LID is 0: no subnet manager has configured it")
    if use is not None and not use.is_visible:
        return Trouble(NOT_VISIBLE, "the kernel shows it, but it has no character device in /dev/infiniband")
    if kind == ROCE and not any(_leads_somewhere(gid, pod, variables) for gid in port.gids):
        return Trouble(NO_ADDRESS, "it has no GID of RoCE v2 with an address of this pod: no network is attached to it")
    return _trouble_of_use(use, pod)


def _trouble_of_use(use: DeviceUse | None, pod: PodEvidence) -> Trouble | None:
    if use is not None and use.can_open is False:
        return Trouble(NOT_OPENED, f"it could not be opened{_because(use)}")
    if use is not None and use.can_register is False:
        return Trouble(NOT_REGISTERED, f"no memory could be registered with it{_because(use)}")
    if (use is None or use.can_register is None) and locks_too_little(pod) and pod.memlock is not None:
        return Trouble(NOT_REGISTERED, f"only {in_mebibytes(pod.memlock)} of memory may be locked")
    return None


def _because(use: DeviceUse) -> str:
    return f" ({use.error})" if use.error else ""


def _leads_somewhere(gid: Gid, pod: PodEvidence, variables: Mapping[str, str]) -> bool:
    """Say whether NCCL would take a GID: RoCE v2, of an interface of this pod, with an address of the wanted family."""
    address = address_of(gid)
    if address is None or (gid.kind is not None and "v2" not in gid.kind):
        return False
    if gid.interface and pod.interfaces and gid.interface not in {interface.name for interface in pod.interfaces}:
        return False
    if not _is_own(address, pod):
        return False
    if variables.get("NCCL_IB_ADDR_FAMILY", "").upper() == "AF_INET6":
        return address.ipv4_mapped is None and address not in _LINK_LOCAL_NETWORK
    return address.ipv4_mapped is not None


def _is_own(address: ipaddress.IPv6Address, pod: PodEvidence) -> bool:
    """Say whether an address is one of the pod's: where devices are shared, the kernel shows the host's as well, and
    its interface may have the name of the pod's. Unknown addresses count as the pod's own."""
    known = {text for interface in pod.interfaces for text in interface.addresses}
    return not known or str(address.ipv4_mapped or address) in known


def _natural(port: RdmaPort) -> tuple[list[tuple[int, str]], int]:
    """Return the order that a person expects: mlx5_2 before mlx5_10."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", port.device)
    return [(int(piece), "") if piece.isascii() and piece.isdigit() else (-1, piece) for piece in pieces], port.port
