# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What ``preflight_info`` accepts.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments, ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import connection_argument_spec
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import PreflightNeeds
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

NEVER = "never"


def preflight_arguments() -> Arguments:
    """Return the arguments of ``preflight_info``."""
    spec: ArgumentSpec = {
        "gpus_per_pod": {"type": "int"},
        "pods": {"type": "int", "default": 1},
        "replicas": {"type": "int", "default": 1},
        "claims": {"type": "list", "elements": "str", "default": []},
        "fail_on": {"type": "str", "choices": ["failed", "warning", NEVER], "default": NEVER},
    }
    spec.update(connection_argument_spec())
    return Arguments(argument_spec=spec)


def read_preflight_needs(params: Mapping[str, Any]) -> PreflightNeeds:
    """Return what shall run there, of validated, plain ``params``. Raises ``OptionError`` for numbers below 1."""
    for option in ("gpus_per_pod", "pods", "replicas"):
        if params[option] is not None and params[option] < 1:
            raise OptionError.of(option, f"{params[option]} is less than 1.", "Give a whole number of at least 1.")
    return PreflightNeeds(
        gpus_per_pod=params["gpus_per_pod"],
        pods=params["pods"],
        replicas=params["replicas"],
        claims=tuple(dict.fromkeys(params["claims"])),
    )
