# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod runtime that starts no process: its pods are ready at once and answer by a call.

A stand-in for tests of the control plane and of its clients (hundreds of workloads, faults, kill points). Nothing about
an engine is claimed from it. It obeys the same ``STAND_IN_*`` variables as the stand-in image of the real runtime, as
far as they are listed here:

* ``STAND_IN_EXIT_CODE`` (with ``STAND_IN_EXIT_AFTER`` seconds, default 0): the pod ends with that code;
* ``STAND_IN_NEVER_READY``: ``/health`` answers 503 for ever;
* ``STAND_IN_CHAT_STATUS``: completions answer with that status; ``STAND_IN_CHAT_HANGS``: they never answer.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from gpuops_sandbox.cluster.pod_http import Reply
from gpuops_sandbox.runtime.contract import ImageNotFound, PodRequest

MISSING_TAGS = ("missing", "no-such-tag")
KILLED = 137
TERMINATED = 143
FIRST_ADDRESS = 0x0A4D0002  # 10.77.0.2


class InertPod:
    """A pod that is only a record."""

    def __init__(self, request: PodRequest, log_path: Path) -> None:
        self.pid = 0
        self.address = request.address
        self.log_path = log_path
        self._request = request
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._going = asyncio.Event()
        self._going.set()
        code = request.environment.get("STAND_IN_EXIT_CODE")
        if code is not None:
            delay = float(request.environment.get("STAND_IN_EXIT_AFTER", "0"))
            asyncio.get_running_loop().call_later(delay, self._end, int(code))

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

    async def respond(self, method: str, path: str, body: bytes) -> Reply:
        """Answer like a served model; a follower (``--headless``) listens nowhere."""
        await self._going.wait()
        words = (*self._request.command, *self._request.arguments)
        if self._ended.done() or "--headless" in words:
            raise ConnectionRefusedError(f"{self.address}: connection refused")
        environment = self._request.environment
        if path == "/health":
            return _json(503 if "STAND_IN_NEVER_READY" in environment else 200, {})
        names = _values(words, "--served-model-name") or _model_of(words)
        if path == "/v1/models":
            return _json(200, {"object": "list", "data": [_model(name, words) for name in names]})
        if path == "/version":
            return _json(200, {"version": "0.0.0+stand-in"})
        if path.startswith("/get_world_size"):
            return _json(200, {"world_size": _world_size(words)})
        if method == "POST" and path in ("/v1/chat/completions", "/v1/completions"):
            return await self._complete(path, body, names)
        return _json(404, {"detail": "Not Found"})

    async def _complete(self, path: str, body: bytes, names: list[str]) -> Reply:
        environment = self._request.environment
        if "STAND_IN_CHAT_HANGS" in environment:
            await asyncio.Event().wait()
        status = int(environment.get("STAND_IN_CHAT_STATUS", "200"))
        if status != 200:
            return _json(status, {"error": {"message": "stand-in: told to fail", "type": "InternalServerError"}})
        asked = json.loads(body or b"{}").get("model")
        if asked not in names:
            message = f"The model `{asked}` does not exist."
            return _json(404, {"error": {"message": message, "type": "NotFoundError", "code": 404}})
        return _json(200, _completion(path, str(asked)))

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
        words = " ".join((*request.command, *request.arguments))
        log.write_text(f"inert stand-in, nothing runs here: {words}\n", encoding="utf-8")
        return InertPod(request, log)

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


def _json(status: int, body: Any) -> Reply:
    return Reply(status, (("content-type", "application/json"),), json.dumps(body).encode())


def _values(words: tuple[str, ...], flag: str) -> list[str]:
    for position, word in enumerate(words):
        if word.startswith(f"{flag}="):
            return [word.partition("=")[2]]
        if word == flag:
            following = words[position + 1 :]
            ends = [index for index, value in enumerate(following) if value.startswith("-")]
            return list(following[: ends[0]] if ends else following)
    return []


def _model_of(words: tuple[str, ...]) -> list[str]:
    given = _values(words, "--model")[:1]
    if given:
        return given
    if "serve" in words and words.index("serve") + 1 < len(words):
        return [words[words.index("serve") + 1]]
    return ["stand-in"]


def _model(name: str, words: tuple[str, ...]) -> dict[str, Any]:
    length = _values(words, "--max-model-len")
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "vllm",
        "root": _model_of(words)[0],
        "parent": None,
        "max_model_len": int(length[0]) if length and length[0].isdigit() else 256,
        "permission": [],
    }


def _world_size(words: tuple[str, ...]) -> int:
    size = 1
    for flags in (("--tensor-parallel-size", "-tp"), ("--pipeline-parallel-size", "-pp"), ("--data-parallel-size", "-dp")):
        given = [value for flag in flags for value in _values(words, flag)[:1]]
        size *= int(given[0]) if given else 1
    return size


def _completion(path: str, model: str) -> dict[str, Any]:
    text = "inert stand-in"
    chat = path.endswith("/chat/completions")
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "logprobs": None}
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        "id": "stand-in-0",
        "object": "chat.completion" if chat else "text_completion",
        "created": 0,
        "model": model,
        "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
    }
