# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hundred pods get ready: how long after the API server has told of it a line of ours does."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Sequence
from urllib.parse import quote

from bench.figures import Figure
from bench.stage import BenchFailure, Stage, workload_task
from support.cluster import PODS, ClusterHandle

from gpuops_cluster.api import Api
from gpuops_cluster.launcher import administrator

GROUP = "From an event of the API server to the line that tells it"
PODS_EACH = 2
# The pods run at different moments all the same: the controllers make them one after the other.
REPLICAS = 100
_COUNT = re.compile(r": (\d+)/\d+ pods running")


class _Witness(threading.Thread):
    """Watches the pods of a workload beside the collection, and notes when each one is first seen to run."""

    def __init__(self, cluster: ClusterHandle, name: str) -> None:
        super().__init__(daemon=True)
        self._api = Api(administrator(cluster.description))
        self._path = f"{PODS}?watch=true&labelSelector={quote(f'run.ai/workload={name}')}"
        self.seen: dict[str, float] = {}

    def run(self) -> None:
        """Watch until the API server ends."""
        for event in self._api.watch(self._path):
            pod = event["object"]
            if pod.get("status", {}).get("phase") == "Running":
                self.seen.setdefault(pod["metadata"]["name"], time.time())


def measure(stage: Stage, cluster: ClusterHandle, replicas: int) -> list[Figure]:
    """Deploy many pods with progress shown; compare the times of the lines with those of an independent watch."""
    name = cluster.unique_name("news")
    witness = _Witness(cluster, name)
    witness.start()
    lines: list[tuple[float, str]] = []
    workload = cluster.workload(name, pods=PODS_EACH, replicas=replicas, progress="changes")
    timed = stage.play([workload_task(workload)], on_line=lambda line: lines.append((time.time(), line)))
    moments = sorted(witness.seen.values())
    if len(moments) != PODS_EACH * replicas:
        raise BenchFailure(f"{len(moments)} of {PODS_EACH * replicas} pods were seen to run")
    delays = _delays(moments, [(moment, int(found[1])) for moment, line in lines if (found := _COUNT.search(line))])
    note = f"{len(moments)} pods within {moments[-1] - moments[0]:.1f} s, {len(lines)} lines"
    ended = timed.times[0].ended - moments[-1]
    return [
        Figure(GROUP, "a pod runs: median", statistics.median(delays), "s", "", note),
        Figure(GROUP, "a pod runs: 95th percentile", statistics.quantiles(delays, n=20)[-1], "s"),
        Figure(GROUP, "a pod runs: longest", max(delays), "s"),
        Figure(GROUP, "from the last one to the end of the task", ended, "s", "", "with the controllers' own work"),
    ]


def _delays(moments: Sequence[float], counts: Sequence[tuple[float, int]]) -> list[float]:
    """Return for the first, second, ... pod that ran how long after it a line counted as many."""
    delays = []
    for position, moment in enumerate(moments):
        told = next((when for when, count in counts if count > position), None)
        if told is None:
            raise BenchFailure(f"no line tells of {position + 1} running pods; the last one: {counts[-1:]}")
        delays.append(told - moment)
    return delays
