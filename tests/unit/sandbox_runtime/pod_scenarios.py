# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pod tests do with real pods: each scenario runs in namespaces of its own and says what it saw, as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from gpuops_sandbox.runtime.contract import Mount, PodRequest
from gpuops_sandbox.runtime.images import ImageTable
from gpuops_sandbox.runtime.pods import BubblewrapRuntime, Pod
from gpuops_sandbox.runtime.processes import run_command

LIMIT_SECONDS = 90.0


class Bench:
    """A runtime, a folder, and what every scenario needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime = BubblewrapRuntime(folder / "state", ImageTable())

    def request(self, name: str, *command: str) -> PodRequest:
        address = self.runtime.allocate_address()
        return PodRequest(
            name=name,
            namespace="runai-my-project",
            image="registry.example.com/stand-in:v1",
            command=command,
            arguments=() if command else ("/data/model", "--port", "8000"),
            environment={},
            uid=2000,
            gid=2000,
            supplemental_groups=(),
            gpus=2,
            shared_memory_bytes=64 * 1024**2,
            address=address,
            hosts={},
        )

    async def output(self, request: PodRequest) -> str:
        """Run a pod to its end and return its log."""
        pod = await self.runtime.start(request)
        await pod.wait()
        return pod.log_path.read_text(encoding="utf-8")


def health(address: str, seconds: float = 2.0) -> int | None:
    """Return the status of ``/health``, ``None`` without an answer."""
    try:
        with urllib.request.urlopen(f"http://{address}:8000/health", timeout=seconds) as answer:
            return int(answer.status)
    except OSError:
        return None


async def until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds; a scenario that waits too long ends with an error."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {LIMIT_SECONDS:.0f} s")
        await asyncio.sleep(0.01)


async def serve(bench: Bench, request: PodRequest) -> Pod:
    """Start a pod and return it once it answers."""
    pod = await bench.runtime.start(request)
    await until(lambda: health(pod.address) is not None)
    return pod


async def inside(bench: Bench) -> object:
    """What a pod's process is and sees."""
    volume = bench.folder / "volume"
    volume.mkdir()
    (volume / "root-only").write_text("secret", encoding="utf-8")
    (volume / "root-only").chmod(0o600)
    program = (
        "import json, os, socket\n"
        "def denied(path, mode):\n"
        "    try: open(path, mode).close()\n"
        "    except OSError as error: return type(error).__name__\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line)\n"
        "print(json.dumps({'uid': os.getuid(), 'gid': os.getgid(), 'groups': os.getgroups(), 'pid': os.getpid(),\n"
        "    'host': socket.gethostname(), 'hosts': open('/etc/hosts').read(), 'environment': dict(os.environ),\n"
        "    'capabilities': status['CapBnd'].strip(), 'no_new_privileges': status['NoNewPrivs'].strip(),\n"
        "    'read_denied': denied('/data/root-only', 'r'), 'write_denied': denied('/sys/kernel/x', 'w'),\n"
        "    'shared_memory': os.statvfs('/dev/shm').f_blocks * os.statvfs('/dev/shm').f_frsize,\n"
        "    'scratch': denied('/scratch/file', 'w'), 'root': denied('/file', 'w'), 'folder': os.getcwd(),\n"
        "    'read_only': denied('/models/file', 'w')}))\n"
    )
    request = replace(
        bench.request("my-llm-inference-0-1", "python3", "-c", program),
        supplemental_groups=(3000, 2000),
        environment={"NAME": "value with 'quotes'", "EMPTY": "", "DASHES": "--"},
        hosts={"leader.example": "10.77.9.9"},
        mounts=(Mount("/data", volume), Mount("/scratch"), Mount("/models", volume, read_only=True)),
        working_directory="/data",
    )
    return {"address": request.address, **json.loads(await bench.output(request))}


async def root_user(bench: Bench) -> object:
    """A pod that runs as root may change owners, as a container's root, and owns nothing else of the machine."""
    volume = bench.folder / "volume"
    volume.mkdir()
    (volume / "file").write_text("", encoding="utf-8")
    os.chown(volume / "file", 1234, 1234)
    command = (
        "chmod 600 /data/file; chown 2000:2000 /data/file && echo owned; mount -t tmpfs none /data || echo no mount"
    )
    request = replace(bench.request("look", "sh", "-c", command), uid=0, gid=0, mounts=(Mount("/data", volume),))
    output = await bench.output(request)
    return {"output": output, "owner": (volume / "file").stat().st_uid}


async def exits(bench: Bench) -> object:
    """Exit codes: the program's own, of a signal, of a command that is not there, of an image that is not there."""
    seen: dict[str, object] = {}
    for name, script in {"seven": "exit 7", "term": "sh -c 'kill -TERM $$'; exit $?", "zero": "true"}.items():
        pod = await bench.runtime.start(bench.request(name, "sh", "-c", script))
        seen[name] = await pod.wait()
    refused = {
        "command": bench.request("command", "no-such-program"),
        "mount": replace(bench.request("mount"), mounts=(Mount("/data", bench.folder / "nowhere"),)),
        "place": replace(bench.request("place"), mounts=(Mount("/usr/nowhere", bench.folder),)),
        "image": replace(bench.request("image"), image="registry.example.com/stand-in:missing"),
    }
    for name, request in refused.items():
        try:
            await bench.runtime.start(request)
        except Exception as error:
            seen[name] = [type(error).__name__, str(error)]
    seen["links"] = [name for _index, name in socket.if_nameindex()]
    serving = await serve(bench, bench.request("serving"))
    try:
        await bench.runtime.start(replace(bench.request("second"), address=serving.address))
    except OSError as error:
        seen["address_in_use"] = [str(error), health(serving.address)]
    return seen


async def network(bench: Bench) -> object:
    """Two pods reach each other by name; nothing outside answers, and at once."""
    leader = await serve(bench, bench.request("leader"))
    program = (
        "import urllib.request, socket\n"
        "print(urllib.request.urlopen('http://leader.example:8000/v1/models', timeout=5).status)\n"
        "for place in ('no-such-name.example', '192.0.2.1'):\n"
        "    try: socket.create_connection((place, 80), timeout=20)\n"
        "    except OSError as error: print(error)\n"
    )
    request = replace(bench.request("follower", "python3", "-c", program), hosts={"leader.example": leader.address})
    output = await bench.output(request)
    return {"output": output.splitlines(), "leader": await leader.stop(5)}


async def ends(bench: Bench) -> object:
    """Stop, kill, pause and resume, and what is left."""
    seen: dict[str, object] = {}
    polite = await serve(bench, bench.request("polite"))
    seen["stop"] = await polite.stop(LIMIT_SECONDS)
    stubborn = await serve(bench, replace(bench.request("stubborn"), environment={"STAND_IN_IGNORE_TERM": "1"}))
    seen["stop_stubborn"] = await stubborn.stop(0.2)
    again = await bench.runtime.start(bench.request("family", "sh", "-c", "sleep 1000 & sleep 1000 & wait"))
    await until(lambda: len(again.processes()) == 3)
    family = again.processes()
    seen["kill"] = await again.kill()
    seen["family_left"] = [pid for pid in family if Path(f"/proc/{pid}").exists()]
    seen["kill_again"] = await again.kill()
    paused = await serve(bench, bench.request("paused"))
    paused.pause()
    seen["health_paused"] = health(paused.address, 0.5)
    seen["states_paused"] = [_state(pid) for pid in paused.processes()]
    paused.resume()
    seen["health_resumed"] = health(paused.address)
    paused.pause()
    seen["kill_paused"] = await paused.kill()
    restarted = await serve(bench, replace(bench.request("restarted"), address=paused.address))
    seen["same_address"] = health(restarted.address)
    seen["logs_differ"] = restarted.log_path != paused.log_path
    await restarted.kill()
    seen["links"] = [name for _index, name in socket.if_nameindex()]
    seen["files"] = sorted(item.name for item in (bench.folder / "state").iterdir())
    seen["processes"] = [pid for pid in os.listdir("/proc") if pid.isdigit() and _program(pid) == "bwrap"]
    return seen


async def cancelled(bench: Bench) -> object:
    """Starts that are given up at any moment leave nothing."""
    outcomes = set()
    for step in range(40):
        task = asyncio.create_task(bench.runtime.start(bench.request(f"given-up-{step}")))
        await asyncio.sleep(step / 1000)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(outcome, Pod):
            await outcome.kill()
        outcomes.add(type(outcome).__name__)
    await until(lambda: [name for _index, name in socket.if_nameindex()] == ["lo", "pods0"])
    processes = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != str(os.getpid())]
    return {"outcomes": sorted(outcomes), "processes": [_program(pid) for pid in processes]}


async def foreign(bench: Bench) -> object:
    """A network namespace that has an address already is somebody else's: nothing is changed in it."""
    for command in ("link add other type bridge", "address add 192.0.2.1/24 dev other"):
        await run_command(["ip", *command.split()])
    try:
        await bench.runtime.prepare_network()
    except OSError as error:
        return {"error": str(error), "links": [name for _index, name in socket.if_nameindex()]}
    return {}


async def many(bench: Bench) -> object:
    """A hundred pods at the same time, in one thread."""
    requests = [bench.request(f"pod-{number}") for number in range(100)]
    pods = await asyncio.gather(*[bench.runtime.start(request) for request in requests])
    for pod in pods:
        await until(lambda pod=pod: health(pod.address) is not None)
    threads = len(os.listdir("/proc/self/task"))
    codes = await asyncio.gather(*[pod.stop(LIMIT_SECONDS) for pod in pods])
    return {
        "addresses": len({pod.address for pod in pods}),
        "codes": sorted(set(codes)),
        "threads": threads,
        "links": [name for _index, name in socket.if_nameindex()],
    }


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def _program(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


SCENARIOS: dict[str, Callable[[Bench], Awaitable[object]]] = {
    scenario.__name__: scenario for scenario in (inside, root_user, exits, network, ends, cancelled, foreign, many)
}


async def run(name: str, folder: Path) -> object:
    bench = Bench(folder)
    if name != "foreign":
        await bench.runtime.prepare_network()
        await bench.runtime.prepare_network()
    return await SCENARIOS[name](bench)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(asyncio.run(run(sys.argv[1], Path(temporary)))))
