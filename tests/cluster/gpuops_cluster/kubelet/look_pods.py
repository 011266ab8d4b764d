# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the pods of the collection's looks: their command, as a process of this machine and of the user who started the
cluster. Image, volumes, user and network of the pod count for nothing; its termination message is what a kubelet's
would be. The copies of one look have addresses of this machine's loopback, which stand in for those that pods have and
for the names that a cluster's DNS knows."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpuops_cluster.api import Api
from gpuops_cluster.kubelet.pods import Pod
from gpuops_cluster.kubelet.scenarios import Event, Step
from gpuops_cluster.kubelet.statuses import (
    MESSAGE_BYTES,
    MESSAGE_LINES,
    NEVER_STARTED,
    NOT_STARTED,
    PodStatus,
    State,
    container_id,
    container_status,
    now,
    running,
    terminated,
    waiting,
)

# pkg/kubelet/container: MaxContainerTerminationMessageLength
REPORT_BYTES = 4096
# The Job controller's: the variable with a copy's index is made of it.
INDEX = "batch.kubernetes.io/job-completion-index"
# How a look names its copies: JOB-INDEX.SERVICE.
_COPY = re.compile(r"\S+-(\d+)\.\S+")
_COPIES = "GPUOPS_LOOK_COPIES"


def life(pod: Pod, api: Api) -> Iterator[Step]:
    """Return the steps of a look's pod: of its init containers, one after the other, then of its own container. A
    process ends with whoever reads its steps."""
    status, variables, main = PodStatus(pod), _variables(pod, api), pod.containers[0]
    waits = status.whole(container_status(pod, main, waiting("PodInitializing"), created=False), "Pending")
    ended: list[dict[str, Any]] = []
    for container in pod.content["spec"].get("initContainers", []):
        for state, events in _states(pod, container, variables):
            before = [*ended, container_status(pod, container, state)]
            phase = "Failed" if _code(state) else "Pending"
            yield Step({**waits, "phase": phase, "initContainerStatuses": before}, events)
        if _code(state):
            return
        ended = before
    for state, events in _states(pod, main, variables):
        runs = "running" in state
        phase = "Running" if runs else "Failed" if _code(state) else "Succeeded"
        whole = status.whole(container_status(pod, main, state, ready=runs, started=runs), phase)
        yield Step({**whole, "initContainerStatuses": ended} if ended else whole, events)


def _states(
    pod: Pod, container: dict[str, Any], variables: dict[str, str]
) -> Iterator[tuple[State, tuple[Event, ...]]]:
    """Run a container's command and yield the container's states, the last one after its end."""
    identity, started = container_id(pod, container["name"], 0), now()
    with tempfile.TemporaryDirectory(prefix="gpuops-look-") as folder:
        message, printed = Path(folder) / "message", Path(folder) / "printed"
        message.touch()
        try:
            process = _started(container, variables, message, printed)
        except FileNotFoundError as error:
            yield terminated(identity, "StartError", NOT_STARTED, NEVER_STARTED, f"runc create failed: {error}"), ()
            return
        yield running(started), (Event("Started", "Container started", container=container["name"]),)
        try:
            while process.poll() is None:
                yield running(started), ()
        finally:
            process.kill()
            code = process.wait()
        yield _ended(identity, code, started, container, message, printed), ()


def _code(state: State) -> int:
    """Return the exit status of a state; 0 of one that is no end."""
    return int(state.get("terminated", {}).get("exitCode", 0))


def _started(
    container: dict[str, Any], variables: dict[str, str], message: Path, printed: Path
) -> subprocess.Popen[bytes]:
    """Start the command; where it would write its termination message, it writes to ``message``."""
    words = [*container["command"], *container.get("args", [])]
    words = [word.replace("$$", "$").replace(container["terminationMessagePath"], str(message)) for word in words]
    with printed.open("wb") as output:
        return subprocess.Popen(
            words,
            env={"PATH": os.environ.get("PATH", os.defpath), **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _variables(pod: Pod, api: Api) -> dict[str, str]:
    """Return the container's variables, those from Secrets too."""
    found = {}
    for entry in pod.containers[0].get("env", []):
        source = entry.get("valueFrom", {}).get("secretKeyRef")
        if source is None:
            found[entry["name"]] = _text(pod, entry)
            continue
        secret = api.get(f"/api/v1/namespaces/{pod.namespace}/secrets/{source['name']}")
        found[entry["name"]] = base64.b64decode(secret["data"][source["key"]]).decode()
    return found


def _text(pod: Pod, entry: dict[str, Any]) -> str:
    """Return the value of a variable that is stated, or taken from the pod itself."""
    index = pod.content["metadata"].get("annotations", {}).get(INDEX, "0")
    field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
    if field == "status.podIP":
        return _address(index)
    if INDEX in field:
        return str(index)
    value = str(entry.get("value", "")).replace("$$", "$")
    return _COPY.sub(lambda copy: _address(copy[1]), value) if entry["name"] == _COPIES else value


def _address(index: str) -> str:
    return f"127.0.0.{2 + int(index)}"


def _ended(identity: str, code: int, started: str, container: dict[str, Any], message: Path, printed: Path) -> State:
    """Return the state of the container after its end, with the message that a kubelet would read."""
    text = message.read_bytes()[:REPORT_BYTES]
    if code and not text and container["terminationMessagePolicy"] == "FallbackToLogsOnError":
        lines = printed.read_bytes().splitlines(keepends=True)[-MESSAGE_LINES:]
        text = b"".join(lines)[-MESSAGE_BYTES:]
    return terminated(identity, "Error" if code else "Completed", code, started, text.decode("utf-8", "replace"))
