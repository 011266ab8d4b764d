# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's part: one keeper per pod, which pulls, starts, probes and restarts its container."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from gpuops_sandbox.cluster import pod_http
from gpuops_sandbox.cluster.events import record_pod_event
from gpuops_sandbox.cluster.objects import Pod, Workload
from gpuops_sandbox.cluster.pod_request import ContainerConfigError, build_request
from gpuops_sandbox.cluster.volumes import MountFailed, Tables
from gpuops_sandbox.control_plane.switches import Switches
from gpuops_sandbox.runtime.contract import ImageNotFound, PodRequest, PodRuntime, RunningPod

KUBELET = "kubelet"
CONFIG_RETRY_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 300.0
NO_PROBE_PORT = 80


class Surroundings(Protocol):
    """What a keeper needs of the cluster around it."""

    runtime: PodRuntime
    tables: Tables
    switches: Switches

    def changed(self, workload: Workload) -> None:
        """Something about the workload's pods changed: look at its phase again."""


class PodKeeper:
    """Keeps one pod's container running, in the way the kubelet does.

    ``ended`` is called with the pod each time its container has ended; where it returns False, the keeper leaves the
    pod alone (its whole group is about to be recreated).
    """

    def __init__(
        self, around: Surroundings, workload: Workload, pod: Pod, group: list[Pod], ended: Callable[[Pod], bool]
    ) -> None:
        self._around = around
        self._workload = workload
        self._pod = pod
        self._group = group
        self._ended = ended
        self._watched: RunningPod | None = None

    async def keep(self) -> None:
        """Run the container, again and again, until the restart policy or a cancellation ends it."""
        while True:
            handle = await self._start()
            code = await self._watch(handle)
            if not self._after_end(code):
                return
            await self._back_off_restart()

    async def _start(self) -> RunningPod:
        delay = self._around.switches.image_backoff_seconds
        while True:
            try:
                request = build_request(
                    self._workload, self._pod, self._group, self._around.tables, self._around.switches.command_splitting
                )
                self._event("Pulling", f'Pulling image "{self._pod.plan.image}"')
                handle = await _uninterrupted(self._around.runtime, request)
            except MountFailed as error:
                self._wait_with("ContainerCreating", str(error), "FailedMount", str(error))
                await asyncio.sleep(CONFIG_RETRY_SECONDS)
            except ContainerConfigError as error:
                self._wait_with("CreateContainerConfigError", str(error), "Failed", f"Error: {error}")
                await asyncio.sleep(CONFIG_RETRY_SECONDS)
            except ImageNotFound:
                await self._back_off_image(delay)
                delay = min(delay * 2, LONGEST_BACKOFF_SECONDS)
            except OSError as error:
                self._wait_with("RunContainerError", str(error), "Failed", f"Error: {error}")
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_BACKOFF_SECONDS)
            else:
                self._started(handle)
                return handle

    def _started(self, handle: RunningPod) -> None:
        pod = self._pod
        self._event("Pulled", f'Successfully pulled image "{pod.plan.image}"')
        self._event("Created", "Created container: workload")
        self._event("Started", "Started container workload")
        pod.handle = handle
        pod.log_path = handle.log_path
        pod.kubernetes_phase = "Running"
        pod.waiting_reason = pod.waiting_message = None
        pod.started_at = pod.updated_at = time.time()
        pod.ready = pod.plan.readiness is None
        self._around.changed(self._workload)

    async def _watch(self, handle: RunningPod) -> int:
        self._watched = handle
        probing = asyncio.create_task(self._probe(handle)) if self._pod.plan.readiness else None
        try:
            return await asyncio.shield(asyncio.ensure_future(handle.wait()))
        finally:
            self._watched = None
            if probing is not None:
                probing.cancel()
                await asyncio.gather(probing, return_exceptions=True)

    def _after_end(self, code: int) -> bool:
        pod = self._pod
        pod.handle, pod.ready = None, False
        pod.exit_code = code
        pod.restarts += 1
        pod.updated_at = time.time()
        again = self._ended(pod)
        self._around.changed(self._workload)
        return again

    async def _back_off_restart(self) -> None:
        """Wait as the kubelet does: not before the first restart, then 10, 20, 40 ... seconds."""
        pod = self._pod
        if pod.restarts <= 1:
            return
        seconds = min(self._around.switches.restart_backoff_seconds * 2 ** (pod.restarts - 2), LONGEST_BACKOFF_SECONDS)
        name = f"{pod.name}_{pod.namespace}({pod.id})"
        self._wait_with(
            "CrashLoopBackOff",
            f"back-off {seconds:g}s restarting failed container=workload pod={name} (last exit code {pod.exit_code})",
            "BackOff",
            f"Back-off restarting failed container workload in pod {name}",
        )
        await asyncio.sleep(seconds)

    async def _back_off_image(self, seconds: float) -> None:
        image = self._pod.plan.image
        message = f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": not found'
        self._event("Failed", f'Failed to pull image "{image}": {message}', warning=True)
        self._wait_with("ErrImagePull", message, "Failed", "Error: ErrImagePull")
        self._event("BackOff", f'Back-off pulling image "{image}"')
        self._wait_with("ImagePullBackOff", f'Back-off pulling image "{image}"', "Failed", "Error: ImagePullBackOff")
        await asyncio.sleep(seconds)

    def _wait_with(self, reason: str, message: str, event_reason: str, event_message: str) -> None:
        pod = self._pod
        pod.waiting_reason, pod.waiting_message = reason, message
        pod.updated_at = time.time()
        self._event(event_reason, event_message, warning=True)
        self._around.changed(self._workload)

    async def _probe(self, handle: RunningPod) -> None:
        """Probe readiness by real HTTP for as long as the container runs."""
        probe = self._pod.plan.readiness or {}
        get = (probe.get("handler") or {}).get("httpGet") or {}
        needed = {True: probe.get("successThreshold") or 1, False: probe.get("failureThreshold") or 3}
        row, last = 0, False
        await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
        while True:
            failure = await self._probe_once(get, float(probe.get("timeoutSeconds") or 1))
            if self._watched is not handle:
                # Until Python 3.12 `asyncio.wait_for` can lose a cancellation that comes together with the answer.
                return
            good = failure is None
            row, last = (row + 1 if good is last else 1), good
            if failure is not None:
                self._event("Unhealthy", f"Readiness probe failed: {failure}", warning=True)
            if row >= needed[good] and self._pod.ready is not good:
                self._pod.ready = good
                self._pod.updated_at = time.time()
                self._around.changed(self._workload)
            await asyncio.sleep(probe.get("periodSeconds") or 10)

    async def _probe_once(self, get: dict[str, object], timeout: float) -> str | None:
        port = int(str(get.get("port") or self._pod.plan.serving_port or NO_PROBE_PORT))
        path = str(get.get("path") or "/")
        url = f"http://{self._pod.address}:{port}{path}"
        try:
            reply = await pod_http.request(self._pod, port, "GET", path, timeout=timeout)
        except TimeoutError:
            return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        except ConnectionError as error:
            return f'Get "{url}": dial tcp {self._pod.address}:{port}: {error}'
        return None if 200 <= reply.status < 400 else f"HTTP probe failed with statuscode: {reply.status}"

    def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        record_pod_event(self._workload, self._pod, reason, message, warning=warning, source=KUBELET)


async def _uninterrupted(runtime: PodRuntime, request: PodRequest) -> RunningPod:
    """Start a pod; a cancellation in the middle kills what was started instead of losing it."""
    starting = asyncio.ensure_future(runtime.start(request))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        try:
            handle = await starting
        except (OSError, ImageNotFound):
            raise asyncio.CancelledError from None
        await handle.kill()
        raise
