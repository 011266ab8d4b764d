# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scheduler: fake GPUs on machines, project quota, gangs, preemption.

Rules (facts, sections 6.1 and 9, DOC25 workload priority control): a gang is placed as a whole or not at all; what is
not preemptible must fit into the project's deserved quota; what is preemptible may use whatever is free and is evicted
(youngest first) when a gang within its quota needs the room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from gpuops_sandbox.cluster.objects import Machine, Pod, Workload

PRIORITIES = {
    "very-low": 25,
    "low": 40,
    "medium-low": 65,
    "medium": 80,
    "medium-high": 90,
    "high": 125,
    "very-high": 150,
}


@dataclass(frozen=True)
class Blocked:
    """Why a gang was not placed. ``phase_reason`` is Run:ai's word for it, where it has one."""

    message: str
    phase_reason: str | None = None


class Gang(Protocol):
    """What the scheduler needs of a group of pods."""

    workload: Workload
    pods: list[Pod]
    planned_gpus: int
    created_at: float
    terminating: bool

    def unplaced(self) -> list[Pod]:
        """Return the pods that have to be placed together now."""

    def placed(self, machines: dict[str, Machine]) -> None:
        """Take the machines chosen for the unplaced pods, by pod name."""

    def blocked(self, why: Blocked) -> None:
        """Take the reason why nothing was placed."""

    def preempt(self, by: Workload) -> None:
        """Give the GPUs back: a gang of another workload needs them."""


def priority_of(workload: Workload) -> int:
    """Return the priority value of a workload."""
    return PRIORITIES[workload.priority_class]


class Scheduler:
    """Decides where pods run. Holds no clock and starts nothing."""

    def __init__(self, machines: list[Machine]) -> None:
        self.machines = machines

    def schedule(self, gangs: Iterable[Gang]) -> None:
        """Place what can be placed, highest priority and oldest first; tell every other gang why it waits."""
        everything = list(gangs)
        waiting = [gang for gang in everything if gang.unplaced() and not gang.terminating]
        for gang in sorted(waiting, key=lambda one: (-priority_of(one.workload), one.created_at)):
            refusal = self._over_quota(gang, everything)
            if refusal is not None:
                gang.blocked(refusal)
                continue
            found = self._fit(gang.unplaced(), everything)
            if found is not None:
                gang.placed(found)
                continue
            gang.blocked(self._no_room(gang))
            if not gang.workload.preemptible:
                self._make_room(gang, everything)

    def free(self, gangs: Iterable[Gang]) -> dict[str, int]:
        """Return the free GPUs of every machine."""
        free = {machine.name: machine.gpus for machine in self.machines}
        for gang in gangs:
            for pod in gang.pods:
                if pod.machine is not None and pod.deleted_at is None:
                    free[pod.machine] -= pod.plan.gpus
        return free

    def _fit(self, pods: list[Pod], gangs: Iterable[Gang], without: Gang | None = None) -> dict[str, Machine] | None:
        free = self.free(gang for gang in gangs if gang is not without)
        chosen: dict[str, Machine] = {}
        for pod in sorted(pods, key=lambda one: -one.plan.gpus):
            fitting = [machine for machine in self.machines if free[machine.name] >= pod.plan.gpus]
            if not fitting:
                return None
            machine = min(fitting, key=lambda one: (one.name in {used.name for used in chosen.values()}, one.name))
            free[machine.name] -= pod.plan.gpus
            chosen[pod.name] = machine
        return chosen

    def _over_quota(self, gang: Gang, gangs: list[Gang]) -> Blocked | None:
        project = gang.workload.project
        mine = [one for one in gangs if one.workload.project is project and one is not gang and _holds_gpus(one)]
        wanted = gang.planned_gpus
        fixed = sum(one.planned_gpus for one in mine if not one.workload.preemptible)
        if not gang.workload.preemptible and wanted and fixed + wanted > project.deserved_gpus:
            return Blocked(
                f"Workload requested {wanted} GPUs, but {project.name} quota is {project.deserved_gpus} GPUs, while "
                f"{fixed} GPUs are already allocated for non-preemptible pods.",
                "NonPreemptibleOverQuota",
            )
        used = sum(one.planned_gpus for one in mine)
        if project.gpu_limit is not None and used + wanted > project.gpu_limit:
            return Blocked(
                f"Workload requested {wanted} GPUs, but {project.name} limit is {project.gpu_limit} GPUs, while "
                f"{used} GPUs are already allocated.",
                "OverLimit",
            )
        return None

    def _no_room(self, gang: Gang) -> Blocked:
        count = len(self.machines)
        per_pod = max((pod.plan.gpus for pod in gang.unplaced()), default=0)
        return Blocked(
            f"Resources were not found for {len(gang.unplaced())} pods due to: 0/{count} nodes are available: "
            f"{count} node(s) didn't have enough resources: GPUs (a pod needs {per_pod})."
        )

    def _make_room(self, gang: Gang, gangs: list[Gang]) -> None:
        candidates = [one for one in gangs if one.workload.preemptible and _holds_gpus(one)]
        leaving = [one for one in candidates if one.terminating]
        victims: list[Gang] = []
        youngest_first = sorted((one for one in candidates if not one.terminating), key=lambda one: -one.created_at)
        for victim in [None, *youngest_first]:
            if victim is not None:
                victims.append(victim)
            remaining = [one for one in gangs if one not in victims and one not in leaving]
            if self._fit(gang.unplaced(), remaining) is not None:
                for chosen in victims:
                    chosen.preempt(gang.workload)
                return


def _holds_gpus(gang: Gang) -> bool:
    return any(pod.machine is not None and pod.deleted_at is None for pod in gang.pods)
