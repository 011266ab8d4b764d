# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Machines that disagree: pods of one replica may run on any of them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import FabricMachine, PodEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.interfaces import with_addresses
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import counted, listed
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import PodView, in_mebibytes
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding

_HINT = "Choose machines that are alike (node pools, node_selector), or have the others mended."
_MOST_GROUPS = 3


def compare_pods(views: Sequence[PodView]) -> list[Finding]:
    """Return a finding for each thing in which the machines differ that pods looked at."""
    aspects: tuple[tuple[str, Callable[[PodView], str]], ...] = (
        ("RDMA ports that can be used", _ports),
        ("link layers", _link_layers),
        ("network interfaces", lambda view: listed([entry.name for entry in with_addresses(view.pod)]) or "none"),
        ("the limit of locked memory", lambda view: _limit(view.pod)),
        ("GPUDirect RDMA", lambda view: view.pod.gpudirect),
    )
    return [
        finding
        for what, tell in aspects
        for finding in _differences(WARNING, what, [(view.pod.machine, tell(view)) for view in views])
    ]


def compare_machines(machines: Sequence[FabricMachine], resources: Mapping[str, int]) -> list[Finding]:
    """Return a finding for each thing in which the machines differ by the API: GPUs, and how much there is of
    ``resources``, which the pods ask for."""
    findings = _differences(
        INFO, "GPUs", [(machine.name, f"{machine.gpus} x {machine.gpu_product or 'GPU'}") for machine in machines]
    )
    for name in sorted(resources):
        counts = [(machine.name, str(machine.resources.get(name, 0))) for machine in machines]
        findings += _differences(INFO, f"the number of {name}", counts)
    return findings


def _differences(severity: str, what: str, told: list[tuple[str, str]]) -> list[Finding]:
    """Return one finding where the machines do not all say the same."""
    groups: dict[str, list[str]] = {}
    for machine, text in sorted(told):
        groups.setdefault(text, []).append(machine)
    if len(groups) < 2:
        return []
    shown = sorted(groups.items(), key=lambda group: (-len(group[1]), group[1], group[0]))
    texts = [f"{text} ({listed(list(dict.fromkeys(names)), 3)})" for text, names in shown[:_MOST_GROUPS]]
    if len(shown) > _MOST_GROUPS:
        texts.append(f"{counted(len(shown) - _MOST_GROUPS, 'other kind')}")
    return [
        Finding(severity, "machines_differ", f"The machines differ in {what}: {'; '.join(texts)}.", _HINT, "machines")
    ]


def _ports(view: PodView) -> str:
    """Return the ports that can be used; of virtual functions only how many, since their names always differ."""
    sound = [port for port in view.ports if port.trouble is None]
    if any(port.port.is_virtual for port in sound):
        return counted(len(sound), "virtual function")
    return listed([f"{port.name} {port.rate:g} Gbit/s" for port in sound], 8) or "none"


def _link_layers(view: PodView) -> str:
    return listed(sorted({port.port.link_layer for port in view.ports})) or "none"


def _limit(pod: PodEvidence) -> str:
    return "none" if pod.memlock is None else in_mebibytes(pod.memlock)
