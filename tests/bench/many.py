# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred workloads that need no change against one control plane: as a loop and as hosts, both ways of running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.figures import Figure
from bench.stage import AS_MODULE, BenchFailure, Stage, requests_of, workload_task
from support.sandbox import SandboxHandle

GROUP = "Many workloads that need no change"
FORKS = (5, 20)
PING = {"name": "ping", "ansible.builtin.ping": {}}
DEBUG = {"name": "debug", "ansible.builtin.debug": {"msg": "nothing"}}
FLOORS = ("`debug`", "`ping`")


@dataclass(frozen=True)
class Way:
    """One way of doing something to each of many: the task, the keywords of its play, and how many are done."""

    label: str
    task: Mapping[str, Any]
    play: Mapping[str, Any]
    items: int


def measure(stage: Stage, sandbox: SandboxHandle, items: int, module_loop_items: int) -> list[Figure]:
    """Create ``items`` workloads, then go over all of them unchanged, in each way.

    A loop of modules works one after the other, so ``module_loop_items`` are enough to know what one costs.
    """
    names = [f"many-{number}" for number in range(items)]
    workload = sandbox.workload("{{ item }}", wait=False)
    host_workload = sandbox.workload("{{ inventory_hostname }}")
    stage.play([workload_task(workload, loop=names)])
    # The floors first: `debug` is ansible's own cost of a task, `ping` that of sending and starting any module.
    loops = (
        Way("`debug`", DEBUG, {}, items),
        Way("`ping`", PING, {}, module_loop_items),
        Way("in process", workload_task(sandbox.workload("{{ item }}")), {}, items),
        Way("as module", workload_task(sandbox.workload("{{ item }}")), AS_MODULE, module_loop_items),
    )
    figures = _loops(stage, sandbox, names, loops)
    hosts = (
        Way("`debug`", DEBUG, {}, items),
        Way("`ping`", PING, {}, items),
        Way("in process", workload_task(host_workload), {}, items),
        Way("as module", workload_task(host_workload), AS_MODULE, items),
    )
    for forks in FORKS:
        figures += _hosts(stage, sandbox, names, hosts, forks)
    return figures


def _loops(stage: Stage, sandbox: SandboxHandle, names: list[str], ways: tuple[Way, ...]) -> list[Figure]:
    costs: dict[str, float] = {}
    figures = []
    for way in ways:
        sandbox.forget_requests()
        timed = stage.play([{**way.task, "loop": names[: way.items]}], play=way.play)
        costs[way.label] = 1000 * timed.seconds / way.items
        figures.append(_figure("a loop", way, costs, sandbox, timed.result.changed))
    return figures


def _hosts(stage: Stage, sandbox: SandboxHandle, names: list[str], ways: tuple[Way, ...], forks: int) -> list[Figure]:
    costs: dict[str, float] = {}
    figures = []
    for way in ways:
        sandbox.forget_requests()
        timed = stage.play([way.task], "--forks", str(forks), hosts=names[: way.items], play=way.play)
        costs[way.label] = 1000 * timed.seconds / way.items
        figures.append(_figure(f"hosts, {forks} forks", way, costs, sandbox, timed.result.changed))
    return figures


def _figure(shape: str, way: Way, costs: Mapping[str, float], sandbox: SandboxHandle, changed: int) -> Figure:
    """Return the milliseconds per item with their ratio to the floors that were measured before."""
    if changed:
        raise BenchFailure(f"{shape}, {way.label}: {changed} results say changed")
    counted, logins = requests_of(sandbox)
    cost = costs[way.label]
    notes = [f"{way.items} items"]
    floors = [] if way.label in FLOORS else [label for label in FLOORS if label in costs]
    notes += [f"{cost / costs[floor]:.2f} x {floor}" for floor in floors]
    if counted:
        notes.append(f"{sum(counted.values())} requests, {logins} logins")
    return Figure(GROUP, f"{shape}: {way.label}", cost, "ms each", "", "; ".join(notes))
