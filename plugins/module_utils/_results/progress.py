# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""One voice: progress lines for anything that takes more than a few seconds.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]

# Seconds between two lines in mode "interval" when nothing changes: short enough to show life, long enough to read.
INTERVAL_SECONDS = 15.0


class Progress:
    """Writes a line when the state changes, and in mode ``interval`` also every 15 seconds.

    ``write`` takes one line of text (the action plugin's prints to stderr with the host in front; a module's drops it).
    ``mode`` is ``changes``, ``interval`` or ``none``. ``clock`` returns seconds.
    """

    def __init__(self, write: Callable[[str], None], mode: str = "changes", clock: Clock = time.monotonic) -> None:
        self._write = write
        self._mode = mode
        self._clock = clock
        self._started = clock()
        self._last_text = ""
        self._last_time = float("-inf")

    def restart(self) -> None:
        """Begin a new phase: the elapsed seconds in front of each line count from now."""
        self._started = self._clock()
        self._last_text = ""

    def say(self, text: str) -> None:
        """Report ``text``, the state as it is now; written when it differs from the last one or is due again."""
        if self._mode == "none":
            return
        now = self._clock()
        due = self._mode == "interval" and now - self._last_time >= INTERVAL_SECONDS
        if text == self._last_text and not due:
            return
        self._last_text, self._last_time = text, now
        self._write(f"[{now - self._started:5.0f}s] {text}")


def silent() -> Progress:
    """Return a progress voice that says nothing."""
    return Progress(lambda line: None, "none")
