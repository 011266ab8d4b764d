# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""All waiting: until a state is reached, or known to be out of reach, or a time limit is over.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory, pod_of
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import diagnose, promoted
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import sentence, shortened
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DEGRADED,
    FAILED,
    INITIALIZING,
    RUNNING,
    STOPPED,
    LiveWorkload,
    Platform,
    PlatformUnreachable,
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

T = TypeVar("T")

# Seconds between two polls: 3 % of the time since the last change, so that polling adds at most 2 s to a start that
# takes a minute, and within these bounds: no burden at first, and never more than 2.5 s late, however long it takes.
SHORTEST_INTERVAL = 1.0
LONGEST_INTERVAL = 2.5
INTERVAL_SHARE = 0.03
# Seconds between two looks that cost requests, however much news there is: a busy namespace always has some.
_REQUEST_INTERVAL = 0.5
# A workload that is scaled up from zero is still reported as stopped for a moment.
_STOPPED_GRACE = 60.0
# Phase running comes from the same pods that are listed; the two lists agree within seconds.
_PODS_GRACE = 120.0
# Pods whose logs are read after a failed start: the leader and some followers tell the cause, the rest repeats it.
_LOGS_READ = 4
# Lines read of each: a failed start of vLLM writes some hundred.
_LOG_LINES = 2000
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


class Watcher:
    """Looks at a platform, at its news or with back-off, says what it sees, and knows when to stop."""

    def __init__(self, platform: Platform, host: Host) -> None:
        self._platform = platform
        self._host = host

    def wait(
        self,
        observe: Callable[[], T],
        done: Callable[[T], bool],
        failure: Callable[[T, float], Finding | None],
        describe: Callable[[T], str],
        limit_seconds: float,
        what: str,
        explain: Callable[[T], list[Finding]] = lambda state: [],
        live: LiveWorkload | None = None,
        rest: float = 0.0,
    ) -> T:
        """Look with ``observe`` until its state is ``done`` and return that state.

        ``failure`` gets the state and the seconds waited, and returns the finding that makes waiting useless;
        ``describe`` is the progress line; ``what`` completes "gave up waiting until ..."; ``explain`` gives the
        findings that explain a state (asked only when the wait fails). With ``live`` the next look comes as soon as
        the platform has news about that workload, but not within ``rest`` seconds, otherwise when the interval is over.
        Raises ``GpuopsError`` with them on failure and when ``limit_seconds`` are over; its message says what was seen
        last.
        """
        began = changed = self._host.clock()
        last_text = ""
        while True:
            self._host.alive()
            left = limit_seconds - (self._host.clock() - began)
            try:
                with self._platform.within(max(left, 0.0)):
                    state = observe()
            except PlatformUnreachable as unreachable:
                self._wait_out(unreachable, began + limit_seconds, what)
                continue
            now = self._host.clock()
            text = self._host.redactor.text(describe(state))
            if text != last_text:
                last_text, changed = text, now
            self._host.progress.say(text)
            if done(state):
                return state
            finding = failure(state, now - began)
            if finding is not None:
                findings = _together([finding], explain(state))
                seen = _last_seen(text, findings)
                raise GpuopsError(
                    f"Gave up waiting until {what} after {now - began:.0f} s: {finding.sentence()} Last seen: {seen}.",
                    findings,
                )
            left = limit_seconds - (now - began)
            if left <= 0:
                raise _limit_error(what, limit_seconds, text, explain(state))
            interval = min(max((now - changed) * INTERVAL_SHARE, SHORTEST_INTERVAL), LONGEST_INTERVAL)
            if live is None:
                self._host.sleep(min(interval, left))
            else:
                self._platform.await_news(live, min(interval, left))
                early = min(rest, left) - (self._host.clock() - now)
                if early > 0:
                    self._host.sleep(early)

    def _wait_out(self, unreachable: PlatformUnreachable, end: float, what: str) -> None:
        """Go on where the platform does not answer: what was begun goes on without it. Raises at the limit."""
        left = end - self._host.clock()
        if left <= 0:
            raise GpuopsError(
                f"Gave up waiting until {what}: {unreachable.message}", unreachable.findings
            ) from unreachable
        self._host.progress.say(f"{what}? {unreachable.message}")
        self._host.sleep(min(LONGEST_INTERVAL, left))

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
        start = _Start(live.name, schedule_timeout, start_timeout, expected_pods, replaced)

        def observe() -> WorkloadStatus:
            status = self._platform.status(live, detail=True)
            start.observe(status, self._host.clock())
            return status

        status = self.wait(
            observe,
            start.done,
            start.failure,
            start.describe,
            schedule_timeout + start_timeout,
            f"{live.name} is running",
            lambda status: start.explain(status) + self._told_by_logs(live, status),
            live,
        )
        seconds = {"queue": round(start.queue_seconds, 1), "start": round(start.start_seconds, 1)}
        return Waited(status, seconds, tuple(start.met.values()))

    def wait_until_stopped(self, live: LiveWorkload, limit: float) -> Waited:
        """Wait until no pod of a stopped workload is left. ``limit`` is in seconds."""
        began = self._host.clock()
        status = self.wait(
            lambda: self._platform.status(live),
            lambda status: not status.pods,
            lambda status, seconds: None,
            lambda status: f"{live.name}: stopping: {len(status.pods)} pods left",
            limit,
            f"{live.name} is stopped",
            live=live,
            rest=_REQUEST_INTERVAL,
        )
        return Waited(status, {"stop": round(self._host.clock() - began, 1)})

    def wait_until_gone(self, live: LiveWorkload, limit: float) -> Waited:
        """Wait until the workload is gone and its name free. ``limit`` is in seconds."""
        began = self._host.clock()

        def explain(gone: bool) -> list[Finding]:
            try:
                status = self._platform.status(live, detail=True)
            except GpuopsError as error:
                return list(error.findings)
            remaining = ", ".join(f"{pod.name} ({pod.phase})" for pod in status.pods) or "no pods"
            messages = f"; {shortened('; '.join(said(status)))}" if said(status) else ""
            return [
                Finding(
                    ERROR,
                    "deletion_stuck",
                    f"phase {status.phase}, {remaining}{messages}.",
                    "Pods that do not end (a machine that is gone, a finalizer) keep the name: run again to wait "
                    "longer, "
                    "or ask the cluster's administrator.",
                    live.name,
                )
            ]

        self.wait(
            lambda: self._platform.gone(live),
            lambda gone: gone,
            lambda gone, seconds: None,
            lambda gone: f"{live.name}: gone" if gone else f"{live.name}: deleting, its name is still in use",
            limit,
            f"{live.name} is gone",
            explain,
            live,
            _REQUEST_INTERVAL,
        )
        return Waited(None, {"delete": round(self._host.clock() - began, 1)})

    def _told_by_logs(self, live: LiveWorkload, status: WorkloadStatus) -> list[Finding]:
        """Return the causes that the pods' logs tell, where the platform has logs: the leader's first."""
        findings: list[Finding] = []
        for pod in sorted(status.pods, key=lambda pod: pod.role != "leader")[:_LOGS_READ]:
            try:
                text = self._platform.log(live, pod, _LOG_LINES)
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
    queue_seconds: float = 0.0
    start_seconds: float = 0.0
    met: dict[str, Finding] = field(default_factory=dict)
    _history: StatusHistory = field(default_factory=StatusHistory)
    _findings: list[Finding] = field(default_factory=list)
    _was_scheduled: bool = False
    _last: float | None = None
    _running_since: float | None = None
    _replaced_names: set[str] = field(default_factory=set)

    def observe(self, status: WorkloadStatus, now: float) -> None:
        """Take in a status: charge the time since the last one to the budget that was running, and diagnose."""
        passed = 0.0 if self._last is None else now - self._last
        if self._was_scheduled:
            self.start_seconds += passed
        else:
            self.queue_seconds += passed
        self._last = now
        self._was_scheduled = self._scheduled(status)
        is_rolling = any(pod.handle in self.replaced for pod in status.pods)
        if status.phase != RUNNING or is_rolling:
            self._running_since = None
        elif self._running_since is None:
            self._running_since = now
        judged = self._without_replaced(status)
        self._history.observe(judged, now)
        self._findings = diagnose(judged, self._history)
        for finding in self._findings:
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
        hopeless = errors_of(self._findings)
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
        told = {finding.evidence for finding in self._findings}
        warnings = [event for event in status.events if event.kind == "Warning"]
        texts = dict.fromkeys(shortened(f"{event.reason}: {event.message}") for event in warnings)
        unexplained = [] if told else [Finding("info", "platform_event", text, "", self.name) for text in texts]
        return promoted(self._findings) + unexplained[:3]

    def describe(self, status: WorkloadStatus) -> str:
        """Return the progress line: ``initializing: 1/2 pods running, leader loading``."""
        parts = [self._pods_text(status)]
        waiting = len([pod for pod in status.pods if not pod.machine])
        if waiting:
            parts.append(f"{waiting} waiting for a machine")
        leaders = [pod for pod in running_pods(status) if pod.role == "leader"]
        if status.phase == INITIALIZING and leaders:
            parts.append("leader loading")
        notable = [finding for finding in self._findings if finding.severity in (ERROR, WARNING)]
        if notable:
            parts.append(f"{notable[0].cause}: {shortened(notable[0].evidence, 160)}")
        elif said(status) and status.phase != RUNNING:
            parts.append(shortened(said(status)[0], 160))
        # Before everything has run once, some of it running is progress and no fault.
        is_first_start = status.phase == DEGRADED and not self._history.ever_running and not self.replaced
        return f"{self.name}: {INITIALIZING if is_first_start else status.phase}: {', '.join(parts)}"

    def _over(self, status: WorkloadStatus, budget: str, seconds: float, fact: str) -> Finding:
        """Return the finding on a spent budget, with the best explanation there is."""
        explanations = promoted(self._findings)
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


def _together(first: list[Finding], others: list[Finding]) -> list[Finding]:
    """Return the first findings and those of the others that have another cause."""
    causes = {finding.cause for finding in first}
    return first + [finding for finding in most_severe_first(others) if finding.cause not in causes]


def _last_seen(text: str, findings: list[Finding]) -> str:
    """Return a progress line without its explanation, which the findings of the same message give in full."""
    for finding in findings:
        text = text.split(f", {finding.cause}: ")[0]
    return text


def _limit_error(what: str, limit_seconds: float, text: str, explanations: list[Finding]) -> GpuopsError:
    """Make the error of a wait whose time is over: what was seen last and the best explanation."""
    seen = _last_seen(text, explanations)
    limit = Finding(ERROR, "time_limit", f"not within {limit_seconds:.0f} s; last seen: {seen}.")
    best = f" {explanations[0].sentence()}" if explanations else ""
    return GpuopsError(
        f"Gave up waiting until {what} after {limit_seconds:.0f} s. Last seen: {seen}.{best}",
        _together([limit], explanations),
    )
