# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The program that looks at a pod's way to the fabric: its report.

It changes nothing: memory that it locks or registers is given back at once.

Part of the programs that run inside pods (``probe_program``, ``answer_program``): the standard library of Python 3.8
alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_meeting import Meeting
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_memory import (
    apart,
    capability_set,
    lock_memory,
    memlock_limit,
    register_memory,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_network import interfaces, own_addresses
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_rdma import (
    device_uses,
    gpudirect_module,
    rdma_ports,
)

# What fits into the termination message of a container.
REPORT_BYTES = 4000
# What NCCL locks at least for its buffers, with some channels.
MEMORY = 256 << 20
VERBS_LIBRARY = "libibverbs.so.1"
# Seconds for a library that talks to devices.
_LIBRARY_SECONDS = 60.0
_LONGEST_ERROR = 100
# The entries of a GID table that are kept first: those that RoCE v2 over IPv4 uses, then as many.
_GIDS_KEPT = 2
# Keys of a port, in the order in which the report has their values; its GIDs come after them.
PORT_KEYS = ("device", "port", "link_layer", "state", "rate", "lid", "driver", "is_virtual", "numa_node")
USE_KEYS = ("device", "is_visible", "can_open", "can_register", "error")
INTERFACE_KEYS = ("name", "addresses", "has_default_route", "mtu")
REACH_KEYS = ("peer", "port", "is_reached", "bandwidth", "error")
GID_KEYS = ("index", "value", "kind", "interface")


@dataclass(frozen=True)
class ProbeTask:
    """What is looked at: the folder ``root`` stands for ``/``. The copies meet on ``ports`` and know each other by
    ``token``; a copy may take ``meet_seconds`` to begin. ``report`` is where the report is left."""

    root: str = "/"
    ports: list[int] = field(default_factory=list)
    token: str = ""
    meet_seconds: float = 60.0
    report: str = ""
    library: str = VERBS_LIBRARY
    memory: int = MEMORY
    names_variable: str = "GPUOPS_LOOK_COPIES"
    index_variable: str = "JOB_COMPLETION_INDEX"
    address_variable: str = "GPUOPS_LOOK_ADDRESS"


def report_of(task: ProbeTask) -> dict[str, Any]:
    """Look, meet the others, and return the report."""
    locked, lock_error = apart(lambda: lock_memory(task.memory), _LIBRARY_SECONDS)
    ports = rdma_ports(task.root)
    report: dict[str, Any] = {
        "identity": [os.geteuid(), os.getegid()],
        "ports": ports,
        "uses": _with_registration(device_uses(task.root), task),
        "memlock": memlock_limit(),
        "locked": locked[0] if locked else None,
        "effective": capability_set(task.root, "CapEff"),
        "bounding": capability_set(task.root, "CapBnd"),
        "gpudirect": gpudirect_module(task.root),
        "interfaces": interfaces(task.root, own_addresses()),
    }
    names = os.environ.get(task.names_variable, "").split()
    index = int(os.environ.get(task.index_variable) or 0)
    meeting = Meeting(index, names, task.ports, task.token, os.environ.get(task.address_variable, ""))
    report["reaches"] = meeting.reaches(task.meet_seconds) if len(names) > 1 else []
    report["errors"] = [error for error in (lock_error, *meeting.errors) if error]
    return report


def _with_registration(uses: list[dict[str, Any]], task: ProbeTask) -> list[dict[str, Any]]:
    """Return the uses with whether memory was registered with each device that could be opened."""
    if not any(use.get("can_open") for use in uses):
        return uses

    def registered() -> Iterator[tuple[str, bool, str]]:
        return register_memory(task.memory, task.library)

    answers, error = apart(registered, _LIBRARY_SECONDS)
    results = {name: (done, why) for name, done, why in answers}
    missing = error or "libibverbs does not list it"
    whole = []
    for use in uses:
        if use.get("can_open"):
            done, why = results.get(use["device"], (None if error else False, missing))
            use = dict(use, can_register=done, error=why)
        whole.append(use)
    return whole


def fitting(report: dict[str, Any], size: int = REPORT_BYTES) -> str:
    """Return a report as JSON of at most ``size`` bytes: details are left out until it fits, the least telling first,
    and ``left_out`` names them."""
    compact = _compact(report)
    left_out: list[str] = []
    text = _text(compact, left_out)
    for what, shorten in _SHORTER:
        while len(text.encode()) > size and shorten(compact):
            if what not in left_out:
                left_out.append(what)
            text = _text(compact, left_out)
    return text


def _text(compact: dict[str, Any], left_out: list[str]) -> str:
    return json.dumps(dict(compact, left_out=left_out), separators=(",", ":"))


def _compact(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report with lists in place of dictionaries, and short errors."""
    compact = dict(report)
    compact["ports"] = [
        [*(port[key] for key in PORT_KEYS), [_gid(gid) for gid in sorted(port["gids"], key=_gid_rank)]]
        for port in report["ports"]
    ]
    for what, keys in (("uses", USE_KEYS), ("interfaces", INTERFACE_KEYS), ("reaches", REACH_KEYS)):
        compact[what] = [[_short(entry.get(key)) for key in keys] for entry in report[what]]
    compact["errors"] = [error[:_LONGEST_ERROR] for error in report["errors"]]
    return compact


def _short(value: Any) -> Any:
    """Return a value that is no longer than an error may be."""
    return value[:_LONGEST_ERROR] if isinstance(value, str) else value


def _gid(gid: dict[str, Any]) -> list[Any]:
    return [gid["index"], ipaddress.IPv6Address(gid["value"]).compressed, gid["kind"], gid["interface"]]


def _gid_rank(gid: dict[str, Any]) -> tuple[bool, int]:
    is_usual = gid["kind"] == "RoCE v2" and ipaddress.IPv6Address(gid["value"]).ipv4_mapped is not None
    return not is_usual, gid["index"]


def _fewer_gids(compact: dict[str, Any]) -> bool:
    most = max((len(port[-1]) for port in compact["ports"]), default=0)
    if most == 0:
        return False
    for port in compact["ports"]:
        port[-1] = port[-1][: min(most - 1, _GIDS_KEPT)]
    return True


def _fewer_addresses(compact: dict[str, Any]) -> bool:
    most = max((len(interface[1]) for interface in compact["interfaces"]), default=0)
    for interface in compact["interfaces"]:
        interface[1] = interface[1][: max(most - 1, 1)]
    return most > 1


def _no_errors_twice(compact: dict[str, Any]) -> bool:
    """Leave out errors that another device has told already."""
    told: set[str] = set()
    is_shorter = False
    for entry in [*compact["uses"], *compact["reaches"]]:
        is_shorter = is_shorter or bool(entry[-1] and entry[-1] in told)
        entry[-1] = "" if entry[-1] in told else entry[-1]
        told.add(entry[-1])
    return is_shorter


def _no_invisible_devices(compact: dict[str, Any]) -> bool:
    """Leave out devices that have no character device here, where others have one."""
    hidden = {use[0] for use in compact["uses"] if not use[1]}
    if not hidden or len(hidden) == len(compact["uses"]):
        return False
    compact["uses"] = [use for use in compact["uses"] if use[0] not in hidden]
    compact["ports"] = [port for port in compact["ports"] if port[0] not in hidden]
    return True


def _without_last(what: str) -> Callable[[dict[str, Any]], bool]:
    def shorten(compact: dict[str, Any]) -> bool:
        is_shorter = len(compact[what]) > 0
        del compact[what][-1:]
        return is_shorter

    return shorten


_SHORTER: tuple[tuple[str, Callable[[dict[str, Any]], bool]], ...] = (
    ("gids", _fewer_gids),
    ("addresses", _fewer_addresses),
    ("errors", _no_errors_twice),
    ("devices", _no_invisible_devices),
    *((what, _without_last(what)) for what in ("interfaces", "reaches", "uses", "ports", "errors")),
)
