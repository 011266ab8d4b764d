# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The reports of the programs that run inside pods, as evidence. Pure and tolerant: a report comes out of a pod.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.as_data import checked
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    DeviceUse,
    Gid,
    Interface,
    PodEvidence,
    ProofEvidence,
    RdmaPort,
    Reach,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.nccl_log import read_nccl_log
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import (
    GID_KEYS,
    INTERFACE_KEYS,
    PORT_KEYS,
    REACH_KEYS,
    USE_KEYS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_memory import capability_names

Report = Mapping[str, Any]


def pod_evidence(
    report: Report, machine: str, machines: Mapping[int, str], resources: Mapping[str, int]
) -> PodEvidence:
    """Return what one copy saw on ``machine``. ``machines`` are those of the copies that reported, by their index: of
    one that did not begin to run nobody can say that it was not reached. ``resources`` are what it asked for."""
    memlock, locked = report.get("memlock"), report.get("locked")
    seen = PodEvidence(
        machine=machine,
        ports=tuple(_port(entry) for entry in _rows(report, "ports")),
        uses=tuple(DeviceUse(**dict(zip(USE_KEYS, _texts(entry), strict=False))) for entry in _rows(report, "uses")),
        memlock=memlock,
        locked=locked,
        effective_capabilities=capability_names(str(report.get("effective") or "0")),
        bounding_capabilities=capability_names(str(report.get("bounding") or "0")),
        gpudirect=str(report.get("gpudirect") or "unknown"),
        interfaces=tuple(_interface(entry) for entry in _rows(report, "interfaces")),
        reaches=tuple(_reach(entry, machines) for entry in _rows(report, "reaches") if entry[0] in machines),
        requested_resources=dict(resources),
    )
    return checked(seen)


def proof_evidence(reports: Sequence[Report], bandwidth_of: int = 0) -> ProofEvidence:
    """Return what a collective showed, of the reports of all its copies that left one; the bandwidth is that of the
    copy ``bandwidth_of``."""
    lines = tuple(dict.fromkeys(str(line) for report in reports for line in report.get("lines") or ()))
    errors = [str(report["error"]) for report in reports if report.get("error")]
    said = read_nccl_log("\n".join(lines))
    bandwidth = None if errors or not reports else reports[bandwidth_of].get("bandwidth")
    return ProofEvidence(
        network=said.carried_by,
        bandwidth=float(bandwidth) if isinstance(bandwidth, (int, float)) else None,
        lines=lines,
        error="; ".join(dict.fromkeys(errors)),
    )


def _rows(report: Report, what: str) -> list[list[Any]]:
    return [entry for entry in report.get(what) or () if isinstance(entry, list) and entry]


def _texts(use: list[Any]) -> list[Any]:
    """Return a use whose error is a text."""
    return [*use[:-1], use[-1] or ""]


def _port(entry: list[Any]) -> RdmaPort:
    *values, gids = entry
    return RdmaPort(**dict(zip(PORT_KEYS, values, strict=False)), gids=tuple(_gid(gid) for gid in gids))


def _gid(entry: list[Any]) -> Gid:
    """Return a GID as the kernel writes it: in full."""
    values = dict(zip(GID_KEYS, entry, strict=False))
    return Gid(**{**values, "value": ipaddress.IPv6Address(values["value"]).exploded})


def _interface(entry: list[Any]) -> Interface:
    values = dict(zip(INTERFACE_KEYS, entry, strict=False))
    return Interface(**{**values, "addresses": tuple(values["addresses"])})


def _reach(entry: list[Any], machines: Mapping[int, str]) -> Reach:
    values = dict(zip(REACH_KEYS, entry, strict=False))
    machine = machines[values.pop("peer")]
    return Reach(machine=machine, **{**values, "error": values["error"] or ""})
