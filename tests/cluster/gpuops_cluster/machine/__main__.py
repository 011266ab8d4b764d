# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of the machine's namespaces: makes its mounts and its network, then adopts orphans until killed.

Everything of the machine dies with it, since it is process 1 of a PID namespace of its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from gpuops_cluster.machine import inside


def main(arguments: list[str]) -> int:
    """Prepare the machine in ``--folder``, say so by the file ``ready``, and wait for ever."""
    parser = argparse.ArgumentParser(prog="gpuops_cluster.machine")
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args(arguments)
    inside.prepare(options.folder)
    inside.ready_file(options.folder).touch()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while True:
        signal.sigwait([signal.SIGCHLD])
        _reap()


def _reap() -> None:
    """Take the exit status of every child that has ended: containers' shims leave theirs to process 1."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            continue
    except ChildProcessError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
