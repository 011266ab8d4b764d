# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command in a pod: what its channels say, how it ended, and why it did not run."""

from __future__ import annotations

import json
import time
from typing import Any, cast

import pytest
import websocket
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    COMMAND_FAILED,
    ENDPOINT_UNREACHABLE,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    CommandResult,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import commands
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.channels import Channels
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.commands import NotRun, run_command
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_commands import run_in_pod
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import Call, refusal
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import PODS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    INTERRUPTED,
    TIMED_OUT,
    HttpError,
    HttpReply,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor
from hypothesis import given
from hypothesis import strategies as st
from scripted_websocket import ScriptedWebSocket

PATH = "/api/v1/namespaces/my-project/pods/w-0/exec"
SMI = ("nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader")
SUCCESS = b'\3{"metadata":{},"status":"Success"}'
NOT_FOUND = (
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "nvidia-smi": executable file not '
    "found in $PATH: unknown"
)


def failure_status(**fields: Any) -> bytes:
    """Return the last channel's message about a command that did not succeed."""
    return b"\3" + json.dumps({"metadata": {}, "status": "Failure", **fields}).encode()


def ended_with(code: str) -> bytes:
    message = f"command terminated with non-zero exit code: exit status {code}"
    causes = [{"reason": "ExitCode", "message": code}]
    return failure_status(message=message, reason="NonZeroExitCode", details={"causes": causes})


class Opened:
    """Stands for the opening of a connection: keeps what was asked for, and gives scripted messages."""

    def __init__(self, messages: list[bytes], end: Exception | None = None) -> None:
        self.scripted = ScriptedWebSocket(messages, end)
        self.path = ""
        self.protocols: tuple[str, ...] = ()

    def __call__(self, _access: Any, path: str, protocols: Any, time_limit: float, _agent: str) -> Channels:
        self.path, self.protocols = path, tuple(protocols)
        return Channels(self.scripted, time.monotonic() + time_limit, time_limit)


def run(
    monkeypatch: pytest.MonkeyPatch, messages: list[bytes], end: Exception | None = None, limit: int = 1000
) -> tuple[CommandResult, Opened]:
    opened = Opened(messages, end)
    monkeypatch.setattr(commands, "open_channels", opened)
    try:
        return run_command(cast(Any, None), PATH, "vllm", SMI, 5, "agent", limit), opened
    finally:
        assert opened.scripted.is_over


def test_the_command_goes_in_the_query_word_by_word(monkeypatch: pytest.MonkeyPatch) -> None:
    _result, opened = run(monkeypatch, [SUCCESS])
    path, _mark, query = opened.path.partition("?")
    assert path == PATH
    assert query == (
        "container=vllm&stdout=true&stderr=true&command=nvidia-smi&command=--query-gpu%3Dindex%2Cname"
        "&command=--format%3Dcsv%2Cnoheader"
    )
    assert opened.protocols == ("v5.channel.k8s.io", "v4.channel.k8s.io")
    assert opened.scripted.frames == []


def test_outputs_and_success(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first, empty message says that the connection stands.
    result, _opened = run(monkeypatch, [b"\1", b"\0010, NVIDIA", b"\2warning\n", b"\1 H100\n", SUCCESS])
    assert result == CommandResult(0, "0, NVIDIA H100\n", "warning\n")


def test_an_exit_status_is_no_failure_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _opened = run(monkeypatch, [b"\1No devices were found\n", ended_with("6")])
    assert result == CommandResult(6, "No devices were found\n", "")


def test_a_server_that_leaves_the_connection_open_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _opened = run(monkeypatch, [b"\1out", SUCCESS], websocket.WebSocketTimeoutException())
    assert result.output == "out"


@pytest.mark.parametrize(
    "status",
    [
        failure_status(message=NOT_FOUND, reason="InternalError", code=500),
        failure_status(message=NOT_FOUND, reason="NonZeroExitCode"),
        failure_status(message=NOT_FOUND, details={"causes": [{"reason": "ExitCode", "message": "many"}]}),
        b"\3[]",
    ],
)
def test_what_did_not_run_is_told(monkeypatch: pytest.MonkeyPatch, status: bytes) -> None:
    with pytest.raises(NotRun) as error:
        run(monkeypatch, [status])
    assert error.value.reason in (NOT_FOUND, "no message")


@pytest.mark.parametrize("messages", [[], [b"\1half"], [b"\1out", b"\3not json"]])
def test_an_end_without_a_status_is_an_interruption(monkeypatch: pytest.MonkeyPatch, messages: list[bytes]) -> None:
    with pytest.raises(HttpError) as error:
        run(monkeypatch, messages)
    assert error.value.kind == INTERRUPTED


def test_a_command_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HttpError) as error:
        run(monkeypatch, [b"\1out"], websocket.WebSocketTimeoutException())
    assert (error.value.kind, error.value.reason) == (TIMED_OUT, "no answer within 5 s")


@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(1, 60))
def test_of_each_output_the_beginning_is_kept(pieces: list[bytes], limit: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        messages = [bytes((channel,)) + piece for piece in pieces for channel in (1, 2)]
        result, _opened = run(monkeypatch, [*messages, SUCCESS], limit=max(limit, len(SUCCESS)))
    whole = b"".join(pieces)[: max(limit, len(SUCCESS))].decode("utf-8", "replace")
    assert (result.output, result.errors) == (whole, whole)


# In the words of the interface


class FailingClient:
    """A client whose command does not run."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def execute(self, pod: str, container: str, command: Any, time_limit: float) -> CommandResult:
        """Fail."""
        raise self._error


def refused(code: int, message: str) -> Exception:
    reply = HttpReply(code, {}, json.dumps({"kind": "Status", "message": message, "reason": "x"}).encode())
    return refusal(reply, Call("create", PODS, "my-project", "w-0", "exec"), Redactor())


FORBIDDEN = refused(
    403,
    'pods "w-0" is forbidden: User "me" cannot create resource "pods/exec" in API group "" in the namespace '
    '"my-project"',
)


@pytest.mark.parametrize(
    ("error", "cause", "told"),
    [
        (FORBIDDEN, NOT_REACHABLE_FROM_HERE, "user me may not create pods/exec in namespace my-project"),
        (
            refused(500, "error dialing backend: dial tcp 10.0.0.7:10250: i/o timeout"),
            NOT_REACHABLE_FROM_HERE,
            "10.0.0.7:10250",
        ),
        (refused(500, 'container not found ("vllm")'), ENDPOINT_UNREACHABLE, "container not found"),
        (NotRun(NOT_FOUND), COMMAND_FAILED, "nvidia-smi could not be started: OCI runtime exec failed"),
        (HttpError(TIMED_OUT, "no answer within 5 s", True, True), NO_ANSWER_IN_TIME, "pod w-0: no answer within 5 s"),
        (HttpError(INTERRUPTED, "the connection was dropped", True, True), ENDPOINT_UNREACHABLE, "dropped"),
    ],
)
def test_why_a_command_did_not_run(error: Exception, cause: str, told: str) -> None:
    with pytest.raises(Unreachable) as caught:
        run_in_pod(cast(Any, FailingClient(error)), "w-0", "vllm", SMI, 5)
    assert caught.value.cause == cause
    assert told in caught.value.reason


def test_what_the_right_is_needed_for_is_told() -> None:
    with pytest.raises(Unreachable, match="how much memory the GPUs of the pods use"):
        run_in_pod(cast(Any, FailingClient(FORBIDDEN)), "w-0", "vllm", SMI, 5)
