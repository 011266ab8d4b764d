# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose number of replicas it is, and what happens when the scheduler takes the GPUs of a replica away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.cluster import NAMESPACE, ClusterHandle
from support.kubernetes_place import SETS, KubernetesPlace
from support.modules import run_module
from support.results import went_well
from support.sandbox import until

from gpuops_cluster.kubelet.statuses import now

Apply = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("pods", [1, 2])
def test_replicas_are_handed_over_without_a_reset(kubernetes: KubernetesPlace, apply: Apply, pods: int) -> None:
    shape = {"pods": pods, "gpus_per_pod": 1}
    assert went_well(apply("scaled", **shape, replicas=3))["changed"]
    assert went_well(apply("scaled", **shape))["changed"] is False
    assert kubernetes.replicas("scaled") == 3
    changed = went_well(apply("scaled", **shape, env={"MY_FLAG": "1"}, on_disruption="allow"))
    assert changed["changed"] and kubernetes.replicas("scaled") == 3
    # As an autoscaler does.
    path = kubernetes.main_path("scaled")
    kubernetes.edit(f"{path}/scale", {"spec": {"replicas": 4}}, "kube-controller-manager")
    assert kubernetes.replicas("scaled") == 4
    kubernetes.forget_requests()
    assert went_well(apply("scaled", **shape, env={"MY_FLAG": "1"}))["changed"] is False
    assert kubernetes.writes() == [] and kubernetes.replicas("scaled") == 4
    assert went_well(apply("scaled", **shape, on_disruption="allow"))["changed"]
    assert kubernetes.replicas("scaled") == 4


def test_scaling_never_goes_through_the_scale_subresource(kubernetes: KubernetesPlace, apply: Apply) -> None:
    went_well(apply("counted", gpus_per_pod=1))
    kubernetes.forget_requests()
    went_well(apply("counted", gpus_per_pod=1, replicas=2))
    stop = {"name": "counted", "state": "stopped"}
    went_well(run_module("vllm_workload", {**kubernetes.connection, **stop}))
    writes = kubernetes.writes()
    assert writes and not [write for write in writes if not write.startswith("PATCH") or write.endswith("/scale")]
    assert kubernetes.replicas("counted") == 0


def greedy_pod(name: str, machine: str, gpus: int) -> dict[str, Any]:
    """Return a pod of high priority that wants GPUs of one machine."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "priorityClassName": "gpuops-high",
            "nodeSelector": {"kubernetes.io/hostname": machine},
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "main",
                    "image": "registry.example.com/other:v1",
                    "resources": {"limits": {"nvidia.com/gpu": str(gpus)}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def test_a_preempted_pod_brings_the_whole_group_back(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply
) -> None:
    options = {"gpus_per_pod": 8, "preemptibility": "preemptible", "priority_class": "gpuops-low"}
    went_well(apply("preempted", **options))
    before = kubernetes.pods("preempted")
    machine = cluster.pods("preempted")[0]["spec"]["nodeName"]
    created = cluster.get(f"{SETS}/preempted")["metadata"]["creationTimestamp"]
    until(lambda: now() > created, "events are younger than the workload, whose creation is known to the second")
    cluster.apply(greedy_pod("greedy", machine, 1))

    def is_back() -> bool:
        ready = kubernetes.ready_pods("preempted")
        return len(ready) == 2 and not ready & before

    until(is_back, "both pods were made anew and are ready", 60)
    machines = {pod["spec"]["nodeName"] for pod in cluster.pods("preempted")}
    assert machine not in machines
    info = went_well(run_module("vllm_workload_info", {**kubernetes.connection, "name": "preempted"}))["workloads"][0]
    assert info["phase"] == "running"
    assert "Preempted" in {event["reason"] for event in info["events"]}
    assert went_well(apply("preempted", **options))["changed"] is False
