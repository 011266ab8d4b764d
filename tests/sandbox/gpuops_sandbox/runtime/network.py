# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod network: one bridge in the sandbox's own network namespace, a veth pair per pod.

A pod's namespace is made by bubblewrap; the pair is made here and goes when either end goes. Nothing reaches the
host's network: packets to anywhere else are answered with "unreachable", as on a cluster without a way out.
"""

from __future__ import annotations

import ipaddress
import shutil
import socket
from pathlib import Path

from gpuops_sandbox.runtime.processes import run_command

BRIDGE = "pods0"
SUBNET = ipaddress.IPv4Network("10.77.0.0/16")
GATEWAY = SUBNET.network_address + 1
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


class PodNetwork:
    """Addresses and links of the pods of one sandbox."""

    def __init__(self) -> None:
        self._used: set[ipaddress.IPv4Address] = set()
        self._last = GATEWAY
        self._ip = _program("ip", "iproute2")
        self._nsenter = _program("nsenter", "util-linux")

    async def prepare(self) -> None:
        """Make the bridge; idempotent.

        Raises ``OSError`` with iproute2's words, or because this is not a network namespace of the sandbox's own.
        """
        if _exists(BRIDGE):
            return
        if found := await run_command((self._ip, "-o", "-4", "address", "show", "scope", "global")):
            raise OSError(f"this is not a network namespace of the sandbox's own, it has an address: {found}")
        await self._batch(
            "link set lo up",
            # A fixed hardware address: else it changes with the ports, and the pods' neighbour caches are wrong.
            f"link add {BRIDGE} address {_hardware_address(GATEWAY)} type bridge",
            f"addr add {GATEWAY}/{SUBNET.prefixlen} dev {BRIDGE}",
            f"link set {BRIDGE} up",
            "route add unreachable default",
        )
        _FORWARDING.write_text("1", encoding="ascii")  # so that "unreachable" is said to the pods, too

    def allocate(self) -> str:
        """Return a free address. Each is handed out as late as possible again, as a cluster's CNI does."""
        candidate = self._last
        for _step in range(SUBNET.num_addresses):
            candidate = candidate + 1 if candidate + 1 < SUBNET.broadcast_address else GATEWAY + 1
            if candidate not in self._used:
                self._used.add(candidate)
                self._last = candidate
                return str(candidate)
        raise OSError(f"no free address is left in {SUBNET}")

    def release(self, address: str) -> None:
        """Give an address back; one that is free already is left free."""
        self._used.discard(ipaddress.IPv4Address(address))

    async def connect(self, pid: int, address: str) -> None:
        """Give the network namespace of process ``pid`` an ``eth0`` with ``address`` and a default route."""
        # The hardware address follows from the address: a restarted pod needs no neighbour's cache to expire.
        hardware = _hardware_address(ipaddress.IPv4Address(address))
        await self._batch(
            f"link add {link_name(address)} up master {BRIDGE} type veth peer name eth0 address {hardware} netns {pid}"
        )
        inside = f"addr add {address}/{SUBNET.prefixlen} dev eth0\nlink set eth0 up\nroute add default via {GATEWAY}\n"
        try:
            await run_command((self._nsenter, "--target", str(pid), "--net", self._ip, "-batch", "-"), inside)
        except OSError:
            await self.disconnect(address)
            raise

    async def disconnect(self, address: str) -> None:
        """Remove the link of ``address`` now (the kernel removes a dead namespace's links some time later)."""
        if not _exists(link_name(address)):
            return
        try:
            await self._batch(f"link delete {link_name(address)}")
        except OSError:
            if _exists(link_name(address)):  # else the kernel was faster
                raise

    async def _batch(self, *lines: str) -> None:
        await run_command((self._ip, "-batch", "-"), "\n".join(lines) + "\n")


def link_name(address: str) -> str:
    """Return the name of the bridge's end of the pod's link."""
    return "pod" + ipaddress.IPv4Address(address).packed[2:].hex()


def _hardware_address(address: ipaddress.IPv4Address) -> str:
    return "02:00:" + ":".join(f"{byte:02x}" for byte in address.packed)


def _exists(link: str) -> bool:
    return link in {name for _index, name in socket.if_nameindex()}


def _program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"`{name}` is missing: apt-get install {package}")
    return path
