# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes every task's result as a line of JSON into the file that ``RESULTS_FILE`` names."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: results_file
type: notification
short_description: task results as lines of JSON, for tests
description: Writes one line for each result, and at the end one with the statistics.
"""


class CallbackModule(CallbackBase):
    """Writes results as they arrive."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "results_file"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note a task that went well."""
        self._note(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Note a task that failed."""
        self._note(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Note a host that could not be reached."""
        self._note(result, "unreachable")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Note a task that was skipped."""
        self._note(result, "skipped")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Note the summary of each host."""
        self._write({"stats": {host: stats.summarize(host) for host in sorted(stats.processed)}})

    def _note(self, result: Any, status: str) -> None:
        place = {"task": result._task.get_name(), "host": result._host.get_name(), "status": status}
        self._write({**result._result, **place})

    def _write(self, entry: dict[str, Any]) -> None:
        with open(os.environ["RESULTS_FILE"], "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, default=str) + "\n")
