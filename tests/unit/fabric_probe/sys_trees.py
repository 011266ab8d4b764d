# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees as /sys, /proc and /dev have them on machines that are not here, written as files.

The paths and the form of their content are those of the kernel's ABI (Documentation/ABI/stable/sysfs-class-infiniband)
and of drivers/infiniband/core/sysfs.c; what stands in them is of the kinds of machine that the tests name. No hardware
was asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

ZERO = "0000:0000:0000:0000:0000:0000:0000:0000"
# A subnet prefix and a GUID; and an address of IPv4 as RoCE v2 has it.
IB_GID = "fe80:0000:0000:0000:b83f:d203:0012:3456"
ROCE_GID = "0000:0000:0000:0000:0000:ffff:c0a8:6401"
LINK_LOCAL_GID = "fe80:0000:0000:0000:3efd:feff:fe12:3456"


@dataclass(frozen=True)
class Port:
    """A port of a device, in the words of the kernel."""

    link_layer: str = "InfiniBand"
    state: str = "4: ACTIVE"
    rate: str = "400 Gb/sec (4X NDR)"
    lid: str = "0x11"
    gids: tuple[str, ...] = (IB_GID,)
    kinds: tuple[str, ...] = ("IB/RoCE v1",)
    interfaces: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Device:
    """An RDMA device, and the number of its character device where the pod was given that."""

    name: str
    ports: tuple[Port, ...] = (Port(),)
    driver: str = "mlx5_core"
    numa_node: int = 0
    is_virtual: bool = False
    node: int | None = None


@dataclass
class Tree:
    """A folder that stands for ``/``."""

    root: Path
    numbers: dict[str, int] = field(default_factory=dict)

    def write(self, path: str, text: str) -> Path:
        """Write a file below the root, as the kernel does: with a line's end."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text + "\n")
        return place

    def add(self, device: Device) -> None:
        """Add a device, which lies elsewhere and is linked into its class, as everything in /sys."""
        number = len(self.numbers)
        self.numbers[device.name] = number
        pci = f"sys/devices/pci0000:00/0000:0{number + 1:x}:00.0"
        home = f"{pci}/infiniband/{device.name}"
        self.write(f"{pci}/numa_node", str(device.numa_node))
        self._link(f"{pci}/driver", f"sys/bus/pci/drivers/{device.driver}")
        if device.is_virtual:
            self._link(f"{pci}/physfn", "sys/devices/pci0000:00/0000:0f:00.0")
        for index, port in enumerate(device.ports, start=1):
            self._add_port(f"{home}/ports/{index}", port)
        self._link(f"{home}/device", pci)
        self._link(f"sys/class/infiniband/{device.name}", home)
        self.write(f"sys/class/infiniband_verbs/uverbs{number}/ibdev", device.name)

    def _add_port(self, folder: str, port: Port) -> None:
        for name in ("link_layer", "state", "rate", "lid"):
            self.write(f"{folder}/{name}", getattr(port, name))
        # A table of entries most of which are zero: of these the kernel refuses to tell the kind.
        for index, gid in enumerate((*port.gids, ZERO)):
            self.write(f"{folder}/gids/{index}", gid)
        for index, (kind, interface) in enumerate(zip(port.kinds, port.interfaces, strict=True)):
            self.write(f"{folder}/gid_attrs/types/{index}", kind)
            self.write(f"{folder}/gid_attrs/ndevs/{index}", interface)

    def give(self, device: str, mode: int = 0o666) -> Path:
        """Give the pod the character device of a device: with the numbers of /dev/null, which opens like any other."""
        place = self.root / "dev/infiniband" / f"uverbs{self.numbers[device]}"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(place, 0o020000 | mode, os.makedev(1, 3))
        place.chmod(mode)
        return place

    def status(self, effective: str, bounding: str) -> None:
        """Write what the kernel says of a process."""
        self.write("proc/self/status", f"Name:\tpython3\nCapEff:\t{effective}\nCapBnd:\t{bounding}")

    def _link(self, path: str, target: str) -> None:
        place, aim = self.root / path, self.root / target
        aim.mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(aim, place.parent))


def whole_infiniband(tree: Tree, devices: int = 8) -> None:
    """Whole devices of InfiniBand, as a shared device plugin gives all of them: NDR, a subnet manager, GPUDirect."""
    for number in range(devices):
        tree.add(Device(f"mlx5_{number}", (Port(lid=hex(17 + number)),), numa_node=number // 4))
        tree.give(f"mlx5_{number}")
    tree.write("sys/module/nvidia_peermem/version", "570.86.15")


def roce_functions(tree: Tree) -> None:
    """Two virtual functions of RoCE, each with an interface of its own, as SR-IOV gives them."""
    for number in (2, 3):
        port = Port(
            "Ethernet",
            rate="200 Gb/sec (4X HDR)",
            lid="0x0",
            gids=(LINK_LOCAL_GID, LINK_LOCAL_GID, ROCE_GID, ROCE_GID),
            kinds=("IB/RoCE v1", "RoCE v2", "IB/RoCE v1", "RoCE v2"),
            interfaces=(f"net{number - 1}",) * 4,
        )
        tree.add(Device(f"mlx5_{number}", (port,), is_virtual=True))
        tree.give(f"mlx5_{number}")
