# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the real vLLM in pods, well and in ways that must fail, and keeps its logs for the diagnosis rules' tests.

As root, from the checkout, in namespaces of its own:

    unshare --mount --net --pid --ipc --uts --fork --kill-child --mount-proc \
        env PYTHONPATH=tests/sandbox python -m gpuops_sandbox.engine.record_logs FOLDER [CASE ...]

Each case runs one or two pods as the collection renders them, and writes ``FOLDER/<case>.log`` (``<case>.leader.log``
and ``<case>.follower.log`` with two). The one case that must work, ``good_start``, ends with a chat.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from gpuops_sandbox.engine.tiny_model import copy_model, ensure_model
from gpuops_sandbox.runtime.contract import Mount, PodRequest
from gpuops_sandbox.runtime.images import ImageTable
from gpuops_sandbox.runtime.pods import BubblewrapRuntime, Pod

MODEL = "input/Models/Mistral-Small-4-119B-2603"
LEADER = "my-llm-inference-0.my-llm-inference.runai-my-project"
_GIB = 1024**3
_MIB = 1024**2
_START_LIMIT_SECONDS = 400.0
_STOP_GRACE_SECONDS = 30.0
_SMALL = ("--max-model-len", "256", "--kv-cache-memory-bytes", "16M")


@dataclass(frozen=True)
class Case:
    """A start: what differs from one healthy pod with one GPU."""

    arguments: tuple[str, ...] = _SMALL
    model: str = f"/data/{MODEL}"
    tensor: int = 1
    pipeline: int = 1
    follower: bool = False
    shared_memory: int = _GIB
    image_environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    must_fail: bool = True


_TWO_PODS = ("--distributed-timeout-seconds", "150", *_SMALL)
_ONE_OF_TWO = ("--distributed-timeout-seconds", "20", *_SMALL)
CASES = {
    "good_start": Case(_TWO_PODS, tensor=2, pipeline=2, follower=True, must_fail=False),
    "unknown_flag": Case((*_SMALL, "--no-such-flag", "3")),
    "invalid_value": Case((*_SMALL, "--dtype", "int3")),
    "model_path_missing": Case(model="/data/input/Models/no-such-model"),
    "model_folder_unreadable": Case(model="/data/input/Models/folder-0700"),
    "model_config_unreadable": Case(model="/data/input/Models/files-0600"),
    "weights_unreadable": Case(model="/data/input/Models/weights-0600"),
    "weights_missing": Case(model="/data/input/Models/no-weights"),
    "heads_not_divisible": Case(tensor=3),
    "max_model_len_too_large": Case(("--max-model-len", "4096", *_SMALL[2:])),
    "kv_cache_does_not_fit": Case(("--max-model-len", "512", "--kv-cache-memory-bytes", "128K")),
    "shared_memory_too_small": Case(shared_memory=64 * _MIB, tensor=2),
    "port_in_use": Case(
        command=("sh", "-c", 'python3 -m http.server 8000 >/dev/null 2>&1 & sleep 1; exec vllm serve "$@"', "vllm")
    ),
    "followers_missing": Case(_ONE_OF_TWO, pipeline=2),
    "ray_missing": Case((*_SMALL, "--distributed-executor-backend", "ray"), tensor=2),
    "attention_head_size_unsupported": Case(model="/data/input/Models/head-dim-16", must_fail=False),
}


def _arguments(case: Case, rank: int) -> tuple[str, ...]:
    arguments = [case.model, "--served-model-name", "mistral4"]
    arguments += ["--tensor-parallel-size", str(case.tensor), "--pipeline-parallel-size", str(case.pipeline)]
    if case.pipeline > 1:
        arguments += ["--nnodes", str(case.pipeline), "--node-rank", str(rank), "--master-addr", LEADER]
        arguments += ["--master-port", "29501", "--distributed-executor-backend", "mp"]
    arguments += ["--headless"] if rank else ["--host", "0.0.0.0", "--port", "8000"]
    return (*arguments, *case.arguments)


def _request(case: Case, rank: int, addresses: list[str], volume: Path) -> PodRequest:
    return PodRequest(
        name="my-llm-inference-0" if rank == 0 else f"my-llm-inference-0-{rank}",
        namespace="runai-my-project",
        image="registry.example.com/vllm-openai:v0.32.0",
        command=case.command,
        arguments=_arguments(case, rank),
        environment={
            "VLLM_HOST_IP": addresses[rank],
            "HOME": "/scratch",
            "USER": "vllm",
            "LOGNAME": "vllm",
            "VLLM_CACHE_ROOT": "/scratch/.cache/vllm",
            "HF_HUB_OFFLINE": "1",
            **case.image_environment,
        },
        uid=2000,
        gid=2000,
        supplemental_groups=(),
        gpus=case.tensor,
        shared_memory_bytes=case.shared_memory,
        address=addresses[rank],
        hosts={LEADER: addresses[0]},
        mounts=(Mount("/data", volume), Mount("/scratch", size_bytes=2 * _GIB)),
    )


def _fill(volume: Path) -> None:
    models = volume / "input" / "Models"
    copy_model(volume / MODEL, 2000, 2000)
    copy_model(models / "head-dim-16", 2000, 2000, head_dim=16)
    for name in ("folder-0700", "files-0600", "weights-0600", "no-weights"):
        copy_model(models / name, 0, 0)
    (models / "folder-0700").chmod(0o700)
    for file in (models / "files-0600").iterdir():
        file.chmod(0o600)
    (models / "weights-0600" / "model.safetensors").chmod(0o600)
    (models / "no-weights" / "model.safetensors").unlink()


def _get(url: str, body: dict[str, object] | None = None, seconds: float = 60.0) -> str:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return str(answer.read().decode())


async def _wait_until_ready(pod: Pod) -> bool:
    """Return True when the pod serves its models, False when it has ended."""
    deadline = time.monotonic() + _START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if not pod.processes():
            return False
        try:
            await asyncio.to_thread(_get, f"http://{pod.address}:8000/v1/models", None, 5.0)
        except OSError:
            await asyncio.sleep(0.2)
        else:
            return True
    raise TimeoutError(f"neither ready nor ended after {_START_LIMIT_SECONDS:.0f} s")


async def _chat(pod: Pod) -> str:
    body: dict[str, object] = {
        "model": "mistral4",
        "max_tokens": 8,
        "messages": [{"role": "user", "content": "say hello"}],
    }
    started = time.monotonic()
    try:
        await asyncio.to_thread(_get, f"http://{pod.address}:8000/v1/chat/completions", body)
    except OSError as error:
        return f"no answer to a chat: {error}"
    return f"a chat was answered after {time.monotonic() - started:.1f} s"


async def record(runtime: BubblewrapRuntime, name: str, volume: Path, destination: Path) -> bool:
    """Run one case and write its logs; return whether it ended as it must."""
    case = CASES[name]
    roles = ["leader", "follower"] if case.follower else ["leader"]
    addresses = [runtime.allocate_address() for _role in roles]
    started = time.monotonic()
    pods = [await runtime.start(_request(case, rank, addresses, volume)) for rank in range(len(roles))]
    ready = await _wait_until_ready(pods[0])
    seconds = time.monotonic() - started
    outcome = await _chat(pods[0]) if ready else "not ready"
    codes = await asyncio.gather(*[pod.stop(_STOP_GRACE_SECONDS) for pod in pods])
    print(f"{name}: {'ready' if ready else 'ended'} after {seconds:.1f} s, {outcome}, exit codes {codes}", flush=True)
    for role, pod in zip(roles, pods, strict=True):
        suffix = f".{role}" if case.follower else ""
        text = _portable(pod.log_path.read_text(encoding="utf-8", errors="replace"))
        (destination / f"{name}{suffix}.log").write_text(text, encoding="utf-8")
    return ready != case.must_fail


def _portable(text: str) -> str:
    """Return a log without what only this machine has, and without progress bars' repeated states."""
    prefix = re.escape(sys.base_prefix)
    text = re.sub(prefix, "/opt/python", text)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return "".join(f"{line.rpartition(chr(13))[2]}\n" for line in text.splitlines(keepends=False))


async def main(destination: Path, names: list[str]) -> int:
    """Record the named cases (all without a name). Returns the number of those that did not end as they must."""
    ensure_model()
    destination.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        volume = Path(scratch, "volume")
        volume.mkdir(mode=0o755)
        await asyncio.to_thread(_fill, volume)
        runtime = BubblewrapRuntime(Path(scratch, "state"), ImageTable())
        await runtime.prepare_network()
        for name in names or list(CASES):
            wrong += not await record(runtime, name, volume, destination)
    return wrong


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2:])))
