# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is known of the fabric: as the platform's API shows it, and as pods saw it that ran as the serving user.

Whatever could not be seen is ``None`` or named in ``unseen``; it never reads as "there is none".

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Link layers as the kernel writes them in /sys/class/infiniband/DEVICE/ports/PORT/link_layer.
INFINIBAND = "InfiniBand"
ETHERNET = "Ethernet"


@dataclass(frozen=True)
class FabricMachine:
    """A machine with GPUs. ``labels`` are those that say something about fabrics, ``resources`` its allocatable
    extended resources that are no GPUs (name to count)."""

    name: str
    gpus: int
    gpu_product: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceResource:
    """What a custom resource says about an extended resource that brings devices.

    ``link_layer`` is ``INFINIBAND``, ``ETHERNET`` or ``None`` where it is not said. ``sharing`` is ``shared`` (many
    pods use the same device), ``virtual`` (an SR-IOV function of its own), ``whole`` (a host device of its own) or
    ``None``.
    ``networks`` are the NetworkAttachmentDefinitions, as ``namespace/name``, that go with it. ``source`` is the object
    that says so, as ``Kind/name``.
    """

    resource: str
    link_layer: str | None = None
    sharing: str | None = None
    is_rdma: bool | None = None
    networks: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class ClusterEvidence:
    """What the platform's API shows. ``unseen`` are the kinds of objects that could not be read (forbidden, not
    served), each with the reason."""

    machines: tuple[FabricMachine, ...] | None = None
    resources: tuple[DeviceResource, ...] = ()
    networks: tuple[str, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)
    platform_notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gid:
    """An entry of a port's GID table that is not zero: ``kind`` is ``RoCE v2``, ``IB/RoCE v1`` or ``None``;
    ``interface`` is the network interface that it belongs to, where there is one."""

    index: int
    value: str
    kind: str | None = None
    interface: str | None = None


@dataclass(frozen=True)
class RdmaPort:
    """A port of an RDMA device. ``state`` is the kernel's word (``ACTIVE``), ``rate`` is in Gbit/s, ``lid`` 0 means
    that no subnet manager has configured it; ``driver`` is the kernel driver of the device (``mlx5_core``, ``efa``)."""

    device: str
    port: int
    link_layer: str
    state: str
    rate: float | None = None
    lid: int | None = None
    gids: tuple[Gid, ...] = ()
    driver: str | None = None
    is_virtual: bool = False
    numa_node: int | None = None


@dataclass(frozen=True)
class DeviceUse:
    """What the serving user could do with a device: find its character device, open it, and register memory with it.
    ``None`` means not tried; ``error`` is why the first of them that failed did."""

    device: str
    is_visible: bool
    can_open: bool | None = None
    can_register: bool | None = None
    error: str = ""


@dataclass(frozen=True)
class Interface:
    """A network interface of a pod: ``addresses`` without prefix lengths, ``has_default_route`` of any family, ``mtu``
    in bytes."""

    name: str
    addresses: tuple[str, ...] = ()
    has_default_route: bool = False
    mtu: int | None = None


@dataclass(frozen=True)
class Reach:
    """Whether one pod reached a TCP port of another. ``bandwidth`` in Gbit/s is a lower bound, ``error`` why it did
    not."""

    machine: str
    port: int
    is_reached: bool
    bandwidth: float | None = None
    error: str = ""


@dataclass(frozen=True)
class PodEvidence:
    """What one pod saw that ran as the serving user, with the workload's fabric resource, on ``machine``.

    ``memlock`` is the limit of locked memory in bytes, ``None`` for no limit; ``locked`` how many bytes really were
    locked in the attempt. ``effective_capabilities`` and ``bounding_capabilities`` are names without ``CAP_``.
    ``gpudirect`` is ``nvidia_peermem``, ``nv_peer_mem``, ``unknown`` (dma-buf cannot be seen from here).
    """

    machine: str
    ports: tuple[RdmaPort, ...] = ()
    uses: tuple[DeviceUse, ...] = ()
    memlock: int | None = None
    locked: int | None = None
    effective_capabilities: tuple[str, ...] = ()
    bounding_capabilities: tuple[str, ...] = ()
    gpudirect: str = "unknown"
    interfaces: tuple[Interface, ...] = ()
    reaches: tuple[Reach, ...] = ()
    requested_resources: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ProofEvidence:
    """What a real collective between two pods showed: the network in NCCL's own words (``IB``, ``Socket``), the bus
    bandwidth in GB/s, and the lines it was read from."""

    network: str | None
    bandwidth: float | None = None
    lines: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class AppliedFabric:
    """What a workload runs with: the kind of its fabric, what its pods ask for, its variables."""

    kind: str
    resources: Mapping[str, int] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """All that is known. ``cluster`` is ``None`` where the API was not asked; ``pods`` is empty where no look ran, and
    ``not_looked`` then says why.

    ``confirmed`` is the answer of a pod that could leave no report: whether the serving user can use the fabric that
    the user states. ``None`` where nobody asked, or no answer is certain. ``applied`` is the decision that the workload
    runs with: what pods saw then counts where none can look now, since the workload itself may hold the devices."""

    cluster: ClusterEvidence | None = None
    pods: tuple[PodEvidence, ...] = ()
    proof: ProofEvidence | None = None
    not_looked: str = ""
    confirmed: bool | None = None
    applied: AppliedFabric | None = None
