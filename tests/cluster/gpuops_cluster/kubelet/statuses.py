# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statuses of pods and containers as a kubelet of Kubernetes 1.36 writes them. Pure.

The wording is that of the kubelet's source (pkg/kubelet: status/generate.go, container/sync_result.go,
kuberuntime/kuberuntime_manager.go, images/image_manager.go, eviction/helpers.go) and of containerd.
"""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

from gpuops_cluster.kubelet.pods import Pod

# pkg/kubelet/container: MaxContainerTerminationMessageLogLength and MaxContainerTerminationMessageLogLines
MESSAGE_BYTES = 2048
MESSAGE_LINES = 80
HOST_ADDRESS = "127.0.0.1"
NEVER_STARTED = "1970-01-01T00:00:00Z"
# The exit status of a process that ended by SIGKILL, and of one that runc could not start.
KILLED = 137
NOT_STARTED = 128

State = dict[str, Any]


def now() -> str:
    """Return the time as the API writes it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def container_id(pod: Pod, container: str, restarts: int) -> str:
    """Return the identity of one run of a container."""
    return f"containerd://{hashlib.sha256(f'{pod.uid}/{container}/{restarts}'.encode()).hexdigest()}"


def running(started: str) -> State:
    """The state of a container that runs."""
    return {"running": {"startedAt": started}}


def waiting(reason: str, message: str | None = None) -> State:
    """The state of a container that has not started, or not again."""
    return {"waiting": {"reason": reason} | ({} if message is None else {"message": message})}


def terminated(identity: str, reason: str, exit_code: int, started: str, message: str = "") -> State:
    """The state of a container that has ended."""
    content = {
        "containerID": identity,
        "exitCode": exit_code,
        "finishedAt": now(),
        "reason": reason,
        "startedAt": started,
    }
    return {"terminated": content | ({"message": message} if message else {})}


def termination_message(pod: Pod, container: dict[str, Any]) -> str:
    """Return the end of the log where the container asks for it on errors, else nothing: none writes the file."""
    if container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return ""
    lines = pod.log(container["name"])[-MESSAGE_LINES:]
    text = "".join(f"{line}\n" for line in lines).encode()
    return text[-MESSAGE_BYTES:].decode("utf-8", "ignore")


def container_status(
    pod: Pod,
    container: dict[str, Any],
    state: State,
    *,
    last: State | None = None,
    restarts: int = 0,
    ready: bool = False,
    started: bool = False,
    created: bool = True,
) -> dict[str, Any]:
    """Return the whole status of one container; ``created``: the runtime has made it at least once."""
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": f"{container['image'].split(':')[0]}@sha256:{'0' * 64}" if created else "",
        **({"containerID": container_id(pod, container["name"], restarts)} if created else {}),
        "lastState": last or {},
        "ready": ready,
        "restartCount": restarts,
        "started": started,
        "state": state,
    }


def other_containers(pod: Pod, started: str) -> list[dict[str, Any]]:
    """Return the statuses of all containers but the first: they run and are ready."""
    return [
        container_status(pod, container, running(started), ready=True, started=True) for container in pod.containers[1:]
    ]


def init_containers(pod: Pod, started: str) -> list[dict[str, Any]]:
    """Return the statuses of the init containers: they have done their work."""
    statuses = []
    for container in pod.content["spec"].get("initContainers", []):
        identity = container_id(pod, container["name"], 0)
        state = terminated(identity, "Completed", 0, started)
        statuses.append(container_status(pod, container, state, ready=True, started=False))
    return statuses


class PodStatus:
    """Puts statuses together and keeps what must not change from one to the next: start time, transition times."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._start = now()
        self._transitions: dict[str, tuple[str, str]] = {}

    def whole(self, first: dict[str, Any], phase: str) -> dict[str, Any]:
        """Return the status of the pod for this status of its first container (a patch: conditions merge by type)."""
        statuses = [first, *other_containers(self._pod, self._start)]
        unready = [status["name"] for status in statuses if not status["ready"]]
        content: dict[str, Any] = {
            "phase": phase,
            "startTime": self._start,
            "hostIP": HOST_ADDRESS,
            "hostIPs": [{"ip": HOST_ADDRESS}],
            "podIP": self._pod.address,
            "podIPs": [{"ip": self._pod.address}],
            "conditions": self._conditions(unready, phase),
            "containerStatuses": statuses,
        }
        initial = init_containers(self._pod, self._start)
        return content | ({"initContainerStatuses": initial} if initial else {})

    def evicted(self, first: dict[str, Any], message: str) -> dict[str, Any]:
        """Return the status after an eviction by the kubelet."""
        content = self.whole(first, "Failed")
        content |= {"reason": "Evicted", "message": message}
        target = {"status": "True", "reason": "TerminationByKubelet", "message": message}
        content["conditions"].append(self._condition("DisruptionTarget", target))
        return content

    def _conditions(self, unready: list[str], phase: str) -> list[dict[str, Any]]:
        if phase in ("Failed", "Succeeded"):
            ready = {"status": "False", "reason": "PodFailed" if phase == "Failed" else "PodCompleted"}
        elif unready:
            names = " ".join(unready)
            message = f"containers with unready status: [{names}]"
            ready = {"status": "False", "reason": "ContainersNotReady", "message": message}
        else:
            ready = {"status": "True"}
        return [
            self._condition("PodReadyToStartContainers", {"status": "True"}),
            self._condition("Initialized", {"status": "True"}),
            self._condition("Ready", ready),
            self._condition("ContainersReady", ready),
        ]

    def _condition(self, kind: str, content: dict[str, str]) -> dict[str, Any]:
        known, time = self._transitions.get(kind, ("", ""))
        if known != content["status"]:
            time = now()
            self._transitions[kind] = (content["status"], time)
        # What an earlier status said is taken back: the patch would keep it.
        return {"type": kind, "reason": None, "message": None, "lastTransitionTime": time} | content
