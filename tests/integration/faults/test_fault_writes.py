# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes that go wrong: doubtful answers, names in use, refusals while recreating. Nothing is ever doubled."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from support.results import causes, only_error, went_well
from support.sandbox import DISTRIBUTED, INFERENCES, SandboxHandle, until

Apply = Callable[..., dict[str, Any]]
ApplyBeside = Callable[..., Future[dict[str, Any]]]

CREATION = "/workloads/(distributed-)?inferences$"
BY_ID = "/workloads/(distributed-)?inferences/"
UNANSWERED = ("accept_then_reset", "accept_then_hang")
POLICY = {
    "code": 400,
    "message": "The workload violates the policy of the project",
    "complianceIssues": [{"field": "compute.gpuDevicesRequest", "details": "value is too large", "rule": "max"}],
}


def unanswered(*more: str) -> list[Any]:
    """Return troubles with each of the two workload types; those that hang take a real second, so with one alone."""
    return [
        pytest.param(trouble, topology, id=f"{trouble}-{kind}")
        for trouble in (*UNANSWERED, *more)
        for kind, topology in (("distributed", {}), ("single", {"pods": 1}))
        if kind == "distributed" or "hang" not in trouble
    ]


@pytest.mark.parametrize(("trouble", "topology"), unanswered())
def test_an_accepted_creation_without_an_answer_is_found_and_not_repeated(
    quick: SandboxHandle, apply: Apply, trouble: str, topology: dict[str, Any]
) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": trouble}, "POST", CREATION)
    assert went_well(apply(name, runai_request_timeout=1, **topology))["changed"]
    quick.the_one(name)
    assert len(quick.writes()) == 1
    assert not went_well(apply(name, **topology))["changed"]


@pytest.mark.parametrize("trouble", [{"type": "reset"}, {"type": "hang"}], ids=["reset", "hang"])
def test_a_creation_that_did_not_arrive_is_one_clear_finding(
    quick: SandboxHandle, apply: Apply, trouble: dict[str, Any]
) -> None:
    name = quick.unique_name()
    quick.add_fault(trouble, "POST", CREATION)
    finding = only_error(apply(name, runai_request_timeout=1))
    assert (finding["cause"], finding["object"]) == ("creation_unconfirmed", name)
    assert quick.living(name) == []
    assert went_well(apply(name))["changed"]
    assert not went_well(apply(name))["changed"]
    quick.the_one(name)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_creation_that_the_server_failed_is_one_clear_finding(
    quick: SandboxHandle, apply: Apply, status: int
) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "status", "status": status}, "POST", CREATION)
    finding = only_error(apply(name))
    assert finding["cause"] == "creation_unconfirmed"
    assert str(status) in finding["evidence"]
    assert len(quick.writes()) == 1
    assert went_well(apply(name))["changed"]
    quick.the_one(name)


def test_a_creation_that_came_too_early_is_sent_again(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "status", "status": 429, "headers": {"Retry-After": "3"}}, "POST", CREATION, times=2)
    assert went_well(apply(name))["changed"]
    assert len(quick.writes()) == 3
    quick.the_one(name)
    assert not went_well(apply(name))["changed"]


def test_an_outage_that_begins_with_the_creation_is_lived_through(
    quick: SandboxHandle, apply: Apply, apply_beside: ApplyBeside
) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "accept_then_reset"}, "POST", CREATION)
    quick.add_fault({"type": "hold"}, "GET", "/workloads$", nth=2)
    running = apply_beside(name)
    quick.until_hit(1)
    quick.forget_faults()
    quick.outage(1.0)
    assert went_well(running.result(60))["changed"]
    quick.the_one(name)
    assert not went_well(apply(name))["changed"]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ({"status": 400, "body": {"code": 400, "message": "spec.x: not allowed"}}, "request_refused"),
        ({"status": 403, "body": {"code": 403, "message": "Forbidden"}}, "forbidden"),
        ({"status": 401}, "unauthorized"),
        ({"status": 302, "headers": {"Location": "https://elsewhere.example.com/"}}, "redirected"),
    ],
)
def test_a_refused_creation_is_one_clear_finding(
    quick: SandboxHandle, apply: Apply, answer: dict[str, Any], cause: str
) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "status", **answer}, "POST", CREATION, times=0)
    assert only_error(apply(name))["cause"] == cause
    assert quick.living(name) == []
    quick.forget_faults()
    assert went_well(apply(name))["changed"]


@pytest.mark.parametrize("how", ["error", "compliance_issues"])
def test_a_policy_that_refuses_is_named(quick: SandboxHandle, apply: Apply, how: str) -> None:
    name = quick.unique_name()
    quick.switch(policy_violation=how)
    result = apply(name)
    assert result["failed"]
    assert "policy" in result["msg"]
    if how == "compliance_issues":
        issue = next(finding for finding in result["findings"] if finding["cause"] == "policy_violation")
        assert issue["object"] == "security.runAsUid"
    assert quick.living(name) == []
    quick.switch(policy_violation="none")
    assert went_well(apply(name))["changed"]


# Names


@pytest.mark.parametrize("status", ["409", "400"])
def test_a_foreign_workload_is_refused_before_anything_is_written(
    quick: SandboxHandle, apply: Apply, status: str
) -> None:
    name = quick.unique_name()
    quick.switch(name_conflict_status=status)
    quick.create_foreign(name)
    before = quick.spec(name)
    quick.forget_requests()
    for options in ({}, {"state": "absent"}, {"state": "stopped"}):
        assert only_error(apply(name, **options))["cause"] == "name_in_use"
    assert quick.writes() == []
    assert quick.spec(name) == before


@pytest.mark.parametrize("status", ["409", "400"])
def test_a_foreign_workload_that_takes_the_name_meanwhile_is_refused(
    quick: SandboxHandle, apply_beside: ApplyBeside, status: str
) -> None:
    name = quick.unique_name()
    quick.switch(name_conflict_status=status)
    quick.add_fault({"type": "hold"}, "POST", CREATION)
    running = apply_beside(name)
    quick.until_hit()
    quick.create_foreign(name)
    quick.forget_faults()
    assert only_error(running.result(60))["cause"] == "name_in_use"
    assert "leader" in quick.spec(name)
    quick.the_one(name)


@pytest.mark.parametrize("status", ["409", "400"])
def test_the_same_workload_that_another_run_creates_meanwhile_is_agreed_to(
    quick: SandboxHandle, apply: Apply, apply_beside: ApplyBeside, status: str
) -> None:
    name = quick.unique_name()
    quick.switch(name_conflict_status=status)
    quick.add_fault({"type": "hold"}, "POST", CREATION)
    running = apply_beside(name)
    quick.until_hit()
    assert went_well(apply(name))["changed"]
    handle = quick.the_one(name)["id"]
    quick.forget_faults()
    assert went_well(running.result(60))["workload"]["phase"] == "running"
    assert quick.the_one(name)["id"] == handle
    assert not went_well(apply(name))["changed"]


@pytest.mark.parametrize("status", ["409", "400"])
def test_another_workload_that_another_run_creates_meanwhile_is_one_clear_finding(
    quick: SandboxHandle, apply: Apply, apply_beside: ApplyBeside, status: str
) -> None:
    name = quick.unique_name()
    quick.switch(name_conflict_status=status)
    quick.add_fault({"type": "hold"}, "POST", CREATION)
    running = apply_beside(name, env={"MINE": "1"})
    quick.until_hit()
    went_well(apply(name))
    quick.forget_faults()
    finding = only_error(running.result(60))
    assert (finding["cause"], "another run" in finding["evidence"]) == ("name_in_use", True)
    quick.the_one(name)
    assert not went_well(apply(name))["changed"]


@pytest.mark.parametrize("status", ["409", "400"])
def test_a_name_that_is_released_late_is_waited_for(quick: SandboxHandle, apply: Apply, status: str) -> None:
    name = quick.unique_name()
    message = "Resource with this name already exists"
    answer = {"type": "status", "status": int(status), "body": {"code": int(status), "message": message}}
    quick.add_fault(answer, "POST", CREATION, times=2)
    assert went_well(apply(name))["changed"]
    quick.the_one(name)


def test_a_name_that_is_never_released_is_one_clear_finding(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    quick.add_fault({"type": "status", "status": 409}, "POST", CREATION, times=0)
    finding = only_error(apply(name))
    assert (finding["cause"], finding["object"]) == ("name_in_use", name)
    quick.forget_faults()
    assert went_well(apply(name))["changed"]


# Scaling and in-place changes


@pytest.mark.parametrize(("trouble", "topology"), unanswered("reset", "hang"))
def test_a_scaling_without_an_answer_is_done_once_in_effect(
    quick: SandboxHandle, apply: Apply, trouble: str, topology: dict[str, Any]
) -> None:
    name = quick.unique_name()
    went_well(apply(name, replicas=1, **topology))
    quick.add_fault({"type": trouble}, "PATCH", BY_ID)
    assert went_well(apply(name, replicas=2, runai_request_timeout=1, **topology))["changed"]
    pods = 2 * topology.get("pods", 2)
    until(lambda: quick.the_one(name)["pods"], "both replicas have their pods", good=lambda found: len(found) == pods)
    assert not went_well(apply(name, replicas=2, **topology))["changed"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_scaling_that_the_server_failed_is_repeated(quick: SandboxHandle, apply: Apply, status: int) -> None:
    name = quick.unique_name()
    went_well(apply(name, replicas=1))
    quick.add_fault({"type": "status", "status": status}, "PATCH", BY_ID)
    assert went_well(apply(name, replicas=2))["changed"]
    assert not went_well(apply(name, replicas=2))["changed"]


def test_a_refused_scaling_is_one_clear_finding_and_leaves_everything(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    went_well(apply(name, replicas=1))
    before = quick.spec(name)
    quick.add_fault({"type": "status", "status": 400, "body": POLICY}, "PATCH", BY_ID)
    result = apply(name, replicas=2)
    assert result["failed"]
    assert causes(result).count("policy_violation") == 1
    assert quick.spec(name) == before
    assert went_well(apply(name, replicas=2))["changed"]


@pytest.mark.parametrize("trouble", UNANSWERED)
def test_an_in_place_change_without_an_answer_is_done(quick: SandboxHandle, apply: Apply, trouble: str) -> None:
    name = quick.unique_name()
    changed = {"pods": 1, "env": {"A": "2"}, "on_disruption": "allow"}
    went_well(apply(name, pods=1, env={"A": "1"}))
    quick.add_fault({"type": trouble}, "PATCH", BY_ID)
    assert went_well(apply(name, runai_request_timeout=1, **changed))["changed"]
    assert not went_well(apply(name, **changed))["changed"]
    assert quick.writes().count(f"POST {INFERENCES}") == 1


# Deleting


@pytest.mark.parametrize(("trouble", "topology"), unanswered("reset", "hang"))
def test_a_deletion_without_an_answer_is_carried_out(
    quick: SandboxHandle, apply: Apply, trouble: str, topology: dict[str, Any]
) -> None:
    name = quick.unique_name()
    went_well(apply(name, **topology))
    quick.add_fault({"type": trouble}, "DELETE", BY_ID)
    assert went_well(apply(name, state="absent", runai_request_timeout=1))["changed"]
    assert quick.living(name) == []
    assert not went_well(apply(name, state="absent"))["changed"]


def test_a_deletion_that_takes_long_is_waited_for(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    went_well(apply(name))
    quick.switch(deletion_seconds=1.5)
    result = went_well(apply(name, state="absent"))
    assert result["timings"]["delete"] > 0
    assert quick.living(name) == []


@pytest.mark.parametrize("state", ["absent", "present"])
def test_a_deletion_that_takes_too_long_is_one_clear_finding(quick: SandboxHandle, apply: Apply, state: str) -> None:
    name = quick.unique_name()
    went_well(apply(name))
    quick.switch(deletion_seconds=2.0)
    result = apply(name, state="absent", delete_timeout=10)
    assert result["failed"]
    assert causes(result) == ["time_limit", "deletion_stuck"]
    assert name in result["msg"]
    # The deletion that is under way is nobody's change any more; a new workload is.
    assert went_well(apply(name, state=state))["changed"] == (state == "present")
    assert len(quick.living(name)) == (1 if state == "present" else 0)
    assert not went_well(apply(name, state=state))["changed"]


def test_a_refused_deletion_is_one_clear_finding(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    went_well(apply(name))
    quick.add_fault({"type": "status", "status": 403}, "DELETE", BY_ID)
    assert only_error(apply(name, state="absent"))["cause"] == "forbidden"
    quick.the_one(name)
    assert went_well(apply(name, state="absent"))["changed"]


# Recreating


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400, "body": POLICY},
        {"status": 400, "body": {"code": 400, "message": "spec.x: not allowed"}},
        {"status": 403},
        {"status": 500},
    ],
    ids=["policy", "invalid", "forbidden", "failing"],
)
def test_the_old_workload_is_put_back_where_the_new_one_is_refused(
    quick: SandboxHandle, apply: Apply, answer: dict[str, Any]
) -> None:
    name = quick.unique_name()
    went_well(apply(name, env={"A": "1"}, replicas=2))
    before = quick.spec(name)
    quick.add_fault({"type": "status", **answer}, "POST", CREATION)
    changed = {"env": {"A": "2"}, "on_disruption": "allow"}
    result = apply(name, **changed)
    assert result["failed"]
    assert "restored" in causes(result)
    assert quick.spec(name) == before
    assert not went_well(apply(name, env={"A": "1"}, replicas=2))["changed"]
    assert went_well(apply(name, **changed))["changed"]
    assert quick.spec(name)["replicas"] == 2
    assert not went_well(apply(name, **changed))["changed"]


def test_what_could_not_be_put_back_is_said(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    went_well(apply(name, env={"A": "1"}))
    quick.switch(policy_violation="compliance_issues")
    changed = {"env": {"A": "2"}, "on_disruption": "allow"}
    result = apply(name, **changed)
    assert result["failed"]
    assert "not_restored" in causes(result)
    assert quick.living(name) == []
    quick.switch(policy_violation="none")
    assert went_well(apply(name, **changed))["changed"]
    quick.the_one(name)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("trouble", UNANSWERED)
def test_recreating_without_an_answer_ends_with_one_new_workload(
    quick: SandboxHandle, apply: Apply, trouble: str, method: str
) -> None:
    name = quick.unique_name()
    went_well(apply(name, env={"A": "1"}))
    old = quick.the_one(name)["id"]
    quick.forget_requests()
    quick.add_fault({"type": trouble}, method, CREATION if method == "POST" else BY_ID)
    changed = {"env": {"A": "2"}, "on_disruption": "allow", "runai_request_timeout": 1}
    assert went_well(apply(name, **changed))["changed"]
    assert quick.the_one(name)["id"] != old
    assert quick.writes().count(f"POST {DISTRIBUTED}") == 1
    assert not went_well(apply(name, **changed))["changed"]


def test_nothing_is_deleted_where_the_deletion_is_refused(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    went_well(apply(name, env={"A": "1"}))
    before = quick.spec(name)
    quick.forget_requests()
    quick.add_fault({"type": "status", "status": 403}, "DELETE", BY_ID)
    assert only_error(apply(name, env={"A": "2"}, on_disruption="allow"))["cause"] == "forbidden"
    assert quick.spec(name) == before
    assert [write.split()[0] for write in quick.writes()] == ["DELETE"]


def test_a_long_deletion_in_the_middle_of_recreating_is_waited_for(quick: SandboxHandle, apply: Apply) -> None:
    name = quick.unique_name()
    went_well(apply(name, env={"A": "1"}))
    quick.switch(deletion_seconds=1.0)
    changed = {"env": {"A": "2"}, "on_disruption": "allow"}
    assert went_well(apply(name, **changed))["changed"]
    quick.the_one(name)
    assert not went_well(apply(name, **changed))["changed"]
