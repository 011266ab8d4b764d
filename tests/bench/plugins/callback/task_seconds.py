# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes into the file that ``TASK_SECONDS_FILE`` names when each task began and ended on each host, and the memory."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

_JOIN_SECONDS = 10.0
DOCUMENTATION = """
name: task_seconds
type: notification
short_description: begin and end of every task, and the memory of all, as lines of JSON, for the bench
description: Writes one line for each task on each host, and one at the end.
"""


class CallbackModule(CallbackBase):
    """Writes times as tasks end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "task_seconds"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._began: dict[tuple[str, str], float] = {}

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Note that a task is handed to a process of its own."""
        self._began[(host.get_name(), task._uuid)] = time.time()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Write the times of a task that went well."""
        self._write(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Write the times of a task that failed."""
        self._write(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Write the most memory (KiB) that this process had, and the largest of the processes that it started."""
        # Not from getrusage: that of a process begins with what the one had that started it.
        own = Path("/proc/self/status").read_text(encoding="utf-8").partition("VmHWM:")[2].split()[0]
        # A process counts once its end was waited for.
        for process in multiprocessing.active_children():
            process.join(_JOIN_SECONDS)
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self._append({"parent_kib": int(own), "largest_child_kib": largest})

    def _write(self, result: Any) -> None:
        ended = time.time()
        host, task = result._host.get_name(), result._task
        self._append({"task": task.get_name(), "host": host, "began": self._began[(host, task._uuid)], "ended": ended})

    def _append(self, entry: dict[str, Any]) -> None:
        with open(os.environ["TASK_SECONDS_FILE"], "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
