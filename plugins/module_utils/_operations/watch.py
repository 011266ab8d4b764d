# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Waiting for the states of workloads: running, stopped, gone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory, pod_of
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import diagnose, promoted
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import sentence, shortened
from ansible_collections.gpuops.inference.plugins.module_utils._operations.lost_machines import (
    EndingPods,
    LostMachines,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.pod_logs import (
    LOG_LINES,
    LOGS_READ,
    PodLogs,
    is_out_of_reach,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.waiting import Waiter
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DEGRADED,
    FAILED,
    INITIALIZING,
    RUNNING,
    STOPPED,
    LiveWorkload,
    Platform,
    PodStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    ERROR,
    WARNING,
    Finding,
    errors_of,
    most_severe_first,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

# Seconds between two looks that cost requests, however much news there is: a busy namespace always has some.
_REQUEST_INTERVAL = 0.5
# A workload that is scaled up from zero is still reported as stopped for a moment.
_STOPPED_GRACE = 60.0
# Phase running comes from the same pods that are listed; the two lists agree within seconds.
_PODS_GRACE = 120.0
# A platform that was told to replace pods makes the first new one within seconds.
_REPLACEMENT_GRACE = 60.0


@dataclass(frozen=True)
class Waited:
    """A wait that ended well. ``seconds`` per phase (``queue``, ``start``, ``delete``); ``findings``: what was met."""

    status: WorkloadStatus | None
    seconds: dict[str, float]
    findings: tuple[Finding, ...] = ()


def running_pods(status: WorkloadStatus) -> list[PodStatus]:
    """Return the pods whose containers run."""
    return [pod for pod in status.pods if pod.phase.lower() == "running"]


def said(status: WorkloadStatus) -> list[str]:
    """Return the sentences of the platform about the workload, then those about its pods."""
    return [*status.messages, *(f"{pod.name}: {text}" for pod in status.pods for text in pod.messages)]


class Watcher(Waiter):
    """Waits for states of workloads."""

    def __init__(self, platform: Platform, host: Host, lost: LostMachines | None = None) -> None:
        super().__init__(platform, host)
        self._platform = platform
        self._lost = lost or LostMachines(platform, False, lambda finding: None)

    def wait_until_running(
        self,
        live: LiveWorkload,
        schedule_timeout: float,
        start_timeout: float,
        expected_pods: int | None = None,
        replaced: frozenset[str] = frozenset(),
    ) -> Waited:
        """Wait until the workload is running with all ``expected_pods`` (of all replicas, leaders included).

        ``schedule_timeout``: seconds that its pods may spend without machines; ``start_timeout``: seconds from then on.
        Pods with the handles ``replaced`` are about to go: their trouble does not count. Raises ``GpuopsError`` with
        the cause as soon as the start is hopeless, and when a budget is spent.
        """
        logs = PodLogs(self._platform, live)
        start = _Start(live.name, schedule_timeout, start_timeout, expected_pods, replaced, logs)

        def observe() -> WorkloadStatus:
            status = self._platform.status(live, detail=True)
            start.keep(self._lost.settle(live, start.observe(status, self._host.clock())))
            return status

        try:
            status = self.wait(
                observe,
                start.done,
                start.failure,
                start.describe,
                schedule_timeout + start_timeout,
                f"{live.name} is running",
                lambda status: start.explain(status) + self._told_by_logs(live, status),
                self._news(live),
            )
        except GpuopsError as error:
            known = {finding.cause for finding in error.findings}
            # Pods that are made anew have other logs: what those before them said is told all the same.
            error.findings += [finding for cause, finding in logs.stalls.items() if cause not in known]
            error.findings += start.unseen
            raise
        seconds = {"queue": round(start.queue_seconds, 1), "start": round(start.start_seconds, 1)}
        return Waited(status, seconds, (*start.met.values(), *start.unseen))

    def wait_until_stopped(self, live: LiveWorkload, limit: float) -> Waited:
        """Wait until no pod of a stopped workload is left. ``limit`` is in seconds."""
        began = self._host.clock()
        ending = EndingPods(self._platform, self._host, live, self._lost)

        def observe() -> WorkloadStatus:
            status = self._platform.status(live)
            ending.take(status)
            return status

        status = self.wait(
            observe,
            lambda status: not status.pods,
            lambda status, seconds: ending.failure(),
            lambda status: f"{live.name}: stopping: {len(status.pods)} pods left{ending.remark()}",
            limit,
            f"{live.name} is stopped",
            lambda status: ending.explain(),
            self._news(live),
            _REQUEST_INTERVAL,
        )
        return Waited(status, {"stop": round(self._host.clock() - began, 1)})

    def wait_until_gone(self, live: LiveWorkload, limit: float) -> Waited:
        """Wait until the workload is gone and its name free. ``limit`` is in seconds."""
        began = self._host.clock()
        ending = EndingPods(self._platform, self._host, live, self._lost)

        def observe() -> bool:
            gone = self._platform.gone(live)
            if not gone:
                ending.ask()
            return gone

        def explain(gone: bool) -> list[Finding]:
            try:
                status = self._platform.status(live, detail=True)
            except GpuopsError as error:
                return list(error.findings)
            ending.take(status)
            remaining = ", ".join(f"{pod.name} ({pod.phase})" for pod in status.pods) or "no pods"
            messages = f"; {shortened('; '.join(said(status)))}" if said(status) else ""
            return [
                *ending.explain(),
                Finding(
                    ERROR,
                    "deletion_stuck",
                    f"phase {status.phase}, {remaining}{messages}.",
                    "Pods that do not end (a machine that is gone, a finalizer) keep the name: run again to wait "
                    "longer, "
                    "or ask the cluster's administrator.",
                    live.name,
                ),
            ]

        def describe(gone: bool) -> str:
            return f"{live.name}: gone" if gone else f"{live.name}: deleting, its name is still in use{ending.remark()}"

        self.wait(
            observe,
            lambda gone: gone,
            lambda gone, seconds: ending.failure(),
            describe,
            limit,
            f"{live.name} is gone",
            explain,
            self._news(live),
            _REQUEST_INTERVAL,
        )
        return Waited(None, {"delete": round(self._host.clock() - began, 1)})

    def _news(self, live: LiveWorkload) -> Callable[[float], None]:
        """Return what waits for news about a workload, for so many seconds at most."""
        return lambda seconds: self._platform.await_news(live, seconds)

    def _told_by_logs(self, live: LiveWorkload, status: WorkloadStatus) -> list[Finding]:
        """Return the causes that the pods' logs tell, where the platform has logs: the leader's first."""
        findings: list[Finding] = []
        pods = [pod for pod in status.pods if not is_out_of_reach(pod)]
        for pod in sorted(pods, key=lambda pod: pod.role != "leader")[:LOGS_READ]:
            try:
                text = self._platform.log(live, pod, LOG_LINES)
            except GpuopsError:
                continue
            findings += [
                replace(finding, object=pod.name) for finding in diagnose_log(text or "", pod.role or "leader")
            ]
        return findings


@dataclass
class _Start:
    """What is known of one start: two budgets, the history, and what was diagnosed on the way."""

    name: str
    schedule_timeout: float
    start_timeout: float
    expected_pods: int | None
    replaced: frozenset[str]
    logs: PodLogs
    queue_seconds: float = 0.0
    start_seconds: float = 0.0
    met: dict[str, Finding] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unseen: tuple[Finding, ...] = ()
    _history: StatusHistory = field(default_factory=StatusHistory)
    _was_scheduled: bool = False
    _last: float | None = None
    _running_since: float | None = None
    _replaced_names: set[str] = field(default_factory=set)

    def observe(self, status: WorkloadStatus, now: float) -> list[Finding]:
        """Take in a status: charge the time since the last one to the budget that was running, and diagnose."""
        passed = 0.0 if self._last is None else now - self._last
        if self._was_scheduled:
            self.start_seconds += passed
        else:
            self.queue_seconds += passed
        self._last = now
        self.unseen = status.unseen
        self._was_scheduled = self._scheduled(status)
        is_rolling = any(pod.handle in self.replaced for pod in status.pods)
        if status.phase != RUNNING or is_rolling:
            self._running_since = None
        elif self._running_since is None:
            self._running_since = now
        judged = self.logs.with_ends(self._without_replaced(status))
        self._history.observe(judged, now)
        return most_severe_first([*diagnose(judged, self._history), *self.logs.of_stall(judged, now)])

    def keep(self, findings: list[Finding]) -> None:
        """Take over what a status means."""
        self.findings = findings
        for finding in findings:
            if finding.severity == WARNING:
                self.met[finding.cause] = finding

    def _without_replaced(self, status: WorkloadStatus) -> WorkloadStatus:
        """Return the status without the pods that are about to go and the events about them."""
        staying = tuple(pod for pod in status.pods if pod.handle not in self.replaced)
        self._replaced_names |= {pod.name for pod in status.pods if pod.handle in self.replaced}
        gone = self._replaced_names - {pod.name for pod in staying}
        events = tuple(
            event for event in status.events if event.handle not in self.replaced and pod_of(event) not in gone
        )
        return replace(status, pods=staying, events=events)

    def _counted(self, status: WorkloadStatus) -> list[PodStatus]:
        """Return the running pods that count: the new ones, or all where the change needed no new ones."""
        new = [pod for pod in status.pods if pod.handle not in self.replaced]
        return [pod for pod in running_pods(status) if not new or pod.handle not in self.replaced]

    def _is_outdated(self, status: WorkloadStatus) -> bool:
        """Say whether the platform still speaks of the pods that are about to go."""
        only_old = {pod.handle for pod in status.pods} <= self.replaced
        return bool(self.replaced) and (only_old or status.phase == FAILED)

    def done(self, status: WorkloadStatus) -> bool:
        """Say whether everything that is expected runs, with new pods where the old ones are to be replaced."""
        if self._is_outdated(status) and self.queue_seconds + self.start_seconds < _REPLACEMENT_GRACE:
            return False
        return status.phase == RUNNING and len(self._counted(status)) >= (self._expected(status) or 0)

    def failure(self, status: WorkloadStatus, seconds: float) -> Finding | None:
        """Return why waiting on is useless, or ``None``."""
        if self._is_outdated(status) and seconds < _REPLACEMENT_GRACE:
            return None
        hopeless = errors_of(self.findings)
        if hopeless:
            return _about(hopeless[0], self.name)
        if status.deleted:
            return Finding(
                ERROR,
                "deleted_meanwhile",
                "the workload was deleted while it was waited for.",
                "Find out who deleted it, then run again.",
                self.name,
            )
        if status.phase == STOPPED and seconds >= _STOPPED_GRACE:
            return Finding(
                ERROR,
                "stopped_meanwhile",
                "the workload is stopped.",
                "Somebody stopped it or scaled it to zero: run again with the number of replicas wanted.",
                self.name,
            )
        if self.queue_seconds >= self.schedule_timeout and not self._was_scheduled:
            return self._over(status, "schedule_timeout", self.schedule_timeout, "not all pods got a machine")
        if self.start_seconds >= self.start_timeout:
            return self._over(status, "start_timeout", self.start_timeout, "the workload did not get ready")
        if (
            self._running_since is not None
            and self._last is not None
            and self._last - self._running_since >= _PODS_GRACE
        ):
            return Finding(
                ERROR,
                "pods_missing",
                f"phase running for {_PODS_GRACE:.0f} s, but {self._pods_text(status)}.",
                "Look at the pods' events; with `restart_policy: none` a follower that ended does not come back.",
                self.name,
            )
        return None

    def explain(self, status: WorkloadStatus) -> list[Finding]:
        """Return the findings of the last look, as the explanation of a wait that is over."""
        told = {finding.evidence for finding in self.findings}
        warnings = [event for event in status.events if event.kind == "Warning"]
        texts = dict.fromkeys(shortened(f"{event.reason}: {event.message}") for event in warnings)
        unexplained = [] if told else [Finding("info", "platform_event", text, "", self.name) for text in texts]
        return promoted(self.findings) + unexplained[:3]

    def describe(self, status: WorkloadStatus) -> str:
        """Return the progress line: ``initializing: 1/2 pods running, leader loading``."""
        parts = [self._pods_text(status)]
        waiting = len([pod for pod in status.pods if not pod.machine])
        if waiting:
            parts.append(f"{waiting} waiting for a machine")
        leaders = [pod for pod in running_pods(status) if pod.role == "leader"]
        if status.phase == INITIALIZING and leaders:
            parts.append("leader loading")
        notable = [finding for finding in self.findings if finding.severity in (ERROR, WARNING)]
        if notable:
            parts.append(f"{notable[0].cause}: {shortened(notable[0].evidence, 160)}")
        elif said(status) and status.phase != RUNNING:
            parts.append(shortened(said(status)[0], 160))
        # Before everything has run once, some of it running is progress and no fault.
        is_first_start = status.phase == DEGRADED and not self._history.ever_running and not self.replaced
        return f"{self.name}: {INITIALIZING if is_first_start else status.phase}: {', '.join(parts)}"

    def _over(self, status: WorkloadStatus, budget: str, seconds: float, fact: str) -> Finding:
        """Return the finding on a spent budget, with the best explanation there is."""
        explanations = promoted(self.findings)
        because = f" {_about(explanations[0], self.name).sentence()}" if explanations else ""
        if not explanations and said(status):
            because = f" The platform says: {sentence(shortened('; '.join(said(status))))}"
        evidence = f"{fact} within {budget} = {seconds:.0f} s.{because}"
        return Finding(ERROR, budget, evidence, "Run again to wait longer: what was begun goes on.", self.name)

    def _expected(self, status: WorkloadStatus) -> int | None:
        return self.expected_pods if self.expected_pods is not None else status.pods_expected

    def _scheduled(self, status: WorkloadStatus) -> bool:
        if status.phase in (INITIALIZING, RUNNING, DEGRADED):
            return True
        placed = len([pod for pod in status.pods if pod.machine])
        return placed >= max(self._expected(status) or 0, len(status.pods), 1)

    def _pods_text(self, status: WorkloadStatus) -> str:
        expected = self._expected(status)
        return f"{len(self._counted(status))}/{len(status.pods) if expected is None else expected} pods running"


def _about(finding: Finding, name: str) -> Finding:
    """Return the finding with ``name`` as its object where it has none."""
    if finding.object:
        return finding
    return Finding(finding.severity, finding.cause, finding.evidence, finding.hint, name)
