# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims that the collection makes, lets grow, refuses to change and removes, judged by the API server."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from support.cluster import CLAIM, ClusterHandle
from support.results import causes, first_error, only_error, went_well
from support.sandbox import until
from volume_objects import (
    CLAIMS,
    Volume,
    claim,
    edit,
    is_there,
    live,
    mounting_pod,
    persistent_volume,
    storage_class,
    until_bound,
)

from gpuops_cluster.objects import STORAGE_CLASS, UNBOUND_CLASS

Beside = Callable[..., Future[dict[str, Any]]]
SHARED: dict[str, Any] = {"size": "500Gi", "storage_class": STORAGE_CLASS}
MANAGED_BY = "app.kubernetes.io/managed-by"
SECONDS = 180


def test_a_new_claim_is_shared_and_bound_and_the_second_run_changes_nothing(
    cluster: ClusterHandle, volume: Volume
) -> None:
    result = went_well(volume("models", **SHARED, labels={"team": "chat"}, annotations={"note": "of the recipe"}))
    assert result["changed"] and result["volume"]["phase"] == "bound"
    made = live(cluster, "models")
    assert made["status"]["phase"] == "Bound"
    assert made["spec"]["accessModes"] == ["ReadWriteMany"]
    assert made["spec"]["resources"]["requests"] == {"storage": "500Gi"}
    assert (made["spec"]["storageClassName"], made["spec"]["volumeMode"]) == (STORAGE_CLASS, "Filesystem")
    assert made["metadata"]["labels"] == {MANAGED_BY: "gpuops.inference", "team": "chat"}
    assert made["metadata"]["annotations"]["note"] == "of the recipe"
    assert result["volume"]["volume_name"] == made["spec"]["volumeName"]
    cluster.forget_requests()
    second = went_well(volume("models", **SHARED, labels={"team": "chat"}, annotations={"note": "of the recipe"}))
    assert second["changed"] is False and "diff" not in second
    assert cluster.writes() == []
    assert live(cluster, "models")["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_another_spelling_of_the_same_size_is_no_change(volume: Volume) -> None:
    assert went_well(volume("models", size="1Ti", storage_class=STORAGE_CLASS))["changed"]
    assert went_well(volume("models", size="1024Gi", storage_class=STORAGE_CLASS))["changed"] is False


def test_check_mode_lets_the_server_rehearse_and_writes_nothing(cluster: ClusterHandle, volume: Volume) -> None:
    result = went_well(volume("models", check_mode=True, diff=True, **SHARED))
    assert result["changed"] and result["volume"]["phase"] == "absent"
    assert result["diff"]["before"] == ""
    assert "# target: kubernetes at" in result["diff"]["after"] and 'size: "500Gi"' in result["diff"]["after"]
    assert cluster.writes() == []
    assert not is_there(cluster, "models")
    rehearsed = [entry for entry in cluster.requests() if entry["method"] == "PATCH"]
    assert [entry["query"]["dryRun"] for entry in rehearsed] == ["All"]


def test_without_a_size_nothing_is_made(cluster: ClusterHandle, volume: Volume) -> None:
    refused = only_error(volume("models"))
    assert refused["cause"] == "volume_claim_missing" and "size" in refused["hint"]
    assert cluster.writes() == []


def test_a_class_that_is_not_there_is_named_with_those_that_are(cluster: ClusterHandle, volume: Volume) -> None:
    refused = only_error(volume("models", size="1Gi", storage_class="shared-file"))
    assert (refused["cause"], refused["object"]) == ("storage_class_missing", "storage_class")
    assert refused["hint"].startswith("Is shared-files meant? It has: never-binds, shared-files")
    assert cluster.writes() == [] and not is_there(cluster, "models")


def test_a_claim_grows_where_its_class_allows_it(cluster: ClusterHandle, volume: Volume, beside: Beside) -> None:
    went_well(volume("models", **SHARED))
    running = beside(volume, "models", **{**SHARED, "size": "600Gi"})
    until(lambda: live(cluster, "models")["spec"]["resources"]["requests"]["storage"] == "600Gi", "it is asked for")
    assert not running.done()
    cluster.patch_status(f"{CLAIMS}/models", {"capacity": {"storage": "600Gi"}})
    result = went_well(running.result(SECONDS))
    assert result["changed"] and result["changes"] == [{"path": "size", "before": "500Gi", "after": "600Gi"}]
    assert result["volume"]["capacity"] == "600Gi"
    assert went_well(volume("models", **{**SHARED, "size": "600Gi"}))["changed"] is False


def test_a_file_system_that_grows_with_the_next_pod_is_not_waited_for(
    cluster: ClusterHandle, volume: Volume, beside: Beside
) -> None:
    went_well(volume("models", **SHARED))
    running = beside(volume, "models", **{**SHARED, "size": "600Gi"})
    until(lambda: live(cluster, "models")["spec"]["resources"]["requests"]["storage"] == "600Gi", "it is asked for")
    pending = {"type": "FileSystemResizePending", "status": "True", "lastTransitionTime": None}
    cluster.patch_status(f"{CLAIMS}/models", {"conditions": [pending]})
    assert "grows_with_next_pod" in causes(went_well(running.result(SECONDS)))


def test_a_size_that_the_storage_cannot_give_ends_the_wait(
    cluster: ClusterHandle, volume: Volume, beside: Beside
) -> None:
    went_well(volume("models", **SHARED))
    running = beside(volume, "models", **{**SHARED, "size": "600Gi"})
    until(lambda: live(cluster, "models")["spec"]["resources"]["requests"]["storage"] == "600Gi", "it is asked for")
    cluster.patch_status(f"{CLAIMS}/models", {"allocatedResourceStatuses": {"storage": "ControllerResizeInfeasible"}})
    assert first_error(running.result(SECONDS))["cause"] == "resize_failed"


def test_a_claim_never_shrinks(cluster: ClusterHandle, volume: Volume) -> None:
    went_well(volume("models", **SHARED))
    cluster.forget_requests()
    refused = only_error(volume("models", **{**SHARED, "size": "400Gi"}))
    assert (refused["cause"], refused["object"]) == ("volume_cannot_shrink", "size")
    assert cluster.writes() == []


@pytest.mark.parametrize(
    ("options", "evidence"),
    [
        ({"storage_class": "fixed-size"}, "lets no volume grow"),
        ({"storage_class": "", "volume_name": "by-hand"}, "made by hand"),
        ({"storage_class": UNBOUND_CLASS, "wait": False}, "has no volume yet"),
    ],
)
def test_growth_that_cannot_be_is_refused_before_a_write(
    cluster: ClusterHandle, volume: Volume, options: dict[str, Any], evidence: str
) -> None:
    cluster.apply(storage_class("fixed-size"))
    cluster.apply(persistent_volume("by-hand"), persistent_volume("fixed", of_class="fixed-size"))
    went_well(volume("models", size="100Gi", **{**options, "wait": False}))
    if options["storage_class"] != UNBOUND_CLASS:
        until_bound(cluster, "models")
    cluster.forget_requests()
    refused = only_error(volume("models", size="200Gi", **options))
    assert refused["cause"] == "volume_cannot_grow" and evidence in refused["evidence"]
    assert cluster.writes() == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("access_modes", ["read_write_once"]),
        ("volume_mode", "block"),
        ("storage_class", UNBOUND_CLASS),
        ("volume_name", "another"),
        ("selector", {"tier": "fast"}),
    ],
)
def test_what_nobody_can_change_is_refused_by_its_option(
    cluster: ClusterHandle, volume: Volume, option: str, value: Any
) -> None:
    went_well(volume("models", **SHARED))
    cluster.forget_requests()
    refused = only_error(volume("models", **{**SHARED, option: value}))
    assert (refused["cause"], refused["object"]) == ("volume_option_fixed", option)
    assert cluster.writes() == []


def test_labels_and_annotations_follow_and_go_again(cluster: ClusterHandle, volume: Volume) -> None:
    went_well(volume("models", **SHARED, labels={"team": "chat", "tier": "one"}, annotations={"note": "old"}))
    edit(cluster, "models", {"metadata": {"labels": {"of-somebody-else": "kept"}}})
    result = went_well(volume("models", **SHARED, labels={"team": "search"}))
    assert {change["path"] for change in result["changes"]} == {"labels", "annotations"}
    metadata = live(cluster, "models")["metadata"]
    assert metadata["labels"] == {MANAGED_BY: "gpuops.inference", "team": "search", "of-somebody-else": "kept"}
    assert "note" not in metadata["annotations"]
    assert went_well(volume("models", **SHARED, labels={"team": "search"}))["changed"] is False


def test_what_is_not_stated_any_more_stays_as_it_is(cluster: ClusterHandle, volume: Volume) -> None:
    went_well(volume("models", **SHARED))
    went_well(volume("models", labels={"team": "chat"}))
    assert live(cluster, "models")["spec"]["resources"]["requests"]["storage"] == "500Gi"


def test_a_field_that_somebody_else_took_is_told_by_name(cluster: ClusterHandle, volume: Volume) -> None:
    went_well(volume("models", **SHARED, labels={"team": "chat"}))
    edit(cluster, "models", {"metadata": {"labels": {"team": "theirs"}}})
    refused = only_error(volume("models", **SHARED, labels={"team": "chat"}))
    assert refused["cause"] == "field_held_by_another" and "kubectl-edit" in refused["evidence"]
    went_well(volume("models", **SHARED, labels={"team": "chat"}, force_conflicts=True))
    assert live(cluster, "models")["metadata"]["labels"]["team"] == "chat"


def test_a_claim_for_a_volume_that_is_there(cluster: ClusterHandle, volume: Volume) -> None:
    cluster.apply(persistent_volume("by-hand"))
    result = went_well(volume("models", size="100Gi", storage_class="", selector={"tier": "fast"}))
    assert result["volume"]["volume_name"] == "by-hand"


def test_absent_needs_permission_and_no_pod(cluster: ClusterHandle, volume: Volume) -> None:
    went_well(volume("models", **SHARED))
    cluster.apply(mounting_pod("reader", "models"))
    cluster.forget_requests()
    refused = volume("models", state="absent")
    assert refused["failed"] and set(causes(refused)) == {"volume_in_use", "data_loss_refused"}
    assert "reader" in refused["msg"]
    assert only_error(volume("models", state="absent", allow_data_loss=True))["cause"] == "volume_in_use"
    assert cluster.writes() == []
    cluster.kubectl("delete", "pod", "reader", "-n", "my-project", "--now")
    assert only_error(volume("models", state="absent"))["cause"] == "data_loss_refused"
    assert volume("models", state="absent", allow_data_loss=True, check_mode=True)["changed"] is True
    assert is_there(cluster, "models")
    gone = went_well(volume("models", state="absent", allow_data_loss=True))
    assert gone["changed"] and gone["volume"]["phase"] == "absent"
    assert not is_there(cluster, "models")
    assert went_well(volume("models", state="absent"))["changed"] is False


def test_a_claim_that_is_being_deleted_is_in_the_way(cluster: ClusterHandle, volume: Volume) -> None:
    went_well(volume("models", **SHARED))
    cluster.apply(mounting_pod("reader", "models"))
    until(lambda: any(pod["status"]["phase"] == "Running" for pod in cluster.pods()), "the pod runs")
    cluster.kubectl("delete", "persistentvolumeclaim", "models", "-n", "my-project", "--wait=false")
    assert only_error(volume("models", **SHARED))["cause"] == "volume_claim_ending"
    stuck = volume("models", state="absent", delete_timeout=1)
    assert "deletion_stuck" in causes(stuck) and "reader" in stuck["msg"]


def test_a_claim_of_somebody_else_is_compared_and_left_alone(cluster: ClusterHandle, volume: Volume) -> None:
    before = live(cluster, CLAIM)
    result = went_well(volume(CLAIM, size="500Gi", access_modes=["read_write_many"]))
    assert result["changed"] is False
    assert (result["volume"]["phase"], result["volume"]["managed"]) == ("bound", False)
    wrong = {"size": "2Ti", "access_modes": ["read_write_once"], "storage_class": STORAGE_CLASS}
    for option, value in wrong.items():
        refused = only_error(volume(CLAIM, **{option: value}))
        assert (refused["cause"], refused["object"]) == ("volume_differs", option)
    decorated = went_well(volume(CLAIM, labels={"team": "chat"}))
    assert decorated["changed"] is False and causes(decorated) == ["volume_differs"]
    assert "name_in_use" in causes(volume(CLAIM, state="absent", allow_data_loss=True))
    assert cluster.writes() == []
    assert live(cluster, CLAIM) == before


def test_a_claim_for_one_machine_is_a_warning_unless_it_is_wanted(cluster: ClusterHandle, volume: Volume) -> None:
    cluster.apply(claim("theirs", STORAGE_CLASS, mode="ReadWriteOnce"))
    until_bound(cluster, "theirs")
    assert "volume_claim_not_shared" in causes(went_well(volume("theirs")))
    assert causes(went_well(volume("theirs", access_modes=["read_write_once"]))) == []


def test_a_claim_is_taken_over_and_grows(cluster: ClusterHandle, volume: Volume, beside: Beside) -> None:
    cluster.apply(claim("theirs", STORAGE_CLASS))
    until_bound(cluster, "theirs")
    adopted = went_well(volume("theirs", adopt=True))
    assert adopted["changed"] and adopted["volume"]["managed"] is True
    assert live(cluster, "theirs")["metadata"]["labels"] == {MANAGED_BY: "gpuops.inference"}
    assert went_well(volume("theirs", adopt=True))["changed"] is False
    running = beside(volume, "theirs", size="200Gi", force_conflicts=True)
    until(lambda: live(cluster, "theirs")["spec"]["resources"]["requests"]["storage"] == "200Gi", "it is asked for")
    cluster.patch_status(f"{CLAIMS}/theirs", {"capacity": {"storage": "200Gi"}})
    assert went_well(running.result(SECONDS))["changed"]
    assert went_well(volume("theirs", state="absent", allow_data_loss=True))["changed"]
