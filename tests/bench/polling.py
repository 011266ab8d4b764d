# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waiting adds to long starts and what it costs in looks: the real waiting code under a clock of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import cast

from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import Watcher
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import Platform
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from bench.figures import Figure

GROUP = "Polling, under a simulated clock"
# Seconds from the last visible change (all pods run, the engine loads) to readiness.
STARTS = (30.0, 120.0, 600.0, 1800.0)
SHIFTS = 50
LOOK_SECONDS = 0.05


class _Clock:
    """Time that passes only when it is slept or looked away."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


class _Platform:
    """A platform of which waiting asks nothing but to bound its requests."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound nothing: no request is sent."""
        return nullcontext()


def measure() -> list[Figure]:
    """Wait for starts of several lengths, each at many shifts, and return the mean and the longest delay."""
    figures = []
    for length in STARTS:
        delays, looks = [], 0
        for shift in range(SHIFTS):
            ready = length * (1 + 0.1 * shift / SHIFTS)
            clock = _waited(ready)
            delays.append(clock.now - ready)
            looks = max(looks, clock.looks)
        note = f"at most {max(delays):.1f} s, {looks} looks"
        mean = sum(delays) / len(delays)
        figures.append(Figure(GROUP, f"added to a start of {length:.0f} s", mean, "s", "under 3 s", note))
    return figures


def _waited(ready: float) -> _Clock:
    clock = _Clock()
    watcher = Watcher(cast(Platform, _Platform()), Host(clock=lambda: clock.now, sleep=clock.pass_by))

    def look() -> bool:
        clock.looks += 1
        answer = clock.now >= ready
        clock.pass_by(LOOK_SECONDS)
        return answer

    watcher.wait(look, bool, lambda _state, _seconds: None, str, 10 * ready, "the start is over")
    return clock
