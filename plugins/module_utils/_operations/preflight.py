# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The operation behind ``preflight_info``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.preflight import NEVER, read_preflight_needs
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    DOUBTFUL,
    FAILED,
    PreflightCheck,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_platform
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import most_severe_first
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

# Which checks fail the task, by the option ``fail_on``.
_FAILING = {"failed": (FAILED,), "warning": (FAILED, DOUBTFUL), NEVER: ()}


def read_preflight(params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Check whether the platform is ready and return the module's result.

    Raises ``GpuopsError`` where it cannot be reached or does not let us in, whatever ``fail_on`` says; the result then
    holds that as its only check.
    """
    needs = read_preflight_needs(params)
    connection = read_connection(params)
    try:
        platform = make_platform(connection, host)
        target = platform.target().sentence()
        checks = platform.preflight(needs)
    except GpuopsError as error:
        failed = PreflightCheck("connection", FAILED, error.message)
        error.result.update({"checks": [failed.as_dict()], "ready": False})
        raise
    findings = [finding for finding in (check.finding() for check in checks) if finding is not None]
    result: dict[str, Any] = {
        "changed": False,
        "target": target,
        "checks": [check.as_dict() for check in checks],
        "ready": not any(check.status == FAILED for check in checks),
    }
    failing = [check for check in checks if check.status in _FAILING[params["fail_on"]]]
    if failing:
        message = "Not ready: " + " ".join(f"{check.name}: {check.evidence}" for check in failing)
        raise GpuopsError(message, most_severe_first(findings), result)
    return {**result, "findings": [finding.as_dict() for finding in most_severe_first(findings)]}
