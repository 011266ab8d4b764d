# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that do not start: the cause is told long before the time that the task would wait."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from support.cluster import NAMESPACE, ClusterHandle
from support.kubernetes_place import KubernetesPlace
from support.modules import run_module
from support.results import causes, first_error, went_well
from support.sandbox import until

Apply = Callable[..., dict[str, Any]]
# Seconds that the tasks would wait.
BUDGET = 3600


def waited(result: dict[str, Any]) -> float:
    """Return after how many seconds of the task's own clock the wait was given up."""
    found = re.search(r"Gave up waiting until .* after (\d+) s", result["msg"])
    assert found, result["msg"]
    return float(found.group(1))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("image-missing:v1", "image_pull_failed"),
        ("image-denied:v1", "image_pull_failed"),
        ("crash-loop:model_path_missing", "model_path_missing"),
        ("oom-killed:v1", "out_of_memory"),
        ("process-killed:v1", "out_of_memory"),
        ("writes-too-much:v1", "storage_limit_exceeded"),
        ("config-error:v1", "run_as_root_refused"),
        ("no-program:v1", "container_start_failed"),
    ],
)
@pytest.mark.parametrize("pods", [1, 2])
def test_the_cause_is_told_within_seconds(apply: Apply, image: str, expected: str, pods: int) -> None:
    result = apply(
        "failing",
        image=f"registry.example.com/{image}",
        pods=pods,
        schedule_timeout=BUDGET,
        start_timeout=BUDGET,
    )
    assert first_error(result) and expected in causes(result), result["msg"]
    assert waited(result) < BUDGET / 10


# Of these logs the kubelet keeps only the wrappers at their end, and a group that is made anew takes the rest with it.
@pytest.mark.parametrize(
    "cause",
    [
        "kv_cache_no_room",
        "kv_cache_request_too_large",
        "model_weights_missing",
        "model_weights_unreadable",
        "shared_memory_too_small",
    ],
)
def test_the_log_is_read_at_the_first_end_of_a_container(apply: Apply, cause: str) -> None:
    result = apply("failing", image=f"registry.example.com/crash-loop:{cause}", start_timeout=BUDGET)
    assert first_error(result)["cause"] == cause, result["msg"]
    assert "recreated" not in result["msg"], "not only after the group was made anew again and again"
    assert waited(result) < BUDGET / 10


def test_a_cause_that_may_pass_is_told_once_the_group_was_made_anew_twice(apply: Apply) -> None:
    result = apply("failing", image="registry.example.com/crash-loop:followers_missing", start_timeout=BUDGET)
    assert {"followers_missing", "crash_loop", "group_recreated"} <= set(causes(result)), result["msg"]
    assert first_error(result)["cause"] == "followers_missing"
    assert waited(result) < BUDGET / 10


# What ends a wait only after minutes is named in its progress before, and explains a shorter limit.
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("mount-fails:path-missing", "volume_path_missing"),
        ("mount-fails:export-missing", "volume_path_missing"),
        ("mount-fails:access-denied", "volume_access_denied"),
        ("mount-fails:read-only", "volume_read_only"),
        ("mount-fails:no-answer", "volume_mount_failed"),
        ("image-too-large:v1", "disk_full"),
        ("killed:v1", "container_killed"),
        ("follower-ends:v1", "ended_without_error"),
    ],
)
def test_what_may_heal_by_itself_explains_the_limit(apply: Apply, image: str, expected: str) -> None:
    result = apply("failing", image=f"registry.example.com/{image}", start_timeout=10)
    assert first_error(result)["cause"] in ("start_timeout", "crash_loop"), result["msg"]
    assert expected in causes(result), result["msg"]
    others = {"volume_path_missing", "volume_access_denied", "volume_read_only", "volume_mount_failed", "disk_full"}
    assert not (others - {expected}) & set(causes(result)), "one cause, and no guess beside it"


def test_no_machine_with_so_many_gpus(apply: Apply) -> None:
    result = apply("huge", gpus_per_pod=9, tensor_parallel_size=9, schedule_timeout=2)
    assert first_error(result)["cause"] == "schedule_timeout"
    assert "Insufficient nvidia.com/gpu" in result["msg"]
    assert "machines_too_few" in causes(result), "told before anything was written, where nodes may be listed"


def test_a_claim_that_is_never_bound(cluster: ClusterHandle, apply: Apply) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models-to-come", "namespace": NAMESPACE},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "never-binds",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
    )
    result = apply("unbound", volumes=[{"claim": "models-to-come", "path": "/data"}], schedule_timeout=2)
    assert first_error(result)["cause"] == "schedule_timeout"
    assert "volume_claim_unbound" in causes(result) and "models-to-come" in str(result["findings"])


def test_a_claim_that_is_not_there(kubernetes: KubernetesPlace, apply: Apply) -> None:
    result = apply("no-claim", volumes=[{"claim": "no-such-claim", "path": "/data"}])
    assert first_error(result)["cause"] == "volume_claim_missing"
    assert "no-such-claim" in result["msg"]
    assert kubernetes.writes() == [], "it is looked for before anything is written"


def test_an_eviction_is_told(kubernetes: KubernetesPlace, apply: Apply) -> None:
    went_well(apply("evicted", image="registry.example.com/evicted:v1", wait=False))

    def reasons() -> set[str]:
        info = went_well(run_module("vllm_workload_info", {**kubernetes.connection, "name": "evicted"}))
        return {event["reason"] for event in info["workloads"][0]["events"]}

    until(lambda: "Evicted" in reasons(), "the eviction is told")


def test_a_slow_start_is_no_failure(apply: Apply) -> None:
    assert went_well(apply("slow", image="registry.example.com/slow:2s"))["workload"]["phase"] == "running"


def test_a_failed_start_is_repaired_by_the_right_image(kubernetes: KubernetesPlace, apply: Apply) -> None:
    broken = {"image": "registry.example.com/image-missing:v1"}
    assert apply("repaired", **broken)["failed"]
    assert went_well(apply("repaired"))["changed"]
    assert len(kubernetes.ready_pods("repaired")) == 2
