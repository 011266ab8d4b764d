# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated cluster: machines, projects, workloads, and the controllers that make pods out of workloads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path

from gpuops_sandbox.cluster.events import record_workload_event
from gpuops_sandbox.cluster.group import Group
from gpuops_sandbox.cluster.objects import Kind, Machine, PhaseUpdate, Pod, Project, Workload, is_service_name
from gpuops_sandbox.cluster.phases import phase_of
from gpuops_sandbox.cluster.scheduler import Blocked, Scheduler
from gpuops_sandbox.cluster.volumes import Tables, make_new_claims, missing_claim
from gpuops_sandbox.control_plane.switches import Switches
from gpuops_sandbox.runtime.contract import PodRuntime

CLUSTER_ID = "71f69d83-ba66-4822-adf5-55ce55efd210"
CLUSTER_NAME = "sandbox-cluster"
RECONCILE_SECONDS = 0.5
NO_LWS = 'no matches for kind "LeaderWorkerSet" in version "leaderworkerset.x-k8s.io/v1"'
NO_KNATIVE = 'no matches for kind "Service" in version "serving.knative.dev/v1"'


class Cluster:
    """Everything that runs. All methods run in one event loop."""

    def __init__(self, runtime: PodRuntime, tables: Tables, machines: list[Machine], switches: Switches) -> None:
        self.runtime = runtime
        self.tables = tables
        self.machines = machines
        self.switches = switches
        self.projects: dict[str, Project] = {}
        self.workloads: dict[str, Workload] = {}
        self.groups: dict[str, list[Group]] = {}
        self._scheduler = Scheduler(machines)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make the pods' network and begin to reconcile."""
        await self.runtime.prepare_network()
        self._spawn(self._retry_scheduling())

    async def stop(self) -> None:
        """Kill everything that runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(group.abandon() for group in self.all_groups()), return_exceptions=True)

    # Projects

    def add_project(self, name: str, namespace: str, deserved_gpus: int, gpu_limit: int | None = None) -> Project:
        """Make a project; ids are small numbers as text, as Run:ai's are."""
        project = Project(str(33 + len(self.projects)), name, namespace, deserved_gpus, gpu_limit)
        self.projects[project.id] = project
        return project

    def project_named(self, name: str) -> Project | None:
        """Return a project by name."""
        return next((project for project in self.projects.values() if project.name == name), None)

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

    def named(self, project: Project, name: str) -> Workload | None:
        """Return the workload that holds a name in a project; one that is still being deleted holds it too."""
        for workload in self.workloads.values():
            if workload.project is project and workload.name == name and workload.deleted_at is None:
                return workload
        return None

    def submit(self, workload: Workload) -> None:
        """Take a new workload."""
        workload.event_repeat_seconds = self.switches.event_repeat_seconds
        self.workloads[workload.id] = workload
        self.groups[workload.id] = []
        workload.history.append(PhaseUpdate(workload.created_at, workload.phase, ""))
        self._spawn(self._bring_up(workload))

    def scale(self, workload: Workload) -> None:
        """Follow a changed number of replicas."""
        if self.groups[workload.id] or workload.phase != "Creating":
            self._match_replicas(workload)

    def roll(self, workload: Workload) -> None:
        """Follow a changed single-pod inference: the old revision serves until the new one is ready."""
        workload.revision += 1
        self._spawn(self._roll(workload))

    def delete(self, workload: Workload) -> None:
        """Begin to delete a workload; a second request changes nothing."""
        if workload.deletion_requested_at is None:
            workload.deletion_requested_at = time.time()
            workload.desired_phase = "Deleted"
            self.changed(workload)
            self._spawn(self._take_down(workload))

    def all_groups(self) -> list[Group]:
        """Return every replica of every workload."""
        return [group for groups in self.groups.values() for group in groups]

    def pods_of(self, workload: Workload) -> list[Pod]:
        """Return the pods of a workload that are there now."""
        return [pod for group in self.groups.get(workload.id, []) for pod in group.pods]

    def find_pod(self, namespace: str, name: str) -> tuple[Group, Pod] | None:
        """Return a pod and its group."""
        for group in self.all_groups():
            for pod in group.pods:
                if pod.namespace == namespace and pod.name == name:
                    return group, pod
        return None

    def log_of(self, namespace: str, name: str) -> Path | None:
        """Return the newest log of a pod of that name, also of one that is gone."""
        found = self.find_pod(namespace, name)
        pods = [found[1]] if found is not None else []
        pods += [pod for one in self.workloads.values() for pod in reversed(one.deleted_pods)]
        for pod in pods:
            if (pod.namespace, pod.name) == (namespace, name) and pod.log_path is not None:
                return pod.log_path
        return None

    def changed(self, workload: Workload) -> None:
        """Look at a workload's phase again and write its history."""
        groups = self.groups.get(workload.id, [])
        for group in groups:
            group.noticed()
        workload.updated_at = time.time()
        if workload.deleted_at is not None:
            return
        view = phase_of(workload, [group.state for group in groups], self.switches)
        if (view.phase, view.message, view.reason) == (workload.phase, workload.phase_message, workload.phase_reason):
            return
        if view.phase != workload.phase:
            workload.phase_updated_at = workload.updated_at
            workload.history.append(PhaseUpdate(workload.updated_at, view.phase, view.message))
        workload.phase, workload.phase_message, workload.phase_reason = view.phase, view.message, view.reason

    def reschedule(self) -> None:
        """Place what can be placed; groups whose claim is missing wait with that message."""
        self._scheduler.schedule([group for group in self.all_groups() if not self._lacks_claim(group)])

    # Controllers

    async def _bring_up(self, workload: Workload) -> None:
        await asyncio.sleep(self.switches.creation_seconds)
        if workload.deletion_requested_at is not None:
            return
        missing = NO_LWS if not self.switches.lws_installed else None
        if workload.kind is Kind.SINGLE:
            missing = None if self.switches.inference_available else NO_KNATIVE
        elif not is_service_name(workload.name):
            missing = f"name {workload.name!r} is not a DNS-1035 label of at most 63 characters"
        if missing is not None:
            workload.failure = missing
            record_workload_event(workload, "FailedCreate", missing, warning=True, source="runai")
            self.changed(workload)
            return
        for index in range(1 + min(workload.followers, 1)):
            make_new_claims(self.tables, workload, workload.pod_plan(index).spec)
        self._match_replicas(workload)

    def _match_replicas(self, workload: Workload) -> None:
        if workload.failure is not None or workload.deletion_requested_at is not None:
            return
        groups = self.groups[workload.id]
        wanted = workload.replicas
        present = {group.index for group in groups}
        for index in range(wanted):
            if index not in present:
                groups.append(Group(self, workload, index))
        for group in [one for one in groups if one.index >= wanted and not one.leaving]:
            self._spawn(self._remove_group(workload, group))
        self.changed(workload)

    async def _remove_group(self, workload: Workload, group: Group) -> None:
        await group.remove()
        if group in self.groups.get(workload.id, []):
            self.groups[workload.id].remove(group)
            # A replica that was wanted again while it was leaving is made now.
            self._match_replicas(workload)
        self.changed(workload)
        self.reschedule()

    async def _roll(self, workload: Workload) -> None:
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

    async def _take_down(self, workload: Workload) -> None:
        began = time.monotonic()
        await asyncio.gather(*(self._remove_group(workload, group) for group in list(self.groups[workload.id])))
        await asyncio.sleep(max(0.0, self.switches.deletion_seconds - (time.monotonic() - began)))
        await asyncio.gather(*(self._remove_group(workload, group) for group in list(self.groups[workload.id])))
        workload.deleted_at = workload.updated_at = time.time()
        self.groups.pop(workload.id, None)
        self.reschedule()

    async def _retry_scheduling(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            if any(group.unplaced() for group in self.all_groups()):
                self.reschedule()

    def _lacks_claim(self, group: Group) -> bool:
        for pod in group.unplaced():
            name = missing_claim(self.tables, group.workload, pod.plan.spec)
            if name is not None:
                count = len(self.machines)
                group.blocked(Blocked(f'0/{count} nodes are available: persistentvolumeclaim "{name}" not found.'))
                return True
        return False

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
