# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a volume: late binding, provisioners that fail or say nothing, and what these credentials may not see."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from support.cluster import NAMESPACE, ClusterHandle
from support.modules import run_module
from support.results import causes, first_error, went_well
from support.sandbox import until
from volume_objects import CLAIMS, Volume, is_there, live, mounting_pod, persistent_volume, storage_class

from gpuops_cluster.objects import STORAGE_CLASS, UNBOUND_CLASS

Beside = Callable[..., Future[dict[str, Any]]]
UNBOUND: dict[str, Any] = {"size": "1Gi", "storage_class": UNBOUND_CLASS}
SECONDS = 180


def test_a_provisioner_that_says_nothing_is_told_when_the_time_is_over(cluster: ClusterHandle, volume: Volume) -> None:
    result = volume("models", **UNBOUND, bind_timeout=3)
    assert causes(result)[:2] == ["time_limit", "provisioner_silent"] and result["changed"]
    assert "gpuops.test/nobody" in result["msg"]
    assert live(cluster, "models")["status"]["phase"] == "Pending"
    again = volume("models", **UNBOUND, bind_timeout=1)
    assert again["failed"] and again["changed"] is False


def test_a_final_refusal_of_the_provisioner_ends_the_wait(
    cluster: ClusterHandle, volume: Volume, beside: Beside
) -> None:
    running = beside(volume, "models", **UNBOUND)
    until(lambda: is_there(cluster, "models"), "it is there")
    said = 'failed to provision volume with StorageClass "x": rpc error: code = InvalidArgument desc = no such pool'
    cluster.event("models", "ProvisioningFailed", said, kind="PersistentVolumeClaim")
    refused = first_error(running.result(SECONDS))
    assert refused["cause"] == "provisioning_failed" and "no such pool" in refused["evidence"]


def test_a_passing_failure_is_waited_out(cluster: ClusterHandle, volume: Volume, beside: Beside) -> None:
    running = beside(volume, "models", **UNBOUND)
    until(lambda: is_there(cluster, "models"), "it is there")
    said = 'failed to provision volume with StorageClass "x": rpc error: code = DeadlineExceeded desc = too slow'
    cluster.event("models", "ProvisioningFailed", said, kind="PersistentVolumeClaim")
    given = {
        **persistent_volume("late"),
        "spec": {**persistent_volume("late")["spec"], "storageClassName": UNBOUND_CLASS},
    }
    cluster.apply(given)
    assert went_well(running.result(SECONDS))["volume"]["volume_name"] == "late"


def test_events_of_an_earlier_claim_of_that_name_do_not_count(
    cluster: ClusterHandle, volume: Volume, beside: Beside
) -> None:
    went_well(volume("models", **UNBOUND, wait=False))
    said = "rpc error: code = InvalidArgument desc = no such pool"
    cluster.event("models", "ProvisioningFailed", said, kind="PersistentVolumeClaim")
    went_well(volume("models", state="absent", allow_data_loss=True))
    result = volume("models", **UNBOUND, bind_timeout=2)
    assert "provisioning_failed" not in causes(result)


def test_a_class_that_binds_late_is_not_waited_for_until_there_is_a_pod(cluster: ClusterHandle, volume: Volume) -> None:
    cluster.apply(storage_class("late", volumeBindingMode="WaitForFirstConsumer"))
    late = {"size": "1Gi", "storage_class": "late"}
    result = went_well(volume("models", **late))
    assert result["changed"] and result["volume"]["phase"] == "pending"
    assert causes(result) == ["binds_with_first_pod"]
    assert went_well(volume("models", **late))["changed"] is False
    cluster.apply(mounting_pod("reader", "models"))
    selected = "volume.kubernetes.io/selected-node"
    until(lambda: selected in live(cluster, "models")["metadata"].get("annotations", {}), "a machine is chosen")
    assert causes(volume("models", **late, bind_timeout=2))[0] == "time_limit"


def test_a_volume_that_does_not_fit_is_told_at_once(cluster: ClusterHandle, volume: Volume) -> None:
    cluster.apply(persistent_volume("small", size="1Gi"))
    refused = first_error(volume("models", size="100Gi", storage_class="", volume_name="small"))
    assert refused["cause"] == "volume_mismatch" and "too small" in refused["evidence"]


def test_who_may_not_see_events_and_classes_still_gets_a_claim(cluster: ClusterHandle) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get", "create", "patch"]},
    ]
    narrow = {**cluster.user("gpuops-narrow", rules, NAMESPACE), "name": "models", "bind_timeout": 60}
    made = went_well(run_module("model_volume", {**narrow, "size": "1Gi", "storage_class": STORAGE_CLASS}))
    assert made["volume"]["phase"] == "bound"
    unbound = {**narrow, "name": "unbound", **UNBOUND, "bind_timeout": 1}
    result = run_module("model_volume", unbound)
    assert result["failed"] and causes(result)[0] == "time_limit"


def test_who_may_not_make_claims_is_told_so_before_a_write(cluster: ClusterHandle) -> None:
    rules = [{"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get"]}]
    narrow = {**cluster.user("gpuops-reader", rules, NAMESPACE), "name": "models", "size": "1Gi"}
    refused = first_error(run_module("model_volume", narrow))
    assert refused["cause"] == "permission_denied" and "model_volume" in refused["hint"]
    assert cluster.writes() == []
    assert cluster.api("GET", f"{CLAIMS}/models")[0] == 404
