# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods as real processes: bubblewrap, an own network namespace, a real user, a private /dev/shm.

Needs root and, around it, the sandbox's own mount, PID and network namespaces (`gpuops_sandbox.launcher` makes
them): with those everything here goes too. One event loop serves all pods; a pod costs no thread.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from itertools import count
from json import loads
from pathlib import Path

from gpuops_sandbox.runtime.bubblewrap import bubblewrap_command, bubblewrap_options
from gpuops_sandbox.runtime.contract import PodRequest
from gpuops_sandbox.runtime.images import ImageTable
from gpuops_sandbox.runtime.network import PodNetwork
from gpuops_sandbox.runtime.processes import (
    ChildProcess,
    DescriptorFiles,
    processes_in_namespace,
    program_of,
    read_to_end,
)

# Starts at a time: more only wait for each other's turn at the kernel's network lock.
_CONCURRENT_STARTS = 8
_SETUP_PROGRAMS = frozenset({"bwrap", "setpriv"})
_SETUP_POLL_SECONDS = 0.005
_SETUP_LIMIT_SECONDS = 30.0


class Pod:
    """A started pod: see `gpuops_sandbox.runtime.contract.RunningPod`."""

    def __init__(self, pid: int, address: str, log_path: Path, monitor: ChildProcess, network: PodNetwork) -> None:
        self.pid = pid
        self.address = address
        self.log_path = log_path
        self._monitor = monitor
        self._end = asyncio.create_task(self._clean_up(network))

    async def _clean_up(self, network: PodNetwork) -> int:
        code = await self._monitor.wait()
        await network.disconnect(self.address)
        return code

    async def wait(self) -> int:
        """Return the exit code of the main process once it has ended and nothing of the pod is left."""
        return await asyncio.shield(self._end)

    async def stop(self, grace_seconds: float) -> int:
        """Send SIGTERM to the main process, SIGKILL to the whole pod after ``grace_seconds``."""
        self._signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.wait(), grace_seconds)
        except asyncio.TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        """Kill every process at once: the kernel does it when process 1 of the namespace is gone."""
        self._signal(signal.SIGKILL)
        return await self.wait()

    def pause(self) -> None:
        """Stop every process of the pod."""
        self._signal(signal.SIGSTOP)
        stopped: set[int] = set()
        # Again until nothing new is found: a process may have started another before it was stopped.
        while found := set(self.processes()) - stopped:
            self._signal_each(found, signal.SIGSTOP)
            stopped |= found

    def resume(self) -> None:
        """Let a paused pod go on."""
        self._signal_each(set(self.processes()), signal.SIGCONT)

    def processes(self) -> list[int]:
        """Return the process ids of the pod as the sandbox sees them, the main process first."""
        return [] if self._monitor.ended else processes_in_namespace(self.pid)

    def _signal(self, number: signal.Signals) -> None:
        if not self._monitor.ended:
            self._signal_each({self.pid}, number)

    @staticmethod
    def _signal_each(pids: set[int], number: signal.Signals) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


class BubblewrapRuntime:
    """Starts pods: see `gpuops_sandbox.runtime.contract.PodRuntime`. Logs lie in ``state_directory``/logs."""

    def __init__(self, state_directory: Path, images: ImageTable) -> None:
        if os.geteuid() != 0:
            raise PermissionError("pods with their own users need root: run the sandbox as root")
        program = shutil.which("bwrap")
        if program is None:
            raise FileNotFoundError("`bwrap` is missing: apt-get install bubblewrap")
        self._program = program
        self._images = images
        self._logs = state_directory / "logs"
        self._network = PodNetwork()
        self._numbers = count(1)
        self._turns = asyncio.Semaphore(_CONCURRENT_STARTS)

    async def prepare_network(self) -> None:
        """Make the bridge the pods are plugged into; idempotent."""
        await self._network.prepare()

    def allocate_address(self) -> str:
        """Return an IPv4 address that no running pod has."""
        return self._network.allocate()

    def release_address(self, address: str) -> None:
        """Give an address back."""
        self._network.release(address)

    async def start(self, request: PodRequest) -> Pod:
        """Start a pod and return it once its main process runs.

        Raises ``ImageNotFound``, or ``OSError`` with the cause when it cannot be set up: a missing volume folder,
        a command that is not in the image, a network error. A start that is cancelled goes to its end first (a few
        hundredths of a second): half of a pod could not be removed cleanly.
        """
        starting = asyncio.create_task(self._start(request))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            for outcome in await asyncio.gather(starting, return_exceptions=True):
                if isinstance(outcome, Pod):
                    await outcome.kill()
            raise

    async def _start(self, request: PodRequest) -> Pod:
        image = self._images.resolve(request.image)
        for mount in request.mounts:
            if mount.source is not None and not mount.source.exists():
                raise FileNotFoundError(f"volume folder {mount.source} of mount {mount.path} does not exist")
        log_path = self._logs / request.namespace / f"{request.name}.{next(self._numbers)}.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        command = bubblewrap_command(request, image)
        async with self._turns:
            with DescriptorFiles() as files:
                options = bubblewrap_options(request, image, files.add)
                # By descriptor, not on the command line: environment values are nobody's business and may be long.
                options_file = files.add(b"\0".join(option.encode() for option in options) + b"\0")
                argv = [self._program, "--args", str(options_file)]
                pod = await self._launch(request, argv, command, files, log_path)
            await _wait_for_main_process(request, pod)
        return pod

    async def _launch(
        self, request: PodRequest, argv: list[str], command: list[str], files: DescriptorFiles, log_path: Path
    ) -> Pod:
        info_read, info_write = os.pipe()
        block_read, block_write = os.pipe()
        with log_path.open("wb") as log:
            popen = subprocess.Popen(
                [*argv, "--info-fd", str(info_write), "--block-fd", str(block_read), "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={},
                pass_fds=(*files.descriptors, info_write, block_read),
                start_new_session=True,
            )
        os.close(info_write)
        os.close(block_read)
        monitor = ChildProcess(popen)
        try:
            pid = await self._connect(await read_to_end(info_read), request)
            os.write(block_write, b"1")
        except BaseException as error:
            monitor.kill()
            await monitor.wait()
            if (text := _text(log_path)).startswith("bwrap: "):
                raise OSError(f"pod {request.name} cannot be set up: {text}") from error
            raise
        finally:
            os.close(block_write)
        return Pod(pid, request.address, log_path, monitor, self._network)

    async def _connect(self, information: bytes, request: PodRequest) -> int:
        if not information:
            raise OSError(f"pod {request.name} cannot be set up: bubblewrap said nothing of its process")
        pid = int(loads(information)["child-pid"])
        await self._network.connect(pid, request.address)
        return pid


async def _wait_for_main_process(request: PodRequest, pod: Pod) -> None:
    """Return when the pod's own program runs (or ran); raise ``OSError`` when the set-up before it failed."""
    deadline = asyncio.get_running_loop().time() + _SETUP_LIMIT_SECONDS
    while (program := program_of(pod.pid)) in _SETUP_PROGRAMS:
        if asyncio.get_running_loop().time() > deadline:
            await pod.kill()
            limit = f"{_SETUP_LIMIT_SECONDS:.0f} s"
            raise OSError(f"pod {request.name} was not set up within {limit}: {_text(pod.log_path)}")
        await asyncio.sleep(_SETUP_POLL_SECONDS)
    if program is None:
        await pod.wait()
        text = _text(pod.log_path)
        if text.startswith(("bwrap: ", "setpriv: ")):
            raise OSError(f"pod {request.name} cannot be started: {text}")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[:1000].strip()
