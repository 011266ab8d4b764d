# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Run:ai as a platform: the interface of ``_platforms.base``, by REST; beside it a look into the cluster.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    DELETING,
    FAILED,
    NOT_REACHABLE_FROM_HERE,
    ROLLING,
    RUNNING,
    AppliedRecord,
    ChangeRules,
    CommandResult,
    HttpAnswer,
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
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    PreflightCheck,
    PreflightNeeds,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    same_settings,
    write_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import checks, observe
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import RunaiClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_view import (
    CLAIM_MISSING,
    ClusterView,
    NotUsable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.comparable import comparable, shown
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.creation import Creation, Creator
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.data_sources import DataSources
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.endpoint import (
    EndpointClient,
    PlatformToken,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.expectation import verify_cluster
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.layout import read_layout
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import (
    Cluster,
    Place,
    Project,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.preflight import Preflight
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    with_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.render import render
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.versions import (
    INFERENCE_PATCHABLE,
    SCALING_SINCE,
    is_older,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import (
    DISTRIBUTED,
    INFERENCE,
    TRAITS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan

# For this many seconds after its creation, a workload that the API does not show yet counts as being created.
_APPEARING_SECONDS = 30.0


class RunaiPlatform:
    """One project of one Run:ai control plane. Where the user gives a way into the project's cluster, what the API does
    not tell (logs, commands, every leader, claims) comes from there; all writes go to the API."""

    def __init__(
        self,
        connection: Connection,
        host: Host,
        retry: Retry | None = None,
        client: RunaiClient | None = None,
        view: ClusterView | None = None,
    ) -> None:
        if connection.runai is None:
            raise OptionError.of("runai_url", "the Run:ai control plane is not named.", "Set runai_url.")
        if not connection.project:
            raise OptionError.of("project", "it is not set.", "Give the name of the Run:ai project.")
        self.traits = TRAITS
        self._connection = connection
        self._address = connection.runai.url
        self._project_name = connection.project
        self._host = host
        self._retry = retry or Retry(host)
        self._client = client or RunaiClient(connection.runai, host, retry=self._retry)
        self._place = Place(self._client, connection.project)
        self._view = view or (ClusterView(connection, host) if connection.kubernetes is not None else None)
        self._endpoint_client: EndpointClient | None = None
        self._namespace: str | None = None
        self._cluster_handle: str | None = None
        self._found: dict[str, LiveWorkload] = {}
        self._definitions: dict[str, Mapping[str, Any]] = {}
        self._replicas: dict[str, int] = {}
        self._created: dict[str, float] = {}

    def target(self) -> Target:
        """Return where this platform object points, as far as it is known without a request."""
        cluster = self._place.known_cluster(self._cluster_handle)
        return Target(
            platform=self.traits.name,
            address=self._address,
            cluster=cluster.name if cluster else self._connection.expect_cluster,
            project=self._project_name,
            namespace=self._namespace,
        )

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bound what all requests inside may take together."""
        with self._retry.within(seconds):
            if self._view is None:
                yield
                return
            with self._view.within(seconds):
                yield

    def find(self, name: str) -> LiveWorkload | None:
        """Return the workload of this name: one request for the list, one for what it consists of.

        Where there is none, the project is looked up (once) and an unknown one refused.
        """
        entries = self._living(name)
        self._verify_cluster(str(entries[0].get("clusterId") or "") if entries else None)
        if not entries:
            # A project that is not there lists nothing either: that is no answer to the question.
            self._place.project()
            self._found.pop(name, None)
            return None
        # A name can be held by one that is being deleted and by its successor.
        entry = min(entries, key=lambda one: observe.phase_of(one) == DELETING)
        self._namespace = entry.get("namespace") or self._namespace
        live = self._with_definition(name, entry)
        if not live.supported and live.handle not in {str(one.get("id") or "") for one in self._living(name)}:
            # It went between the two requests: what it consisted of cannot be asked for any more.
            return self.find(name)
        if live.managed and live.phase == RUNNING and live.replicas != 0 and live.endpoint is None:
            # Whether the list carries addresses is not promised; the workload's own page has them.
            live = replace(live, endpoint=observe.endpoint_of(self._client.workload(live.handle) or {}, live.body))
        self._found[name] = live
        return live

    def check(self, plan: Plan) -> list[Finding]:
        """Return what Run:ai cannot do of ``plan``: reads the project and the clusters (two requests, once), and looks
        for the claims where the cluster can be looked into."""
        findings = checks.of_plan(plan) + checks.of_connection(self._connection)
        project = self._place.project()
        findings += checks.of_project(plan.spec, project)
        cluster = self._cluster(project.cluster)
        if cluster is not None:
            findings += checks.of_cluster(plan.spec, cluster)
        return findings + self._claim_findings(plan, project)

    def render(self, plan: Plan) -> RenderedWorkload:
        """Return the plan as the body of a Run:ai workload (pure)."""
        return render(plan)

    def comparable(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body as it is compared, recorded and shown: clear environment values hashed (pure)."""
        return comparable(body)

    def shown(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body as people may see it (pure)."""
        return shown(body)

    def change_rules(self, live: LiveWorkload) -> ChangeRules:
        """Return what PATCH takes. No request: a current version is assumed until ``check`` has read it."""
        cluster = self._place.known_cluster(self._cluster_handle)
        version = cluster.version if cluster else None
        if live.kind == DISTRIBUTED:
            return ChangeRules(can_scale=not is_older(version, SCALING_SINCE))
        fields = [field for field, since in INFERENCE_PATCHABLE.items() if not is_older(version, since)]
        in_place = dict.fromkeys((f"spec.{field}" for field in fields), ROLLING)
        return ChangeRules(in_place, "spec.environmentVariables", cannot_stop=checks.cannot_stop(live.name))

    def rehearse(self, live: LiveWorkload | None, rendered: RenderedWorkload, fields: list[str]) -> Rehearsal:
        """Say nothing: the API has no dry run."""
        return Rehearsal()

    def create(self, rendered: RenderedWorkload, record: AppliedRecord) -> LiveWorkload:
        """Create the workload with its record; sent once, and looked up by name where the answer is doubtful."""
        spec = with_record(rendered.body["spec"], write_record(record))
        return self._create(rendered.kind, rendered.name, spec, lambda found: same_settings(record, found.record))

    def restore(self, live: LiveWorkload) -> LiveWorkload:
        """Create a workload again from the very description that the API gave of it before it was deleted."""
        definition = self._definitions.get(live.handle)
        if definition is not None:
            spec = _without_nulls(definition["spec"])
        else:
            spec = dict(live.body.get("spec", {}))
            if live.record is not None:
                spec = with_record(spec, write_record(live.record))
        return self._create(live.kind, live.name, spec, lambda found: comparable(found.body) == comparable(live.body))

    def change(self, live: LiveWorkload, rendered: RenderedWorkload, fields: list[str], record: AppliedRecord) -> None:
        """Replace fields in place. The record goes with them: its variable is in a field that PATCH takes."""
        wanted = with_record(rendered.body["spec"], write_record(record))
        names = [field.removeprefix("spec.") for field in fields]
        self._before_write(live.name, live.kind)
        self._client.update(live.kind, live.handle, {name: wanted.get(name) for name in names})

    def scale(self, live: LiveWorkload, replicas: int) -> None:
        """Set the number of replicas in place; 0 stops a distributed inference."""
        if live.kind == INFERENCE:
            fields: dict[str, Any] = {"autoscaling": {"minReplicas": replicas, "maxReplicas": replicas}}
        else:
            fields = {"replicas": replicas}
        self._before_write(live.name, live.kind)
        self._client.update(live.kind, live.handle, fields)
        self._replicas[live.handle] = replicas

    def delete(self, live: LiveWorkload) -> None:
        """Ask for the deletion; one that is gone already is as good."""
        self._before_write(live.name, live.kind)
        self._client.delete(live.kind, live.handle)

    def gone(self, live: LiveWorkload) -> bool:
        """Say whether the workload is gone: the project lists no living one of this id under the name."""
        entries = self._client.workloads(live.name, self._project_name)
        return not any(entry.get("id") == live.handle and not observe.is_deleted(entry) for entry in entries)

    def status(self, live: LiveWorkload, detail: bool = True) -> WorkloadStatus:
        """Return the present status: one request, with ``detail`` three, and the history where it has failed."""
        entry = self._client.workload(live.handle)
        if entry is None:
            return self._unseen(live)
        self._created.pop(live.handle, None)
        self._namespace = entry.get("namespace") or self._namespace
        pods = self._client.pods(live.handle) if detail else []
        events = self._client.events(live.handle) if detail else []
        replicas = self._replicas.get(live.handle, live.replicas)
        status = observe.workload_status(live, entry, pods, events, replicas)
        if detail and status.phase == FAILED:
            is_current = observe.current_revision(live, status.pods)
            told = filter(is_current, observe.history_messages(self._client.history(live.handle)))
            status = replace(status, messages=tuple(dict.fromkeys((*status.messages, *told))))
        return self._with_cluster(live, status, str(entry.get("createdAt") or "")) if detail else status

    def await_news(self, live: LiveWorkload, seconds: float) -> None:
        """Wait for the seconds: the API sends no news."""
        self._host.sleep(seconds)

    def close(self) -> None:
        """Do nothing: nothing is kept open."""

    def log(self, live: LiveWorkload, pod: PodStatus, lines: int) -> str | None:
        """Return the end of a pod's log from the cluster: the API has no logs."""
        try:
            return self._view.log(live, pod, lines) if self._view is not None else None
        except NotUsable:
            return None

    def release_lost(self, live: LiveWorkload) -> list[Finding]:
        """Do nothing: the API deletes workloads, no pods."""
        return []

    def preflight(self, needs: PreflightNeeds) -> list[PreflightCheck]:
        """Say whether the project and its cluster are ready for such workloads; reads only."""
        self._verify_cluster(None)
        return Preflight(self._client, self._place, self._connection, self._view).checks(needs)

    def request_leaders(
        self,
        live: LiveWorkload,
        status: WorkloadStatus,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        time_limit: float,
    ) -> list[HttpAnswer | Unreachable]:
        """Send one request to the leaders: to each of them through the API server of the cluster, else through the
        endpoint, which leads to one of them. Raises ``Unreachable``."""
        self._host.alive()
        endpoint = status.endpoint or live.endpoint
        if self._view is None:
            return [self._endpoint().request(endpoint, method, path, body, time_limit)]
        # At an endpoint for users of the platform the token is one of theirs, which no pod may get.
        token = None if observe.requires_platform_token(live.body) else self._connection.endpoint.token
        try:
            return self._view.request_leaders(live, status, method, path, body, time_limit, token)
        except NotUsable as closed:
            obstacle = closed.finding.evidence
        try:
            return [self._endpoint().request(endpoint, method, path, body, time_limit)]
        except Unreachable as error:
            if error.cause != NOT_REACHABLE_FROM_HERE:
                raise
            raise Unreachable(f"{error.reason} Besides, {obstacle}", error.cause) from None

    def layout(self, live: LiveWorkload) -> ReplicaLayout:
        """Return what the pods run, read from the live workload's body (pure)."""
        return read_layout(live.body, live.replicas)

    def execute(
        self, live: LiveWorkload, pod: PodStatus, command: Sequence[str], time_limit: float
    ) -> CommandResult | None:
        """Run a command in a pod through the cluster: the API runs none. Raises ``Unreachable``."""
        try:
            return self._view.execute(live, pod, command, time_limit) if self._view is not None else None
        except NotUsable:
            return None

    def leaders_inside(self, live: LiveWorkload, status: WorkloadStatus) -> None:
        """Return nothing: no look is started yet."""

    def start_look(self, look: Look) -> None:
        """Return nothing: no look is started yet."""

    def _endpoint(self) -> EndpointClient:
        """Return what sends requests to endpoints."""
        if self._endpoint_client is None:
            runai = self._connection.runai
            authenticator = self._client.authenticator
            self._endpoint_client = EndpointClient(
                self._connection.endpoint,
                runai.ca_path if runai else None,
                PlatformToken(authenticator.token, authenticator.renew),
            )
        return self._endpoint_client

    def _with_cluster(self, live: LiveWorkload, status: WorkloadStatus, created: str) -> WorkloadStatus:
        """Return the status with what the cluster shows beside it, or with the reason why nothing of it is there."""
        view = self._view
        if view is None:
            return status
        namespace = self._namespace or self._place.project().namespace
        try:
            if status.pods:
                return view.status(live, namespace, status, created)
            view.opened(namespace)
        except NotUsable as obstacle:
            return replace(view.handles.of_told(status), unseen=(obstacle.finding,))
        return status

    def _claim_findings(self, plan: Plan, project: Project) -> list[Finding]:
        """Return what stands against the plan's claims, where the cluster can be looked into."""
        if self._view is None:
            return []
        live = self._found.get(plan.spec.name)
        if live is not None and live.phase != DELETING:
            # Whether it is the right cluster is told by the pods that run already.
            unseen = self.status(live).unseen
            if unseen:
                return list(unseen)
        try:
            found = self._view.claim_findings(plan, project.namespace)
        except NotUsable as obstacle:
            return [obstacle.finding]
        sources = DataSources(self._client, project)
        claims = {f"volumes[{index}].claim": volume.claim for index, volume in enumerate(plan.spec.volumes)}
        return [
            replace(finding, hint=sources.hint(claims.get(finding.object, "")) or finding.hint)
            if finding.cause == CLAIM_MISSING
            else finding
            for finding in found
        ]

    def _living(self, name: str) -> list[Mapping[str, Any]]:
        """Return the project's workloads of this name that are not deleted."""
        return [
            entry
            for entry in self._client.workloads(name, self._project_name)
            if entry.get("name") == name
            and entry.get("projectName", self._project_name) == self._project_name
            and not observe.is_deleted(entry)
        ]

    def _with_definition(self, name: str, entry: Mapping[str, Any]) -> LiveWorkload:
        """Return the workload with what it consists of, asked for as the kind its type suggests, then the other."""
        handle = str(entry.get("id") or "")
        for kind in observe.kinds_to_try(entry):
            definition = self._client.definition(kind, handle)
            if definition is not None:
                if isinstance(definition.get("spec"), Mapping):
                    self._definitions[handle] = definition
                return observe.live_workload(name, kind, entry, definition)
        return observe.live_workload(name, str(entry.get("type") or "unknown"), entry, None)

    def _create(
        self, kind: str, name: str, spec: Mapping[str, Any], is_wanted: Callable[[LiveWorkload], bool]
    ) -> LiveWorkload:
        project = self._place.project()
        self._namespace = project.namespace or self._namespace
        self._verify_cluster(project.cluster)
        body = {"name": name, "projectId": project.handle, "clusterId": project.cluster, "spec": dict(spec)}
        self._before_write(name, kind)
        made = Creator(self._client, self._host, self._retry, self.find).create(Creation(kind, name, body, is_wanted))
        if isinstance(made, LiveWorkload):
            return made
        described = {**made, "spec": made["spec"] if isinstance(made.get("spec"), Mapping) else spec}
        entry = {"id": made.get("workloadId"), "phase": made.get("actualPhase") or "Creating"}
        live = observe.live_workload(name, kind, entry, described)
        if not live.handle:
            found = self.find(name)
            if found is None:
                raise GpuopsError.from_finding(_without_id(name))
            return found
        self._definitions[live.handle] = described
        self._created[live.handle] = self._host.clock()
        return live

    def _unseen(self, live: LiveWorkload) -> WorkloadStatus:
        """Return the status of a workload that the API does not show: gone, or too new."""
        created = self._created.get(live.handle)
        if created is not None and self._host.clock() - created < _APPEARING_SECONDS:
            return WorkloadStatus(phase=CREATING)
        return WorkloadStatus(phase=DELETING, deleted=True)

    def _before_write(self, name: str, kind: str) -> None:
        """Stop where nothing may be written: check mode, another kind of workload, or ansible-playbook is gone."""
        self._host.alive()
        if self._host.check_mode:
            found = "a write was about to be sent in check mode; it was not sent."
            hint = "This is a defect of the collection: please report it."
            raise GpuopsError.from_finding(Finding(ERROR, "write_in_check_mode", found, hint, name))
        if kind not in (DISTRIBUTED, INFERENCE):
            found = f"the workload of this name is of type {kind}, which this collection neither changes nor deletes."
            hint = "Choose another name, or delete it where it was made."
            raise GpuopsError.from_finding(Finding(ERROR, "name_in_use", found, hint, name))

    def _verify_cluster(self, handle: str | None) -> None:
        """Refuse another cluster than ``expect_cluster`` names; no request where nothing is expected."""
        self._cluster_handle = handle or self._cluster_handle
        if self._connection.expect_cluster is not None and self._cluster_handle is None:
            self._cluster_handle = self._place.project().cluster
        verify_cluster(self._connection, self._place, self._cluster_handle)

    def _cluster(self, handle: str) -> Cluster | None:
        self._cluster_handle = handle
        return self._place.cluster(handle)


def _without_nulls(value: Any) -> Any:
    """Return plain data as the API gave it, without the nulls that it fills in."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value


def _without_id(name: str) -> Finding:
    found = "the control plane accepted the creation without saying the workload's id, and does not list it."
    return Finding(ERROR, "creation_unconfirmed", found, "Run again: if it is there, it is found by name.", name)
