# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The one wait: until a state is reached, or known to be out of reach, or a time limit is over.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    ERROR,
    Finding,
    most_severe_first,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

T = TypeVar("T")

# Seconds between two polls: 3 % of the time since the last change, so that polling adds at most 2 s to a start that
# takes a minute, and within these bounds: no burden at first, and never more than 2.5 s late, however long it takes.
SHORTEST_INTERVAL = 1.0
LONGEST_INTERVAL = 2.5
INTERVAL_SHARE = 0.03


class Bounded(Protocol):
    """What answers requests, in a time that can be bounded."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what all requests sent inside may take together."""


class Waiter:
    """Looks at something, at its news or with back-off, says what it sees, and knows when to stop."""

    def __init__(self, answering: Bounded, host: Host) -> None:
        self._answering = answering
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
        await_news: Callable[[float], None] | None = None,
        rest: float = 0.0,
    ) -> T:
        """Look with ``observe`` until its state is ``done`` and return that state.

        ``failure`` gets the state and the seconds waited, and returns the finding that makes waiting useless;
        ``describe`` is the progress line; ``what`` completes "gave up waiting until ..."; ``explain`` gives the
        findings that explain a state (asked only when the wait fails). ``await_news`` returns as soon as there is news,
        and after the seconds it is given at the latest; then comes the next look, but not within ``rest`` seconds.
        Raises ``GpuopsError`` with them on failure and when ``limit_seconds`` are over; its message says what was seen
        last.
        """
        began = changed = self._host.clock()
        last_text = ""
        while True:
            self._host.alive()
            left = limit_seconds - (self._host.clock() - began)
            try:
                with self._answering.within(max(left, 0.0)):
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
            if await_news is None:
                self._host.sleep(min(interval, left))
            else:
                await_news(min(interval, left))
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
