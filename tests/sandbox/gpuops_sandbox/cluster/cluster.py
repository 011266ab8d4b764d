# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated cluster: machines, and the controllers that make pods out of workloads."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

from gpuops_sandbox.back_end import BackEnd, Disturbance, NotPossible
from gpuops_sandbox.cluster import pod_http
from gpuops_sandbox.cluster.group import Group
from gpuops_sandbox.cluster.objects import Kind, Machine, Pod, Project, Workload
from gpuops_sandbox.cluster.phases import GroupState
from gpuops_sandbox.cluster.scheduler import Blocked, Scheduler
from gpuops_sandbox.cluster.training import TrainingRun
from gpuops_sandbox.cluster.volumes import Tables, claims_of, make_new_claims, missing_claim
from gpuops_sandbox.control_plane.switches import Switches
from gpuops_sandbox.runtime.contract import PodRuntime

RECONCILE_SECONDS = 0.5


class Cluster(BackEnd):
    """Everything that runs. All methods run in one event loop."""

    description = "simulated: machines, GPUs, scheduler, groups and kubelet"

    def __init__(self, runtime: PodRuntime, tables: Tables, machines: list[Machine], switches: Switches) -> None:
        super().__init__(switches)
        self.runtime = runtime
        self.tables = tables
        self.volumes_directory = tables.volumes_directory
        self.machines = machines
        self.groups: dict[str, list[Group]] = {}
        self._scheduler = Scheduler(machines)

    async def prepare(self) -> None:
        """Make the pods' network."""
        await self.runtime.prepare_network()

    async def start(self) -> None:
        """Begin to reconcile."""
        self.spawn(self._retry_scheduling())

    async def stop(self) -> None:
        """Kill everything that runs."""
        await self.cancel_tasks()
        await asyncio.gather(*(group.abandon() for group in self.all_groups()), return_exceptions=True)

    async def machines_now(self) -> list[Machine]:
        """Return the machines and their GPUs."""
        return self.machines

    # Projects

    async def follow_project(self, project: Project) -> None:
        """Look for room again: a quota may have grown."""
        self.reschedule()

    def gpus_of(self, project: Project) -> tuple[int, int, int]:
        """Return a project's GPUs: allocated, allocated non-preemptible, requested."""
        groups = [group for group in self.all_groups() if group.workload.project is project]
        holding = [group for group in groups if any(pod.machine for pod in group.pods)]
        fixed = [group for group in holding if not group.workload.preemptible]
        return (
            sum(group.planned_gpus for group in holding),
            sum(group.planned_gpus for group in fixed),
            sum(group.planned_gpus for group in groups),
        )

    # Workloads

    def submit(self, workload: Workload) -> None:
        """Take a new workload."""
        self.groups[workload.id] = []
        super().submit(workload)

    def scale(self, workload: Workload) -> None:
        """Follow a changed number of replicas."""
        if self.groups[workload.id] or workload.phase != "Creating":
            self._match_replicas(workload)

    def changed(self, workload: Workload) -> None:
        """Let the groups follow, look at a workload's phase again and write its history."""
        for group in self.groups.get(workload.id, []):
            group.noticed()
        super().changed(workload)

    def group_states(self, workload: Workload) -> list[GroupState]:
        """Return what the phase is computed from, for every replica."""
        return [group.state for group in self.groups.get(workload.id, [])]

    def all_groups(self) -> list[Group]:
        """Return every replica of every workload."""
        return [group for groups in self.groups.values() for group in groups]

    def reschedule(self) -> None:
        """Place what can be placed; groups whose claim is missing wait with that message."""
        self._scheduler.schedule([group for group in self.all_groups() if not self._lacks_claim(group)])

    # Pods

    def pods_of(self, workload: Workload) -> list[Pod]:
        """Return the pods of a workload that are there now."""
        return [pod for group in self.groups.get(workload.id, []) for pod in group.pods]

    async def disturb(self, pod: Pod, how: Disturbance) -> None:
        """Do something to a pod's processes, or lose its object. Raises ``NotPossible`` where it does not run."""
        if how is not Disturbance.KILL and pod.handle is None:
            raise NotPossible(f"pod {pod.name} does not run")
        if pod.handle is not None:
            if how is Disturbance.PAUSE:
                pod.handle.pause()
            elif how is Disturbance.RESUME:
                pod.handle.resume()
            else:
                await pod.handle.kill()
        if how is Disturbance.KILL:
            self._group_of(pod).lose_pod(pod)

    async def log_of(self, namespace: str, name: str) -> str | None:
        """Return the newest log of a pod of that name, also of one that is gone."""
        found = self.find_pod(namespace, name)
        pods = [found] if found is not None else []
        pods += [pod for one in self.workloads.values() for pod in reversed(one.deleted_pods)]
        for pod in pods:
            if (pod.namespace, pod.name) == (namespace, name) and pod.log_path is not None and pod.log_path.is_file():
                return pod.log_path.read_text(encoding="utf-8", errors="replace")
        return None

    async def ask(
        self,
        pod: Pod,
        port: int,
        method: str,
        target: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        seconds: float,
    ) -> pod_http.Reply:
        """Send one request to a pod's own address."""
        return await pod_http.request(pod, port, method, target, headers=headers, body=body, timeout=seconds)

    # What pods refer to

    async def make_claim(self, namespace: str, name: str, information: dict[str, Any] | None = None) -> Path:
        """Make a claim: a folder, which has as much room as the disk that it lies on."""
        return self.tables.make_claim(namespace, name)

    async def has_claim(self, namespace: str, name: str) -> bool:
        """Say whether there is a claim."""
        return self.tables.claim(namespace, name).is_dir()

    async def remove_claim(self, namespace: str, name: str) -> None:
        """Remove a claim's folder with what is in it, once no pod mounts it."""
        while any(self._mounts(pod, namespace, name) for one in self.workloads.values() for pod in self.pods_of(one)):
            await asyncio.sleep(RECONCILE_SECONDS / 5)
        await asyncio.to_thread(shutil.rmtree, self.tables.claim(namespace, name), True)

    async def put_secret(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Make a secret, or replace it."""
        self.tables.secrets[(namespace, name)] = data

    async def put_config_map(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Make a config map, or replace it."""
        self.tables.config_maps[(namespace, name)] = data

    # Controllers

    async def bring_up(self, workload: Workload) -> None:
        """Make the claims that the workload brings itself, and its groups."""
        for index in range(1 + min(workload.followers, 1)):
            make_new_claims(self.tables, workload, workload.pod_plan(index).spec)
        self._match_replicas(workload)

    async def roll_out(self, workload: Workload) -> None:
        """Make the groups of the new revision, and remove the old ones once those are ready."""
        old = list(self.groups[workload.id])
        revision = workload.revision
        fresh = [Group(self, workload, index) for index in range(workload.replicas)]
        self.groups[workload.id].extend(fresh)
        self.changed(workload)
        while not all(group.state.ready for group in fresh):
            if workload.deletion_requested_at is not None or workload.revision != revision:
                break
            await asyncio.sleep(RECONCILE_SECONDS / 5)
        await asyncio.gather(*(self._remove_group(workload, group) for group in old))

    async def take_down(self, workload: Workload) -> None:
        """Remove every group."""
        began = time.monotonic()
        await asyncio.gather(*(self._remove_group(workload, group) for group in list(self.groups[workload.id])))
        await asyncio.sleep(max(0.0, self.switches.deletion_seconds - (time.monotonic() - began)))
        await asyncio.gather(*(self._remove_group(workload, group) for group in list(self.groups[workload.id])))
        self.gone(workload)
        self.groups.pop(workload.id, None)
        self.reschedule()

    def _match_replicas(self, workload: Workload) -> None:
        if workload.failure is not None or workload.deletion_requested_at is not None:
            return
        groups = self.groups[workload.id]
        wanted = workload.replicas
        present = {group.index for group in groups}
        for index in range(wanted):
            if index not in present:
                groups.append(self._new_group(workload, index))
        for group in [one for one in groups if one.index >= wanted and not one.leaving]:
            self.spawn(self._remove_group(workload, group))
        self.changed(workload)

    def _new_group(self, workload: Workload, index: int) -> Group:
        return TrainingRun(self, workload) if workload.kind is Kind.TRAINING else Group(self, workload, index)

    async def _remove_group(self, workload: Workload, group: Group) -> None:
        await group.remove()
        if group in self.groups.get(workload.id, []):
            self.groups[workload.id].remove(group)
            # A replica that was wanted again while it was leaving is made now.
            self._match_replicas(workload)
        self.changed(workload)
        self.reschedule()

    def _group_of(self, pod: Pod) -> Group:
        return next(group for group in self.all_groups() if any(member is pod for member in group.pods))

    async def _retry_scheduling(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            if any(group.unplaced() for group in self.all_groups()):
                self.reschedule()

    def _mounts(self, pod: Pod, namespace: str, name: str) -> bool:
        names = {entry.get("claimName") for entry in claims_of(pod.plan.spec)}
        return pod.namespace == namespace and name in names

    def _lacks_claim(self, group: Group) -> bool:
        for pod in group.unplaced():
            name = missing_claim(self.tables, group.workload, pod.plan.spec)
            if name is not None:
                count = len(self.machines)
                group.blocked(Blocked(f'0/{count} nodes are available: persistentvolumeclaim "{name}" not found.'))
                return True
        return False
