# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The time budgets that follow from ``start_timeout``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import math

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import HttpProbe, Timeouts

# vLLM's imports alone take about 10 s; a day is more than any model takes to load.
SHORTEST_START = 10
LONGEST_START = 86400
# torch's own limit for gloo groups; vLLM waits without a word for as long (measured over 1000 s without a limit).
LONGEST_DISTRIBUTED = 1800

# Readiness decides only where requests go; Kubernetes restarts nothing for it, so the budget of the start is not in it.
# Three failures 10 s apart take a broken leader out of the endpoint after 30 s (llm-d's published values).
_PROBE_PERIOD = 10
_PROBE_TIMEOUT = 5
_PROBE_FAILURES = 3

# A restart for a dead HTTP server costs loading the whole model again, on all pods. vLLM gives up an engine that does
# not answer after 300 s by itself (VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS) and then ends; so five minutes here, and 10 s
# for an answer, since the server's one loop may be busy with long requests.
_LIVENESS_PERIOD = 30
_LIVENESS_TIMEOUT = 10
_LIVENESS_FAILURES = 10


def decide_timeouts(start_timeout: int) -> Timeouts:
    """Return the budgets in seconds, always ``distributed < engine_ready < start``.

    ``distributed`` (how long ranks wait for one another) is half of the start, at most torch's 1800 s, so that a pod
    that never comes is named by vLLM itself. ``engine_ready`` (how long the HTTP server waits for its engine; vLLM's
    own default of 600 s is too short for large models on network storage) ends a twentieth before ``start``, so that
    vLLM speaks first. Raises ``OptionError`` outside 10 s .. 1 day.
    """
    if not SHORTEST_START <= start_timeout <= LONGEST_START:
        raise OptionError.of(
            "start_timeout",
            f"{start_timeout} s is out of range.",
            f"Use {SHORTEST_START} to {LONGEST_START} seconds.",
        )
    return Timeouts(
        start=start_timeout,
        distributed=min(LONGEST_DISTRIBUTED, start_timeout // 2),
        engine_ready=start_timeout - max(1, start_timeout // 20),
    )


def startup_probe(path: str, port: int, timeouts: Timeouts) -> HttpProbe:
    """Return the startup probe of the leader: until it succeeds, at most ``timeouts.start``, the others wait."""
    return HttpProbe(path, port, _PROBE_PERIOD, _PROBE_TIMEOUT, math.ceil(timeouts.start / _PROBE_PERIOD))


def readiness_probe(path: str, port: int) -> HttpProbe:
    """Return the readiness probe of the leader; followers have no HTTP port."""
    return HttpProbe(path, port, _PROBE_PERIOD, _PROBE_TIMEOUT, _PROBE_FAILURES)


def liveness_probe(path: str, port: int) -> HttpProbe:
    """Return the liveness probe of the leader, which restarts it; generous, since loading takes long."""
    return HttpProbe(path, port, _LIVENESS_PERIOD, _LIVENESS_TIMEOUT, _LIVENESS_FAILURES)
