# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lives of pods that do not simply run, step by step. Pure: whoever plays a step waits afterwards as it says.

Times are those of a kubelet where they matter (10 s, doubled up to 300 s, between restarts), and short where a real one
needs as long as the image or the model does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gpuops_cluster.kubelet.pods import Pod
from gpuops_cluster.kubelet.statuses import (
    KILLED,
    NEVER_STARTED,
    NOT_STARTED,
    PodStatus,
    State,
    container_id,
    container_status,
    now,
    running,
    terminated,
    termination_message,
    waiting,
)

# Seconds until a program that fails has failed.
RUN_SECONDS = 0.4
# Between two states that a kubelet writes directly after each other: long enough to be seen by a watch.
STEP_SECONDS = 0.1
SLOW_SECONDS = 3.0
EVICTION_SECONDS = 1.0
PROBE_PERIOD_SECONDS = 10.0
# pkg/kubelet: the first wait between restarts (and between pulls), doubled each time, and the longest one.
BACK_OFF_SECONDS = 10.0
LONGEST_BACK_OFF_SECONDS = 300.0


@dataclass(frozen=True)
class Event:
    """An event about a pod; ``container``: the one that it is about."""

    reason: str
    message: str
    type: str = "Normal"
    container: str = ""


@dataclass(frozen=True)
class Step:
    """One status to write, the events that go with it, and how many seconds it holds."""

    status: dict[str, Any]
    events: tuple[Event, ...] = ()
    seconds: float = STEP_SECONDS


def life(pod: Pod) -> Iterator[Step]:
    """Return the steps of a pod that is played; they may never end."""
    return _LIVES[pod.image.name](pod)


def back_off(times: int) -> tuple[float, str]:
    """Return how long a kubelet waits the first, second, ... of ``times``: in seconds, and as it writes that (Go's
    duration)."""
    seconds = min(BACK_OFF_SECONDS * 2 ** min(times - 1, 10), LONGEST_BACK_OFF_SECONDS)
    minutes, rest = divmod(int(seconds), 60)
    return seconds, f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _started_events(pod: Pod, restarts: int) -> tuple[Event, ...]:
    container = pod.containers[0]
    image, name = container["image"], container["name"]
    pulled = f'Container image "{image}" already present on machine'
    return (
        Event("Pulled", pulled, container=name),
        Event("Created", "Container created", container=name),
        Event("Started", "Container started", container=name),
    )


def _crashes(pod: Pod, ended: Callable[[str, str], State], runs: bool = True) -> Iterator[Step]:
    """A container that ends again and again, in the state ``ended(identity, started)``; ``runs``: it starts at all."""
    container = pod.containers[0]
    name = container["name"]
    status = PodStatus(pod)
    last: State | None = None
    restarts = 0
    while True:
        started, identity = now(), container_id(pod, name, restarts)
        common: dict[str, Any] = {"last": last, "restarts": restarts}
        if runs:
            first = container_status(
                pod, container, running(started), started="startupProbe" not in container, ready=False, **common
            )
            yield Step(status.whole(first, "Running"), _started_events(pod, restarts), RUN_SECONDS)
        state = ended(identity, started if runs else NEVER_STARTED)
        over = pod.restart_policy == "Never"
        first = container_status(pod, container, state, **common)
        events = () if runs else (Event("Failed", f"Error: {state['terminated']['message']}", "Warning", name),)
        yield Step(status.whole(first, "Failed" if over else "Running"), events)
        if over:
            return
        last = state
        # A kubelet restarts a container at once the first time, and waits from then on.
        if restarts:
            seconds, words = back_off(restarts)
            message = f"back-off {words} restarting failed container={name} pod={pod.full_name}"
            first = container_status(pod, container, waiting("CrashLoopBackOff", message), last=last, restarts=restarts)
            words = f"Back-off restarting failed container {name} in pod {pod.full_name}"
            yield Step(status.whole(first, "Running"), (Event("BackOff", words, "Warning", name),), seconds)
        restarts += 1


def _crash_loop(pod: Pod) -> Iterator[Step]:
    message = termination_message(pod, pod.containers[0])
    return _crashes(pod, lambda identity, started: terminated(identity, "Error", 1, started, message))


def _oom_killed(pod: Pod) -> Iterator[Step]:
    message = termination_message(pod, pod.containers[0])
    return _crashes(pod, lambda identity, started: terminated(identity, "OOMKilled", KILLED, started, message))


def _process_killed(pod: Pod) -> Iterator[Step]:
    """One of the container's processes met the memory limit, as its kernel ends them one by one (cgroup v1)."""
    message = termination_message(pod, pod.containers[0])
    return _crashes(pod, lambda identity, started: terminated(identity, "OOMKilled", 1, started, message))


def _killed(pod: Pod) -> Iterator[Step]:
    message = termination_message(pod, pod.containers[0])
    return _crashes(pod, lambda identity, started: terminated(identity, "Error", KILLED, started, message))


def _follower_ends(pod: Pod) -> Iterator[Step]:
    """A follower whose worker died ends with exit code 0; the leader does not notice."""
    if not pod.is_follower:
        return _unready(pod, None)
    return _crashes(pod, lambda identity, started: terminated(identity, "Completed", 0, started))


def _no_program(pod: Pod) -> Iterator[Step]:
    container = pod.containers[0]
    program = (container.get("command") or container.get("args") or ["vllm"])[0]
    message = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        f'unable to start container process: error during container init: exec: "{program}": executable file not '
        "found in $PATH"
    )
    return _crashes(
        pod, lambda identity, started: terminated(identity, "StartError", NOT_STARTED, started, message), runs=False
    )


def _image_missing(pod: Pod) -> Iterator[Step]:
    image = pod.image.whole
    return _failing_pulls(
        pod,
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to resolve reference '
        f'"{image}": {image}: not found',
    )


def _image_denied(pod: Pod) -> Iterator[Step]:
    image = pod.image.whole
    return _failing_pulls(
        pod,
        f'rpc error: code = Unknown desc = failed to pull and unpack image "{image}": failed to resolve reference '
        f'"{image}": pull access denied, repository does not exist or may require authorization: server message: '
        "insufficient_scope: authorization failed",
    )


def _image_too_large(pod: Pod) -> Iterator[Step]:
    image = pod.image.whole
    return _failing_pulls(
        pod,
        f'rpc error: code = Unknown desc = failed to pull and unpack image "{image}": failed to extract layer '
        "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef: write /var/lib/containerd/"
        "io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs/usr/lib/libcublas.so: no space left on device: unknown",
    )


def _failing_pulls(pod: Pod, error: str) -> Iterator[Step]:
    container = pod.containers[0]
    image, name = container["image"], container["name"]
    status = PodStatus(pod)

    def state(reason: str, message: str | None) -> dict[str, Any]:
        first = container_status(pod, container, waiting(reason, message), created=False)
        return status.whole(first, "Pending")

    yield Step(state("ContainerCreating", None), (Event("Pulling", f'Pulling image "{image}"', container=name),))
    for times in itertools.count(1):
        failed = (
            Event("Failed", f'Failed to pull image "{image}": {error}', "Warning", name),
            Event("Failed", "Error: ErrImagePull", "Warning", name),
        )
        yield Step(state("ErrImagePull", error), failed, 5 * STEP_SECONDS)
        waits = (
            Event("BackOff", f'Back-off pulling image "{image}"', container=name),
            Event("Failed", "Error: ImagePullBackOff", "Warning", name),
        )
        message = f'Back-off pulling image "{image}": ErrImagePull: {error}'
        yield Step(state("ImagePullBackOff", message), waits, back_off(times)[0])


# What a mount fails for, by the image's tag.
_MOUNT_ERRORS = {
    "path-missing": "hostPath type check failed: /srv/models is not a directory",
    "export-missing": "mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs "
    "10.0.0.1:/models /var/lib/kubelet/pods/x/volumes/kubernetes.io~nfs/models\nOutput: mount.nfs: mounting "
    "10.0.0.1:/models failed, reason given by server: No such file or directory\n",
    "access-denied": "mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs "
    "10.0.0.1:/models /var/lib/kubelet/pods/x/volumes/kubernetes.io~nfs/models\nOutput: mount.nfs: access denied by "
    "server while mounting 10.0.0.1:/models\n",
    "read-only": "mkdir /var/lib/kubelet/pods/x/volumes/kubernetes.io~nfs/models: read-only file system",
    "no-answer": "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
}


def _mount_fails(pod: Pod) -> Iterator[Step]:
    """Volumes of the pod cannot be mounted; a kubelet tries again, at first every half second."""
    container = pod.containers[0]
    first = container_status(pod, container, waiting("ContainerCreating"), created=False)
    volume = next(
        (entry["name"] for entry in pod.content["spec"].get("volumes", []) if "persistentVolumeClaim" in entry), "x"
    )
    error = _MOUNT_ERRORS.get(pod.image.tag, _MOUNT_ERRORS["no-answer"])
    event = Event("FailedMount", f'MountVolume.SetUp failed for volume "{volume}" : {error}', "Warning")
    status = PodStatus(pod).whole(first, "Pending")
    for times in itertools.count():
        yield Step(status, (event,), min(0.5 * 2**times, 120.0))


def _config_error(pod: Pod) -> Iterator[Step]:
    container = pod.containers[0]
    name = container["name"]
    sources = [entry.get("valueFrom", {}).get("secretKeyRef") for entry in container.get("env", [])]
    secret = next((source["name"] for source in sources if source), None)
    if secret is None:
        message = f'container has runAsNonRoot and image will run as root (pod: "{pod.full_name}", container: {name})'
    else:
        message = f'secret "{secret}" not found'
    first = container_status(pod, container, waiting("CreateContainerConfigError", message), created=False)
    event = Event("Failed", f"Error: {message}", "Warning", name)
    yield Step(PodStatus(pod).whole(first, "Pending"), (event,))


def _probe(container: dict[str, Any]) -> str:
    """Return which probe a container that does not answer fails first, or nothing where it has none."""
    return next((kind for kind in ("startupProbe", "readinessProbe") if kind in container), "")


def _refused(pod: Pod, container: dict[str, Any]) -> Event:
    kind = _probe(container)
    http = container[kind].get("httpGet", {})
    where = f"{pod.address}:{http.get('port', 8000)}"
    words = f'Get "http://{where}{http.get("path", "/")}": dial tcp {where}: connect: connection refused'
    return Event(
        "Unhealthy", f"{kind.removesuffix('Probe').capitalize()} probe failed: {words}", "Warning", container["name"]
    )


def _unready(pod: Pod, seconds: float | None) -> Iterator[Step]:
    """Runs, and answers its probes after so many seconds, or never. Without probes it is ready at once."""
    container = pod.containers[0]
    status, started = PodStatus(pod), now()
    if _probe(container):
        first = container_status(pod, container, running(started), started="startupProbe" not in container)
        probes = (_refused(pod, container),) if seconds is None else ()
        whole = status.whole(first, "Running")
        yield Step(whole, (*_started_events(pod, 0), *probes), PROBE_PERIOD_SECONDS if seconds is None else seconds)
        while seconds is None:
            yield Step(whole, probes, PROBE_PERIOD_SECONDS)
    first = container_status(pod, container, running(started), ready=True, started=True)
    yield Step(status.whole(first, "Running"))


def _slow(pod: Pod) -> Iterator[Step]:
    return _unready(pod, pod.image.seconds(SLOW_SECONDS))


def _never_ready(pod: Pod) -> Iterator[Step]:
    return _unready(pod, None)


def _evicted(pod: Pod) -> Iterator[Step]:
    name = pod.containers[0]["name"]
    return _evictions(
        pod,
        "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 9Gi. "
        f"Container {name} was using 64Gi, request is 0, has larger consumption of ephemeral-storage. ",
        is_ready=True,
    )


def _writes_too_much(pod: Pod) -> Iterator[Step]:
    """It fills its scratch folder while it starts."""
    return _evictions(pod, 'Usage of EmptyDir volume "scratch" exceeds the limit "10Gi". ', is_ready=False)


def _evictions(pod: Pod, message: str, is_ready: bool) -> Iterator[Step]:
    container = pod.containers[0]
    name = container["name"]
    status, started = PodStatus(pod), now()
    first = container_status(pod, container, running(started), ready=is_ready, started=is_ready)
    yield Step(status.whole(first, "Running"), _started_events(pod, 0), pod.image.seconds(EVICTION_SECONDS))
    state = terminated(container_id(pod, name, 0), "Error", KILLED, started)
    events = (
        Event("Evicted", message, "Warning"),
        Event("Killing", f"Stopping container {name}", container=name),
    )
    yield Step(status.evicted(container_status(pod, container, state), message), events)


_LIVES: dict[str, Callable[[Pod], Iterator[Step]]] = {
    "slow": _slow,
    "never-ready": _never_ready,
    "crash-loop": _crash_loop,
    "oom-killed": _oom_killed,
    "process-killed": _process_killed,
    "killed": _killed,
    "follower-ends": _follower_ends,
    "no-program": _no_program,
    "image-missing": _image_missing,
    "image-denied": _image_denied,
    "image-too-large": _image_too_large,
    "config-error": _config_error,
    "mount-fails": _mount_fails,
    "evicted": _evicted,
    "writes-too-much": _writes_too_much,
}
