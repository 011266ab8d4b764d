# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The operation behind ``vllm_smoke_test``: options in, verdict out.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_test import run_smoke_test
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.smoke_test import read_smoke_test
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_platform
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

_FAILING = {"failed": ("failed",), "unknown": ("failed", "unknown"), "never": ()}


def prove_workload(params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Test one workload and return the module's result; a verdict that has to fail the task raises."""
    options = read_smoke_test(params)
    platform = make_platform(read_connection(params), host)
    verdict = run_smoke_test(platform, host, params["name"], options)
    result = {"changed": False, "target": platform.target().sentence(), **verdict.as_dict()}
    if verdict.verdict in _FAILING[params["fail_on"]]:
        reasons = "; ".join(
            f"{level['level']} {level['name']}: {level['reason']}"
            for level in result["levels"]
            if level["status"] in _FAILING[params["fail_on"]]
        )
        raise GpuopsError(
            f"the smoke test of {params['name']} ended with {verdict.verdict}: {reasons}", verdict.findings, result
        )
    return result
