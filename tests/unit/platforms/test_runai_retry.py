# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repetition: what is repeated, how long, and that waiting is said and can be interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Patience, Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    REFUSED,
    TIMED_OUT,
    UNTRUSTED,
    HttpError,
    HttpReply,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import InterruptedByParent
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from runai_examples import FakeTime

GONE = HttpError(REFUSED, "the connection was refused", False, True)
DATE = "Mon, 23 Nov 2026 16:00:00 GMT"


def reply(status: int, **headers: str) -> HttpReply:
    return HttpReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}")


def playing(*outcomes: HttpReply | HttpError) -> Callable[[], HttpReply]:
    """Return an attempt with these outcomes in turn, the last one for ever."""
    left = list(outcomes)

    def attempt() -> HttpReply:
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, HttpError):
            raise outcome
        return outcome

    return attempt


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(retry: Retry, time: FakeTime, said: list[str], status: int) -> None:
    assert retry.call(playing(reply(status), reply(200))).status == 200
    assert sum(time.slept) == 1.0
    assert said == [f"[    0s] control plane busy ({status}), trying again in 1 s"]


@pytest.mark.parametrize("status", [200, 202, 301, 400, 401, 403, 404, 405, 409, 501])
def test_other_answers_are_final(retry: Retry, time: FakeTime, status: int) -> None:
    assert retry.call(playing(reply(status), reply(200))).status == status
    assert time.slept == []


def test_delays_double_up_to_a_bound(retry: Retry, time: FakeTime) -> None:
    began = time.now
    assert retry.call(playing(*[reply(503)] * 6, reply(200))).status == 200
    assert time.now - began == 1 + 2 + 4 + 8 + 15 + 15


def test_jitter_halves_a_delay_at_most(host: Host, time: FakeTime) -> None:
    Retry(host, jitter=lambda: 0.0).call(playing(reply(503), reply(503), reply(200)))
    assert sum(time.slept) == 0.5 + 1.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0", 1.0), ("3600", 60.0), ("Mon, 23 Nov 2026 16:00:09 GMT", 9.0), (DATE, 1.0)],
)
def test_retry_after_is_honoured_within_bounds(retry: Retry, time: FakeTime, value: str, seconds: float) -> None:
    assert retry.call(playing(reply(429, retry_after=value, date=DATE), reply(200))).status == 200
    assert sum(time.slept) == seconds


@pytest.mark.parametrize("value", ["soon", "-5", "1.5e400", "Mon, 99 Foo 2026", ""])
def test_retry_after_without_meaning_is_ignored(retry: Retry, time: FakeTime, value: str) -> None:
    assert retry.call(playing(reply(429, retry_after=value), reply(200))).status == 200
    assert sum(time.slept) == 1.0


def test_a_date_without_the_servers_own_date_is_read_by_the_local_clock(host: Host, time: FakeTime) -> None:
    epoch = "Thu, 01 Jan 1970 00:00:30 GMT"
    Retry(host, wall_clock=lambda: 10.0).call(playing(reply(503, retry_after=epoch), reply(200)))
    assert sum(time.slept) == 20.0


def test_a_server_that_is_gone_for_a_minute_is_survived(retry: Retry, time: FakeTime, said: list[str]) -> None:
    back_at = time.now + 60

    def attempt() -> HttpReply:
        if time.now < back_at:
            raise GONE
        return reply(200)

    assert retry.call(attempt).status == 200
    assert time.now - back_at <= 15
    assert "control plane not answering (the connection was refused), trying again in 1 s" in said[0]


def test_patience_ends_with_the_last_error(retry: Retry, time: FakeTime) -> None:
    began = time.now
    with pytest.raises(HttpError) as caught:
        retry.call(playing(GONE))
    assert caught.value is GONE
    assert 90 < time.now - began <= 120


def test_patience_ends_with_the_last_answer(host: Host, time: FakeTime) -> None:
    began = time.now
    assert Retry(host, Patience(total_seconds=10)).call(playing(reply(503))).status == 503
    assert time.now - began <= 10


def test_calls_can_be_bounded_together(retry: Retry, time: FakeTime) -> None:
    began = time.now
    with retry.within(9):
        assert retry.call(playing(reply(503), reply(503), reply(200))).status == 200
        with retry.within(100):
            assert retry.time_limit(30) == 6
            assert retry.call(playing(reply(503))).status == 503
        assert time.now - began <= 9
        assert retry.time_limit(30) == began + 9 - time.now
        time.now += 60
        assert retry.time_limit(30) == 1
        with pytest.raises(HttpError):
            retry.call(playing(GONE))
    assert retry.time_limit(30) == 30
    assert retry.call(playing(*[reply(503)] * 6, reply(200))).status == 200


def test_what_does_not_pass_is_not_repeated(retry: Retry, time: FakeTime) -> None:
    with pytest.raises(HttpError):
        retry.call(playing(HttpError(UNTRUSTED, "the certificate is not trusted")))
    assert time.slept == []


def test_the_caller_decides_what_is_safe_to_repeat(retry: Retry, time: FakeTime) -> None:
    with pytest.raises(HttpError):
        retry.call(
            playing(HttpError(TIMED_OUT, "no answer", True, True), reply(200)),
            repeat_error=lambda error: not error.maybe_executed,
        )
    assert retry.call(playing(reply(503), reply(200)), lambda status: status == 429).status == 503
    assert time.slept == []


def test_waiting_ends_when_the_parent_is_gone(host: Host, time: FakeTime) -> None:
    def alive() -> None:
        if sum(time.slept) >= 4:
            raise InterruptedByParent("gone")

    with pytest.raises(InterruptedByParent):
        Retry(replace(host, alive=alive)).call(playing(reply(503, retry_after="60")))
    assert sum(time.slept) <= 6
