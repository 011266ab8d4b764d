# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests say about results of ``vllm_workload``."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]


def went_well(result: Result) -> Result:
    """Fail unless the module went well; return its result."""
    assert not result.get("failed"), f"{result.get('msg')}\n{result.get('findings')}"
    return result


def only_error(result: Result) -> dict[str, Any]:
    """Return the one finding of severity ``error`` of a failed module, whose sentence is the message."""
    assert result.get("failed"), "it went well"
    errors = [finding for finding in result["findings"] if finding["severity"] == "error"]
    assert len(errors) == 1, f"{len(errors)} errors: {errors}"
    assert errors[0]["cause"] != "internal_error", result["msg"]
    assert errors[0]["evidence"] in result["msg"]
    finding: dict[str, Any] = errors[0]
    return finding


def first_error(result: Result) -> dict[str, Any]:
    """Return the finding of a failed module that the message is about; what explains it may follow."""
    assert result.get("failed"), "it went well"
    finding: dict[str, Any] = result["findings"][0]
    assert finding["severity"] == "error"
    assert finding["cause"] != "internal_error", result["msg"]
    assert finding["evidence"] in result["msg"]
    return finding


def causes(result: Result) -> list[str]:
    """Return the causes of all findings."""
    return [finding["cause"] for finding in result["findings"]]
