# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copies of a look meet over real connections of this machine's loopback. That a firewall between pods shows as one
that does not answer is tested in real pods: tests/e2e."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric import probe_meeting
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_meeting import Meeting

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
NAMES = [FIRST, SECOND]
LONG = 60.0


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for what does not come."""
    for name, seconds in {"PAUSE": 0.02, "PATIENCE": 0.3, "SILENCE": 0.3, "LINGER": 0.5, "SAMPLE": 0.05}.items():
        monkeypatch.setattr(probe_meeting, name, seconds)


@pytest.fixture
def ports() -> list[int]:
    """Two ports that are free."""
    with socket.create_server((FIRST, 0)) as one, socket.create_server((FIRST, 0)) as other:
        return [one.getsockname()[1], other.getsockname()[1]]


@pytest.fixture
def stranger(ports: list[int]) -> Iterator[int]:
    """A port on which something else answers."""
    with socket.create_server((SECOND, ports[0])) as listener:

        def answer() -> None:
            while True:
                try:
                    with listener.accept()[0] as connection:
                        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                except OSError:
                    return

        threading.Thread(target=answer, daemon=True).start()
        yield ports[0]


def met(*meetings: Meeting, seconds: float = LONG) -> list[list[dict[str, Any]]]:
    """Let copies meet at the same time, and return what each found."""
    with ThreadPoolExecutor(len(meetings)) as executor:
        return list(executor.map(lambda meeting: meeting.reaches(seconds), meetings))


def told(reaches: list[dict[str, Any]]) -> list[tuple[int, int, bool]]:
    return [(reach["peer"], reach["port"], reach["is_reached"]) for reach in reaches]


def test_two_find_each_other_on_all_ports(ports: list[int]) -> None:
    first, second = met(Meeting(0, NAMES, ports, "t", FIRST), Meeting(1, NAMES, ports, "t", SECOND))
    assert told(first) == [(1, port, True) for port in ports]
    assert told(second) == [(0, port, True) for port in ports]
    assert first[0]["bandwidth"] > 0 and first[1]["bandwidth"] is None, "one sample for each pair"


def test_one_that_comes_late_is_waited_for(ports: list[int]) -> None:
    begun = threading.Event()
    early, late = Meeting(0, NAMES, ports, "t", FIRST), Meeting(1, NAMES, ports, "t", SECOND)

    def come_late() -> list[dict[str, Any]]:
        begun.wait(LONG)
        return late.reaches(LONG)

    tried = early._try

    def try_and_tell(*words: Any) -> None:
        tried(*words)
        begun.set()

    early._try = try_and_tell  # the late one begins when it was missed once
    with ThreadPoolExecutor(2) as executor:
        results = [executor.submit(early.reaches, LONG), executor.submit(come_late)]
        assert all(reach["is_reached"] for result in results for reach in result.result())


def test_a_port_that_is_closed_is_told_apart(ports: list[int]) -> None:
    first, second = met(Meeting(0, NAMES, ports, "t", FIRST), Meeting(1, NAMES, ports[:1], "t", SECOND))
    assert told(first) == [(1, ports[0], True), (1, ports[1], False)]
    assert first[1]["error"] == "Connection refused"
    assert told(second) == [(0, ports[0], True)]


def test_one_that_never_comes_is_given_up(ports: list[int]) -> None:
    [alone] = met(Meeting(0, [FIRST, "no-such-copy.invalid"], ports, "t", FIRST), seconds=0.1)
    assert [reach["error"] for reach in alone] == ["its name is not known"] * 2


def test_one_that_never_answers_is_given_up_before_the_limit(ports: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_words: Any) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr(Meeting, "_connected", lost)
    [alone] = met(Meeting(0, NAMES, ports, "t", FIRST), seconds=3600)
    assert [reach["error"] for reach in alone] == ["timed out: nothing answers"] * 2


def test_another_program_is_no_copy(stranger: int) -> None:
    [alone] = met(Meeting(0, NAMES, [stranger], "t", FIRST), seconds=0.1)
    assert told(alone) == [(1, stranger, False)]
    assert alone[0]["error"] == "something else answers there"


def test_copies_of_another_run_are_none(ports: list[int]) -> None:
    first, second = met(
        Meeting(0, NAMES, ports[:1], "ours", FIRST), Meeting(1, NAMES, ports[:1], "theirs", SECOND), seconds=0.2
    )
    assert not first[0]["is_reached"] and not second[0]["is_reached"]


def test_a_port_that_is_taken_is_said(stranger: int) -> None:
    meeting = Meeting(1, NAMES, [stranger], "t", SECOND)
    met(meeting, seconds=0.1)
    assert len(meeting.errors) == 1 and f"listen on port {stranger}" in meeting.errors[0]


def test_many_copies_meet(ports: list[int]) -> None:
    names = [f"127.0.0.{number}" for number in range(2, 8)]
    results = met(*(Meeting(index, names, ports, "t", name) for index, name in enumerate(names)))
    assert all(reach["is_reached"] for result in results for reach in result)
    assert {len(result) for result in results} == {len(ports) * (len(names) - 1)}
