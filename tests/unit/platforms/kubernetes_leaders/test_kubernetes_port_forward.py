# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP over the channels of a port-forward: how messages come makes no difference, and every end is told."""

from __future__ import annotations

import time
from typing import Any

import pytest
import websocket
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.channels import Channels
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.port_forward import (
    ForwardedPort,
    send_through,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    INTERRUPTED,
    TIMED_OUT,
    TOO_LARGE,
    UNREACHABLE,
    HttpError,
    HttpReply,
)
from hypothesis import given
from hypothesis import strategies as st
from scripted_websocket import ScriptedWebSocket

PORT = (8000).to_bytes(2, "little")
BEGIN = [b"\0" + PORT, b"\1" + PORT]
# uvicorn says that it closes the connection where it is asked to.
CLOSING = b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n{"a": "b"}'
OLD = b'HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n{"a": "b"}'
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"a": "b"}\n'
CHUNKED = b'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n5\r\n "b"}\r\n0\r\n\r\n'


def exchange(
    messages: list[bytes], end: Exception | None = None, body: bytes | None = None, limit: int = 100, seconds: float = 5
) -> tuple[HttpReply, ScriptedWebSocket]:
    scripted = ScriptedWebSocket(messages, end)
    port = ForwardedPort(Channels(scripted, time.monotonic() + seconds, seconds))
    try:
        reply = send_through(
            port, "w-0:8000", "POST" if body else "GET", "/v1/models", {"Authorization": "Bearer key"}, body, limit
        )
    finally:
        assert scripted.is_over
    return reply, scripted


def failure(messages: list[bytes], end: Exception | None = None, **options: Any) -> HttpError:
    with pytest.raises(HttpError) as error:
        exchange(messages, end, **options)
    return error.value


def test_the_request_is_plain_http_on_the_first_channel() -> None:
    reply, scripted = exchange([*BEGIN, b"\0" + ANSWER], body=b"{}")
    assert (reply.status, reply.json(), reply.headers["content-type"]) == (200, {"a": "b"}, "application/json")
    assert {frame[0] for frame in scripted.frames} == {0}
    head, _empty, content = scripted.sent.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    assert (first, content) == ("POST /v1/models HTTP/1.1", b"{}")
    assert {"Host: w-0:8000", "Authorization: Bearer key", "Connection: close", "Content-Length: 2"} <= set(fields)


@given(st.sampled_from([ANSWER, CHUNKED, CLOSING, OLD]), st.data())
def test_messages_may_be_cut_anywhere(answer: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(answer) - 1), max_size=8)))
    pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    place = data.draw(st.integers(1, len(pieces)))
    messages = [BEGIN[0], *(b"\0" + piece for piece in pieces)]
    messages.insert(place, BEGIN[1])
    reply, _scripted = exchange(messages)
    assert reply.json() == {"a": "b"}


def test_an_answer_may_end_with_the_connection() -> None:
    reply, _scripted = exchange([*BEGIN, b"\0HTTP/1.1 200 OK\r\n\r\nabc"])
    assert reply.text() == "abc"
    closed = websocket.WebSocketConnectionClosedException()
    reply, _scripted = exchange([*BEGIN, b"\0HTTP/1.1 200 OK\r\n\r\nabc"], closed)
    assert reply.text() == "abc"


def test_a_body_that_is_sent_in_pieces_is_whole() -> None:
    body = bytes(range(256)) * 1024
    _reply, scripted = exchange([*BEGIN, b"\0" + ANSWER], body=body)
    assert scripted.sent.endswith(body)
    assert max(map(len, scripted.frames)) <= 64 * 1024 + 1


def test_what_the_kubelet_says_is_told() -> None:
    text = b"\1error forwarding port 8000 to pod x: dial tcp4 127.0.0.1:8000: connect: connection refused\n"
    error = failure([*BEGIN, text])
    assert error.kind == UNREACHABLE
    assert error.reason.endswith("connect: connection refused")


@pytest.mark.parametrize(
    ("messages", "end"),
    [
        ([], None),
        (BEGIN, websocket.WebSocketConnectionClosedException()),
        ([*BEGIN, b"\0HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"], None),
        ([*BEGIN, b"\0not http at all\r\n\r\n"], None),
        ([*BEGIN, b"\0HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"], OSError(104, "reset")),
        (BEGIN, websocket.WebSocketProtocolException("rsv is not implemented, yet")),
    ],
)
def test_an_end_in_the_middle_is_told(messages: list[bytes], end: Exception | None) -> None:
    assert failure(messages, end).kind == INTERRUPTED


def test_limits_of_time_and_size() -> None:
    assert failure(BEGIN, websocket.WebSocketTimeoutException()).kind == TIMED_OUT
    assert failure([*BEGIN, b"\0" + ANSWER], seconds=-1).kind == TIMED_OUT
    assert exchange([*BEGIN, b"\0" + ANSWER], limit=11)[0].status == 200
    assert failure([*BEGIN, b"\0" + ANSWER], limit=10).kind == TOO_LARGE
