# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam between the control plane and what makes pods out of its workloads.

There are two back ends: the simulated cluster (``cluster/cluster.py``) and a Kubernetes cluster
(``kubernetes/cluster.py``). The control plane knows neither; ``choice.py`` chooses. What both share is here: projects,
workloads, the course of a workload from its creation to its end, and its phase.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from enum import Enum
from pathlib import Path
from typing import Any

from gpuops_sandbox.cluster.events import record_workload_event
from gpuops_sandbox.cluster.objects import Kind, Machine, PhaseUpdate, Pod, Project, Workload, is_service_name
from gpuops_sandbox.cluster.phases import GroupState, phase_of
from gpuops_sandbox.cluster.pod_http import Reply
from gpuops_sandbox.control_plane.switches import Switches

NO_LWS = 'no matches for kind "LeaderWorkerSet" in version "leaderworkerset.x-k8s.io/v1"'
NO_KNATIVE = 'no matches for kind "Service" in version "serving.knative.dev/v1"'


class CannotStart(Exception):
    """What keeps a back end from being used at all, in one line."""


class NotPossible(Exception):
    """What a back end cannot do; the text says why, and what can be done instead."""


class Disturbance(str, Enum):
    """What the admin routes do to a pod (README, admin routes)."""

    KILL = "kill"
    CRASH = "crash"
    PAUSE = "pause"
    RESUME = "resume"


class BackEnd(ABC):
    """What stands below the control plane. All methods run in one event loop.

    A back end calls ``changed`` whenever it sees something new of a workload, and ``gone`` once nothing of it is left.
    """

    # What it is, in one line, and the folder in which each claim is a folder, where there is one.
    description: str
    volumes_directory: Path | None = None
    kubernetes_version: str = "v1.33"

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.projects: dict[str, Project] = {}
        self.workloads: dict[str, Workload] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # Its own life

    @abstractmethod
    async def prepare(self) -> None:
        """Do what may fail before anything is served. Raises ``CannotStart``."""

    @abstractmethod
    async def start(self) -> None:
        """Be there for workloads of the projects that were made."""

    @abstractmethod
    async def stop(self) -> None:
        """End everything that was made of workloads."""

    @abstractmethod
    async def machines_now(self) -> list[Machine]:
        """Return the machines and their GPUs."""

    # Projects

    def add_project(self, name: str, namespace: str, deserved_gpus: int, gpu_limit: int | None = None) -> Project:
        """Make a project; ids are small numbers as text, as Run:ai's are."""
        project = Project(str(33 + len(self.projects)), name, namespace, deserved_gpus, gpu_limit)
        self.projects[project.id] = project
        return project

    def project_named(self, name: str) -> Project | None:
        """Return a project by name."""
        return next((project for project in self.projects.values() if project.name == name), None)

    @abstractmethod
    async def follow_project(self, project: Project) -> None:
        """Follow a project that was made, or whose quota was changed."""

    @abstractmethod
    def gpus_of(self, project: Project) -> tuple[int, int, int]:
        """Return a project's GPUs: allocated, allocated non-preemptible, requested."""

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
        workload.history.append(PhaseUpdate(workload.created_at, workload.phase, ""))
        self.spawn(self._begin(workload))

    @abstractmethod
    def scale(self, workload: Workload) -> None:
        """Follow a changed number of replicas."""

    def roll(self, workload: Workload) -> None:
        """Follow a changed single-pod inference: the old revision serves until the new one is ready."""
        workload.revision += 1
        self.spawn(self.roll_out(workload))

    def delete(self, workload: Workload) -> None:
        """Begin to delete a workload; a second request changes nothing."""
        if workload.deletion_requested_at is None:
            workload.deletion_requested_at = time.time()
            workload.desired_phase = "Deleted"
            self.changed(workload)
            self.spawn(self.take_down(workload))

    def changed(self, workload: Workload) -> None:
        """Look at a workload's phase again and write its history."""
        workload.updated_at = time.time()
        if workload.deleted_at is not None:
            return
        view = phase_of(workload, self.group_states(workload), self.switches)
        if (view.phase, view.message, view.reason) == (workload.phase, workload.phase_message, workload.phase_reason):
            return
        if view.phase != workload.phase:
            workload.phase_updated_at = workload.updated_at
            workload.history.append(PhaseUpdate(workload.updated_at, view.phase, view.message))
        workload.phase, workload.phase_message, workload.phase_reason = view.phase, view.message, view.reason

    def failed(self, workload: Workload, message: str) -> None:
        """Nothing can be made of a workload: say it in its phase and in an event."""
        workload.failure = message
        record_workload_event(workload, "FailedCreate", message, warning=True, source="runai")
        self.changed(workload)

    def finished(self, workload: Workload, outcome: str) -> None:
        """A workload has come to its end (``outcome`` is its phase); it may be deleted after a while."""
        workload.outcome = outcome
        self.changed(workload)
        seconds = workload.spec.get("autoDeletionTimeAfterCompletionSeconds")
        if seconds is not None:
            self.spawn(self._delete_after(workload, float(seconds)))

    def gone(self, workload: Workload) -> None:
        """Nothing of a deleted workload is left: its name is free."""
        workload.deleted_at = workload.updated_at = time.time()

    @abstractmethod
    async def bring_up(self, workload: Workload) -> None:
        """Make a workload's pods, or begin to."""

    @abstractmethod
    async def roll_out(self, workload: Workload) -> None:
        """Replace the pods of a single-pod inference by those of its new revision."""

    @abstractmethod
    async def take_down(self, workload: Workload) -> None:
        """Remove everything of a workload, not sooner than the switch ``deletion_seconds`` says; then ``gone``."""

    @abstractmethod
    def group_states(self, workload: Workload) -> list[GroupState]:
        """Return what the phase is computed from, for every replica; none before the first is made."""

    # Pods

    @abstractmethod
    def pods_of(self, workload: Workload) -> list[Pod]:
        """Return the pods of a workload that are there now."""

    def find_pod(self, namespace: str, name: str) -> Pod | None:
        """Return a pod that is there now."""
        for workload in self.workloads.values():
            for pod in self.pods_of(workload):
                if (pod.namespace, pod.name) == (namespace, name):
                    return pod
        return None

    @abstractmethod
    async def disturb(self, pod: Pod, how: Disturbance) -> None:
        """Do something to a pod. Raises ``NotPossible``."""

    @abstractmethod
    async def log_of(self, namespace: str, name: str) -> str | None:
        """Return the log of a pod, or None where there is none."""

    @abstractmethod
    async def ask(
        self,
        pod: Pod,
        port: int,
        method: str,
        target: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        seconds: float,
    ) -> Reply:
        """Send one request (``target``: path and query) to a pod's port and return the answer.

        Raises ``ConnectionError`` (nobody listens, or no HTTP answer) and ``TimeoutError`` (after ``seconds``).
        """

    # What pods refer to

    @abstractmethod
    async def make_claim(self, namespace: str, name: str, information: dict[str, Any] | None = None) -> Path | None:
        """Make a claim, by Run:ai's ``claimInfo`` where that is given; return its folder where claims are folders."""

    @abstractmethod
    async def has_claim(self, namespace: str, name: str) -> bool:
        """Say whether there is a claim."""

    @abstractmethod
    async def remove_claim(self, namespace: str, name: str) -> None:
        """Remove a claim with its data, once no pod mounts it."""

    @abstractmethod
    async def put_secret(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Make a secret, or replace it."""

    @abstractmethod
    async def put_config_map(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Make a config map, or replace it."""

    # For the back ends themselves

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something run beside everything else, until it ends or ``cancel_tasks`` ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel_tasks(self) -> None:
        """End what was spawned."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self, workload: Workload) -> None:
        await asyncio.sleep(self.switches.creation_seconds)
        if workload.deletion_requested_at is not None:
            return
        refusal = self._refusal(workload)
        if refusal is not None:
            self.failed(workload, refusal)
            return
        await self.bring_up(workload)

    async def _delete_after(self, workload: Workload, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.delete(workload)

    def _refusal(self, workload: Workload) -> str | None:
        """Return why nothing can be made of a workload, as far as the switches and its name say."""
        if workload.kind is Kind.TRAINING:
            return None
        if workload.kind is Kind.SINGLE:
            return None if self.switches.inference_available else NO_KNATIVE
        if not self.switches.lws_installed:
            return NO_LWS
        if not is_service_name(workload.name):
            return f"name {workload.name!r} is not a DNS-1035 label of at most 63 characters"
        return None
