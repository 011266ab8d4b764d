# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting by watches goes on through what happens to an API server meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from support.cluster import PODS, ClusterHandle
from support.kubernetes_place import MERGE, KubernetesPlace
from support.modules import run_module
from support.results import first_error, went_well
from support.sandbox import until

Apply = Callable[..., dict[str, Any]]
Beside = Callable[..., Future[dict[str, Any]]]
SECONDS = 120
# Controllers whose API server is away try again after ever longer times, so that a cluster needs several times as long
# as it was away until it works again: an API server away for 15 s held up the pods for 60 s here.
LONG_SECONDS = 600


def close_machines(cluster: ClusterHandle, closed: bool) -> None:
    """Cordon all machines, or open them again."""
    for machine in cluster.items("/api/v1/nodes"):
        path = f"/api/v1/nodes/{machine['metadata']['name']}"
        status, content = cluster.api("PATCH", path, {"spec": {"unschedulable": closed}}, MERGE)
        assert status == 200, content


def until_watched(cluster: ClusterHandle) -> None:
    """Wait until somebody watches the pods."""

    def watches() -> list[dict[str, Any]]:
        return [entry for entry in cluster.requests() if entry["verb"] == "watch" and entry["path"] == PODS]

    until(watches, "pods are watched", SECONDS)


@pytest.mark.parametrize("what", ["restart_api_server", "expire_watches"])
def test_a_wait_survives(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, beside: Beside, what: str
) -> None:
    close_machines(cluster, True)
    running = beside(apply, "patient", schedule_timeout=LONG_SECONDS, start_timeout=LONG_SECONDS)
    until_watched(cluster)
    getattr(cluster, what)()
    assert not running.done()
    close_machines(cluster, False)
    result = went_well(running.result(LONG_SECONDS))
    assert result["workload"]["phase"] == "running"
    assert len(kubernetes.ready_pods("patient")) == 2


def test_waiting_is_done_by_watches(cluster: ClusterHandle, apply: Apply, beside: Beside) -> None:
    close_machines(cluster, True)
    running = beside(apply, "watching", schedule_timeout=SECONDS, start_timeout=SECONDS)
    until_watched(cluster)
    cluster.forget_requests()
    close_machines(cluster, False)
    went_well(running.result(SECONDS))
    lists = [entry for entry in cluster.requests() if entry["verb"] == "list"]
    assert lists == [], "nothing is asked again and again"


def test_a_workload_that_is_deleted_meanwhile(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, beside: Beside
) -> None:
    close_machines(cluster, True)
    running = beside(apply, "deleted", schedule_timeout=SECONDS, start_timeout=SECONDS)
    until_watched(cluster)
    status, content = cluster.api("DELETE", kubernetes.main_path("deleted"))
    assert status == 200, content
    assert first_error(running.result(SECONDS))["cause"] == "deleted_meanwhile"


def test_a_right_that_is_taken_away_meanwhile(
    cluster: ClusterHandle, apply: Apply, beside: Beside, permitted: dict[str, Any]
) -> None:
    close_machines(cluster, True)
    running = beside(apply, "forbidden", schedule_timeout=SECONDS, start_timeout=SECONDS)
    until_watched(cluster)
    cluster.user("gpuops-permitted", [])
    # The rights of a watch are looked at when it begins.
    cluster.restart_api_server()
    error = first_error(running.result(SECONDS))
    assert error["cause"] == "permission_denied"


def test_an_ordinary_start_and_removal_read_neither_logs_nor_a_machine(
    kubernetes: KubernetesPlace, apply: Apply, cluster: ClusterHandle, permitted: dict[str, Any]
) -> None:
    went_well(apply("ordinary", image="registry.example.com/slow:2s"))
    went_well(run_module("vllm_workload", {**permitted, "name": "ordinary", "state": "absent"}))
    paths = [entry["path"] for entry in cluster.requests()]
    assert not [path for path in paths if path.endswith("/log") or path.startswith("/api/v1/nodes/")]
