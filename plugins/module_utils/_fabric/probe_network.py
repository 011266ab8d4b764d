# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Network interfaces of this pod: addresses, default routes, sizes of packets.

Part of the program that runs inside pods (``probe_program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import ctypes
import os
import socket
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_rdma import names_in, number_of, text_of

# Where the address begins in a sockaddr of the family, and how long it is.
_PLACES = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}
_LOOPBACK = "lo"
_LINK_LOCAL = "fe80:"


class Ifaddrs(ctypes.Structure):
    """An entry of the list that ``getifaddrs`` makes (ifaddrs.h)."""

    _fields_ = (
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("flags", ctypes.c_uint),
        ("address", ctypes.c_void_p),
        ("mask", ctypes.c_void_p),
        ("other", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
    )


def own_addresses() -> list[tuple[str, str]]:
    """Return every address of this network namespace with its interface, without loopback and link-local ones."""
    library = ctypes.CDLL(None, use_errno=True)
    first = ctypes.c_void_p()
    if library.getifaddrs(ctypes.byref(first)):
        return []
    found, place = [], first.value
    while place:
        entry = Ifaddrs.from_address(place)
        address = _address(entry.address)
        name = entry.name.decode("utf-8", "replace")
        if address and name != _LOOPBACK and not address.startswith(_LINK_LOCAL):
            found.append((name, address))
        place = entry.next
    library.freeifaddrs(first)
    return found


def _address(place: int | None) -> str | None:
    """Return the address that a sockaddr holds; ``None`` for those that are none of the Internet's."""
    if not place:
        return None
    family = ctypes.c_ushort.from_address(place).value
    if family not in _PLACES:
        return None
    offset, length = _PLACES[socket.AddressFamily(family)]
    return socket.inet_ntop(family, ctypes.string_at(place + offset, length))


def interfaces(root: str, addresses: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the interfaces below the folder ``root``, which stands for ``/``, with these ``addresses``."""
    names = {*names_in(root, "sys/class/net"), *(name for name, _address in addresses)} - {_LOOPBACK, "bonding_masters"}
    defaults = _default_routes(root)
    return [
        {
            "name": name,
            "addresses": [address for owner, address in addresses if owner == name],
            "has_default_route": name in defaults,
            "mtu": number_of(text_of(root, "sys/class/net", name, "mtu")),
        }
        for name in sorted(names)
    ]


def _default_routes(root: str) -> set[str]:
    """Return the interfaces that have a default route of any family."""
    found = set()
    for words in _rows(root, "proc/net/route"):
        if len(words) > 7 and words[1] == words[7] == "00000000":
            found.add(words[0])
    for words in _rows(root, "proc/net/ipv6_route"):
        if len(words) > 9 and not words[0].strip("0") and words[1] == "00":
            found.add(words[9])
    # The kernel's own route for what leads nowhere.
    return found - {_LOOPBACK}


def _rows(*path: str) -> list[list[str]]:
    try:
        with open(os.path.join(*path), encoding="utf-8") as table:
            return [line.split() for line in table]
    except OSError:
        return []
