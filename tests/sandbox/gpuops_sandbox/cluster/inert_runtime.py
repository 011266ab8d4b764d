# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod runtime that starts no process: its pods are ready at once and answer by a call.

A stand-in for tests of the control plane and of its clients (hundreds of workloads, faults, kill points). Nothing about
an engine is claimed from it. Its pods answer and fail like the stand-in image of the real runtime, by the same
``STAND_IN_*`` variables (``runtime/stand_in_server.py``), but for ``STAND_IN_IGNORE_TERM``: there is no process.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path

from gpuops_sandbox.cluster.pod_http import Reply
from gpuops_sandbox.runtime.contract import ImageNotFound, PodRequest
from gpuops_sandbox.runtime.stand_in_server import StandIn, read_command_line

MISSING_TAGS = ("missing", "no-such-tag")
KILLED = 137
TERMINATED = 143
FIRST_ADDRESS = 0x0A4D0002  # 10.77.0.2
SHELL = ("sh", "-c")
# The collection asks by it whether files are as they should be. There are none here, so nothing is wrong with them.
QUESTION = "GPUOPS_QUESTION"
WAITING = ("STAND_IN_CHAT_HANGS", "STAND_IN_CHAT_DELAY")


class InertPod:
    """A pod that is only a record."""

    def __init__(self, request: PodRequest, words: tuple[str, ...], log_path: Path) -> None:
        loop = asyncio.get_running_loop()
        self.pid = 0
        self.address = request.address
        self.log_path = log_path
        told = {name: value for name, value in request.environment.items() if name not in WAITING}
        self._stand_in = StandIn(read_command_line(list(words)), told)
        self._waiting = StandIn(read_command_line(list(words)), dict(request.environment))
        self._ended: asyncio.Future[int] = loop.create_future()
        self._going = asyncio.Event()
        self._going.set()
        self._listens_at = loop.time() + float(self._stand_in.fault("READY_AFTER", "0"))
        code = self._stand_in.fault("EXIT_CODE")
        if code:
            loop.call_later(float(self._stand_in.fault("EXIT_AFTER", "0")), self._end, int(code))
        elif QUESTION in request.environment:
            loop.call_soon(self._end, 0)

    async def wait(self) -> int:
        """Return the exit code once the pod has ended."""
        return await asyncio.shield(self._ended)

    async def stop(self, grace_seconds: float) -> int:
        """End at once: there is no process that could need its grace."""
        return self._end(TERMINATED)

    async def kill(self) -> int:
        """End at once."""
        return self._end(KILLED)

    def pause(self) -> None:
        """Answer nothing from now on."""
        self._going.clear()

    def resume(self) -> None:
        """Answer again."""
        self._going.set()

    async def respond(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Answer like the stand-in image; a follower (``--headless``) and a pod that is not ready listen nowhere."""
        await self._going.wait()
        silent = self._stand_in.headless or self._stand_in.fault("NEVER_READY") == "1"
        if self._ended.done() or silent or asyncio.get_running_loop().time() < self._listens_at:
            raise ConnectionRefusedError(f"{self.address}: connection refused")
        if path.endswith("/completions"):
            if self._waiting.fault("CHAT_HANGS") == "1":
                await asyncio.Event().wait()
            await asyncio.sleep(float(self._waiting.fault("CHAT_DELAY", "0")))
        status, document = self._stand_in.answer(method, path.partition("?")[0], headers, body)
        if document is None:
            return Reply(status, (("content-type", "text/plain"),), b"")
        return Reply(status, (("content-type", "application/json"),), json.dumps(document).encode())

    def _end(self, code: int) -> int:
        if not self._ended.done():
            self._ended.set_result(code)
        return self._ended.result()


class InertRuntime:
    """Implements ``PodRuntime`` without processes, networks or root."""

    def __init__(self, state_directory: Path) -> None:
        self._logs = state_directory / "logs"
        self._next = FIRST_ADDRESS
        self._released: list[str] = []

    async def start(self, request: PodRequest) -> InertPod:
        """Make a pod; images whose tag is ``missing`` or ``no-such-tag`` do not exist."""
        if request.image.rpartition(":")[2] in MISSING_TAGS:
            raise ImageNotFound(request.image)
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{request.namespace}.{request.name}.log"
        words = _engine_words(request)
        log.write_text(f"inert stand-in, nothing runs here: vllm {shlex.join(words)}\n", encoding="utf-8")
        return InertPod(request, words, log)

    async def prepare_network(self) -> None:
        """Nothing to make."""

    def allocate_address(self) -> str:
        """Return an address that no other pod has; nothing listens there."""
        if self._released:
            return self._released.pop(0)
        number = self._next
        self._next += 1
        return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))

    def release_address(self, address: str) -> None:
        """Give an address back."""
        self._released.append(address)


def _engine_words(request: PodRequest) -> tuple[str, ...]:
    """Return what would be handed to ``vllm``: the words after it, also out of a ``sh -c`` line."""
    words = (*request.command, *request.arguments)
    if words[:2] == SHELL:
        words = tuple(shlex.split(words[2]))
    return words[words.index("vllm") + 1 :] if "vllm" in words else words
