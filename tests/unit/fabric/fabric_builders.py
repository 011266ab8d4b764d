# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builders of evidence for the tests of the decision. What only hardware can show is recorded data, or is derived from
upstream documentation, as each case says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ETHERNET,
    INFINIBAND,
    ClusterEvidence,
    DeviceResource,
    DeviceUse,
    Evidence,
    FabricMachine,
    Gid,
    Interface,
    PodEvidence,
    ProofEvidence,
    RdmaPort,
    Reach,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs

H100 = "NVIDIA-H100-80GB-HBM3"
MIB = 1024**2
# What every case with several pods gets, unless it says otherwise.
DEBUG = {"NCCL_DEBUG": "INFO", "NCCL_DEBUG_SUBSYS": "INIT,NET"}
SOCKETS = {"NCCL_SOCKET_IFNAME": "=eth0", "GLOO_SOCKET_IFNAME": "eth0"}


@dataclass(frozen=True)
class Case:
    """Evidence, and what has to follow from it. ``causes`` are those of all findings; ``refused`` is the cause for
    which mode ``require_rdma`` fails."""

    name: str
    evidence: Evidence
    kind: str
    confidence: str
    inputs: FabricInputs = field(default_factory=FabricInputs)
    variables: Mapping[str, str] = field(default_factory=lambda: dict(DEBUG))
    resources: Mapping[str, int] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    causes: frozenset[str] = frozenset()
    refused: str | None = None


def machine(
    name: str, resources: Mapping[str, int] | None = None, gpus: int = 8, labels: Mapping[str, str] | None = None
) -> FabricMachine:
    return FabricMachine(name, gpus, H100, labels or {}, resources or {})


def cluster(
    resources: Mapping[str, int] | None = None,
    defined: Sequence[DeviceResource] = (),
    labels: Mapping[str, str] | None = None,
    machines: int = 2,
    networks: tuple[str, ...] = (),
    **more: Any,
) -> ClusterEvidence:
    """Return a cluster whose machines are all alike."""
    all_of_them = tuple(machine(f"gpu-{number}", resources, labels=labels) for number in range(1, machines + 1))
    return ClusterEvidence(machines=all_of_them, resources=tuple(defined), networks=networks, **more)


def infiniband(device: str, lid: int = 7, rate: float = 400.0, state: str = "ACTIVE", **more: Any) -> RdmaPort:
    gid = Gid(0, "fe80:0000:0000:0000:946d:ae03:00a1:b2c3")
    return RdmaPort(device, 1, INFINIBAND, state, rate, lid, (gid,), "mlx5_core", **more)


def roce(
    device: str, address: str | None = "c0a8:0a05", rate: float = 100.0, interface: str = "net1", **more: Any
) -> RdmaPort:
    """Return a port of an Ethernet card; ``address`` is its IPv4 address in hexadecimal digits, ``None`` for none."""
    gids: tuple[Gid, ...] = (Gid(0, "fe80:0000:0000:0000:0a58:c0ff:fea8:0a05", "IB/RoCE v1", interface),)
    if address is not None:
        gids += (Gid(3, f"0000:0000:0000:0000:0000:ffff:{address}", "RoCE v2", interface),)
    return RdmaPort(device, 1, ETHERNET, "ACTIVE", rate, 0, gids, "mlx5_core", **more)


def used(*ports: RdmaPort) -> tuple[DeviceUse, ...]:
    """Return what it looks like where all devices could be opened and memory registered."""
    return tuple(DeviceUse(port.device, is_visible=True, can_open=True, can_register=True) for port in ports)


def eth0(number: int = 1) -> Interface:
    return Interface("eth0", (f"10.244.{number}.17",), has_default_route=True, mtu=1500)


def net1(number: int = 1) -> Interface:
    return Interface("net1", (f"192.168.10.{number}", "192.168.10.5"), mtu=9000)


def pod(
    number: int,
    ports: Iterable[RdmaPort] = (),
    *,
    uses: tuple[DeviceUse, ...] | None = None,
    interfaces: tuple[Interface, ...] | None = None,
    reached: bool = True,
    **more: Any,
) -> PodEvidence:
    """Return what the pod on machine ``gpu-<number>`` saw; it tried to reach the one on the other machine."""
    ports = tuple(ports)
    error = "" if reached else "timed out after 5 s"
    reach = Reach(f"gpu-{3 - number}", 40017, reached, 9.4 if reached else None, error)
    return PodEvidence(
        machine=f"gpu-{number}",
        ports=ports,
        uses=used(*ports) if uses is None else uses,
        interfaces=(eth0(number),) if interfaces is None else interfaces,
        reaches=(reach,),
        **more,
    )


def pods(ports: Iterable[RdmaPort] = (), **more: Any) -> tuple[PodEvidence, PodEvidence]:
    """Return two pods that saw the same."""
    ports = tuple(ports)
    return pod(1, ports, **more), pod(2, ports, **more)


def two_interfaces(ports: Iterable[RdmaPort], **more: Any) -> tuple[PodEvidence, PodEvidence]:
    """Return two pods that have a secondary network besides."""
    ports = tuple(ports)
    return (
        pod(1, ports, interfaces=(eth0(1), net1(1)), **more),
        pod(2, ports, interfaces=(eth0(2), net1(2)), **more),
    )


def proof(network: str, *lines: str, bandwidth: float | None = 41.3) -> ProofEvidence:
    return ProofEvidence(network, bandwidth, lines)
