# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""How far a start of vLLM has got, read from its log. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

# The step after which a rank waits for all others, and the one after which it has found them.
RANKS_STARTED = "ranks_started"
RANKS_CONNECTED = "ranks_connected"
# The step after which the leader answers.
READY = "server_ready"
# The steps of a start in their order, and the line of vLLM 0.12 to 0.33 that says so (loosely: the texts change).
_STEPS = (
    ("engine_configured", r"Initializing a V1 LLM engine|headless multiproc executor, with head node address"),
    (RANKS_STARTED, r"world_size=\d+ rank=\d+ local_rank=\d+"),
    (RANKS_CONNECTED, r"rank \d+ in world size \d+ is assigned as"),
    ("weights_loading", r"Starting to load model"),
    ("weights_loaded", r"Loading weights took [\d.]+ seconds|Model loading took [\d.]+"),
    ("cache_allocated", r"GPU KV cache size: [\d,]+ tokens|CPU KV cache size|Available KV cache memory"),
    ("engine_ready", r"init engine \(.*\) took [\d.]+"),
    (READY, r"Application startup complete\."),
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Marker:
    """A step that a start has reached; ``line`` is the last line of the log that says so."""

    step: str
    line: str

    def as_dict(self) -> dict[str, str]:
        """Return the plain dictionary that results carry."""
        return {"step": self.step, "line": self.line}


def read_markers(text: str) -> list[Marker]:
    """Return the steps that a log tells of, in the order of a start. Any text is accepted."""
    found: dict[str, str] = {}
    for raw in text.splitlines():
        line = _COLOUR.sub("", raw).strip()
        for step, pattern in _patterns():
            if pattern.search(line):
                found[step] = line
    return [Marker(step, found[step]) for step, _pattern in _STEPS if step in found]


def reached(text: str) -> set[str]:
    """Return the steps that a start has behind it, also those whose own lines this version words in another way."""
    told = {marker.step for marker in read_markers(text)}
    steps = [step for step, _pattern in _STEPS]
    last = max((at for at, step in enumerate(steps) if step in told), default=-1)
    return set(steps[: last + 1])


@functools.lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((step, re.compile(pattern)) for step, pattern in _STEPS)
