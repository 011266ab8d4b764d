# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload of one pod is changed in place, with permission, and watched until the new pod serves."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations import reconcile
from support.modules import run_module
from support.places import EVERY_PLACE, chosen_place
from support.workload_place import WorkloadPlace
from test_sticky_decisions import of_a_newer_collection

MODULE = "vllm_workload"
NEWER = "registry.example.com/stand-in:v0.34.0"


def single(place: WorkloadPlace, name: str, **options: Any) -> dict[str, Any]:
    """Return the parameters of a workload of one pod."""
    return place.workload(name, pods=1, gpus_per_pod=2, **options)


@pytest.fixture(params=EVERY_PLACE)
def place(request: pytest.FixtureRequest) -> WorkloadPlace:
    """A place where workloads run, each in turn."""
    return chosen_place(request)


@pytest.fixture
def name(place: WorkloadPlace) -> str:
    """The name of a workload of one pod that serves."""
    name = place.unique_name("single")
    result = run_module(MODULE, single(place, name, env={"MY_FLAG": "1"}))
    assert result["rc"] == 0, result
    place.forget_requests()
    return name


def test_a_second_run_changes_nothing(place: WorkloadPlace, name: str) -> None:
    result = run_module(MODULE, single(place, name, env={"MY_FLAG": "1"}))
    assert result["changed"] is False and result["findings"] is not None
    assert place.writes() == []


def test_a_change_of_the_image_is_refused_without_permission(place: WorkloadPlace, name: str) -> None:
    result = run_module(MODULE, single(place, name, env={"MY_FLAG": "1"}, image=NEWER))
    assert result["failed"] and result["disruption"] != "none" and result["changed"] is False
    assert place.writes() == []


def test_check_mode_says_that_permission_is_needed(place: WorkloadPlace, name: str) -> None:
    parameters = single(place, name, env={"MY_FLAG": "1"}, image=NEWER)
    result = run_module(MODULE, parameters, check_mode=True)
    assert result["changed"] is True
    assert "disruption_needs_permission" in {finding["cause"] for finding in result["findings"]}
    assert place.writes() == []


def test_a_change_in_place_keeps_the_workload_and_is_remembered(place: WorkloadPlace, name: str) -> None:
    before, known = place.identity(name), place.pods(name)
    wanted = single(place, name, env={"MY_FLAG": "2"}, image=NEWER, on_disruption="allow")
    result = run_module(MODULE, wanted)
    assert result["rc"] == 0 and result["changed"], result
    changed = {change["path"].removeprefix(place.container_path(name)): change["after"] for change in result["changes"]}
    assert changed == {".image": NEWER, place.variable_path("MY_FLAG"): "2"}
    assert place.identity(name) == before
    assert place.image(name) == NEWER and place.environment(name)["MY_FLAG"] == "2"
    assert len(place.ready_pods(name) - known) == 1, "the new pod serves"
    assert [write for write in place.writes() if not write.startswith("PATCH")] == []
    place.forget_requests()
    assert run_module(MODULE, wanted)["changed"] is False
    info = run_module("vllm_workload_info", {**place.connection, "name": name})
    assert info["workloads"][0]["drift"] == []
    assert place.writes() == []


def test_a_dropped_variable_goes_also_after_a_change_in_place(place: WorkloadPlace, name: str) -> None:
    assert run_module(MODULE, single(place, name, env={"OTHER": "1"}, on_disruption="allow"))["changed"]
    assert "MY_FLAG" not in place.environment(name)
    assert run_module(MODULE, single(place, name, on_disruption="allow"))["changed"]
    assert "OTHER" not in place.environment(name)
    assert run_module(MODULE, single(place, name))["changed"] is False


def test_decisions_stay_after_a_change_in_place(place: WorkloadPlace, name: str) -> None:
    wanted = single(place, name, env={"MY_FLAG": "2"})
    assert run_module(MODULE, {**wanted, "on_disruption": "allow"})["changed"]
    place.forget_requests()
    with mock.patch.object(reconcile, "plan_workload", of_a_newer_collection):
        result = run_module(MODULE, wanted)
    assert result["changed"] is False and place.writes() == []
    assert result["plan"]["kept"] is True
    assert "plan_opinion_differs" in {finding["cause"] for finding in result["findings"]}


def test_drift_is_repaired_once_also_by_a_newer_collection(place: WorkloadPlace, name: str) -> None:
    place.change_image_by_hand(name, "registry.example.com/stand-in:hand")
    wanted = single(place, name, env={"MY_FLAG": "1"}, on_disruption="allow", **place.repairing)
    with mock.patch.object(reconcile, "plan_workload", of_a_newer_collection):
        repaired = run_module(MODULE, wanted)
        again = run_module(MODULE, wanted)
    assert repaired["rc"] == 0 and repaired["changed"], repaired
    assert "drift" in {change["origin"] for change in repaired["changes"]}
    assert place.image(name) == wanted["image"]
    assert again["changed"] is False


def test_scaling_is_no_disruption(place: WorkloadPlace, name: str) -> None:
    result = run_module(MODULE, single(place, name, env={"MY_FLAG": "1"}, replicas=2))
    assert result["rc"] == 0 and result["disruption"] == "none"
    assert place.replicas(name) == 2
    assert run_module(MODULE, single(place, name, env={"MY_FLAG": "1"}))["changed"] is False


@pytest.mark.parametrize("place", ["runai"], indirect=True)
@pytest.mark.parametrize("check_mode", [True, False])
def test_an_inference_cannot_be_stopped_and_says_so(place: WorkloadPlace, name: str, check_mode: bool) -> None:
    result = run_module(MODULE, {**place.connection, "name": name, "state": "stopped"}, check_mode=check_mode)
    assert result["failed"] and result["findings"][0]["cause"] == "stop_not_supported"
    assert place.writes() == []
