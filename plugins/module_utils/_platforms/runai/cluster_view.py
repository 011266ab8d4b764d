# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The cluster that runs a project's pods, looked into through its API server where the user gave a way there.

Reads only: every write goes to Run:ai's API. Nothing is taken from a cluster before the project's namespace was found
in it and, of a workload, its own pods: the kubeconfig may lead to another one. Where it cannot be used, that is a
finding, and everything goes on without it.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    NOT_REACHABLE_FROM_HERE,
    CommandResult,
    HttpAnswer,
    LiveWorkload,
    PlatformUnreachable,
    PodStatus,
    Unreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    KubernetesConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.checks import needs_of, of_claims
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.claims import CLAIM_MISSING
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.cluster_facts import ClusterFacts
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.leaders import Leaders, engine_of
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.lost_machines import LostMachines
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.observe import was_restarted
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import ROLE_PAGE
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_commands import run_in_pod
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_logs import end_of_log
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import EVENTS, PODS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Patience, Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_pods import (
    Handles,
    agreement,
    belonging,
    kind_of,
    label_selectors,
    name_of,
    with_cluster,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.layout import serving_port
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan

Object = Mapping[str, Any]
MakeClient = Callable[[KubernetesConnection, str], KubernetesClient]

__all__ = ["CLAIM_MISSING", "NOT_USED", "ClusterView", "NotUsable", "where"]

NOT_USED = "cluster_view_not_used"

# What Run:ai itself answers must not wait long for what the cluster would add: seconds for all requests of one look,
# for trying again, and until an API server that gave no answer, or refused, is asked again.
_LOOK_SECONDS = 10.0
_PATIENCE = Patience(total_seconds=5.0)
_REST_SECONDS = 30.0
# Seconds for a log, which may be long.
_LOG_SECONDS = 30.0


class NotUsable(Exception):
    """The cluster is not looked into; ``finding`` says why and what to do. ``is_passing``: it may be different soon."""

    def __init__(self, finding: Finding, is_passing: bool = False) -> None:
        super().__init__(finding.evidence)
        self.finding = finding
        self.is_passing = is_passing


class ClusterView:
    """Looks into the namespace of one project. Methods raise ``NotUsable`` where that cannot be done.

    What was found in the cluster once (namespace, pods of a workload) is not looked for again; an API server that gives
    no answer, or refuses, is left alone for a while.
    """

    def __init__(self, connection: Connection, host: Host, make_client: MakeClient | None = None) -> None:
        self._kubernetes = connection.kubernetes or KubernetesConnection(only_stated=True)
        self._project = connection.project or ""
        self._host = host
        self._retry = Retry(host, _PATIENCE)
        self._make_client = make_client or self._new_client
        self._client: KubernetesClient | None = None
        self._lost: LostMachines | None = None
        self._obstacle: NotUsable | None = None
        self._resting: NotUsable | None = None
        self._rested_at = 0.0
        # Not asked yet; then whether it was seen, which not everybody may.
        self._namespace_seen: bool | None = None
        self._events_shown = True
        self._sure: set[str] = set()
        self._selectors: dict[str, str] = {}
        self._seen: dict[str, dict[str, Object]] = {}
        self._leaders: dict[str, Leaders] = {}
        self.handles = Handles()

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what all requests sent inside may take together."""
        return self._retry.within(seconds)

    def opened(self, namespace: str | None) -> KubernetesClient:
        """Return the client for the project's namespace, once that was looked for in the cluster."""
        if self._obstacle is not None:
            raise self._obstacle
        if not namespace:
            evidence = f"Run:ai does not say which namespace project {self._project} has."
            raise self._not_used(evidence, "Run again later.")
        if self._client is None or self._namespace_seen is None:
            try:
                with self.asking():
                    self._client = self._client or self._make_client(self._kubernetes, namespace)
                    self._lost = LostMachines(self._client, self._host)
                    self._namespace_seen = self._finds_namespace(self._client)
            except NotUsable as obstacle:
                if not obstacle.is_passing:
                    # Options, credentials and namespaces do not change while a task runs.
                    self._obstacle = obstacle
                raise
        return self._client

    def status(self, live: LiveWorkload, namespace: str | None, status: WorkloadStatus, created: str) -> WorkloadStatus:
        """Return the status with what the cluster shows: pods, what is said of them, their events.

        ``created`` is when the workload was (ISO 8601). Raises ``NotUsable`` also where the pods that Run:ai lists are
        not there, or are others.
        """
        self._seen.pop(live.handle, None)
        client = self.opened(namespace)
        with self.asking():
            pods = self._pods(client, live, status.pods)
            self._confirm(client, live, status.pods, pods)
            whole = with_cluster(live, status, pods, self._events(client), created)
            if self._lost is not None:
                whole = replace(whole, pods=self._lost.told(whole.pods, pods, kind_of(live)))
        self._seen[live.handle] = {name_of(pod): pod for pod in pods}
        return self.handles.of_cluster(whole, status.pods, pods)

    def log(self, live: LiveWorkload, pod: PodStatus, lines: int) -> str | None:
        """Return the end of a pod's log; ``None`` where there is none."""
        client, found = self._seen_pod(live, pod)
        with self.asking(_LOG_SECONDS):
            return _end_of_log(client, found, lines)

    def execute(self, live: LiveWorkload, pod: PodStatus, command: Sequence[str], time_limit: float) -> CommandResult:
        """Run a command in a pod's engine container; ``time_limit`` in seconds. Raises ``Unreachable``."""
        client, found = self._seen_pod(live, pod)
        with self.asking(float("inf")):
            return run_in_pod(client, pod.name, _engine_name(found), command, time_limit)

    def request_leaders(
        self,
        live: LiveWorkload,
        status: WorkloadStatus,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        time_limit: float,
        token: str | None,
    ) -> list[HttpAnswer | Unreachable]:
        """Send one request to the leader of every replica; ``token`` is vLLM's own key, never one of a platform.

        Raises ``Unreachable`` where no leader answered, ``NotUsable`` also where none may be asked.
        """
        if live.handle not in self._seen or self._client is None:
            raise self._unseen()
        leaders = self._leaders.setdefault(live.handle, Leaders(self._client, token, serving_port(live.body)))
        with self.asking(float("inf")):
            try:
                return leaders.request(status, method, path, body, time_limit)
            except Unreachable as error:
                if error.cause != NOT_REACHABLE_FROM_HERE:
                    raise
                raise self._not_used(error.reason, "") from None

    def claim_findings(self, plan: Plan, namespace: str | None) -> list[Finding]:
        """Return what stands against mounting the plan's claims, as on plain Kubernetes."""
        client = self.proven(namespace)
        with self.asking():
            found = of_claims(plan.spec, needs_of(plan), ClusterFacts(client))
        looked = f"It was looked for in namespace {namespace} of {where(client)}."
        return [
            replace(finding, evidence=f"{finding.evidence} {looked}") if finding.cause == CLAIM_MISSING else finding
            for finding in found
        ]

    def proven(self, namespace: str | None) -> KubernetesClient:
        """Return the client where the namespace itself, or a workload's pods in it, were found."""
        client = self.opened(namespace)
        if not self._namespace_seen and not self._seen:
            evidence = f"these credentials may not see whether {where(client)} has the namespace {namespace}."
            raise self._not_used(evidence, f"Give them the right to get that namespace: {ROLE_PAGE} has the Role.")
        return client

    def _seen_pod(self, live: LiveWorkload, pod: PodStatus) -> tuple[KubernetesClient, Object]:
        """Return a pod as it was seen last."""
        found = self._seen.get(live.handle, {}).get(pod.name)
        if found is None or self._client is None:
            raise self._unseen()
        return self._client, found

    def _unseen(self) -> NotUsable:
        return self._not_used("the workload's pods were not found there when its status was read.", "")

    def _finds_namespace(self, client: KubernetesClient) -> bool:
        answer = ClusterFacts(client).namespace()
        if answer.content is None and answer.permitted:
            evidence = f"{where(client)} has no namespace {client.namespace}, which is that of project {self._project}."
            raise self._not_used(evidence, "Give the kubeconfig, and its context, of the project's own cluster.")
        return answer.content is not None

    def _pods(self, client: KubernetesClient, live: LiveWorkload, told: Sequence[PodStatus]) -> list[Object]:
        """Return the workload's pods: by the first label that all have which Run:ai lists, else by any sign."""
        names = {pod.name for pod in told}
        known = self._selectors.get(live.handle)
        for selector in [known] if known is not None else label_selectors(live.name):
            pods: list[Object] = list(client.list(PODS, labels=selector).items)
            if names <= {name_of(pod) for pod in pods}:
                self._selectors[live.handle] = selector
                return pods
        return belonging(client.list(PODS).items, live.name, told)

    def _confirm(
        self, client: KubernetesClient, live: LiveWorkload, told: Sequence[PodStatus], pods: Sequence[Object]
    ) -> None:
        """Stop where the cluster's pods are not those that Run:ai lists."""
        if live.handle in self._sure:
            return
        agreed = agreement(told, pods)
        if agreed.against:
            evidence = f"in namespace {client.namespace} of {where(client)} {agreed.against}."
            hint = "If it stays so, the kubeconfig leads to another cluster than the project's."
            raise self._not_used(evidence, hint)
        if agreed.is_sure:
            self._sure.add(live.handle)

    def _events(self, client: KubernetesClient) -> list[Object]:
        """Return the namespace's events; none where they are not ours to see."""
        if not self._events_shown:
            return []
        try:
            return list(client.list(EVENTS).items)
        except Refused as refused:
            if not refused.is_permission:
                raise
            self._events_shown = False
            return []

    @contextmanager
    def asking(self, seconds: float = _LOOK_SECONDS) -> Iterator[None]:
        """Bound the requests inside, and make what stops them the reason why the cluster is not looked into."""
        if self._resting is not None and self._host.clock() - self._rested_at < _REST_SECONDS:
            raise self._resting
        self._resting = None
        try:
            with self._retry.within(seconds):
                yield
        except GpuopsError as error:
            self._resting, self._rested_at = self._because(error), self._host.clock()
            raise self._resting from None

    def _because(self, error: GpuopsError) -> NotUsable:
        """Return the reason that an error is."""
        is_passing = isinstance(error, PlatformUnreachable)
        first = next(iter(error.findings), None)
        if first is None:
            return self._not_used(error.message, "", is_passing=is_passing)
        option = first.object if isinstance(error, OptionError) else ""
        return self._not_used(first.evidence, first.hint, option, is_passing)

    def _not_used(self, evidence: str, hint: str, option: str = "", is_passing: bool = False) -> NotUsable:
        option = option or ("kubeconfig" if self._kubernetes.kubeconfig else "host")
        found = f"the cluster is not looked into: {evidence}"
        return NotUsable(Finding(WARNING, NOT_USED, found, hint, option), is_passing)

    def _new_client(self, connection: KubernetesConnection, namespace: str) -> KubernetesClient:
        return KubernetesClient(connection, namespace, self._host, self._retry)


def _end_of_log(client: KubernetesClient, pod: Object, lines: int) -> str | None:
    """Return the end of the log of the pod's engine."""
    return end_of_log(client, name_of(pod), _engine_name(pod), lines, was_restarted(pod))


def _engine_name(pod: Object) -> str:
    """Return what the product calls the container of the engine."""
    return str(engine_of(pod).get("name") or "")


def where(client: KubernetesClient) -> str:
    """Return which cluster it is, as the kubeconfig calls it and by its address."""
    return f"cluster {client.cluster} ({client.address})" if client.cluster else f"the cluster at {client.address}"
