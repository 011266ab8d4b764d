# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The back end that makes real objects in a Kubernetes cluster and reads back what becomes of them."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable

from gpuops_sandbox.back_end import BackEnd, CannotStart, Disturbance, NotPossible
from gpuops_sandbox.cluster.events import KEPT_EVENTS, record
from gpuops_sandbox.cluster.objects import Event, Machine, Pod, Project, Workload
from gpuops_sandbox.cluster.phases import GroupState
from gpuops_sandbox.cluster.pod_http import Reply
from gpuops_sandbox.control_plane.switches import Switches
from gpuops_sandbox.kubernetes.api import Api, ApiRefusal
from gpuops_sandbox.kubernetes.kubeconfig import Access
from gpuops_sandbox.kubernetes.manifests import (
    claim,
    claims,
    deployment,
    deployment_name,
    namespace_of,
    objects_of,
    running_object,
)
from gpuops_sandbox.kubernetes.objects import Objects
from gpuops_sandbox.kubernetes.observe import observed_event, observed_machine, observed_pod, outcome_of
from gpuops_sandbox.kubernetes.view import View
from gpuops_sandbox.kubernetes.vocabulary import OWN_LABEL, Object, collection_of, collection_path, path_of, pod_path
from gpuops_sandbox.kubernetes.watching import follow

POLL_SECONDS = 0.1
NAMESPACE_SECONDS = 30.0
STOP_SECONDS = 5.0
ADMIN_CLAIM = {"size": "1Gi", "accessModes": {"readWriteOnce": False, "readWriteMany": True}}
LOGGER = logging.getLogger("gpuops_sandbox")


class KubernetesCluster(BackEnd):
    """Workloads as LeaderWorkerSets, Deployments, Jobs and Services of the cluster that ``access`` leads to."""

    def __init__(self, access: Access, switches: Switches) -> None:
        super().__init__(switches)
        self.description = f"Kubernetes: {access.url}"
        self._api = Api(access)
        self._objects = Objects(self._api)
        self._views: dict[str, View] = {}
        self._followed: set[str] = set()
        # Whose the events about an object are, by the object's uid; and events that came before that was known.
        self._owners: dict[str, Workload] = {}
        self._unclaimed: deque[Event] = deque(maxlen=KEPT_EVENTS)

    # Its own life

    async def prepare(self) -> None:
        """Make the projects' namespaces. No quota holds here: what is shown as a project's own is everything."""
        try:
            self.kubernetes_version = str((await self._api.request("GET", "/version"))["gitVersion"])
            machines = await self.machines_now()
            for project in self.projects.values():
                project.deserved_gpus = sum(machine.gpus for machine in machines)
                await self._make_namespace(project)
        except (ApiRefusal, OSError) as error:
            raise CannotStart(f"{self.description} does not answer as it should: {error}") from error

    async def start(self) -> None:
        """Look at what happens in the projects' namespaces from now on."""
        for project in self.projects.values():
            self._watch(project.namespace)

    async def stop(self) -> None:
        """Remove what was made of workloads; namespaces and what else lies in them stay."""
        await self.cancel_tasks()
        removals = [self._objects.remove(namespace, OWN_LABEL) for namespace in self._followed]
        try:
            await asyncio.wait_for(asyncio.gather(*removals), STOP_SECONDS)
        except (ApiRefusal, OSError, asyncio.TimeoutError) as error:
            LOGGER.warning("objects may be left in %s: %s", ", ".join(self._followed), error)
        await self._api.close()

    async def machines_now(self) -> list[Machine]:
        """Return the machines and the GPUs that pods can have of them."""
        found = await self._api.request("GET", "/api/v1/nodes")
        return [observed_machine(item) for item in found["items"]]

    # Projects

    async def follow_project(self, project: Project) -> None:
        """Make the project's namespace where it is missing, and look at what happens in it from now on."""
        if project.namespace not in self._followed:
            await self._make_namespace(project)
            self._watch(project.namespace)

    async def _make_namespace(self, project: Project) -> None:
        namespace = project.namespace
        root = f"/api/v1/namespaces/{namespace}"
        await self._objects.create(namespace_of(project))
        account = f"{root}/serviceaccounts/default"
        await self._until(lambda: self._objects.is_there(account), f"namespace {namespace} has its service account")
        # Of a simulator that was killed: its objects would be in the way of new ones with their names.
        await self._objects.remove(namespace, OWN_LABEL)
        leftovers = f"the objects of an earlier simulator are gone from {namespace}"
        await self._until(lambda: self._objects.is_empty(namespace, OWN_LABEL), leftovers)

    def _watch(self, namespace: str) -> None:
        self._followed.add(namespace)
        root = f"/api/v1/namespaces/{namespace}"
        own = f"labelSelector={OWN_LABEL}"
        self.spawn(follow(self._api, f"{root}/pods", own, self._pod_seen))
        self.spawn(follow(self._api, collection_path("batch/v1", "Job", namespace), own, self._job_seen))
        self.spawn(follow(self._api, f"{root}/events", "", self._event_seen))

    def gpus_of(self, project: Project) -> tuple[int, int, int]:
        """Return a project's GPUs: allocated, allocated non-preemptible, requested."""
        pods = [
            (view.workload, pod)
            for view in self._views.values()
            if view.workload.project is project
            for pod in view.pods
        ]
        held = [(workload, pod.plan.gpus) for workload, pod in pods if pod.machine is not None]
        fixed = [gpus for workload, gpus in held if not workload.preemptible]
        return sum(gpus for _workload, gpus in held), sum(fixed), sum(pod.plan.gpus for _workload, pod in pods)

    # Workloads

    def submit(self, workload: Workload) -> None:
        """Take a new workload."""
        self._views[workload.id] = View(workload)
        super().submit(workload)

    def scale(self, workload: Workload) -> None:
        """Follow a changed number of replicas."""
        self.changed(workload)
        self.spawn(self._scale(workload))

    def group_states(self, workload: Workload) -> list[GroupState]:
        """Return what the phase is computed from, for every replica."""
        view = self._views.get(workload.id)
        return [] if view is None else view.states()

    async def bring_up(self, workload: Workload) -> None:
        """Make the workload's objects; what the cluster refuses is the workload's failure."""
        view = self._views[workload.id]
        async with view.lock:
            if workload.deletion_requested_at is not None:
                return
            try:
                for content in claims(workload):
                    await self._objects.create(content)
                for content in objects_of(workload, self.switches.command_splitting):
                    self._own(await self._objects.create(content, workload), workload)
            except (ApiRefusal, ValueError) as error:
                self.failed(workload, str(error))
                return
            view.made = True
        self.changed(workload)

    async def roll_out(self, workload: Workload) -> None:
        """Make the Deployment of the new revision, and remove the old ones once its pods are ready."""
        view, revision = self._views[workload.id], workload.revision
        async with view.lock:
            if not view.made or workload.deletion_requested_at is not None:
                return
            try:
                fresh = deployment(workload, self.switches.command_splitting)
                self._own(await self._objects.create(fresh, workload), workload)
            except (ApiRefusal, ValueError) as error:
                self.failed(workload, str(error))
                return
        while not view.is_rolled_out(revision):
            if workload.deletion_requested_at is not None or workload.revision != revision:
                return
            await asyncio.sleep(POLL_SECONDS)
        for earlier in range(1, revision):
            await self._objects.delete(f"{collection_of(fresh)}/{deployment_name(workload, earlier)}")

    async def take_down(self, workload: Workload) -> None:
        """Remove the workload's objects and wait until they and the pods are gone."""
        began = time.monotonic()
        view, namespace, own = self._views[workload.id], workload.project.namespace, f"{OWN_LABEL}={workload.id}"
        async with view.lock:
            await self._objects.remove(namespace, own)
        while view.pods or not await self._objects.is_empty(namespace, own):
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(max(0.0, self.switches.deletion_seconds - (time.monotonic() - began)))
        self.gone(workload)
        del self._views[workload.id]

    # Pods

    def pods_of(self, workload: Workload) -> list[Pod]:
        """Return the pods of a workload that are there now."""
        view = self._views.get(workload.id)
        return [] if view is None else list(view.pods)

    async def disturb(self, pod: Pod, how: Disturbance) -> None:
        """Delete a pod. Raises ``NotPossible`` for everything else: processes are the machines' own.

        With the shortest grace that is any: a pod without one is gone at once, and a controller that looks a moment
        later finds its successor and knows nothing of a loss, so that the group is not made anew.
        """
        if how is not Disturbance.KILL:
            raise NotPossible(
                f"{how.value} is for simulated pods; {pod.name} is one of a Kubernetes cluster, and can only be killed"
                " (deleted) here: for more use kubectl"
            )
        await self._objects.delete(pod_path(pod.namespace, pod.name), gracePeriodSeconds=1)

    async def log_of(self, namespace: str, name: str) -> str | None:
        """Return the log of a pod, as long as it is there."""
        try:
            return await self._api.text(f"{pod_path(namespace, name)}/log")
        except ApiRefusal:
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
    ) -> Reply:
        """Send one request through the API server, since pods may not be reachable from here."""
        path = f"{pod_path(pod.namespace, pod.name)}:{port}/proxy{target}"
        try:
            return await self._api.ask_pod(path, method, headers, body, seconds)
        except OSError as error:
            LOGGER.warning("%s does not answer: %s", pod.name, error)
            raise

    # What pods refer to

    async def make_claim(self, namespace: str, name: str, information: Object | None = None) -> None:
        """Make a claim, where nothing else is said a small one of the default storage class."""
        await self._objects.create(claim(namespace, name, information or ADMIN_CLAIM))

    async def has_claim(self, namespace: str, name: str) -> bool:
        """Say whether there is a claim."""
        return await self._objects.is_there(path_of(claim(namespace, name, ADMIN_CLAIM)))

    async def remove_claim(self, namespace: str, name: str) -> None:
        """Ask for the deletion of a claim: the cluster waits until no pod mounts it."""
        await self._objects.delete(path_of(claim(namespace, name, ADMIN_CLAIM)))

    async def put_secret(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Make a secret, or replace it."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        await self._objects.put("Secret", namespace, name, encoded)

    async def put_config_map(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Make a config map, or replace it."""
        await self._objects.put("ConfigMap", namespace, name, data)

    # What is seen

    def _pod_seen(self, content: Object, is_gone: bool) -> None:
        view = self._views.get(content["metadata"]["labels"][OWN_LABEL])
        if view is None:
            return
        workload = view.workload
        view.see(observed_pod(workload, content))
        if is_gone:
            view.lose(content["metadata"]["uid"])
        self._own(content, workload)
        self.changed(workload)

    def _job_seen(self, content: Object, is_gone: bool) -> None:
        view = self._views.get(content["metadata"]["labels"][OWN_LABEL])
        outcome = outcome_of(content)
        if view is not None and view.workload.outcome is None and outcome is not None:
            self.finished(view.workload, outcome)

    def _event_seen(self, content: Object, is_gone: bool) -> None:
        event = observed_event(content)
        workload = self._owners.get(event.uid)
        if is_gone:
            return
        if workload is None:
            self._unclaimed.append(event)
        else:
            record(workload, event)

    def _own(self, content: Object, workload: Workload) -> None:
        """From now on an object's events are the workload's; those that came already are so too."""
        uid = content["metadata"]["uid"]
        if uid in self._owners:
            return
        self._owners[uid] = workload
        for event in [event for event in self._unclaimed if event.uid == uid]:
            self._unclaimed.remove(event)
            record(workload, event)

    # What is asked of the cluster

    async def _scale(self, workload: Workload) -> None:
        view = self._views[workload.id]
        async with view.lock:
            if not view.made or workload.deletion_requested_at is not None:
                return
            runs = running_object(workload, self.switches.command_splitting)
            await self._objects.scale(path_of(runs), workload.replicas)

    async def _until(self, look: Callable[[], Awaitable[bool]], what: str) -> None:
        deadline = time.monotonic() + NAMESPACE_SECONDS
        while not await look():
            if time.monotonic() > deadline:
                raise CannotStart(f"{self.description}: not within {NAMESPACE_SECONDS:g} s: {what}")
            await asyncio.sleep(POLL_SECONDS)
