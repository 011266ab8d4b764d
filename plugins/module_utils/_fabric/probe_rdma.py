# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""RDMA devices as the kernel lists them, and what the user of this process can do with them.

Part of the program that runs inside pods (``probe_program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import os
from typing import Any

# Where the kernel lists RDMA devices and their character devices, and where pods get these.
DEVICES, DEVICE_FILES, NODES = "sys/class/infiniband", "sys/class/infiniband_verbs", "dev/infiniband"


def text_of(*path: str) -> str | None:
    """Return the first line of a file; ``None`` where it cannot be read (the kernel refuses some that are listed)."""
    try:
        with open(os.path.join(*path), encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return None


def names_in(*path: str) -> list[str]:
    """Return what a folder holds; nothing where there is none."""
    try:
        return sorted(os.listdir(os.path.join(*path)))
    except OSError:
        return []


def number_of(text: str | None, base: int = 10) -> int | None:
    """Return the whole number that a text begins with, or ``None``."""
    try:
        return int((text or "").split()[0], base)
    except (IndexError, ValueError):
        return None


def because(error: OSError) -> str:
    """Return why a call failed, in the system's words."""
    return f"{error.strerror or error} (errno {error.errno})"


def rdma_ports(root: str) -> list[dict[str, Any]]:
    """Return all ports of all RDMA devices below the folder ``root``, which stands for ``/``."""
    return [
        _port(os.path.join(root, DEVICES, device), device, port)
        for device in names_in(root, DEVICES)
        for port in names_in(root, DEVICES, device, "ports")
    ]


def _port(folder: str, device: str, port: str) -> dict[str, Any]:
    below = os.path.join(folder, "ports", port)
    numa_node = number_of(text_of(folder, "device", "numa_node"))
    driver = os.path.join(folder, "device", "driver")
    rate = (text_of(below, "rate") or "").split(" ")[0]
    return {
        "device": device,
        "port": int(port),
        "link_layer": text_of(below, "link_layer") or "",
        # The kernel writes "4: ACTIVE".
        "state": (text_of(below, "state") or "").rpartition(": ")[2],
        "rate": float(rate) if rate.replace(".", "", 1).isdigit() else None,
        "lid": number_of(text_of(below, "lid"), 16),
        "driver": os.path.basename(os.path.realpath(driver)) if os.path.exists(driver) else None,
        "is_virtual": os.path.exists(os.path.join(folder, "device", "physfn")),
        # -1 is the kernel's word for none.
        "numa_node": numa_node if numa_node is not None and numa_node >= 0 else None,
        "gids": _gids(below),
    }


def _gids(port: str) -> list[dict[str, Any]]:
    """Return the entries of a port's GID table that are not zero."""
    found = []
    for index in sorted(int(name) for name in names_in(port, "gids") if name.isdigit()):
        value = text_of(port, "gids", str(index))
        if value and value.strip("0:"):
            kind = text_of(port, "gid_attrs", "types", str(index))
            interface = text_of(port, "gid_attrs", "ndevs", str(index))
            found.append({"index": index, "value": value, "kind": kind, "interface": interface})
    return found


def device_uses(root: str) -> list[dict[str, Any]]:
    """Return what this user can do with the character device of each RDMA device: see it, and open it."""
    nodes = [name for name in names_in(root, NODES) if name.startswith("uverbs")]
    owners = {name: text_of(root, DEVICE_FILES, name, "ibdev") for name in {*names_in(root, DEVICE_FILES), *nodes}}
    uses = []
    for device in names_in(root, DEVICES):
        named = [name for name in names_in(root, DEVICES, device, "device", "infiniband_verbs") if name in nodes]
        own = [name for name in nodes if owners[name] == device] or named
        uses.append(_use(root, device, own[0] if own else None))
        nodes = [name for name in nodes if name not in own]
    # Those whose device the kernel does not show here: of another network namespace, in exclusive mode.
    return uses + [_use(root, name, name) for name in nodes]


def _use(root: str, device: str, node: str | None) -> dict[str, Any]:
    use: dict[str, Any] = {"device": device, "is_visible": node is not None}
    if node is None:
        return use
    try:
        os.close(os.open(os.path.join(root, NODES, node), os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return dict(use, can_open=False, error=f"open /dev/infiniband/{node}: {because(error)}")
    return dict(use, can_open=True)


def gpudirect_module(root: str) -> str:
    """Return which kernel module lets RDMA devices reach GPU memory; dma-buf needs none, and cannot be seen."""
    if os.path.isdir(os.path.join(root, "sys/module/nvidia_peermem")):
        return "nvidia_peermem"
    peers = [name for name in names_in(root, "sys/kernel/mm/memory_peers") if name.startswith("nv_mem")]
    return "nv_peer_mem" if peers or os.path.isdir(os.path.join(root, "sys/module/nv_peer_mem")) else "unknown"
