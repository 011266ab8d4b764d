# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The judgement of the smoke test's level L4: every pod sees its GPUs, and a rank works on each. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._operations.gpu_figures import (
    Gpu,
    PodGpus,
    unseen_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PodStatus, ReplicaLayout
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding

# A GPU without a process holds what the driver keeps: 0 to about a hundred MiB; any process on it has a CUDA context of
# some hundred. That context alone is no rank yet: all ranks of an engine have the same budget (vLLM takes 92 % of each
# GPU unless it is told otherwise), so that one which holds less than a twentieth of the busiest GPU takes no part.
USED_FROM_MIB = 256
USED_FROM_SHARE = 20
# Causes of findings that leave the level unknown.
NOT_KNOWN = ("gpus_not_seen", "gpu_memory_not_told")
_GIB = 1024


def gpu_findings(figures: Sequence[PodGpus], layout: ReplicaLayout, name: str) -> list[Finding]:
    """Return what is wrong about the GPUs of the workload's pods, and which could not be seen."""
    held = [gpu.memory_used for figure in figures for gpu in figure.gpus or () if gpu.memory_used is not None]
    used_from = max(USED_FROM_MIB, max(held, default=0) // USED_FROM_SHARE)
    found: list[Finding] = []
    for figure in figures:
        if figure.gpus is not None:
            found += _of_pod(figure.pod, figure.gpus, expected_gpus(layout, figure.pod), used_from)
    return found + unseen_findings(figures, name)


def expected_gpus(layout: ReplicaLayout, pod: PodStatus) -> int | None:
    """Return how many GPUs a pod has by its workload's description; ``None``: it is not stated as whole GPUs."""
    role = layout.leader if pod.role == "leader" or layout.follower is None else layout.follower
    return role.gpus


def in_words(figures: Sequence[PodGpus]) -> str:
    """Return what the GPUs hold, all together: ``4 GPUs in 2 pods, each in use: 71.2 to 72.8 of 79.6 GiB.``"""
    gpus = [gpu for figure in figures for gpu in figure.gpus or ()]
    used = [gpu.memory_used for gpu in gpus if gpu.memory_used is not None]
    total = [gpu.memory_total for gpu in gpus if gpu.memory_total is not None]
    return f"{len(gpus)} GPUs in {len(figures)} pods, each in use: {_range(used)} of {_range(total)} GiB."


def _of_pod(pod: PodStatus, gpus: Sequence[Gpu], expected: int | None, used_from: int) -> list[Finding]:
    """Return what is wrong about the GPUs of one pod; a rank holds at least ``used_from`` MiB."""
    found = []
    where = f" on {pod.machine}" if pod.machine else ""
    if len(gpus) < (1 if expected is None else expected):
        wanted = "" if expected is None else f" of {expected}"
        hint = "A GPU may have failed, or the device plugin handed out too few: look at nvidia-smi on the machine."
        evidence = f"the pod{where} sees {len(gpus)}{wanted} GPUs."
        found.append(Finding(ERROR, "gpus_missing", evidence, hint, pod.name))
    elif expected is not None and len(gpus) > expected:
        hint = (
            "Something gives it more than it was allotted, and other pods of the machine may use the same ones: see "
            "whether it is privileged, or sets NVIDIA_VISIBLE_DEVICES."
        )
        evidence = f"the pod{where} sees {len(gpus)} GPUs and has {expected}."
        found.append(Finding(WARNING, "more_gpus_than_allotted", evidence, hint, pod.name))
    silent = [gpu for gpu in gpus if gpu.memory_used is None]
    if silent:
        evidence = f"the driver does not tell how much memory {_names(silent)} holds."
        found.append(Finding(WARNING, "gpu_memory_not_told", evidence, "MIG slices do not show it.", pod.name))
    idle = [gpu for gpu in gpus if gpu.memory_used is not None and gpu.memory_used < used_from]
    # Of GPUs beyond its own nobody knows which ones the pod would use.
    if idle and len(gpus) - len(idle) < (len(gpus) if expected is None else min(expected, len(gpus))):
        held = ", ".join(str(gpu.memory_used) for gpu in idle)
        hint = (
            f"A rank holds weights and KV cache, here more than {used_from} MiB: compare tensor x pipeline x data "
            "parallel with the GPUs, and see whether every pod joins the leader's engine."
        )
        evidence = f"{_names(idle)}{where}: {held} MiB in use, so no rank works there."
        found.append(Finding(ERROR, "gpu_idle", evidence, hint, pod.name))
    return found


def _names(gpus: Sequence[Gpu]) -> str:
    """Return ``GPU 0, 1 (NVIDIA H100 80GB HBM3)``."""
    return f"GPU {', '.join(str(gpu.index) for gpu in gpus)} ({gpus[0].name})"


def _range(amounts: Sequence[int]) -> str:
    if not amounts:
        return "unknown"
    low, high = (f"{amount / _GIB:.1f}" for amount in (min(amounts), max(amounts)))
    return low if low == high else f"{low} to {high}"
