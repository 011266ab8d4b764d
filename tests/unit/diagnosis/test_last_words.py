# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of a log tells that the kubelet keeps of an ended container: less than the whole, and nothing wrong."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_table import LASTING_CAUSES

LOGS = sorted((Path(__file__).resolve().parents[1] / "recorded_logs").rglob("*.log"))


def causes(text: str, log: Path) -> set[str]:
    role = "follower" if "follower" in log.name else "leader"
    return {finding.cause for finding in diagnose_log(text, role)}


def kept_by_the_kubelet(text: str) -> str:
    """Return what ``FallbackToLogsOnError`` keeps: the last 80 lines, of these the last 2048 bytes."""
    lines = "\n".join(text.splitlines()[-80:])
    return lines.encode()[-2048:].decode("utf-8", "replace")


def test_the_end_of_a_log_tells_no_lasting_cause_that_the_whole_does_not() -> None:
    for log in LOGS:
        text = log.read_text(encoding="utf-8")
        told = causes(kept_by_the_kubelet(text), log)
        assert told & LASTING_CAUSES <= causes(text, log), log.name


def test_the_share_of_failures_that_docs_diagnosis_names() -> None:
    failed = {log: whole for log in LOGS if (whole := causes(log.read_text(encoding="utf-8"), log))}
    told = [log for log in failed if causes(kept_by_the_kubelet(log.read_text(encoding="utf-8")), log) & failed[log]]
    page = (Path(__file__).resolve().parents[3] / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert f"{len(told)} of {len(failed)} recorded" in page
