# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What ``vllm_smoke_test`` accepts.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments, ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import (
    connection_argument_spec,
    endpoint_argument_spec,
)


def smoke_test_arguments() -> Arguments:
    """Return the arguments of ``vllm_smoke_test``."""
    spec: ArgumentSpec = {
        "name": {"type": "str", "required": True},
        "up_to": {"type": "str", "choices": ["L0", "L1", "L2"], "default": "L2"},
        "served_names": {"type": "list", "elements": "str", "default": []},
        "prompt": {"type": "str", "default": "Say hello in one word."},
        "max_tokens": {"type": "int", "default": 16, "no_log": False},
        "time_limit": {"type": "int", "default": 60},
        "fail_on": {"type": "str", "choices": ["failed", "unknown", "never"], "default": "failed"},
    }
    spec.update(connection_argument_spec())
    spec.update(endpoint_argument_spec())
    return Arguments(argument_spec=spec)
