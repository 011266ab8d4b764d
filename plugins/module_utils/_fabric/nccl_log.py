# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What NCCL says in its log of the network that it uses (``NCCL_DEBUG=INFO``, ``NCCL_DEBUG_SUBSYS=INIT,NET``). Pure.

The lines are those of NCCL 2.30.7 (``src/transport/net*.cc``, ``src/init.cc``).

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sight import NCCL_IB

# Names of plugins may have spaces: AWS Libfabric.
_CHOSEN = re.compile(r"Using network (\S.*?)\s*$|Assigned NET plugin (\S.*?) to comm")
# [send] via NET/IB/0/GDRDMA, via NET/Socket/0: the channels between pods.
_CHANNEL = re.compile(r"via NET/([A-Za-z][\w -]*)/(\d+)(/GDRDMA)?")
_DEVICES = re.compile(r"NET/IB : Using (.*?)(?:; OOB (\S+?):\S*)?\s*$")
_DEVICE = re.compile(r"\[\d+\]([^\s:]+):(\d+)/([A-Za-z]+)")
_FROM_ENVIRONMENT = re.compile(r"(NCCL_[A-Z0-9_]+) set (?:by environment )?to (.+?)\.?\s*$")
_NO_DEVICE = "NET/IB : No device found"
# Calls of libibverbs that failed, and how the log tells what that means.
_FAILED_CALL = re.compile(r"(ibv_\w+)\b.*\b(?:failed|error|timed out)|(?:failed|error).*\b(ibv_\w+)", re.IGNORECASE)
_NO_MEMORY = "Cannot allocate memory"


@dataclass(frozen=True)
class NcclDevice:
    """An RDMA device that NCCL uses: ``link`` is ``IB`` or ``RoCE``."""

    name: str
    port: int
    link: str


@dataclass(frozen=True)
class NcclLog:
    """What a log says.

    ``network`` is what NCCL chose (``IB``, ``Socket``, a plugin's name); ``channels`` are the networks that data
    between pods really goes through; ``gpudirect`` says whether they all reach GPU memory directly (``None``: no
    channel over RDMA was seen). ``failures`` are calls of libibverbs that failed, as lines; ``memory_refused``: one of
    them for too little locked memory. ``no_device``: NCCL found no RDMA device. ``variables`` were taken from the
    environment.
    """

    network: str | None = None
    channels: tuple[str, ...] = ()
    gpudirect: bool | None = None
    devices: tuple[NcclDevice, ...] = ()
    interface: str | None = None
    failures: tuple[str, ...] = ()
    memory_refused: bool = False
    no_device: bool = False
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def carried_by(self) -> str | None:
        """Return the network that carries the data: that of the channels where one was opened, else the chosen one."""
        return self.channels[0] if len(self.channels) == 1 else self.network


def read_nccl_log(text: str) -> NcclLog:
    """Return what the lines of one or more ranks say. Of several statements about the network the last one counts:
    each communicator makes one."""
    network: str | None = None
    interface: str | None = None
    no_device = False
    channels: dict[str, None] = {}
    direct: list[bool] = []
    devices: dict[NcclDevice, None] = {}
    failures: dict[str, None] = {}
    variables: dict[tuple[str, str], None] = {}
    for line in text.splitlines():
        chosen = _CHOSEN.search(line)
        network = (chosen[1] or chosen[2]).rstrip(".") if chosen else network
        channel = _CHANNEL.search(line)
        if channel:
            channels[channel[1]] = None
            direct += [bool(channel[3])] if channel[1] == NCCL_IB else []
        used = _DEVICES.search(line)
        if used:
            interface = used[2] or interface
            devices.update((NcclDevice(name, int(port), link), None) for name, port, link in _DEVICE.findall(used[1]))
        stated = _FROM_ENVIRONMENT.search(line)
        if stated:
            variables[(stated[1], stated[2])] = None
        if _FAILED_CALL.search(line):
            failures[line.strip()] = None
        no_device = no_device or _NO_DEVICE in line
    return NcclLog(
        network=network,
        channels=tuple(channels),
        gpudirect=all(direct) if direct else None,
        devices=tuple(devices),
        interface=interface,
        failures=tuple(failures),
        memory_refused=any(_NO_MEMORY in line and "ibv_reg_mr" in line for line in failures),
        no_device=no_device,
        variables=tuple(variables),
    )
