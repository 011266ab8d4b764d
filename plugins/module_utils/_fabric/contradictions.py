# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The user's own variables against what was seen. His values count; here is said where they do not do what he means.

What can be said of a value without any evidence stands in ``_workload/nccl_advice.py``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.device_list import why_names_vary
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import TCP_ONLY, FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.interfaces import with_addresses
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import (
    EFA,
    GKE,
    RDMA,
    ROCE,
    TCP,
    TITLES,
    UNUSABLE,
    USABLE,
    VERBS,
    listed,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.name_list import NameList, read_name_list
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import Needs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import PodView, PortView
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sight import NCCL_IB, NCCL_SOCKET, is_ib_disabled
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sighting import Sighting
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding


def contradictions(inputs: FabricInputs, sighting: Sighting, needs: Needs, views: Sequence[PodView]) -> list[Finding]:
    """Return where the user's variables contradict what was seen, or each other."""
    return [
        *_of_switches(inputs, sighting),
        *_of_devices(inputs, sighting, needs, views),
        *_of_interfaces(inputs, views),
        *_of_gid_index(inputs, sighting, views),
    ]


def _warning(cause: str, name: str, evidence: str, hint: str) -> Finding:
    return Finding(WARNING, cause, evidence, hint, f"variables.{name}")


def _of_switches(inputs: FabricInputs, sighting: Sighting) -> list[Finding]:
    """Return what is to be said where the user switches a network off, or pins one."""
    network = inputs.variables.get("NCCL_NET", "")
    findings = []
    if sighting.kind == TCP and sighting.hardware in RDMA and inputs.mode != TCP_ONLY:
        name = "NCCL_NET" if network.lower() == NCCL_SOCKET.lower() else "NCCL_IB_DISABLE"
        if name in inputs.variables:
            seen = TITLES[sighting.hardware]
            evidence = f"{name}={inputs.variables[name]} keeps NCCL off the {seen} that was seen here."
            findings.append(_warning("rdma_switched_off", name, evidence, "Leave it out to have it used."))
    if is_ib_disabled(inputs) and sighting.kind in (EFA, GKE):
        evidence = f"NCCL_IB_DISABLE switches InfiniBand and RoCE off, and not {TITLES[sighting.kind]}."
        findings.append(
            _warning("switch_without_effect", "NCCL_IB_DISABLE", evidence, "NCCL_NET=Socket forces sockets.")
        )
    if network.lower() == NCCL_IB.lower() and sighting.kind in (TCP, UNUSABLE):
        evidence = f"NCCL_NET={network} lets NCCL fail at the start: what was seen is {TITLES[sighting.kind]}."
        findings.append(_warning("pinned_without_fabric", "NCCL_NET", evidence, "Leave it out, or have RDMA mended."))
    if inputs.mode == TCP_ONLY and network and network.lower() != NCCL_SOCKET.lower():
        evidence = f"mode tcp_only asks for sockets, and NCCL_NET={network} for something else; the variable counts."
        findings.append(_warning("mode_contradicted", "NCCL_NET", evidence, "Leave one of them out."))
    return findings


def _of_devices(inputs: FabricInputs, sighting: Sighting, needs: Needs, views: Sequence[PodView]) -> list[Finding]:
    value = inputs.variables.get("NCCL_IB_HCA")
    ports = [port for view in views for port in view.ports]
    if not value or not ports:
        return []
    devices = read_name_list(value)
    without = sorted({view.pod.machine for view in views if not any(devices.takes_port(p.port) for p in view.ports)})
    if without:
        seen = listed(list(dict.fromkeys(port.name for port in ports)), 8)
        evidence = (
            f"{value} takes no device on {listed(without)}; the pods saw {seen}. NCCL goes to TCP without a word."
        )
        return [_warning("nccl_hca_absent", "NCCL_IB_HCA", evidence, "Name devices that are there, or leave it out.")]
    findings = _more_than_meant(value, devices, ports)
    taken = [port for port in ports if devices.takes_port(port.port)]
    kinds = sorted({port.kind for port in taken if port.kind in VERBS and port.trouble is None})
    if len(kinds) > 1:
        names = listed(list(dict.fromkeys(port.name for port in taken)), 8)
        evidence = f"{value} takes ports of InfiniBand and of Ethernet ({names}), which NCCL refuses to mix."
        findings.append(_warning("mixed_link_layers", "NCCL_IB_HCA", evidence, "Name devices of one link layer."))
    why = why_names_vary(sighting.kind, views, needs) if sighting.kind in VERBS else ""
    if devices.is_exact and not devices.is_exclusion and why:
        evidence = f"{value} names devices exactly, and {why}: NCCL may find none of them, and goes to TCP."
        findings.append(_warning("nccl_hca_names_vary", "NCCL_IB_HCA", evidence, "Give a prefix, or leave it out."))
    return findings


def _more_than_meant(value: str, devices: NameList, ports: Sequence[PortView]) -> list[Finding]:
    """Say which devices a prefix takes besides the one that has its very name."""
    if devices.is_exact or devices.is_exclusion:
        return []
    names = {port.port.device for port in ports}
    more = sorted({n for n in names for w in devices.names() if w in names and n.startswith(w)} - {*devices.names()})
    if not more:
        return []
    evidence = f"{value} is a prefix: it also takes {listed(more)}, which is there."
    hint = f"Write ={value} for exactly what it names."
    return [_warning("nccl_hca_matches_more", "NCCL_IB_HCA", evidence, hint)]


def _of_interfaces(inputs: FabricInputs, views: Sequence[PodView]) -> list[Finding]:
    """Return where a named interface is missing, or leads nowhere."""
    findings = []
    looked = [view.pod for view in views if view.pod.interfaces]
    for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"):
        value = inputs.variables.get(name)
        if not value or not looked:
            continue
        # gloo reads whole names only.
        wanted = read_name_list(value if name.startswith("NCCL") else f"={value}")
        without = [pod for pod in looked if not any(wanted.takes(entry.name) for entry in with_addresses(pod))]
        if without:
            there = listed(sorted({entry.name for pod in without for entry in with_addresses(pod)}))
            machines = listed(sorted({pod.machine for pod in without}))
            evidence = f"{value} is no interface with an address on {machines}; there is {there or 'none'}."
            findings.append(
                _warning("socket_interface_absent", name, evidence, "Name an interface that all pods have, or none.")
            )
    return findings


def _of_gid_index(inputs: FabricInputs, sighting: Sighting, views: Sequence[PodView]) -> list[Finding]:
    value = inputs.variables.get("NCCL_IB_GID_INDEX", "")
    if sighting.kind != ROCE or sighting.confidence != USABLE or not (value.isascii() and value.isdigit()):
        return []
    without = sorted(
        {
            port.name
            for view in views
            for port in view.best(ROCE)
            if not any(
                str(gid.index) == value.lstrip("0").zfill(1) and "v2" in (gid.kind or "v2") for gid in port.port.gids
            )
        }
    )
    if not without:
        return []
    evidence = f"Entry {value} of the GID table is no RoCE v2 address on {listed(without)}."
    hint = "Leave it out: from NCCL 2.21 on it finds the entry by itself."
    return [Finding(WARNING if views else INFO, "gid_index_absent", evidence, hint, "variables.NCCL_IB_GID_INDEX")]
