# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The program that answers a question about the fabric by its exit status, for pods of which nobody reads a report.

It runs as the serving user in the workload's image, looks as the program of the probe does, and judges what it saw by
the very rule of the decision (``ports``). It takes an ``AnswerTask`` as JSON. Exit status: 0 for yes, 1 for no, 2 for a
task that makes no sense.

Part of the program that runs inside pods (``answer_program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    DeviceUse,
    Gid,
    Interface,
    PodEvidence,
    RdmaPort,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import USABLE
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import view_pod
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import ProbeTask, report_of
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_memory import capability_names


@dataclass(frozen=True)
class AnswerTask:
    """What is asked: whether the fabric ``kind`` is ``judgement`` (``usable`` or ``unusable``) for this user. It is
    neither where nothing stands in the way, and no device could be tried. ``variables`` are the user's; ``probe`` says
    what is looked at."""

    kind: str
    judgement: str
    variables: Mapping[str, str] = field(default_factory=dict)
    probe: ProbeTask = field(default_factory=ProbeTask)


def what_was_seen(report: Mapping[str, Any]) -> PodEvidence:
    """Return what a report says that the judgement of ports needs."""
    return PodEvidence(
        machine="",
        ports=tuple(
            RdmaPort(**{**port, "gids": tuple(Gid(**gid) for gid in port["gids"])}) for port in report["ports"]
        ),
        uses=tuple(DeviceUse(**use) for use in report["uses"]),
        memlock=report["memlock"],
        effective_capabilities=capability_names(report["effective"]),
        interfaces=tuple(
            Interface(**{**entry, "addresses": tuple(entry["addresses"])}) for entry in report["interfaces"]
        ),
    )


def is_so(task: AnswerTask, seen: PodEvidence) -> bool:
    """Return the answer that follows from what was seen."""
    view = view_pod(seen, task.variables)
    return bool(view.usable(task.kind)) if task.judgement == USABLE else not view.sound(task.kind)


def main(arguments: list[str]) -> int:
    """Do what the task says."""
    try:
        told = json.loads(arguments[0])
        task = AnswerTask(**{**told, "probe": ProbeTask(**told["probe"])})
    except (LookupError, TypeError, ValueError) as error:
        sys.stderr.write(json.dumps({"error": str(error)}) + "\n")
        return 2
    return 0 if is_so(task, what_was_seen(report_of(task.probe))) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
