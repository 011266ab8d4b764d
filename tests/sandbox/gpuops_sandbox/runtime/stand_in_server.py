# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny HTTP process that stands in for ``vllm serve`` where the engine is not the subject.

Nothing about the engine is claimed from it: it loads no model, reads no file, opens no channel to its followers, and
answers every chat with the same words. It takes vLLM's command line (what it does not need is ignored) and listens
like vLLM: connections are refused until it is ready. Standard library only, few imports: it starts in milliseconds.

Faults are told by the environment (``STAND_IN_ROLE`` = ``leader`` or ``follower`` limits them all to that role):

- ``STAND_IN_LOG``: text to print at the start
- ``STAND_IN_EXIT_CODE``: exit so, after ``STAND_IN_EXIT_AFTER`` seconds (0), before it listens
- ``STAND_IN_READY_AFTER``: seconds until it listens (0); ``STAND_IN_NEVER_READY=1``: it never does
- ``STAND_IN_IGNORE_TERM=1``: SIGTERM does not end it
- ``STAND_IN_HEALTH_STATUS``, ``STAND_IN_MODELS_STATUS``, ``STAND_IN_CHAT_STATUS``, ``STAND_IN_WORLD_SIZE_STATUS``:
  answer with that status
- ``STAND_IN_CHAT_HANGS=1``: a chat or completion is never answered; ``STAND_IN_CHAT_DELAY``: seconds before the answer
- ``STAND_IN_CHAT_TEXT``: the text of an answer; ``STAND_IN_WORLD_SIZE``: another world size than the command line's
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time

VERSION = "0.0.0+stand-in"
# vLLM's options that are read here: their spellings, and how many values they take ("+": all up to the next option).
_OPTIONS = {
    "model": ("--model",),
    "port": ("--port",),
    "host": ("--host",),
    "served_names": ("--served-model-name",),
    "tensor": ("--tensor-parallel-size", "-tp"),
    "pipeline": ("--pipeline-parallel-size", "-pp"),
    "data": ("--data-parallel-size", "-dp"),
    "rank": ("--node-rank", "-r"),
    "nodes": ("--nnodes", "-n"),
    "max_length": ("--max-model-len",),
    "api_key": ("--api-key",),
    "headless": ("--headless",),
}


def read_command_line(arguments: list[str]) -> dict[str, list[str]]:
    """Return the values of the options that are known here; ``model`` may also be the first word after ``serve``."""
    names = {spelling: name for name, spellings in _OPTIONS.items() for spelling in spellings}
    values: dict[str, list[str]] = {}
    current = ""
    words = arguments[1:] if arguments[:1] == ["serve"] else arguments
    for position, word in enumerate(words):
        if word.startswith("-"):
            spelling, _equals, value = word.partition("=")
            current = names.get(spelling.replace("_", "-"), "")
            values.setdefault(current, []).extend([value] if value else [])
        elif position == 0:
            values["model"] = [word]
        else:
            values.setdefault(current, []).append(word)
    return values


class StandIn:
    """The answers of one process."""

    def __init__(self, options: dict[str, list[str]], environment: dict[str, str]) -> None:
        self._options = options
        self.headless = "headless" in options
        role = environment.get("STAND_IN_ROLE", "all")
        faulty = role in ("all", "follower" if self.headless else "leader")
        self._faults = {name: value for name, value in environment.items() if faulty and name.startswith("STAND_IN_")}
        self._api_keys = [key for key in (*options.get("api_key", ()), environment.get("VLLM_API_KEY", "")) if key]
        self._started = int(time.time())
        self.model = self._option("model", "stand-in")
        self.served_names = options.get("served_names") or [self.model]

    def _option(self, name: str, default: str) -> str:
        return (self._options.get(name) or [default])[0]

    def fault(self, name: str, default: str = "") -> str:
        """Return the fault ``STAND_IN_<name>`` that holds for this process."""
        return self._faults.get(f"STAND_IN_{name}", default)

    @property
    def address(self) -> tuple[str, int]:
        """Where to listen."""
        return self._option("host", "0.0.0.0"), int(self._option("port", "8000"))

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, object]:
        """Return the status and the JSON document (``None``: an empty body) of a request."""
        if path.startswith("/v1/") and not self._is_allowed(headers):
            return 401, {"error": "Unauthorized"}
        if path in ("/health", "/ping"):
            return int(self.fault("HEALTH_STATUS", "200")), None
        if path == "/version":
            return 200, {"version": VERSION}
        if path == "/v1/models":
            return int(self.fault("MODELS_STATUS", "200")), self._models()
        if path == "/get_world_size":
            return int(self.fault("WORLD_SIZE_STATUS", "200")), {"world_size": self._world_size()}
        if path in ("/v1/chat/completions", "/v1/completions"):
            return self._complete(body, chat=path.startswith("/v1/chat")) if method == "POST" else (405, None)
        return 404, {"detail": "Not Found"}

    def _is_allowed(self, headers: dict[str, str]) -> bool:
        return not self._api_keys or headers.get("authorization", "") in [f"Bearer {key}" for key in self._api_keys]

    def _world_size(self) -> int:
        sizes = [int(self._option(name, "1")) for name in ("tensor", "pipeline", "data")]
        return int(self.fault("WORLD_SIZE", str(sizes[0] * sizes[1] * sizes[2])))

    def _models(self) -> dict[str, object]:
        entry = {"object": "model", "created": self._started, "owned_by": "vllm", "root": self.model, "parent": None}
        length = self._option("max_length", "4096")
        entry["max_model_len"] = int(length) if length.isdigit() else 4096
        return {"object": "list", "data": [{"id": name, **entry} for name in self.served_names]}

    def _complete(self, body: bytes, chat: bool) -> tuple[int, object]:
        while self.fault("CHAT_HANGS") == "1":
            time.sleep(3600)
        time.sleep(float(self.fault("CHAT_DELAY", "0")))
        status = int(self.fault("CHAT_STATUS", "200"))
        if status != 200:
            return status, _error("the stand-in was told to answer so", status)
        try:
            request = json.loads(body)
        except ValueError:
            return 400, _error("the body is not JSON", 400)
        if not isinstance(request, dict) or ("messages" if chat else "prompt") not in request:
            return 400, _error("Field required", 400)
        model = request.get("model") or self.served_names[0]
        if model not in self.served_names:
            return 404, _error(f"The model `{model}` does not exist.", 404)
        text = self.fault("CHAT_TEXT", "I am a stand-in, not a model.")
        content = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        tokens = len(text.split())
        return 200, {
            "id": "stand-in",
            "object": "chat.completion" if chat else "text_completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, **content, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": 1 + tokens},
        }


def _error(message: str, code: int) -> dict[str, object]:
    return {"error": {"message": message, "type": "stand-in", "param": None, "code": code}}


def serve(stand_in: StandIn) -> None:
    """Listen and answer, one thread per connection, one request per connection. Never returns."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(stand_in.address)
        listener.listen(64)
        print("INFO:     Application startup complete.", flush=True)
        while True:
            connection, _peer = listener.accept()
            threading.Thread(target=_handle, args=(stand_in, connection), daemon=True).start()


def _handle(stand_in: StandIn, connection: socket.socket) -> None:
    with connection, connection.makefile("rwb") as stream:
        try:
            method, target, *_version = stream.readline().decode("latin-1").split()
            headers = {}
            while (line := stream.readline().decode("latin-1").strip()) != "":
                name, _colon, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", "0")))
            status, document = stand_in.answer(method, target.partition("?")[0], headers, body)
            content = b"" if document is None else json.dumps(document).encode()
            kind = "text/plain" if document is None else "application/json"
            head = f"HTTP/1.1 {status} stand-in\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
            stream.write(head.encode() + b"Connection: close\r\n\r\n" + content)
        except (OSError, ValueError):
            return  # the client went away, or what it sent is not HTTP


def main(arguments: list[str], environment: dict[str, str]) -> int:
    """Do what the command line and the faults say. Returns the exit code, or never."""
    if arguments[:1] == ["--version"]:
        print(VERSION)
        return 0
    stand_in = StandIn(read_command_line(arguments), environment)
    ignore = stand_in.fault("IGNORE_TERM") == "1"
    signal.signal(signal.SIGTERM, signal.SIG_IGN if ignore else lambda _number, _frame: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN if ignore else lambda _number, _frame: os._exit(0))
    print(f"stand-in for vllm {' '.join(arguments)}", flush=True)
    if text := stand_in.fault("LOG"):
        print(text, flush=True)
    if code := stand_in.fault("EXIT_CODE"):
        time.sleep(float(stand_in.fault("EXIT_AFTER", "0")))
        return int(code)
    time.sleep(float(stand_in.fault("READY_AFTER", "0")))
    if stand_in.headless or stand_in.fault("NEVER_READY") == "1":
        while True:
            time.sleep(3600)
    serve(stand_in)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
