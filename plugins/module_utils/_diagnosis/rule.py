# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What a row of the tables of causes is. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import Look
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING

AT_ONCE = 0.0
# How long a sign that may heal by itself has to stay before waiting is given up, in seconds. An object that somebody
# else creates (a claim, a Secret) may come a moment later; a kubelet retries a pull or a mount every 10 s up to 5 min,
# and after 2 minutes it has retried about four times.
OBJECT_GRACE = 30.0
RETRY_GRACE = 120.0
# vLLM opens its port only when it can answer: a refusing answer of the probe's path is the final one. One minute
# leaves room for a proxy in front of it.
PROBE_GRACE = 60.0
# Only the caller's own time limit ends the wait: room may become free.
NEVER = None

POD_GOT_ON = ("Pulled", "Created", "Started")
# A controller that could not create a pod says so when it can again.
POD_WAS_CREATED = ("SuccessfulCreate",)


@dataclass(frozen=True)
class Rule:
    """One cause. ``seen`` and ``hint`` are for people; ``look`` finds the sign.

    ``fatal_after``: seconds for which the sign has to stay before the finding is an error (``AT_ONCE``, or ``NEVER``);
    a definitive sign is an error at once. Until then the finding has the severity ``meanwhile``.
    """

    cause: str
    seen: str
    hint: str
    look: Look
    fatal_after: float | None
    meanwhile: str = WARNING
