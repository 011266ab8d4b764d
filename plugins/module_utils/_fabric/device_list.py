# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which RDMA devices NCCL shall take: an exact list, a prefix, or its own choice.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import KIND_OF_LINK, TITLES, VERBS
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.known_resources import VIRTUAL, WHOLE
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.name_list import exact_list
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import Needs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import NOT_ACTIVE, PodView, PortView
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding

# NCCL reads so many devices of a list (env.rst).
_MOST_DEVICES = 32
_SOURCE = "the looks from pods; NCCL env.rst, NCCL_IB_HCA"
_NAME = "NCCL_IB_HCA"


@dataclass(frozen=True)
class DeviceChoice:
    """The variable, if one is needed, and a clause that says how devices are chosen."""

    variable: FabricVariable | None
    words: str
    findings: tuple[Finding, ...] = ()


def choose_devices(kind: str, views: Sequence[PodView], needs: Needs) -> DeviceChoice:
    """Return how NCCL shall choose among the devices that pods saw."""
    if kind not in VERBS or not views or not all(view.best(kind) for view in views):
        return DeviceChoice(None, "NCCL chooses the devices")
    why = why_names_vary(kind, views, needs)
    return _by_prefix(kind, views, why) if why else _by_name(kind, views)


def why_names_vary(kind: str, views: Sequence[PodView], needs: Needs) -> str:
    """Return why the next pod may see other devices than these, or nothing."""
    offer = needs.offer
    if any(port.port.is_virtual for view in views for port in view.best(kind)):
        return "the devices are virtual functions, whose names differ from pod to pod"
    if offer is not None and offer.sharing == VIRTUAL:
        return f"{offer.name} gives virtual functions, whose names differ from pod to pod"
    if offer is not None and offer.sharing == WHOLE and needs.resources.get(offer.name, 0) < offer.least:
        return f"a pod gets some of the machine's devices ({offer.name}), and not always the same"
    return ""


def _by_name(kind: str, views: Sequence[PodView]) -> DeviceChoice:
    wanted = list(dict.fromkeys((port.port.device, port.port.port) for view in views for port in view.best(kind)))
    if len(wanted) > _MOST_DEVICES:
        return DeviceChoice(None, f"NCCL chooses the devices: a list of {len(wanted)} is longer than it reads")
    taken_elsewhere = [
        (view.pod.machine, port.name)
        for view in views
        for port in view.ports
        if (port.port.device, port.port.port) in wanted and port not in view.best(kind) and _is_up(port)
    ]
    if taken_elsewhere:
        machine, name = sorted(taken_elsewhere)[0]
        finding = Finding(
            WARNING,
            "device_list_not_possible",
            f"{name} belongs to {TITLES[kind]} on some machines and not on {machine}: one list for all pods would take "
            "the wrong port there.",
            "Choose machines that are alike, or name the devices yourself in NCCL_IB_HCA.",
            "machines",
        )
        return DeviceChoice(None, "NCCL chooses the devices, since the machines differ", (finding,))
    left_out = _left_out(kind, views)
    reason = f"exactly the ports of {TITLES[kind]} that are ACTIVE and that the pods can use"
    if left_out:
        reason += f"; not {', '.join(left_out)}"
    return DeviceChoice(FabricVariable(_NAME, exact_list(wanted), reason, _SOURCE), reason)


def _by_prefix(kind: str, views: Sequence[PodView], why: str) -> DeviceChoice:
    wanted = {_beginning(port) for view in views for port in view.best(kind)}
    others = [port for view in views for port in view.ports if port not in view.best(kind) and _is_up(port)]
    shared = [port for port in others if _beginning(port) in wanted]
    if others and not shared and len(wanted) == 1:
        names = ", ".join(sorted({port.name for port in others}))
        reason = f"a prefix, no list: {why}; the prefix leaves {names} out"
        return DeviceChoice(FabricVariable(_NAME, wanted.pop(), reason, _SOURCE), reason)
    findings = tuple(
        _mixed(kind, port) for port in shared[:1] if port.kind != kind and port.port.link_layer in KIND_OF_LINK
    )
    return DeviceChoice(None, f"no list of devices: {why}", findings)


def _mixed(kind: str, port: PortView) -> Finding:
    return Finding(
        WARNING,
        "mixed_link_layers",
        f"Beside {TITLES[kind]} the pods see {port.name} of {TITLES[port.kind]}, and no list can tell them apart: "
        "NCCL refuses to mix link layers.",
        "If NCCL says so, take the other device out of the pods, or name the devices in NCCL_IB_HCA.",
        "fabric",
    )


def _left_out(kind: str, views: Sequence[PodView]) -> list[str]:
    """Return what NCCL would take too if it were not told: ports that are up, and of another kind or slower."""
    out: dict[str, str] = {}
    for view in views:
        for port in view.ports:
            if port not in view.best(kind) and _is_up(port):
                words = TITLES[port.kind] if port.kind != kind else _why_left_out(port)
                out[port.name] = f"{port.name} ({words})"
    return list(out.values())


def _why_left_out(port: PortView) -> str:
    return port.trouble.words if port.trouble is not None else f"{port.rate:g} Gbit/s only"


def _is_up(port: PortView) -> bool:
    return port.trouble is None or port.trouble.cause != NOT_ACTIVE


def _beginning(port: PortView) -> str:
    """Return the letters that a device's name begins with: ``mlx`` of ``mlx5_0``."""
    letters = re.match(r"[A-Za-z]+", port.port.device)
    return letters.group() if letters else port.port.device
