# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The lists of names as NCCL reads them, for devices and interfaces.

Source: NVIDIA/nccl 2.30.7, docs/userguide/source/env.rst.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import RdmaPort


@dataclass(frozen=True)
class NameList:
    """A list as NCCL reads it: beginnings of names (whole names if ``is_exact``) that are taken, or left out if
    ``is_exclusion``; each with a port, ``None`` for any."""

    entries: tuple[tuple[str, int | None], ...]
    is_exact: bool = False
    is_exclusion: bool = False

    def takes(self, name: str, port: int | None = None) -> bool:
        """Say whether NCCL takes what has this name; a list without entries takes everything."""
        if not self.entries:
            return True
        return any(self._matches(entry, name, port) for entry in self.entries) != self.is_exclusion

    def takes_port(self, port: RdmaPort) -> bool:
        """Say whether NCCL takes this port of an RDMA device."""
        return self.takes(port.device, port.port)

    def names(self) -> tuple[str, ...]:
        """Return the names as they are written, without ports."""
        return tuple(name for name, _port in self.entries)

    def _matches(self, entry: tuple[str, int | None], name: str, port: int | None) -> bool:
        wanted, wanted_port = entry
        by_name = name == wanted if self.is_exact else name.startswith(wanted)
        return by_name and (wanted_port is None or port is None or wanted_port == port)


def read_name_list(text: str) -> NameList:
    """Return the list of a value of ``NCCL_IB_HCA`` or ``NCCL_SOCKET_IFNAME``; any text is one."""
    is_exclusion = text.startswith("^")
    text = text.removeprefix("^")
    is_exact = text.startswith("=")
    entries = [_entry(entry) for entry in text.removeprefix("=").split(",")]
    return NameList(tuple(entry for entry in entries if entry[0]), is_exact, is_exclusion)


def exact_list(ports: list[tuple[str, int]]) -> str:
    """Return the value that takes exactly these ports of devices."""
    return "=" + ",".join(f"{device}:{port}" for device, port in ports)


def _entry(entry: str) -> tuple[str, int | None]:
    """Return name and port of an entry: after the port may come a rail and a plane."""
    name, _colon, rest = entry.partition(":")
    port = rest.partition(":")[0]
    return name, int(port) if port.isascii() and port.isdigit() and len(port) < 6 else None
