# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the real vLLM in pods, well and in ways that must fail, and keeps its logs for the diagnosis rules' tests.

As root, from the checkout, in namespaces of its own:

    unshare --mount --net --pid --ipc --uts --fork --kill-child --mount-proc \
        env PYTHONPATH=tests/sandbox python -m gpuops_sandbox.engine.record_logs FOLDER [CASE ...]

Each case (`log_cases`) runs one or two pods as the collection renders them, and writes ``FOLDER/<cause>.log``, with
two pods or a follower alone ``FOLDER/<cause>.<role>.log``. ``good_start`` is the one that must answer a chat.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from gpuops_sandbox.engine.log_cases import CASES, GIB, LEADER, Case, fill_volume
from gpuops_sandbox.engine.tiny_model import ensure_model
from gpuops_sandbox.runtime.contract import Mount, PodRequest
from gpuops_sandbox.runtime.images import ImageTable
from gpuops_sandbox.runtime.pods import BubblewrapRuntime, Pod

_START_LIMIT_SECONDS = 400.0
_STOP_GRACE_SECONDS = 30.0


def _request(case: Case, rank: int, addresses: dict[int, str], volume: Path) -> PodRequest:
    leader = addresses.get(0, "") if case.leader_address is None else case.leader_address
    return PodRequest(
        name="my-llm-inference-0" if rank == 0 else f"my-llm-inference-0-{rank}",
        namespace="runai-my-project",
        image="registry.example.com/vllm-openai:v0.32.0",
        command=case.command,
        arguments=case.command_line(rank),
        environment={
            "VLLM_HOST_IP": addresses[rank],
            "HOME": "/scratch",
            "USER": "vllm",
            "LOGNAME": "vllm",
            "VLLM_CACHE_ROOT": "/scratch/.cache/vllm",
            "HF_HUB_OFFLINE": "1",
            **case.environment,
        },
        uid=2000,
        gid=2000,
        supplemental_groups=(),
        gpus=case.tensor,
        shared_memory_bytes=case.shared_memory_bytes,
        address=addresses[rank],
        hosts={LEADER: leader} if leader else {},
        mounts=(Mount("/data", volume), Mount("/scratch", size_bytes=2 * GIB)),
    )


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
    addresses = {rank: runtime.allocate_address() for rank in case.ranks}
    started = time.monotonic()
    pods = {rank: await runtime.start(_request(case, rank, addresses, volume)) for rank in case.ranks}
    ready = await _wait_until_ready(pods[case.ranks[0]])
    seconds = time.monotonic() - started
    if case.follower_dies:
        await pods[1].kill()
    outcome = await _chat(pods[0]) if ready else "not ready"
    if ready and case.dies_of_a_chat:
        await asyncio.wait_for(pods[0].wait(), _START_LIMIT_SECONDS)
    codes = await asyncio.gather(*[pod.stop(_STOP_GRACE_SECONDS) for pod in pods.values()])
    print(f"{name}: {'ready' if ready else 'ended'} after {seconds:.1f} s, {outcome}, exit codes {codes}", flush=True)
    if case.follower_dies:
        del pods[1]  # killed from outside: its log does not know
    for rank, pod in pods.items():
        role = "" if case.ranks == (0,) else ".follower" if rank else ".leader"
        text = _portable(pod.log_path.read_text(encoding="utf-8", errors="replace"))
        (destination / f"{name}{role}.log").write_text(text, encoding="utf-8")
    return ready != case.must_fail


def _portable(text: str) -> str:
    """Return a log without what only this machine has, and without progress bars' repeated states."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text.replace(sys.base_prefix, "/opt/python"))
    return "".join(f"{line.rpartition(chr(13))[2]}\n" for line in text.splitlines(keepends=False))


async def main(destination: Path, names: list[str]) -> int:
    """Record the named cases (all without a name). Returns the number of those that did not end as they must."""
    ensure_model()
    destination.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        volume = Path(scratch, "volume")
        volume.mkdir(mode=0o755)
        await asyncio.to_thread(fill_volume, volume)
        runtime = BubblewrapRuntime(Path(scratch, "state"), ImageTable())
        await runtime.prepare_network()
        for name in names or list(CASES):
            wrong += not await record(runtime, name, volume, destination)
    return wrong


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2:])))
