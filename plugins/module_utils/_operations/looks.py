# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Looks: short jobs that read something inside the cluster, report it and are gone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import diagnose, promoted
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import sentence, shortened
from ansible_collections.gpuops.inference.plugins.module_utils._operations.waiting import Waiter
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import said
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    RUNNING,
    LookStarter,
    LookStatus,
    PlatformUnreachable,
    StartedLook,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding, errors_of
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._storage.progress import how_far

T = TypeVar("T")

# Seconds beyond a look's own limits, after which its end would have been told.
_MARGIN = 15.0
# The exit status of a command whose time was up and that reports how far it came.
_TIME_UP = 3


# What a platform says to whoever may start no looks: Run:ai of trainings, Kubernetes of jobs.
_NOT_PERMITTED = ("forbidden", "not_found", "permission_denied")
# The cause by which results say that nobody may look here.
NO_LOOKS = "no_looks"


class NotLooked(GpuopsError):
    """A look was not carried out, or told nothing: what it was to read is not known."""

    @property
    def is_permission(self) -> bool:
        """Say whether these credentials may start no looks."""
        return bool(self.findings) and self.findings[0].cause in _NOT_PERMITTED


@dataclass(frozen=True)
class CopyOutcome:
    """What came of one copy of a look: the ``machine`` that it was placed on, and its report, or why there is none; and
    what its command that ran as root reported, if there was one and it did."""

    index: int
    machine: str | None
    report: Mapping[str, Any] | None = None
    failure: Finding | None = None
    root_report: Mapping[str, Any] | None = None


class Looks:
    """Carries out the looks of one operation.

    They are counted apart from writes (``started``). In check mode none is started unless ``in_check_mode`` says so;
    ``not_looked_at`` then says what was left out. ``root_report`` is what the command that ran as root reported, also
    where the look failed after it. ``last`` is how the last look was when it was last seen, ``ran`` says whether it was
    seen running, or ended.
    """

    def __init__(self, platform: LookStarter, host: Host, in_check_mode: bool) -> None:
        self._platform = platform
        self._host = host
        self._in_check_mode = in_check_mode
        self.started = 0
        self.not_looked_at: list[str] = []
        self.root_report: Mapping[str, Any] | None = None
        self.last: LookStatus | None = None
        self.ran = False

    def run(self, look: Look, subject: str) -> Mapping[str, Any]:
        """Carry out a look at ``subject`` (``what the leaders of my-llm answer``) and return its report: that of its
        last command that ran, since none runs after one as root that did not get through.

        Raises ``NotLooked``, and ``PlatformUnreachable`` where the platform itself does not answer.
        """
        ended = self._carried_out(look, subject)
        report = _report(ended, subject)
        if look.as_root:
            self.root_report = _report(dataclasses.replace(ended, report=ended.root_report), subject)
        return report

    def ask(self, look: Look, subject: str) -> bool:
        """Carry out a look that leaves no report and return its answer: whether its exit status was 0.

        Raises what ``run`` raises.
        """
        ended = self._carried_out(look, subject)
        _judge_removal(ended, subject)
        return ended.exit_status == 0

    def run_copies(self, look: Look, subject: str) -> list[CopyOutcome]:
        """Carry out a look with several copies and return what came of each, by its index: one that does not begin to
        run in time, or fails, takes nothing from the others.

        Raises ``NotLooked`` where no copy was started, and ``PlatformUnreachable`` likewise.
        """
        copies = _Copies(look, subject, self._host)
        self._followed(look, subject, lambda started: self._settled(started, look, copies))
        return copies.outcomes()

    def _carried_out(self, look: Look, subject: str) -> LookStatus:
        """Carry out a look and return how it ended."""
        return self._followed(look, subject, lambda started: self._ended(started, look, subject))

    def _followed(self, look: Look, subject: str, follow: Callable[[StartedLook], T]) -> T:
        """Start a look, ``follow`` it to its end, and remove it."""
        if self._host.check_mode and not self._in_check_mode:
            self.not_looked_at += [subject] if subject not in self.not_looked_at else []
            raise _not_looked("not_looked_at", "in check mode no look is started.", "Set looks_in_check_mode.", subject)
        self._host.alive()
        self.root_report = self.last = None
        self.ran = False
        try:
            started = self._platform.start_look(look)
        except PlatformUnreachable:
            raise
        except GpuopsError as error:
            raise NotLooked(error.message, error.findings) from error
        if started is None:
            raise _not_looked(NO_LOOKS, "this platform starts no looks.", "", subject)
        self.started += 1
        try:
            return follow(started)
        finally:
            # One that is not removed here ends by its own limits and is removed by the server.
            with contextlib.suppress(GpuopsError):
                started.remove()

    def _ended(self, started: StartedLook, look: Look, subject: str) -> LookStatus:
        """Wait until a look has ended. Raises ``NotLooked`` as soon as it cannot run, and when its time is over."""
        start = _Start(look, subject)

        def observe() -> LookStatus:
            found = self.last = started.status()
            start.observe(found, self._host.clock())
            self.ran = self.ran or found.status.phase == RUNNING or found.exit_status is not None
            # It is gone with its pod, which the server may remove before the look has ended.
            if look.as_root:
                self.root_report = _content(found.root_report) or self.root_report
            return found

        try:
            return Waiter(self._platform, self._host).wait(
                observe,
                lambda found: found.is_over,
                start.failure,
                start.describe,
                look.start_limit + look.time_limit + _MARGIN,
                f"a look inside the cluster at {subject} has ended",
                lambda found: promoted(start.findings),
            )
        except PlatformUnreachable:
            raise
        except GpuopsError as error:
            raise NotLooked(error.message, error.findings) from error

    def _settled(self, started: StartedLook, look: Look, copies: _Copies) -> None:
        """Wait until of each copy it is known what comes of it. Raises ``NotLooked`` where none came to an end."""

        def observe() -> LookStatus:
            found = started.status()
            copies.observe(found)
            return found

        try:
            Waiter(self._platform, self._host).wait(
                observe,
                lambda found: copies.are_settled(),
                lambda found, seconds: None,
                lambda found: copies.describe(),
                look.start_limit + look.time_limit + _MARGIN,
                f"{copies.number} looks inside the cluster at {copies.subject} have ended",
            )
        except PlatformUnreachable:
            raise
        except GpuopsError as error:
            if not copies.give_up(error):
                raise NotLooked(error.message, error.findings) from error


class _Start:
    """What is known of a look that has not ended."""

    def __init__(self, look: Look, subject: str) -> None:
        self._look = look
        self._subject = subject
        self._history = StatusHistory()
        self.findings: list[Finding] = []

    def observe(self, found: LookStatus, now: float) -> None:
        """Take in how it is at the time ``now``: its pod fails to start as that of a workload does."""
        self._history.observe(found.status, now)
        self.findings = [] if found.is_over else diagnose(found.status, self._history)

    def failure(self, found: LookStatus, seconds: float) -> Finding | None:
        """Return why waiting on is useless, or ``None``."""
        hopeless = errors_of(self.findings)
        if hopeless:
            return hopeless[0]
        if found.status.phase == RUNNING or seconds < self._look.start_limit:
            return None
        told = [*(finding.evidence for finding in self.findings), *said(found.status)]
        because = f" {sentence(shortened(told[0]))}" if told else ""
        evidence = f"it did not begin to run within {self._look.start_limit:.0f} s.{because}"
        hint = f"Make room for a small pod ({_needed(self._look)}) where the workload may run."
        return Finding(ERROR, "look_not_started", evidence, hint, self._subject)

    def describe(self, found: LookStatus) -> str:
        """Return the progress line."""
        told = [finding.evidence for finding in self.findings] or said(found.status)
        because = f": {shortened(told[0], 160)}" if told and found.status.phase != RUNNING else ""
        far = how_far(found.printed)
        now = "ended" if found.is_over else f"{found.status.phase}{because or (far and f': {far}')}"
        return f"{self._look.workload}: looking inside the cluster at {self._subject}: {now}"


def _needed(look: Look) -> str:
    """Return what the pod of a look takes, in words."""
    needs = look.needs
    gpus = f"{needs.gpus} GPU" if needs.gpus else "no GPU"
    return ", ".join(["100m CPU", "64Mi memory", *(f"{count} {name}" for name, count in needs.resources.items()), gpus])


class _Copies:
    """What is known of the copies of a look that have not all ended."""

    def __init__(self, look: Look, subject: str, host: Host) -> None:
        self.number = look.copies.number if look.copies else 1
        self.subject = subject
        self._look = look
        self._host = host
        self._began = host.clock()
        self._starts = [_Start(look, subject) for _copy in range(self.number)]
        self._found: tuple[LookStatus, ...] = ()
        self._failures: dict[int, Finding] = {}
        self._root_reports: dict[int, Mapping[str, Any]] = {}

    def observe(self, found: LookStatus) -> None:
        """Take in how they are: each fails to start on its own. One that somebody removed is over for all."""
        self._found = found.copies or (found,) * self.number
        now = self._host.clock()
        for index, copy in enumerate(self._found):
            # It is gone with its pod, which the server may remove before the look has ended.
            as_root = _content(copy.root_report)
            if as_root is not None:
                self._root_reports[index] = as_root
            self._starts[index].observe(copy, now)
            failure = None if copy.is_over else self._starts[index].failure(copy, now - self._began)
            if failure is not None:
                self._failures.setdefault(index, failure)

    def are_settled(self) -> bool:
        """Say whether of each it is known what comes of it."""
        return all(copy.is_over or index in self._failures for index, copy in enumerate(self._found))

    def give_up(self, error: GpuopsError) -> bool:
        """Give up those that have not ended; say whether any has."""
        failure = next(iter(error.findings), Finding(ERROR, "look_failed", error.message, "", self.subject))
        for index, copy in enumerate(self._found):
            if not copy.is_over:
                self._failures.setdefault(index, failure)
        return any(copy.is_over for copy in self._found)

    def describe(self) -> str:
        """Return the progress line: that of the first one that has not ended, and how many have."""
        ended = sum(copy.is_over for copy in self._found)
        waited = next((index for index, copy in enumerate(self._found) if not copy.is_over), 0)
        return f"{self._starts[waited].describe(self._found[waited])} ({ended} of {self.number} ended)"

    def outcomes(self) -> list[CopyOutcome]:
        """Return what came of each."""
        return [self._outcome(index, copy) for index, copy in enumerate(self._found)]

    def _outcome(self, index: int, copy: LookStatus) -> CopyOutcome:
        machine = next((pod.machine for pod in copy.status.pods if pod.machine), None)
        as_root = self._root_reports.get(index)
        if not copy.is_over:
            return CopyOutcome(index, machine, failure=self._failures[index], root_report=as_root)
        try:
            return CopyOutcome(index, machine, report=_report(copy, self.subject), root_report=as_root)
        except NotLooked as error:
            return CopyOutcome(index, machine, failure=error.findings[0], root_report=as_root)


def _report(found: LookStatus, subject: str) -> Mapping[str, Any]:
    """Return what a look that has ended reports. Raises ``NotLooked``."""
    _judge_removal(found, subject)
    content = _content(found.report)
    if found.exit_status != 0 and not (found.exit_status == _TIME_UP and content is not None):
        status = "without an exit status" if found.exit_status is None else f"with exit status {found.exit_status}"
        # After a failure the report is what the command printed last.
        told = "; ".join([*said(found.status), *found.report.splitlines()[-1:]])
        evidence = f"it ended {status}: {sentence(shortened(told) or 'nothing says why')}"
        hint = "The image has to have python3 on its PATH; otherwise this is a defect of the collection."
        raise _not_looked("look_failed", evidence, hint, subject)
    if content is None:
        evidence = f"it left no report: {sentence(shortened(found.report) or 'nothing at all')}"
        raise _not_looked("look_failed", evidence, "This is a defect of the collection: please report it.", subject)
    return content


def _judge_removal(found: LookStatus, subject: str) -> None:
    """Raise ``NotLooked`` where a look is gone without having ended."""
    if found.status.deleted:
        hint = "Another run at the same moment starts its own: run again after it."
        raise _not_looked("look_removed", "somebody removed it before it had ended.", hint, subject)


def _content(report: str) -> Mapping[str, Any] | None:
    """Return the object that a report is, or ``None``."""
    try:
        content = json.loads(report)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _not_looked(cause: str, evidence: str, hint: str, subject: str) -> NotLooked:
    finding = Finding(ERROR, cause, evidence, hint, subject)
    return NotLooked(f"a look inside the cluster at {finding.sentence()}", [finding])
