# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all measurements share: a private folder, sandboxes, and plays whose tasks are timed."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from support.playbook import Playbooks, PlayResult, RunningPlay
from support.sandbox import TOKEN_PATHS, SandboxHandle

PLUGINS = Path(__file__).resolve().parent / "plugins"
# A connection that does what `local` does under another name: there the collection runs as a module.
AS_MODULE = {"connection": "elsewhere"}
PLAY_SECONDS = 900.0
# How often a growing file is read: short beside the delays that are measured, long beside the work of reading.
_FOLLOW_SECONDS = 0.002
_SHOWN_CHARACTERS = 2000
_IDENTIFIER = re.compile(r"/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?=/|$)")


class BenchFailure(Exception):
    """Something that was to be measured did not go as it must; the text says what."""


@dataclass(frozen=True)
class TaskTime:
    """When a task on a host began and ended, in seconds since the epoch, as ansible's callbacks see it."""

    task: str
    host: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took, the start of ansible's own process for it included."""
        return self.ended - self.began


@dataclass(frozen=True)
class TimedPlay:
    """How a play ended, and the times of its tasks. Memory is the most that was resident, in KiB: of ansible-playbook
    itself, and of the largest process that it started."""

    result: PlayResult
    times: tuple[TaskTime, ...]
    parent_kib: int
    largest_child_kib: int

    @property
    def seconds(self) -> float:
        """From the beginning of the first task to the end of the last one: the start of ansible is left out."""
        return max(time.ended for time in self.times) - min(time.began for time in self.times)


class Stage:
    """The surroundings of a measurement."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.folder = folder
        self.checkout = checkout
        self._playbooks = Playbooks(folder / "plays", checkout)
        self._playbooks.collections = checkout
        self._count = 0

    @contextmanager
    def sandbox(self, *options: str) -> Iterator[SandboxHandle]:
        """A sandbox for the length of a ``with`` block."""
        self._count += 1
        handle = SandboxHandle(self.folder / f"sandbox-{self._count}", *options)
        try:
            yield handle
        finally:
            handle.end()

    def play(
        self,
        tasks: Sequence[Mapping[str, Any]],
        *arguments: str,
        hosts: Sequence[str] = ("localhost",),
        play: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        may_fail: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> TimedPlay:
        """Run a play of ``tasks`` on ``hosts``; raise ``BenchFailure`` with its output where a task fails.

        ``on_line`` gets each line of its standard error, where progress is shown, as soon as it is there.
        """
        self._count += 1
        times = self.folder / f"times-{self._count}.jsonl"
        variables = {
            "ANSIBLE_CALLBACK_PLUGINS": f"{PLUGINS / 'callback'}:{PLUGINS.parents[1] / 'support' / 'callbacks'}",
            "ANSIBLE_CALLBACKS_ENABLED": "results_file,task_seconds",
            "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
            "TASK_SECONDS_FILE": str(times),
            **(environment or {}),
        }
        inventory = "".join(f"{host}," for host in hosts)
        running = self._playbooks.start(tasks, *arguments, play=play, inventory=inventory, environment=variables)
        if on_line is not None:
            _follow(running, on_line)
        result = running.wait(PLAY_SECONDS)
        if result.rc != 0 and not may_fail:
            raise BenchFailure(f"a play failed:\n{(result.stdout + result.stderr)[:_SHOWN_CHARACTERS]}")
        *tasks_told, memory = map(json.loads, times.read_text(encoding="utf-8").splitlines())
        return TimedPlay(result, tuple(TaskTime(**entry) for entry in tasks_told), **memory)


def _follow(running: RunningPlay, on_line: Callable[[str], None]) -> None:
    """Give each line of a play's standard error to ``on_line`` until the play has ended."""
    with (running.folder / "stderr").open(encoding="utf-8") as file:
        begun = ""
        while True:
            has_ended = running.process.poll() is not None
            *complete, begun = (begun + file.read()).split("\n")
            for line in complete:
                on_line(line)
            if has_ended:
                return
            time.sleep(_FOLLOW_SECONDS)


def workload_task(parameters: Mapping[str, Any], module: str = "vllm_workload", **keywords: Any) -> dict[str, Any]:
    """Return one task of the collection."""
    return {"name": module, f"gpuops.inference.{module}": dict(parameters), **keywords}


def requests_of(sandbox: SandboxHandle) -> tuple[Counter[str], int]:
    """Return the API requests since the log was emptied, by method and path without ids, and the number of logins."""
    counted: Counter[str] = Counter()
    logins = 0
    for entry in sandbox.requests():
        if entry["path"] in TOKEN_PATHS:
            logins += 1
        else:
            counted[f"{entry['method']} {_IDENTIFIER.sub('/{id}', entry['path'])}"] += 1
    return counted, logins


def moment(text: str) -> float:
    """Return a time of the API in seconds since the epoch."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
