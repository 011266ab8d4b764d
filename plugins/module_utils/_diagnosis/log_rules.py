# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Finds the cause in a vLLM log: the first true error, not the wrappers around it and not the noise. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import functools
import re

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_table import (
    LOG_RULES,
    WORKER_ENDED,
    LogRule,
)
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import shortened
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding

# A log of a failed start has some hundred lines; of a longer text the beginning and the end are read.
_LINES_READ_AT_EACH_END = 20_000
# A line longer than this is data (a dumped configuration), not a message.
_LINE_CHARACTERS = 4_000

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Lines that sound like errors and are none. (vLLM goes on without a writable cache for what registry.py keeps there.)
_NOISE = re.compile(
    r"Found ulimit of \d+ and failed to automatically increase|resource_tracker: There appear to be|"
    r"Triton is (not installed|installed, but)|is not found in LD_PRELOAD|non-default args:|"
    r"\[registry\.py:\d+\].*Permission denied"
)
# What was complained of before these lines was overcome: the ranks have found each other, the server answers.
_OVERCOME = re.compile(r"rank \d+ in world size \d+ is assigned as|Application startup complete\.")
# From this line on the log tells of a stop, whatever its tracebacks say.
_STOPPING = re.compile(r"\[shutdown\]")
# Only an order to stop reaches the engine as a signal; an engine that died cannot say this any more.
_ORDERED = re.compile(r"\[shutdown\] .*signal=SIG")
# A wrapper that is told where it wraps nothing: a worker had started, and says nothing of its end.
_SILENT = "worker_ended_silently"
_WORKER_ENDED = re.compile(WORKER_ENDED)
_WORKER_STARTED = re.compile(r"world_size=\d+ rank=\d+ local_rank=\d+")
_WORKER_TELLS = re.compile(r"WorkerProc failed to start")
# Lines around the cause, never the cause itself.
_WRAPPER = re.compile(
    r"Engine core initialization failed\. See root cause above|please check the stack trace above for the root cause|"
    rf"{WORKER_ENDED}|"
    r"EngineCore encountered an issue\. See stack trace"
)
# The text of an exception at the end of a traceback, behind vLLM's prefix or at the beginning of the line.
_EXCEPTION = re.compile(r"(?:^|\] |\s)((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt))(?:: (.*))?$")
_PROCESS = re.compile(r"^\((Worker|EngineCore|APIServer|MainProcess)")
_PYDANTIC = re.compile(r"Value error, .+")
_PREFIX = re.compile(r"^(\([^)]*\) )?(ERROR|WARNING|INFO|DEBUG) [\d-]+ [\d:]+ \[[^\]]*\] ?")
_BELOW_ERROR = re.compile(r"^(\([^)]*\) )?(WARNING|INFO|DEBUG) ")


def diagnose_log(text: str, role: str = "leader") -> list[Finding]:
    """Return the causes that a log of vLLM tells, the first one first; none for a log without an error.

    ``role`` is whose log it is (``leader`` or ``follower``). Any text is accepted.
    """
    lines = _telling_lines(text)
    found: dict[str, tuple[LogRule, str]] = {}
    unknown: list[str] = []
    for line in lines:
        matching = [rule for rule, pattern in _compiled_rules() if pattern.search(line)]
        for rule in matching:
            found.setdefault(rule.cause, (rule, line))
        if not matching:
            unknown.append(line)
    was_ordered = _ORDERED.search(text)
    if was_ordered:
        found.pop("engine_died", None)
    if was_ordered or _WORKER_TELLS.search(text) or not _WORKER_STARTED.search(text):
        found.pop(_SILENT, None)
    causes = [entry for entry in found.values() if not entry[0].consequence]
    unexplained = None if causes else _first_exception(unknown)
    if unexplained is not None:
        hint = "This is the first error that the log names; no rule knows it."
        return [Finding(ERROR, "engine_failed", shortened(_message(unexplained)), hint, role)]
    return [
        Finding(rule.severity, rule.cause, shortened(_message(line)), _hint(rule, role), role)
        for rule, line in causes or found.values()
    ]


@functools.lru_cache(maxsize=1)
def _compiled_rules() -> tuple[tuple[LogRule, re.Pattern[str]], ...]:
    return tuple((rule, re.compile(rule.pattern)) for rule in LOG_RULES)


def _telling_lines(text: str) -> list[str]:
    """Return the lines that may tell a cause: without colours, noise, what was overcome, and what a stop says."""
    lines = text.splitlines()
    if len(lines) > 2 * _LINES_READ_AT_EACH_END:
        lines = lines[:_LINES_READ_AT_EACH_END] + lines[-_LINES_READ_AT_EACH_END:]
    telling: list[str] = []
    stopping = False
    for raw in lines:
        line = _COLOUR.sub("", raw[:_LINE_CHARACTERS]).rstrip()
        if _OVERCOME.search(line):
            telling, stopping = [], False
        stopping = stopping or bool(_STOPPING.search(line))
        if (not stopping or _WORKER_ENDED.search(line)) and not _NOISE.search(line):
            telling.append(line)
    return telling


def _first_exception(lines: list[str]) -> str | None:
    """Return the first line with an exception that is no wrapper: a worker's, else the engine's, else anybody's."""
    by_process: dict[str, str] = {}
    for line in lines:
        named = _EXCEPTION.search(line) or _PYDANTIC.search(line)
        if named and not _WRAPPER.search(line) and not _BELOW_ERROR.search(line):
            process = _PROCESS.match(line)
            by_process.setdefault(process.group(1) if process else "", line)
    order = ("Worker", "EngineCore", "APIServer", "MainProcess", "")
    return next((by_process[name] for name in order if name in by_process), None)


def _message(line: str) -> str:
    """Return a line without the prefix that names process, time and place."""
    return _PREFIX.sub("", line).strip()


def _hint(rule: LogRule, role: str) -> str:
    return rule.follower_hint if rule.follower_hint and role == "follower" else rule.hint
