# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Repeats what is safe to repeat while the control plane is busy or gone for a while, on every platform.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError, HttpReply
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

BUSY_STATUSES = (408, 429, 500, 502, 503, 504)
# Bounds of a server's ``Retry-After`` in seconds, as in community.crypto's ACME client.
_SHORTEST_WAIT, _LONGEST_WAIT = 1.0, 60.0
# A wait is cut into pieces of this many seconds, so that the end of ansible-playbook is noticed.
_PIECE_SECONDS = 2.0
# A request near the end of a bounded time gets at least this many seconds.
_SHORTEST_REQUEST = 1.0


@dataclass(frozen=True)
class Patience:
    """How long to go on. ``total_seconds`` bounds all tries together: twice the minute that a control plane may be
    gone for (a restart of its pods). Delays double from ``first_delay`` to ``longest_delay``."""

    total_seconds: float = 120.0
    first_delay: float = 1.0
    longest_delay: float = 15.0


class Retry:
    """Repeats a request. ``jitter`` returns a number from 0 to 1, ``wall_clock`` the seconds since the epoch."""

    def __init__(
        self,
        host: Host,
        patience: Patience | None = None,
        jitter: Callable[[], float] = random.random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._host = host
        self._patience = patience or Patience()
        self._jitter = jitter
        self._wall_clock = wall_clock
        self._end = float("inf")

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bound what all calls inside may take together."""
        before = self._end
        self._end = min(before, self._host.clock() + seconds)
        try:
            yield
        finally:
            self._end = before

    def time_limit(self, seconds: float) -> float:
        """Return how many of the ``seconds`` that one request may take are left."""
        return min(seconds, max(self._end - self._host.clock(), _SHORTEST_REQUEST))

    def call(
        self,
        attempt: Callable[[], HttpReply],
        repeat_status: Callable[[int], bool] = BUSY_STATUSES.__contains__,
        repeat_error: Callable[[HttpError], bool] = lambda error: error.passing,
    ) -> HttpReply:
        """Return the first answer that is not to be repeated, or the last one when patience ends.

        Raises the last ``HttpError`` where no answer came at all, and ``InterruptedByParent`` between tries.
        """
        deadline = min(self._host.clock() + self._patience.total_seconds, self._end)
        tries = 0
        while True:
            self._host.alive()
            tries += 1
            try:
                reply = attempt()
            except HttpError as error:
                delay = self._backoff(tries)
                if not repeat_error(error) or self._host.clock() + delay > deadline:
                    raise
                self._wait(delay, f"control plane not answering ({error.reason})")
                continue
            if not repeat_status(reply.status):
                return reply
            delay = self._asked_for(reply) or self._backoff(tries)
            if self._host.clock() + delay > deadline:
                return reply
            self._wait(delay, f"control plane busy ({reply.status})")

    def pause(self, seconds: float) -> None:
        """Wait, noticing when ansible-playbook is gone."""
        left = seconds
        while left > 0:
            self._host.alive()
            piece = min(left, _PIECE_SECONDS)
            self._host.sleep(piece)
            left -= piece

    def _wait(self, delay: float, why: str) -> None:
        self._host.progress.say(f"{why}, trying again in {delay:.0f} s")
        self.pause(delay)

    def _backoff(self, tries: int) -> float:
        """Return a delay between half and all of the doubled one, so that many plays do not come back at once."""
        doubled = self._patience.first_delay * 2.0 ** min(tries - 1, 10)
        return min(doubled, self._patience.longest_delay) * (0.5 + self._jitter() / 2)

    def _asked_for(self, reply: HttpReply) -> float | None:
        """Return the seconds that the server asks to wait (a number or a date), within bounds, or ``None``."""
        value = reply.headers.get("retry-after", "").strip()
        if not value:
            return None
        seconds = float(value) if value.isascii() and value.isdigit() else self._seconds_until(value, reply)
        if seconds is None:
            return None
        return min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT)

    def _seconds_until(self, date: str, reply: HttpReply) -> float | None:
        """Return the seconds until an HTTP date, by the server's own clock where it says what that is."""
        then = _timestamp(date)
        if then is None:
            return None
        now = _timestamp(reply.headers.get("date", ""))
        return then - (self._wall_clock() if now is None else now)


def _timestamp(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
