# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What an operation gets from the process it runs in: module or action plugin.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ansible_collections.gpuops.inference.plugins.module_utils._results.progress import Progress, silent
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor


def _nothing() -> None:
    """Do nothing: the check of a process that has no parent to watch."""


@dataclass(frozen=True)
class Host:
    """The surroundings of an operation.

    ``alive`` raises ``InterruptedByParent`` when ansible-playbook is gone; it is called before each write and poll.
    ``temporary_directory`` is ansible's per-run folder (for the token cache) or ``None``. ``clock`` returns seconds,
    ``sleep`` waits for seconds.
    """

    check_mode: bool = False
    progress: Progress = field(default_factory=silent)
    redactor: Redactor = field(default_factory=Redactor)
    alive: Callable[[], None] = _nothing
    temporary_directory: str | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
