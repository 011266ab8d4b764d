# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A command in a container of a pod, through the API server and the kubelet: exec over WebSocket.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import transport
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import CommandResult
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.authentication import Access
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.channels import (
    CHANNELS_V4,
    Channels,
    open_channels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError

# What API servers from 1.30 on speak best; it differs from its predecessor in how an input ends, and there is none.
_CHANNELS_V5 = "v5.channel.k8s.io"
_OUTPUT, _ERRORS, _STATUS = 1, 2, 3
# How the status object says that the command ran and failed (apimachinery, pkg/util/remotecommand).
_RAN_AND_FAILED, _EXIT_CODE = "NonZeroExitCode", "ExitCode"


class NotRun(Exception):
    """The command did not run at all; the text is what the container runtime says."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def run_command(
    access: Access,
    path: str,
    container: str,
    command: Sequence[str],
    time_limit: float,
    user_agent: str,
    output_limit: int,
) -> CommandResult:
    """Run a command in a container of the pod whose ``exec`` subresource is at ``path``, without any input.

    ``time_limit`` is in seconds, for all of it. Of each output the first ``output_limit`` bytes are kept. Raises
    ``NotRun``, ``NotOpened`` where the API server refuses, and ``HttpError`` where the connection breaks or no end came
    in time.
    """
    words = [("command", word) for word in command]
    query = urlencode([("container", container), ("stdout", "true"), ("stderr", "true"), *words])
    channels = open_channels(access, f"{path}?{query}", (_CHANNELS_V5, CHANNELS_V4), time_limit, user_agent)
    try:
        return _outcome(channels, output_limit)
    finally:
        channels.end()


def _outcome(channels: Channels, output_limit: int) -> CommandResult:
    """Read until the status comes, which is the last of all."""
    received: dict[int, bytes] = {_OUTPUT: b"", _ERRORS: b"", _STATUS: b""}
    while not received[_STATUS] and (message := channels.receive()) is not None:
        channel, content = message
        if channel in received:
            received[channel] += content[: output_limit - len(received[channel])]
    output, errors = (received[channel].decode("utf-8", "replace") for channel in (_OUTPUT, _ERRORS))
    return CommandResult(_exit_status(received[_STATUS]), output, errors)


def _exit_status(content: bytes) -> int:
    """Return the exit status that the last channel tells."""
    try:
        status: Mapping[str, Any] = mapping(json.loads(content))
    except ValueError:
        raise HttpError(
            transport.INTERRUPTED, "the connection was dropped before the command's end", True, True
        ) from None
    if status.get("status") == "Success":
        return 0
    causes = mappings(mapping(status.get("details")).get("causes"))
    code = next((str(cause.get("message")) for cause in causes if cause.get("reason") == _EXIT_CODE), "")
    if status.get("reason") == _RAN_AND_FAILED and code.isascii() and code.isdigit():
        return int(code)
    raise NotRun(" ".join(str(status.get("message") or "no message").split()))
