# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping, starting, replacing and taking over, judged by the API."""

from __future__ import annotations

import pytest
from support.modules import run_module
from support.places import EVERY_PLACE, chosen_place
from support.sandbox import IMAGE
from support.workload_place import WorkloadPlace

MODULE = "vllm_workload"


@pytest.fixture(params=EVERY_PLACE)
def place(request: pytest.FixtureRequest) -> WorkloadPlace:
    """A place where workloads run, each in turn."""
    return chosen_place(request)


@pytest.fixture
def name(place: WorkloadPlace) -> str:
    """The name of a workload that serves."""
    name = place.unique_name("life")
    assert run_module(MODULE, place.workload(name))["rc"] == 0
    place.forget_requests()
    return name


def causes(result: dict[str, object]) -> set[str]:
    """Return the causes of a result's findings."""
    findings = result["findings"]
    assert isinstance(findings, list)
    return {finding["cause"] for finding in findings}


def test_stop_and_start_again(place: WorkloadPlace, name: str) -> None:
    stop = {**place.connection, "name": name, "state": "stopped"}
    assert run_module(MODULE, stop, check_mode=True)["changed"] is True
    assert place.writes() == []
    stopped = run_module(MODULE, stop)
    assert stopped["changed"] and stopped["workload"]["phase"] == "stopped"
    assert place.pods(name) == set()
    assert run_module(MODULE, stop)["changed"] is False
    started = run_module(MODULE, place.workload(name))
    assert started["changed"] and started["disruption"] == "none"
    assert len(place.ready_pods(name)) == 2
    assert run_module(MODULE, place.workload(name))["changed"] is False


def test_a_stopped_workload_can_be_changed_without_permission(place: WorkloadPlace, name: str) -> None:
    assert run_module(MODULE, {**place.connection, "name": name, "state": "stopped"})["changed"]
    result = run_module(MODULE, place.workload(name, vllm_args=["--max-model-len", "128"]))
    assert result["rc"] == 0 and result["changed"] and result["disruption"] == "none"


def test_absent_twice(place: WorkloadPlace, name: str) -> None:
    absent = {**place.connection, "name": name, "state": "absent"}
    assert run_module(MODULE, absent, check_mode=True)["changed"] is True
    assert place.writes() == []
    first = run_module(MODULE, absent)
    assert first["changed"] and first["workload"]["phase"] == "absent"
    assert run_module(MODULE, absent)["changed"] is False


def test_absent_without_waiting_says_that_it_is_under_way(place: WorkloadPlace, name: str) -> None:
    place.hold_deletion(name)
    absent = {**place.connection, "name": name, "state": "absent", "wait": False}
    first = run_module(MODULE, absent)
    assert first["changed"] and first["workload"]["phase"] == "deleting"
    assert run_module(MODULE, absent)["changed"] is False
    place.release_deletion(name)
    assert name not in place.names()


def test_a_foreign_workload_is_left_alone_unless_it_is_adopted(place: WorkloadPlace) -> None:
    name = place.unique_name("foreign")
    place.create_foreign(name)
    before = place.identity(name), place.definition(name)
    place.forget_requests()
    for parameters in (place.workload(name), {**place.connection, "name": name, "state": "absent"}):
        refused = run_module(MODULE, parameters)
        assert (refused["failed"] and causes(refused) == {"name_in_use"}) or "name_in_use" in causes(refused)
    assert place.writes() == []
    assert (place.identity(name), place.definition(name)) == before
    adopted = run_module(MODULE, place.workload(name, adopt=True, on_disruption="allow", **place.repairing))
    assert adopted["rc"] == 0 and adopted["changed"], (adopted.get("msg"), adopted["findings"])
    assert place.image(name) == IMAGE and place.pods_per_replica(name) == 2
    assert run_module(MODULE, place.workload(name))["changed"] is False


def test_the_order_of_a_list_of_claims_is_no_change_but_a_path_is(place: WorkloadPlace, name: str) -> None:
    two = [{"claim": "my-project-models", "path": "/data"}, {"claim": "my-project-models", "path": "/more"}]
    assert run_module(MODULE, place.workload(name, volumes=two, on_disruption="allow"))["changed"]
    assert run_module(MODULE, place.workload(name, volumes=two[::-1]))["changed"] is False
    moved = [two[0], {"claim": "my-project-models", "path": "/other"}]
    result = run_module(MODULE, place.workload(name, volumes=moved), check_mode=True)
    assert result["changed"] and "/other" in {change["after"] for change in result["changes"]}


def test_bad_options_are_refused_without_asking_the_platform(place: WorkloadPlace) -> None:
    bad = place.workload("bad", vllm_args=["--port", "1"])
    result = run_module(MODULE, place.nowhere(bad))
    assert result["failed"] and result["findings"][0]["object"].startswith("vllm_args")


def test_an_expression_that_does_not_fit_is_the_users(place: WorkloadPlace, name: str) -> None:
    parameters = {**place.connection, "name": name, "query": "length(@[0].replicas)"}
    result = run_module("vllm_workload_info", parameters)
    assert result["failed"] and result["msg"].startswith("query: ")
    assert "internal_error" not in causes(result)
