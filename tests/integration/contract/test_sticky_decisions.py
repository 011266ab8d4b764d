# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was decided stays until the user changes something: a newer collection or new evidence restarts nothing."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest import mock

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations import reconcile
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from support.modules import run_module
from support.workload_place import WorkloadPlace

MODULE = "vllm_workload"
FABRIC: dict[str, Any] = {
    "kind": "tcp",
    "confidence": "seen",
    "inputs": {"mode": "auto"},
    "variables": [{"name": "NCCL_SOCKET_IFNAME", "value": "=eth0"}],
}
INFINIBAND: dict[str, Any] = {
    "kind": "infiniband",
    "confidence": "usable",
    "inputs": {"mode": "auto"},
    "variables": [{"name": "NCCL_IB_HCA", "value": "=mlx5_0:1"}],
    "resources": {"rdma/rdma_shared_device_a": 1},
}


def of_a_newer_collection(*arguments: Any) -> Plan:
    """Plan as a newer collection might: with one more argument for the engine."""
    plan = plan_workload(*arguments)
    leader = dataclasses.replace(plan.leader, arguments=(*plan.leader.arguments, "--max-num-seqs", "64"))
    return dataclasses.replace(plan, leader=leader)


@pytest.fixture
def name(place: WorkloadPlace) -> str:
    """The name of a workload that runs with the fabric ``FABRIC``."""
    name = place.unique_name("sticky")
    assert run_module(MODULE, place.workload(name, fabric=FABRIC))["rc"] == 0
    place.forget_requests()
    return name


def test_a_newer_collection_leaves_a_running_workload_alone(place: WorkloadPlace, name: str) -> None:
    with mock.patch.object(reconcile, "plan_workload", of_a_newer_collection):
        result = run_module(MODULE, place.workload(name, fabric=FABRIC))
    assert result["changed"] is False and place.writes() == []


def test_a_newer_collection_that_scales_does_not_recreate(place: WorkloadPlace, name: str) -> None:
    before = place.identity(name)
    with mock.patch.object(reconcile, "plan_workload", of_a_newer_collection):
        result = run_module(MODULE, place.workload(name, fabric=FABRIC, replicas=2))
    assert result["changed"] and result["disruption"] == "none"
    assert [change["path"] for change in result["changes"]] == ["replicas"]
    assert place.identity(name) == before
    assert place.replicas(name) == 2


def test_replan_shows_what_a_newer_collection_would_do(place: WorkloadPlace, name: str) -> None:
    with mock.patch.object(reconcile, "plan_workload", of_a_newer_collection):
        result = run_module(MODULE, place.workload(name, fabric=FABRIC, replan=True))
    assert result["failed"] and result["disruption"] == "outage"
    assert [change["path"] for change in result["changes"]] == [place.command_path(name)]
    assert place.writes() == []


def test_new_evidence_about_the_fabric_is_a_finding_and_no_change(place: WorkloadPlace, name: str) -> None:
    result = run_module(MODULE, place.workload(name, fabric=INFINIBAND))
    assert result["changed"] is False and place.writes() == []
    assert "fabric_opinion_differs" in {finding["cause"] for finding in result["findings"]}


def test_the_fabric_stays_when_something_else_is_changed(place: WorkloadPlace, name: str) -> None:
    changed = place.workload(name, fabric=INFINIBAND, vllm_args=["--max-model-len", "256"], on_disruption="allow")
    assert run_module(MODULE, changed)["changed"]
    assert place.environment(name)["NCCL_SOCKET_IFNAME"] == "=eth0"
    assert "NCCL_IB_HCA" not in place.environment(name)


def test_a_change_in_what_the_user_asked_of_the_fabric_is_a_change(place: WorkloadPlace, name: str) -> None:
    asked = {**INFINIBAND, "inputs": {"mode": "require_rdma"}}
    result = run_module(MODULE, place.workload(name, fabric=asked, on_disruption="allow"))
    assert result["changed"] and result["disruption"] == "outage"
    assert place.environment(name)["NCCL_IB_HCA"] == "=mlx5_0:1"
    assert run_module(MODULE, place.workload(name, fabric=asked))["changed"] is False


def test_replicas_left_by_the_user_stay_also_when_recreated(place: WorkloadPlace, name: str) -> None:
    assert run_module(MODULE, place.workload(name, fabric=FABRIC, replicas=3))["changed"]
    assert run_module(MODULE, place.workload(name, fabric=FABRIC))["changed"] is False
    changed = place.workload(name, fabric=FABRIC, vllm_args=["--max-model-len", "256"], on_disruption="allow")
    assert run_module(MODULE, changed)["changed"]
    assert place.replicas(name) == 3


def test_dropping_a_variable_is_a_change(place: WorkloadPlace, name: str) -> None:
    with_variable = place.workload(name, fabric=FABRIC, env={"MY_FLAG": "1"}, on_disruption="allow")
    assert run_module(MODULE, with_variable)["changed"]
    assert place.environment(name)["MY_FLAG"] == "1"
    result = run_module(MODULE, place.workload(name, fabric=FABRIC, on_disruption="allow"))
    assert result["changed"]
    assert "MY_FLAG" not in place.environment(name)
    assert run_module(MODULE, place.workload(name, fabric=FABRIC))["changed"] is False
