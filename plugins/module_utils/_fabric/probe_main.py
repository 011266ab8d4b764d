# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The program that looks, as it is run: it leaves its report.

It runs as the serving user in the workload's image: ``python3 -I -S -B -c PROGRAM '{"root": "/", ...}'``. It takes a
``ProbeTask`` as JSON and leaves its report as one JSON object, of a size that a container's termination message has.
Exit status: 0, or 2 for a task that makes no sense.

Part of the program that runs inside pods (``probe_program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import sys

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import ProbeTask, fitting, report_of


def main(arguments: list[str]) -> int:
    """Do what the task says."""
    try:
        task = ProbeTask(**json.loads(arguments[0]))
    except (IndexError, TypeError, ValueError) as error:
        sys.stderr.write(json.dumps({"error": str(error)}) + "\n")
        return 2
    text = fitting(report_of(task))
    sys.stdout.write(text + "\n")
    if task.report:
        with open(task.report, "w", encoding="utf-8") as place:
            place.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
