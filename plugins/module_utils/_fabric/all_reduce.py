# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The program that proves a fabric: an all_reduce between two pods, and what NCCL says of it.

It runs as the serving user in the workload's image, which has torch: ``python3 -I -B -c PROGRAM '{"port": 41000}'``.
Its report is one JSON object: how fast it was, the lines in which NCCL names its network, or what went wrong. Exit
status: 0 also where the collective failed, since the report says so; 2 for a task that makes no sense.

Part of what runs inside pods (``programs``): the standard library of Python 3.8 and torch, and nothing that this
process needs before it runs there.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib
import json
import os
import re
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

REPORT_BYTES = 4000
_ROUNDS, _WARM_UP = 20, 5
# Seconds between two attempts to reach the first copy.
_PAUSE = 0.5
_LONGEST_LINE = 300
_LONGEST_ERROR = 600
# What NCCL writes before its words: machine:process:thread [device] NCCL LEVEL.
_BEFORE = re.compile(r"^.*?(?=NCCL (?:INFO|WARN) )")
_TELLING = re.compile(
    r"NCCL WARN|NET/|Using network|Assigned NET plugin|ibv_\w+|NCCL_\w+ set|NCCL version|via P2P|via SHM"
)
# Of lines that differ only in their numbers, as those of channels do, the first one tells all.
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True)
class ProofTask:
    """A collective over ``backend``, of ``size`` bytes; the first copy is met on ``port``, within ``meet_seconds``. It
    may take ``seconds``. ``report`` is where the report is left."""

    port: int
    backend: str = "nccl"
    size: int = 64 << 20
    meet_seconds: float = 60.0
    seconds: float = 120.0
    report: str = ""
    names_variable: str = "GPUOPS_LOOK_COPIES"
    index_variable: str = "JOB_COMPLETION_INDEX"


def proof_of(task: ProofTask) -> dict[str, Any]:
    """Take part in the collective and return the report."""
    error, bandwidth = "", None
    with _printed() as lines:
        try:
            bandwidth = _within(task)
        except Exception as failure:
            error = f"{type(failure).__name__}: {str(failure).strip()}"
    return {"bandwidth": bandwidth, "error": error[:_LONGEST_ERROR], "lines": lines}


def _within(task: ProofTask) -> float:
    """Return the bandwidth, or raise ``TimeoutError``: a collective whose other side is lost may hang for good."""
    result: list[float] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(_bandwidth(task))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(task.meet_seconds + task.seconds)
    if failure:
        raise failure[0]
    if not result:
        raise TimeoutError(f"the collective did not end within {task.seconds:.0f} s")
    return result[0]


def _bandwidth(task: ProofTask) -> float:
    """Return the bus bandwidth of all_reduce in GB/s, as nccl-tests defines it."""
    torch: Any = importlib.import_module("torch")
    names = os.environ[task.names_variable].split()
    index = int(os.environ[task.index_variable])
    on_gpu = task.backend == "nccl"
    if on_gpu:
        # What fails in every copy alike shall fail before anybody waits for another one.
        torch.cuda.set_device(0)
    if index > 0:
        _await_first(names[0], task)
    torch.distributed.init_process_group(
        task.backend,
        init_method=f"tcp://{names[0]}:{task.port}",
        rank=index,
        world_size=len(names),
        # For the first copy the others may take long to begin.
        timeout=datetime.timedelta(seconds=task.meet_seconds + task.seconds),
    )
    values = torch.ones(task.size // 4, dtype=torch.float32, device="cuda" if on_gpu else "cpu")
    torch.distributed.all_reduce(values)
    if not bool((values == len(names)).all()):
        raise ValueError(f"the sum of all copies is wrong: {values[0].item()} in place of {len(names)}")
    seconds = _timed(torch, values, on_gpu)
    torch.distributed.destroy_process_group()
    return float(round(task.size / seconds * 2 * (len(names) - 1) / len(names) / 1e9, 3))


def _timed(torch: Any, values: Any, on_gpu: bool) -> float:
    """Return the seconds that one round takes."""
    began = 0.0
    for number in range(_WARM_UP + _ROUNDS):
        if number == _WARM_UP:
            if on_gpu:
                torch.cuda.synchronize()
            began = time.perf_counter()
        torch.distributed.all_reduce(values)
    if on_gpu:
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / _ROUNDS


def _await_first(name: str, task: ProofTask) -> None:
    """Wait until the first copy takes connections: torch gives up where its name is not known yet."""
    deadline = time.monotonic() + task.meet_seconds
    while True:
        try:
            socket.create_connection((name, task.port), 3.0).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"port {task.port} of {name} was not reached: {error}") from error
            time.sleep(_PAUSE)


@contextlib.contextmanager
def _printed() -> Iterator[list[str]]:
    """Give a list that holds, after the block, the telling lines that anything of this process printed meanwhile, the
    libraries that are written in C too. They are printed as well, for those who read the pod's log."""
    lines: list[str] = []
    sys.stdout.flush()
    with tempfile.TemporaryFile() as place:
        kept = {number: os.dup(number) for number in (1, 2)}
        for number in kept:
            os.dup2(place.fileno(), number)
        try:
            yield lines
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)
            place.seek(0)
            text = place.read().decode("utf-8", "replace")
            sys.stderr.write(text)
            lines += telling_lines(text)


def telling_lines(text: str) -> list[str]:
    """Return the lines of a log in which NCCL says what it uses, each once, without what stands before its words."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if _TELLING.search(line):
            short = _BEFORE.sub("", line).strip()[:_LONGEST_LINE]
            found.setdefault(_NUMBERS.sub("", short), short)
    return list(found.values())


def short_enough(report: dict[str, Any], size: int = REPORT_BYTES) -> str:
    """Return the report as JSON of at most ``size`` bytes; of the lines those in the middle are left out first."""
    lines = list(report["lines"])
    while True:
        text = json.dumps(dict(report, lines=lines), separators=(",", ":"))
        if len(text.encode()) <= size or not lines:
            return text
        del lines[len(lines) // 2]


def main(arguments: list[str]) -> int:
    """Do what the task says."""
    try:
        task = ProofTask(**json.loads(arguments[0]))
    except (IndexError, TypeError, ValueError) as error:
        sys.stderr.write(json.dumps({"error": str(error)}) + "\n")
        return 2
    text = short_enough(proof_of(task))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    if task.report:
        with open(task.report, "w", encoding="utf-8") as place:
            place.write(text)
    # A collective that hangs has threads that would keep this process.
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
