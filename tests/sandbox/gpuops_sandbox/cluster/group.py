# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One replica: a LeaderWorkerSet group (or one pod of a single-pod inference), from its creation to its removal.

LeaderWorkerSet's semantics (facts 6.1): the leader is ``<name>-<group>``, the others ``<name>-<group>-<index>``; with
``RecreateGroupOnPodRestart`` any restarted or lost pod recreates the whole group, with ``None`` only that container
restarts, with back-off; with ``LeaderReady`` the others are made when the leader is ready.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Protocol

from gpuops_sandbox.cluster.events import record_pod_event, record_workload_event
from gpuops_sandbox.cluster.kubelet import PodKeeper, Surroundings
from gpuops_sandbox.cluster.objects import Kind, Machine, Pod, Workload
from gpuops_sandbox.cluster.phases import GroupState
from gpuops_sandbox.cluster.scheduler import Blocked

GRACE_SECONDS = 30.0  # Kubernetes' terminationGracePeriodSeconds
SCHEDULER = "runai-scheduler"
LWS_CONTROLLER = "leaderworkerset"
KEPT_DELETED_PODS = 50


class Control(Surroundings, Protocol):
    """What a group needs of the cluster around it."""

    def reschedule(self) -> None:
        """Look for room: a group came, or GPUs were given back."""


class Group:
    """One replica and the task that keeps it."""

    def __init__(self, control: Control, workload: Workload, index: int) -> None:
        self.workload = workload
        self.index = index
        self.revision = workload.revision
        self.pods: list[Pod] = []
        self.created_at = time.time()
        self.terminating = False
        self.restarts = 0
        self.waiting: Blocked | None = None
        self.served_before = False
        self._control = control
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._recreate = False
        self._removed = False
        self._lost: list[Pod] = []
        self._grace_seconds = GRACE_SECONDS
        self._leader_first = workload.kind is Kind.DISTRIBUTED and workload.spec.get("startupPolicy") == "LeaderReady"
        self._restarts_alone = workload.kind is not Kind.DISTRIBUTED or workload.spec.get("restartPolicy") == "None"
        size = 1 + workload.followers
        self._size = size
        self.planned_gpus = sum(workload.pod_plan(member).gpus for member in range(size))
        self._task = asyncio.create_task(self._live())

    # What the scheduler sees

    def unplaced(self) -> list[Pod]:
        """Return the pods that have no machine yet."""
        return [pod for pod in self.pods if pod.machine is None]

    def placed(self, machines: dict[str, Machine]) -> None:
        """Bind the pods to machines and give them addresses."""
        self.waiting = None
        for pod in self.unplaced():
            pod.machine = machines[pod.name].name
            pod.address = self._control.runtime.allocate_address()
            pod.updated_at = time.time()
            message = f"Successfully assigned {pod.namespace}/{pod.name} to {pod.machine}"
            record_pod_event(self.workload, pod, "Scheduled", message, warning=False, source=SCHEDULER)
        self._wake.set()
        self._control.changed(self.workload)

    def blocked(self, why: Blocked) -> None:
        """Remember why the pods wait, and say it in an event."""
        if self.waiting != why:
            self.waiting = why
            for pod in self.unplaced():
                record_pod_event(self.workload, pod, "FailedScheduling", why.message, warning=True, source=SCHEDULER)
        self._control.changed(self.workload)

    def preempt(self, by: Workload) -> None:
        """Leave the machines: another workload needs them. The group waits for room again."""
        for pod in self.pods:
            message = f"Preempted by {by.project.namespace}/{by.name}"
            record_pod_event(self.workload, pod, "Preempted", message, warning=True, source=SCHEDULER)
        self._disturb()

    # What the workload and the admin see

    @property
    def state(self) -> GroupState:
        """What the phase is computed from."""
        unplaced = bool(self.unplaced()) or not self.pods
        complete = len(self.pods) == self._size
        return GroupState(tuple(self.pods), self.waiting, unplaced, complete, self.restarts, self.served_before)

    @property
    def leaving(self) -> bool:
        """Whether it was told to go for good."""
        return self._removed

    def noticed(self) -> None:
        """Follow what changed in the pods: a leader that got ready, a replica that serves."""
        if self.state.ready:
            self.served_before = True
        self._wake.set()

    def lose_pod(self, pod: Pod) -> None:
        """A pod object was deleted from outside: LeaderWorkerSet makes it anew (alone, or with its whole group)."""
        record_pod_event(self.workload, pod, "Killing", "Stopping container workload", warning=False, source="kubelet")
        if self._restarts_alone and not pod.is_leader:
            self._lost.append(pod)
            self._wake.set()
            return
        # A lost leader takes the others along whatever the policy says: they belong to it.
        self._report_recreation(pod)
        self.restarts += 1
        self._disturb()

    async def remove(self) -> None:
        """End every pod with its grace and forget the group."""
        self._removed = True
        self.terminating = True
        self._wake.set()
        await asyncio.shield(self._task)

    async def abandon(self) -> None:
        """Kill every pod at once (the simulator is ending)."""
        self._removed, self._grace_seconds = True, 0.0
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._end_pods(0.0)

    # Its life

    async def _live(self) -> None:
        while not self._removed:
            self._recreate = False
            self.served_before = False
            self._make_pods(range(1 if self._leader_first else self._size))
            self._control.reschedule()
            self._control.changed(self.workload)
            await self._serve()
            self.terminating = True
            await self._end_pods(self._grace_seconds)
            self._control.reschedule()
            if not self._removed:
                await self._sleep(self._control.switches.recreate_seconds)
                self.terminating = False

    async def _serve(self) -> None:
        """Start pods as they are placed; return when the group has to go."""
        while not (self._recreate or self._removed):
            self._wake.clear()
            while self._lost:
                await self._replace(self._lost.pop())
            if self.pods and not self.unplaced():
                for pod in self.pods:
                    if pod.name not in self._keepers:
                        keeper = PodKeeper(self._control, self.workload, pod, self.pods, self._container_ended)
                        self._keepers[pod.name] = asyncio.create_task(keeper.keep())
                if len(self.pods) < self._size and self.pods[0].ready:
                    self._make_pods(range(1, self._size))
                    self._control.reschedule()
                    continue
            await self._wake.wait()

    async def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._removed and time.monotonic() < deadline:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), deadline - time.monotonic())
            except asyncio.TimeoutError:
                return

    async def _replace(self, pod: Pod) -> None:
        """Make one pod anew; the others keep running (and keep the lost one's old address in their /etc/hosts)."""
        keeper = self._keepers.pop(pod.name)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await self._end_pod(pod, 0.0)
        self._bury([pod])
        self.pods[self.pods.index(pod)] = self._new_pod(pod.member_index)
        self._control.reschedule()

    def _make_pods(self, members: range) -> None:
        self.pods.extend(self._new_pod(member) for member in members)

    def _new_pod(self, member: int) -> Pod:
        return Pod(
            name=self._pod_name(member),
            workload_id=self.workload.id,
            namespace=self.workload.project.namespace,
            group_index=self.index,
            member_index=member,
            plan=self.workload.pod_plan(member),
        )

    def _pod_name(self, member: int) -> str:
        if self.workload.kind is Kind.SINGLE:
            digest = hashlib.sha256(f"{self.workload.id}/{self.revision}/{self.index}".encode()).hexdigest()
            return f"{self.workload.name}-{self.revision:05d}-deployment-{digest[:9]}-{digest[9:14]}"
        leader = f"{self.workload.name}-{self.index}"
        return leader if member == 0 else f"{leader}-{member}"

    def _container_ended(self, pod: Pod) -> bool:
        if self.terminating:
            return False
        if self._restarts_alone:
            return True
        self._report_recreation(pod)
        self.restarts += 1
        self._disturb()
        return False

    def _report_recreation(self, pod: Pod) -> None:
        if self.workload.kind is Kind.DISTRIBUTED:
            message = (
                f"Worker pod {pod.name} failed, deleted leader pod {self.pods[0].name} to recreate group {self.index}"
            )
            record_workload_event(
                self.workload, "RecreateGroupOnPodRestart", message, warning=False, source=LWS_CONTROLLER
            )

    def _disturb(self) -> None:
        self._recreate = True
        self.terminating = True
        self._wake.set()

    async def _end_pods(self, grace_seconds: float) -> None:
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        self._keepers.clear()
        await asyncio.gather(*(self._end_pod(pod, grace_seconds) for pod in self.pods), return_exceptions=True)
        self._bury(self.pods)
        self.pods = []
        self._lost.clear()
        self._control.changed(self.workload)

    def _bury(self, pods: list[Pod]) -> None:
        self.workload.deleted_pods.extend(pods)
        del self.workload.deleted_pods[:-KEPT_DELETED_PODS]

    async def _end_pod(self, pod: Pod, grace_seconds: float) -> None:
        try:
            if pod.handle is not None:
                if grace_seconds > 0:
                    message = "Stopping container workload"
                    record_pod_event(self.workload, pod, "Killing", message, warning=False, source="kubelet")
                    pod.exit_code = await pod.handle.stop(grace_seconds)
                else:
                    pod.exit_code = await pod.handle.kill()
        finally:
            _mark_deleted(self._control, pod)


def _mark_deleted(control: Control, pod: Pod) -> None:
    pod.handle, pod.ready = None, False
    pod.kubernetes_phase = "Failed" if pod.exit_code else "Succeeded"
    pod.deleted_at = pod.completed_at = pod.updated_at = time.time()
    if pod.address is not None:
        control.runtime.release_address(pod.address)
        pod.address = None
