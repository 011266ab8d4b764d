# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Why a workload does not start: judged from status, events, ends of logs and history. Pure.

The causes stand in the tables, one row each: ``start_table`` and ``place_table``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import functools
from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import (
    LAST_WORDS_KEPT,
    StatusHistory,
)
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_table import LASTING_CAUSES
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.place_table import PLACE_RULES
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rule import Rule
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import sentence
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.start_table import START_RULES
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import FAILED, RUNNING, WorkloadStatus
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding

# What only says that it ended, after all that may say why.
_TOLD_LAST = ("crash_loop", "container_ended", "ended_without_error", "group_recreated", "platform_failed")

RULES: tuple[Rule, ...] = (*START_RULES, *PLACE_RULES)


def diagnose(status: WorkloadStatus, history: StatusHistory) -> list[Finding]:
    """Return what the signs mean, the most telling first.

    An **error** is hopeless: waiting cannot help. A warning or information may heal by itself, or only somebody else
    can heal it; when a time limit is over they are the best explanation there is (``promoted``). ``history`` must have
    observed ``status``.
    """
    findings: list[Finding] = []
    for rule in RULES:
        sign = rule.look(status, history)
        if sign is None:
            continue
        seen_for = history.seconds_seen(rule.cause)
        can_be_fatal = rule.fatal_after is not None
        over = rule.fatal_after is not None and seen_for >= rule.fatal_after
        fatal = sign.definitive or over or (can_be_fatal and status.phase == FAILED)
        findings.append(
            Finding(ERROR if fatal else rule.meanwhile, rule.cause, sentence(sign.evidence), rule.hint, sign.object)
        )
    history.forget_all_but({finding.cause for finding in findings})
    findings += _from_last_words(status, history, "crash_loop" in {finding.cause for finding in findings})
    return sorted(findings, key=lambda finding: (finding.severity != ERROR, finding.cause in _TOLD_LAST))


def _from_last_words(status: WorkloadStatus, history: StatusHistory, is_crash_loop: bool) -> list[Finding]:
    """Return what the ends of logs say about containers that ended, the most telling first.

    A cause that the next start cannot escape is an error at once, any other one as soon as it is a crash loop; then
    the pods that were recreated since are judged too.
    """
    if status.phase == RUNNING:
        return []
    names = {pod.name for pod in status.pods if pod.last_words}
    found: dict[str, Finding] = {}
    ends = [end for end in history.last_words if is_crash_loop or end.pod in names]
    for end in sorted(ends, key=lambda end: end.role != "leader"):
        for finding in _told_by(end.text, end.role):
            is_error = finding.severity == ERROR and (is_crash_loop or finding.cause in LASTING_CAUSES)
            judged = replace(finding, severity=ERROR if is_error else WARNING, object=end.pod)
            found.setdefault(finding.cause, judged)
    return sorted(found.values(), key=lambda finding: finding.cause not in LASTING_CAUSES)


@functools.lru_cache(maxsize=LAST_WORDS_KEPT)
def _told_by(text: str, role: str) -> tuple[Finding, ...]:
    """Return what a log tells. The same ends are judged at every look, and whole logs take a tenth of a second each."""
    return tuple(diagnose_log(text, role))


def promoted(findings: list[Finding]) -> list[Finding]:
    """Return the findings as the explanation of a wait that is over: warnings become errors, the order stays."""
    return [replace(finding, severity=ERROR) if finding.severity == WARNING else finding for finding in findings]
