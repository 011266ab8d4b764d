# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred workloads that need no change against one control plane: as a loop and as hosts, both ways of running."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.figures import Figure
from bench.stage import AS_MODULE, BenchFailure, Stage, TimedPlay, requests_of, workload_task
from support.sandbox import SandboxHandle

GROUP = "Many workloads that need no change"
FORKS = (5, 20)
IN_PROCESS = "in process"
PING = {"name": "ping", "ansible.builtin.ping": {}}
DEBUG = {"name": "debug", "ansible.builtin.debug": {"msg": "nothing"}}
FLOORS = ("`debug`", "`ping`")


@dataclass(frozen=True)
class Way:
    """One way of doing something to each of many: the tasks, the keywords of their play, how many are done, and how
    often all that (of several runs the median counts: a short one is easily disturbed)."""

    label: str
    tasks: Sequence[Mapping[str, Any]]
    play: Mapping[str, Any]
    items: int
    runs: int = 1


@dataclass
class Shape:
    """Does the same to each of ``names`` in several ways: as loops in one task or, with ``forks``, as hosts.

    ``forget`` and ``told`` empty the platform's log of requests and say what is in it. ``costs`` are the milliseconds
    for each item, ``plays`` the plays, by the label of the way.
    """

    stage: Stage
    group: str
    names: list[str]
    forget: Callable[[], None]
    told: Callable[[], str]
    forks: int | None = None
    costs: dict[str, float] = field(default_factory=dict)
    plays: dict[str, TimedPlay] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What this shape is called in a table."""
        return "a loop" if self.forks is None else f"hosts, {self.forks} forks"

    def go(self, way: Way) -> Figure:
        """Measure one way: milliseconds for each item, with their ratio to the floors that were measured before."""
        costs = []
        for _run in range(way.runs):
            self.forget()
            timed = self.plays[way.label] = self._run(way)
            if timed.result.changed:
                raise BenchFailure(f"{self.label}, {way.label}: {timed.result.changed} results say changed")
            costs.append(1000 * timed.seconds / way.items)
        cost = self.costs[way.label] = statistics.median(costs)
        floors = [] if way.label in FLOORS else [label for label in FLOORS if label in self.costs]
        notes = [f"{way.items} items", *(f"{cost / self.costs[floor]:.2f} x {floor}" for floor in floors), self.told()]
        if way.runs > 1:
            notes.append(f"median of {way.runs} runs, {min(costs):.1f} to {max(costs):.1f}")
        text = "; ".join(note for note in notes if note)
        return Figure(self.group, f"{self.label}: {way.label}", cost, "ms each", "", text)

    def _run(self, way: Way) -> TimedPlay:
        names = self.names[: way.items]
        if self.forks is None:
            return self.stage.play([{**task, "loop": names} for task in way.tasks], play=way.play)
        return self.stage.play(way.tasks, "--forks", str(self.forks), hosts=names, play=way.play)


def measure(stage: Stage, sandbox: SandboxHandle, items: int, module_loop_items: int) -> list[Figure]:
    """Create ``items`` workloads, then go over all of them unchanged, in each way.

    A loop of modules works one after the other, so ``module_loop_items`` are enough to know what one costs.
    """
    names = [f"many-{number}" for number in range(items)]
    workload = sandbox.workload("{{ item }}", wait=False)
    stage.play([workload_task(workload, loop=names)])

    def told() -> str:
        counted, logins = requests_of(sandbox)
        return f"{sum(counted.values())} requests, {logins} logins" if counted else ""

    figures = []
    for forks in (None, *FORKS):
        shape = Shape(stage, GROUP, names, sandbox.forget_requests, told, forks)
        task = workload_task(sandbox.workload(item_of(shape)))
        in_a_loop = module_loop_items if forks is None else items
        # The floors first: `debug` is ansible's own cost of a task, `ping` that of sending and starting any module.
        ways = (
            Way("`debug`", [DEBUG], {}, items),
            Way("`ping`", [PING], {}, in_a_loop),
            Way(IN_PROCESS, [task], {}, items),
            Way("as module", [task], AS_MODULE, in_a_loop),
        )
        figures += [shape.go(way) for way in ways]
    return figures


def item_of(shape: Shape) -> str:
    """Return the template of one of the names."""
    return "{{ item }}" if shape.forks is None else "{{ inventory_hostname }}"
