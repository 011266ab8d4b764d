# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What ``vllm_workload_info`` accepts.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments, ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import connection_argument_spec


def workload_info_arguments() -> Arguments:
    """Return the arguments of ``vllm_workload_info``."""
    spec: ArgumentSpec = {
        "name": {"type": "str", "required": True},
        "query": {"type": "str"},
        "logs": {"type": "bool", "default": False},
        "gpus": {"type": "bool", "default": False},
    }
    spec.update(connection_argument_spec())
    return Arguments(argument_spec=spec)
