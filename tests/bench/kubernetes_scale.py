# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand workloads on Kubernetes that need no change: time, memory and requests."""

from __future__ import annotations

from dataclasses import replace

from bench.clusters import copy_workload, settled, told
from bench.figures import Figure
from bench.many import DEBUG, IN_PROCESS, Shape, Way, item_of
from bench.stage import Stage, workload_task
from support.cluster import ClusterHandle

GROUP = "Memory and time of very many workloads on Kubernetes"
FORKS = 5
FEW = 10
NOTHING = "`debug`"


def measure(stage: Stage, cluster: ClusterHandle, items: int) -> list[Figure]:
    """Let ``items`` workloads exist, then go over a tenth of them, and over all, unchanged."""
    made = "most-0"
    stage.play([workload_task(cluster.workload(made))])
    names = [made, *(f"most-{number}" for number in range(1, items))]
    copy_workload(cluster, made, names[1:])
    settled(cluster, names)
    figures = []
    for forks in (None, FORKS):
        for number in (items // FEW, items):
            shape = Shape(stage, GROUP, names, cluster.forget_requests, lambda: told(cluster), forks)
            shape.go(Way(NOTHING, [DEBUG], {}, number))
            time = shape.go(Way(IN_PROCESS, [workload_task(cluster.workload(item_of(shape)))], {}, number))
            figures += [replace(time, name=f"{shape.label}, {number} workloads"), *_memory(shape, number)]
    return figures


def _memory(shape: Shape, number: int) -> list[Figure]:
    """Return how much memory ansible-playbook took, and the largest of its processes, each beside that of `debug`."""
    ours, nothing = shape.plays[IN_PROCESS], shape.plays[NOTHING]
    pairs = {
        "ansible-playbook": (ours.parent_kib, nothing.parent_kib),
        "largest process of a task": (ours.largest_child_kib, nothing.largest_child_kib),
    }
    label = f"{shape.label}, {number} workloads"
    return [
        Figure(GROUP, f"{label}: {who}", kib / 1024, "MiB", "", f"{least / 1024:.0f} MiB with {NOTHING}")
        for who, (kib, least) in pairs.items()
    ]
