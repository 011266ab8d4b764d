# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that is killed or deleted while its group starts: LeaderWorkerSet makes the group anew, which is told, and the
wait goes on to its good end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from support.cluster import PODS, ClusterHandle
from support.kubernetes_place import KubernetesPlace
from support.results import causes, went_well
from support.sandbox import until

Apply = Callable[..., dict[str, Any]]
Beside = Callable[..., Future[dict[str, Any]]]
NAME = "disturbed"
LEADER, FOLLOWER = f"{NAME}-0", f"{NAME}-0-1"
SECONDS = 120
# Long enough for a test to disturb it before it serves.
IMAGE = "registry.example.com/slow:4s"


def until_running(cluster: ClusterHandle, but: set[str]) -> set[str]:
    """Wait until both pods run, others than those in ``but``; return their identities."""

    def running() -> set[str]:
        return {
            pod["metadata"]["uid"]
            for pod in cluster.pods(NAME)
            if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
        } - but

    return until(running, "both pods run", SECONDS, good=lambda pods: len(pods) == 2)


@pytest.mark.parametrize("victim", [FOLLOWER, LEADER], ids=["follower", "leader"])
def test_a_killed_pod_is_told_and_the_group_starts_anew(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, beside: Beside, victim: str
) -> None:
    running = beside(apply, NAME, image=IMAGE)
    before = until_running(cluster, set())
    cluster.restart_container(victim, 137)
    result = went_well(running.result(SECONDS))
    assert result["workload"]["phase"] == "running" and kubernetes.ready_pods(NAME).isdisjoint(before)
    told = {finding["cause"]: finding for finding in result["findings"]}
    assert {"container_killed", "group_recreated"} <= set(told)
    assert told["container_killed"]["object"] == victim
    assert victim in told["group_recreated"]["evidence"]


def test_pods_that_somebody_deletes_again_and_again_are_no_crash_loop(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, beside: Beside
) -> None:
    running = beside(apply, NAME, image=IMAGE)
    seen: set[str] = set()
    for _time in range(3):
        seen |= until_running(cluster, seen)
        assert cluster.api("DELETE", f"{PODS}/{FOLLOWER}")[0] == 200
    result = went_well(running.result(SECONDS))
    assert "group_recreated" in causes(result) and "crash_loop" not in causes(result)
    assert kubernetes.ready_pods(NAME).isdisjoint(seen)
