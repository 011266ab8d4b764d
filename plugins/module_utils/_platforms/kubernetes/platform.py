# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Plain Kubernetes as a platform: the interface of ``_platforms.base``, by server-side apply and watches.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DELETING,
    FAILED,
    RUNNING,
    STOPPED,
    AppliedRecord,
    ChangeRules,
    CommandResult,
    HttpAnswer,
    LeadersInside,
    LiveWorkload,
    PodStatus,
    Rehearsal,
    RenderedWorkload,
    ReplicaLayout,
    Target,
    Unreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import checks, observe
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.comparable import (
    comparable,
    shown,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.controller import (
    choose_controller,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.expectation import verify_cluster
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.layout import read_layout
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.leaders import Leaders
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.looks import JobLook, start_look
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.lost_machines import LostMachines
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.marks import (
    is_ours,
    record_text_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.objects import (
    Object,
    WorkloadObjects,
    resource_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_commands import run_in_pod
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_logs import end_of_log
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_states import is_terminating
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.preflight import Preflight
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.render import render
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    LEADERWORKERSETS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.rules import change_rules
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import CONTAINER, TRAITS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.writing import Writer
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    PreflightCheck,
    PreflightNeeds,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import read_record
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan

# What is left of a workload whose main object is gone: nothing serves, and its names are still taken.
_REMAINS = "remains"


class KubernetesPlatform:
    """One namespace of one cluster."""

    def __init__(self, connection: Connection, host: Host, client: KubernetesClient | None = None) -> None:
        if connection.kubernetes is None:
            raise OptionError.of("kubeconfig", "the cluster is not named.", "Set kubeconfig, or host and api_key.")
        self.traits = TRAITS
        self._connection = connection
        self._host = host
        self._client = client or KubernetesClient(connection.kubernetes, connection.namespace, host)
        verify_cluster(connection, self._client)
        self._objects = WorkloadObjects(self._client)
        self._writer = Writer(self._client, self._objects, host, connection.kubernetes.force_conflicts)
        self._leaders = Leaders(self._client, connection.endpoint.token)
        self._live: dict[str, Mapping[str, Object]] = {}
        self._kinds: dict[str, str] = {}
        self._restarted: dict[str, bool] = {}
        self._lost = LostMachines(self._client, host)
        self._pods: dict[str, list[Object]] = {}

    def target(self) -> Target:
        """Return where this platform object points."""
        return Target(
            platform=self.traits.name,
            address=self._client.address,
            cluster=self._client.cluster,
            namespace=self._client.namespace,
        )

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what all requests inside may take together."""
        return self._client.within(seconds)

    def find(self, name: str) -> LiveWorkload | None:
        """Return the workload of this name: a request for its main object, and one for each other object of it.

        Where the main object is gone and others of ours are left, these are the workload: failed, and in the way.
        Failed is also one whose deletion was interrupted, since waiting would never end it.
        """
        found = self._objects.main(name)
        if found is None:
            remains = self._objects.labelled(name)
            self._live[name] = remains
            if not remains:
                return self._leaving(name)
            return LiveWorkload(name, _REMAINS, next(iter(remains)), FAILED, True, {}, replicas=0)
        record = read_record(record_text_of(found.objects[found.main]))
        others = [key for key in (record.body if record is not None else ()) if key != found.main]
        # Somebody may have made an object of a name that is ours no more.
        read = {key: entry for key in others if (entry := self._objects.get(key)) is not None and is_ours(entry, name)}
        objects = {**found.objects, **read}
        self._live[name], self._kinds[name] = objects, found.kind
        live = observe.live_workload(name, found.kind, objects, record)
        if live.managed and live.phase == DELETING and self._is_half_deleted(name):
            return dataclasses.replace(live, phase=FAILED)
        if not live.managed or live.phase in (DELETING, RUNNING, STOPPED):
            return live
        # The controllers' own counts lag behind the pods: something may serve already.
        pods = self._objects.pods(name)
        return dataclasses.replace(live, phase=observe.workload_status(live, objects, pods, []).phase)

    def check(self, plan: Plan) -> list[Finding]:
        """Return what the cluster cannot do of ``plan``."""
        return checks.of_plan(plan, self._kind(plan), self._client)

    def render(self, plan: Plan) -> RenderedWorkload:
        """Return the plan as Kubernetes objects (pure: what decides the controller was seen by ``find``)."""
        choice = choose_controller(plan.spec, self._live_kind(plan), self._objects.leaderworkersets_served)
        rendered = render(plan, choice.kind, self._client.namespace)
        return dataclasses.replace(rendered, decisions=(choice.decision, *rendered.decisions))

    def comparable(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body as it is compared and recorded (pure)."""
        return comparable(body)

    def shown(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body as people may see it (pure)."""
        return shown(body)

    def change_rules(self, live: LiveWorkload) -> ChangeRules:
        """Return what server-side apply can change in place."""
        return change_rules(live)

    def rehearse(self, live: LiveWorkload | None, rendered: RenderedWorkload, fields: list[str]) -> Rehearsal:
        """Let the API server try everything with ``dryRun=All``."""
        return self._writer.rehearse(live, self._live.get(rendered.name, {}), rendered, fields)

    def create(self, rendered: RenderedWorkload, record: AppliedRecord) -> LiveWorkload:
        """Apply all objects; doing it twice makes no second workload."""
        objects = self._writer.create(rendered, record)
        return self._remember(rendered.name, rendered.kind, objects, record)

    def restore(self, live: LiveWorkload) -> LiveWorkload:
        """Apply a deleted workload's objects again, as they were."""
        objects = self._writer.restore(self._live.get(live.name, {}), live.kind, live.name)
        return self._remember(live.name, live.kind, objects, live.record)

    def change(self, live: LiveWorkload, rendered: RenderedWorkload, fields: list[str], record: AppliedRecord) -> None:
        """Apply the objects that the fields lie in."""
        self._objects.close()
        self._writer.change(live, self._live.get(live.name, {}), rendered, fields, record)

    def scale(self, live: LiveWorkload, replicas: int) -> None:
        """Apply another number of replicas; 0 stops the workload."""
        self._objects.close()
        mains = {path.partition(".")[0] for path in live.replica_paths}
        objects = {key: entry for key in mains if (entry := self._objects.get(key)) is not None}
        # Deployments are the pods of one group: one each, or none.
        self._writer.scale(objects, live.replica_paths, replicas)

    def delete(self, live: LiveWorkload) -> None:
        """Ask for the deletion of everything that belongs to the workload."""
        self._objects.close()
        self._writer.delete(live.name, self._mains(live))

    def gone(self, live: LiveWorkload) -> bool:
        """Say whether the workload's objects and pods are gone."""
        if any(self._objects.get(key) is not None for key in self._mains(live)):
            return False
        return not self._objects.labelled(live.name) and not self._objects.pods(live.name)

    def status(self, live: LiveWorkload, detail: bool = True) -> WorkloadStatus:
        """Return the present status: from the watches where these run, otherwise by three requests."""
        if not live.managed:
            return observe.workload_status(live, self._live.get(live.name, {}), [], [])
        seen = self._objects.seen(live.kind, live.name)
        self._pods[live.name] = seen.pods
        if not seen.objects and live.kind != _REMAINS:
            pods = observe.workload_status(live, {}, seen.pods, []).pods
            return WorkloadStatus(DELETING, pods=self._lost.told(pods, seen.pods, live.kind), deleted=True)
        others = {key: entry for key, entry in self._live.get(live.name, {}).items() if key not in self._mains(live)}
        status = observe.workload_status(live, {**others, **seen.objects}, seen.pods, seen.events)
        self._restarted = {
            str(mapping(pod.get("metadata")).get("uid")): observe.was_restarted(pod) for pod in seen.pods
        }
        return dataclasses.replace(status, pods=self._lost.told(status.pods, seen.pods, live.kind))

    def await_news(self, live: LiveWorkload, seconds: float) -> None:
        """Return as soon as a watch tells of a change, and after ``seconds`` at the latest."""
        self._objects.await_news(live.kind, live.name, seconds)

    def close(self) -> None:
        """End the watches."""
        self._objects.close()

    def log(self, live: LiveWorkload, pod: PodStatus, lines: int) -> str | None:
        """Return the end of a pod's log; of the container before where it was restarted and has not got ready, unless
        that log is there no more."""
        return end_of_log(self._client, pod.name, CONTAINER, lines, self._restarted.get(pod.handle, False))

    def release_lost(self, live: LiveWorkload) -> list[Finding]:
        """Delete with a grace of zero the pods that cannot end because their machine is not ready."""
        return self._lost.release(pod for pod in self._pods.get(live.name, []) if is_ours(pod, live.name))

    def preflight(self, needs: PreflightNeeds) -> list[PreflightCheck]:
        """Say whether the cluster is ready for such workloads; reads only."""
        return Preflight(self._client, self._connection).checks(needs)

    def request_leaders(
        self,
        live: LiveWorkload,
        status: WorkloadStatus,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        time_limit: float,
    ) -> list[HttpAnswer | Unreachable]:
        """Send one request to every replica's leader, by the API server. Raises ``Unreachable``."""
        self._host.alive()
        return self._leaders.request(status, method, path, body, time_limit)

    def layout(self, live: LiveWorkload) -> ReplicaLayout:
        """Return what the pods run, read from the live workload's body (pure)."""
        return read_layout(live.body, live.replicas)

    def execute(self, live: LiveWorkload, pod: PodStatus, command: Sequence[str], time_limit: float) -> CommandResult:
        """Run a command in a pod's engine container. Raises ``Unreachable``."""
        self._host.alive()
        return run_in_pod(self._client, pod.name, CONTAINER, command, time_limit)

    def leaders_inside(self, live: LiveWorkload, status: WorkloadStatus) -> LeadersInside:
        """Return how a look can ask the leaders at their own addresses. Raises ``Unreachable``."""
        return self._leaders.inside(status)

    def start_look(self, look: Look) -> JobLook:
        """Start a look as a Job."""
        self._host.alive()
        return start_look(self._client, look)

    def _leaving(self, name: str) -> LiveWorkload | None:
        """Return a workload of which nothing is left but pods that were asked to end, which those of a lost machine
        cannot: the garbage collector does not always wait for them. Their names are still taken. Run:ai's pods may have
        the workload's label too, and are none of ours."""
        pods = [pod for pod in self._objects.pods(name) if is_terminating(pod) and is_ours(pod, name)]
        if not pods:
            return None
        handle = str(mapping(pods[0].get("metadata")).get("uid") or "")
        return LiveWorkload(name, _REMAINS, handle, DELETING, True, {}, replicas=0)

    def _is_half_deleted(self, name: str) -> bool:
        """Say whether an object of the workload is left that nobody has asked to be deleted."""
        labelled = self._objects.labelled(name).values()
        return any("deletionTimestamp" not in mapping(entry.get("metadata")) for entry in labelled)

    def _kind(self, plan: Plan) -> str:
        return choose_controller(plan.spec, self._live_kind(plan), self._objects.leaderworkersets_served).kind

    def _live_kind(self, plan: Plan) -> str | None:
        """Return the kind that the workload of the plan's name has, where ``find`` saw one."""
        return self._kinds.get(plan.spec.name)

    def _mains(self, live: LiveWorkload) -> dict[str, Object]:
        """Return the objects of a workload that own pods."""
        objects = self._live.get(live.name, {})
        return {key: objects[key] for key in objects if resource_of(key)[0] in (LEADERWORKERSETS, DEPLOYMENTS)}

    def _remember(
        self, name: str, kind: str, objects: Mapping[str, Object], record: AppliedRecord | None
    ) -> LiveWorkload:
        self._objects.close()
        self._live[name], self._kinds[name] = objects, kind
        return observe.live_workload(name, kind, objects, record)
