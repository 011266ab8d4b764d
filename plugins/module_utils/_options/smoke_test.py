# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What ``vllm_smoke_test`` accepts.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import Arguments, ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import (
    connection_argument_spec,
    endpoint_argument_spec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

# Seconds one request may take. The slowest healthy first answer that was measured took 19 s (it compiles); a dead
# follower never answers, and vLLM itself gives up only after 300 s.
DEFAULT_TIME_LIMIT = 60.0
# Seconds for which refused connections and 502 to 504 are asked again: the route to a workload that has just become
# ready follows within seconds.
DEFAULT_ROUTE_LIMIT = 30.0


@dataclass(frozen=True)
class SmokeTestOptions:
    """What to try. ``up_to`` is the last level; ``time_limit`` the seconds one request may take; ``route_limit`` the
    seconds for which an endpoint that is not there yet is asked again; ``looks_in_check_mode`` allows looks there too.

    ``served_names`` and ``expected_pods`` (of all replicas) are judged from what the platform returns where they are
    not given.
    """

    up_to: str = "L2"
    prompt: str = "Say hello in one word."
    max_tokens: int = 16
    time_limit: float = DEFAULT_TIME_LIMIT
    route_limit: float = DEFAULT_ROUTE_LIMIT
    served_names: tuple[str, ...] = ()
    expected_pods: int | None = None
    looks_in_check_mode: bool = False


def smoke_test_arguments() -> Arguments:
    """Return the arguments of ``vllm_smoke_test``."""
    spec: ArgumentSpec = {
        "name": {"type": "str", "required": True},
        "up_to": {"type": "str", "choices": ["L0", "L1", "L2", "L4"], "default": "L2"},
        "served_names": {"type": "list", "elements": "str", "default": []},
        "prompt": {"type": "str", "default": "Say hello in one word."},
        "max_tokens": {"type": "int", "default": 16, "no_log": False},
        "time_limit": {"type": "int", "default": 60},
        "looks_in_check_mode": {"type": "bool", "default": False},
        "fail_on": {"type": "str", "choices": ["failed", "unknown", "never"], "default": "failed"},
    }
    spec.update(connection_argument_spec())
    spec.update(endpoint_argument_spec())
    return Arguments(argument_spec=spec)


def read_smoke_test(params: Mapping[str, Any]) -> SmokeTestOptions:
    """Return what to try, of validated, plain ``params``. Raises ``OptionError`` for limits that make no sense."""
    for option in ("time_limit", "max_tokens"):
        if params[option] < 1:
            raise OptionError.of(option, f"{params[option]} is less than 1.", "Give a whole number of at least 1.")
    return SmokeTestOptions(
        up_to=params["up_to"],
        prompt=params["prompt"],
        max_tokens=params["max_tokens"],
        time_limit=params["time_limit"],
        served_names=tuple(params["served_names"]),
        looks_in_check_mode=params["looks_in_check_mode"],
    )
