# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox alone, in the foreground: a place to rehearse the playbooks. ^C ends it.

Usage: make sandbox, or python tests/tools/sandbox.py (as root)
"""

from __future__ import annotations

import contextlib
import signal
import sys

import rehearsal
from rehearsal import Interrupted, Stopwatch, say


def stay() -> None:
    """Start the sandbox, say how to use it, and wait for a signal."""
    stopwatch = Stopwatch()
    with stopwatch.step("build the engine and the model (once for each machine)"):
        rehearsal.build_engine()
    with stopwatch.step("build and install the collection"):
        rehearsal.build_collection()
    sandbox = rehearsal.new_sandbox()
    with rehearsal.running(sandbox, "start the sandbox", stopwatch):
        say(f"\nThe sandbox runs. In another terminal:\n\n{sandbox.how_to_use()}\n\n^C ends it.")
        with contextlib.suppress(Interrupted):
            signal.pause()


if __name__ == "__main__":
    sys.exit(rehearsal.main(stay))
