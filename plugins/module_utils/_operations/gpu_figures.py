# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The GPUs of a workload as its own pods see them: by ``nvidia-smi`` in each.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import sentence, shortened
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    NOT_REACHABLE_FROM_HERE,
    LiveWorkload,
    Platform,
    PodStatus,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

_FIELDS = ("index", "uuid", "name", "memory.used", "memory.total")
COMMAND = ("nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits")
# Seconds. Without persistence mode the driver may have to wake every GPU first.
_TIME_LIMIT = 60.0
# How many pods are asked at the same time.
_AT_ONCE = 8
# What nvidia-smi prints, with an exit status that is not 0, where the container has no GPU.
_NO_GPUS = "No devices were found"
_UNSEEN_HINT = "This says nothing about the GPUs themselves."


@dataclass(frozen=True)
class Gpu:
    """One GPU by nvidia-smi. Memory is in MiB, ``None`` where the driver does not tell (as inside a MIG slice)."""

    index: int
    uuid: str
    name: str
    memory_used: int | None
    memory_total: int | None


@dataclass(frozen=True)
class PodGpus:
    """The GPUs that one pod sees. ``gpus`` is ``None`` where they could not be seen; ``unseen`` then says why."""

    pod: PodStatus
    gpus: tuple[Gpu, ...] | None
    unseen: Unreachable | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return the plain dictionaries that results carry, one for each GPU."""
        return [
            {
                "pod": self.pod.name,
                "role": self.pod.role,
                "machine": self.pod.machine,
                "index": gpu.index,
                "uuid": gpu.uuid,
                "name": gpu.name,
                "memory_used_mib": gpu.memory_used,
                "memory_total_mib": gpu.memory_total,
            }
            for gpu in self.gpus or ()
        ]


def read_gpus(platform: Platform, host: Host, live: LiveWorkload, pods: Sequence[PodStatus]) -> list[PodGpus]:
    """Return the GPUs that each of the running pods sees, in their order."""
    host.alive()
    if not pods:
        return []
    with ThreadPoolExecutor(min(len(pods), _AT_ONCE)) as executor:
        return list(executor.map(lambda pod: _of_pod(platform, live, pod), pods))


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of nvidia-smi's table; lines that are none of its rows are passed over (pure)."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        index = _number(cells[0])
        if index is not None and len(cells) == len(_FIELDS):
            found.append(Gpu(index, cells[1], cells[2], _number(cells[3]), _number(cells[4])))
    return tuple(found)


def unseen_findings(figures: Sequence[PodGpus], name: str) -> list[Finding]:
    """Return why GPUs could not be seen: a reason that is the same for all pods once, for the workload ``name``."""
    reasons: dict[str, list[str]] = {}
    for figure in figures:
        if figure.unseen is not None:
            reasons.setdefault(figure.unseen.reason, []).append(figure.pod.name)
    return [
        Finding(WARNING, "gpus_not_seen", sentence(reason), _UNSEEN_HINT, pods[0] if len(pods) == 1 else name)
        for reason, pods in reasons.items()
    ]


def _of_pod(platform: Platform, live: LiveWorkload, pod: PodStatus) -> PodGpus:
    """Ask one pod; what stands in the way is returned, not raised."""
    try:
        result = platform.execute(live, pod, COMMAND, _TIME_LIMIT)
    except Unreachable as error:
        return PodGpus(pod, None, error)
    except GpuopsError as error:
        return PodGpus(pod, None, Unreachable(error.message))
    if result is None:
        reason = "the platform runs no commands in pods, so their GPUs cannot be seen."
        return PodGpus(pod, None, Unreachable(reason, NOT_REACHABLE_FROM_HERE))
    told = shortened(f"{result.errors} {result.output}")
    if result.status != 0 and _NO_GPUS not in told:
        return PodGpus(pod, None, Unreachable(f"pod {pod.name}: nvidia-smi ended with status {result.status}: {told}"))
    gpus = parse_gpus(result.output)
    if not gpus and _NO_GPUS not in told:
        return PodGpus(pod, None, Unreachable(f"pod {pod.name}: nvidia-smi answered without a table: {told}"))
    return PodGpus(pod, gpus)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
