# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Run:ai platform against the sandbox's control plane, over real TLS, under every setting of the open points.

What becomes of pods is tried over both of the sandbox's back ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload import (
    read_workload,
    workload_arguments,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms import base
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import AppliedRecord, LiveWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    EndpointConnection,
    RunaiConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import TRAITS
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from support.leaders import Leaders
from support.sandbox import DISTRIBUTED, INFERENCES, PROJECT, SandboxHandle, until

SWITCHES: list[dict[str, Any]] = [
    {},
    {"token_v2": False},
    {"name_conflict_status": "400"},
    {"endpoints_shape": "urls_and_endpoints_list_of_strings"},
    {"endpoints_shape": "endpoints_objects"},
    {"list_carries_endpoints": False},
    {"workload_type_literal": "Distributed"},
    {"workload_type_literal": "Inference"},
    {"workload_type_literal": "LeaderWorkerSet"},
    {"get_after_delete": "deletedAt"},
    {"spec_returned_with_nulls": False},
    {"phase_at_zero_replicas": "Stopped"},
    {"phase_at_zero_replicas": "Completed"},
    {"version": "2.25"},
    {"version": "2.23"},
]

BOTH = pytest.mark.parametrize("sandbox", ["simulated", "on_cluster"], indirect=True)


def connection_to(sandbox: SandboxHandle, **changes: Any) -> Connection:
    about = sandbox.description
    runai = RunaiConnection(
        url=about["api_url"],
        client_id=about["client_id"],
        client_secret=about["client_secret"],
        ca_path=about["ca_path"],
    )
    connection = Connection("runai", PROJECT, runai, endpoint=EndpointConnection(ca_path=about["ca_path"]))
    return replace(connection, **changes)


Platforms = Callable[..., RunaiPlatform]


@pytest.fixture
def make(sandbox: SandboxHandle) -> Platforms:
    def platform(**changes: Any) -> RunaiPlatform:
        return RunaiPlatform(connection_to(sandbox, **changes), Host())

    return platform


def plan_of(sandbox: SandboxHandle, name: str, **options: Any) -> Plan:
    arguments = workload_arguments().argument_spec
    stated = {option: value for option, value in sandbox.workload(name, **options).items() if value is not None}
    checked = ArgumentSpecValidator(arguments).validate(stated)
    assert not checked.error_messages
    return plan_workload(read_workload(checked.validated_parameters), TRAITS)


def create(platform: RunaiPlatform, plan: Plan) -> LiveWorkload:
    rendered = platform.render(plan)
    record = AppliedRecord({"image": plan.spec.image}, platform.comparable(rendered.body), None, "0.1.0")
    return platform.create(rendered, record)


def running(platform: RunaiPlatform, live: LiveWorkload) -> base.WorkloadStatus:
    return until(lambda: platform.status(live), f"{live.name} runs", good=lambda status: status.phase == base.RUNNING)


def found(platform: RunaiPlatform, name: str) -> LiveWorkload:
    live = platform.find(name)
    assert live is not None
    return live


def same(platform: RunaiPlatform, plan: Plan, live: LiveWorkload) -> bool:
    """Say whether every field that was rendered is live as it was rendered."""
    wanted, there = flatten(platform.comparable(platform.render(plan).body)), flatten(platform.comparable(live.body))
    return all(there.get(path) == leaf for path, leaf in wanted.items())


@BOTH
@pytest.mark.parametrize("switches", SWITCHES, ids=lambda switches: str(switches) if switches else "defaults")
def test_a_distributed_workloads_life(
    sandbox: SandboxHandle, leaders: Leaders, make: Platforms, switches: dict[str, Any]
) -> None:
    sandbox.switch(**switches)
    name, platform = sandbox.unique_name(), make()
    old = switches.get("version") == "2.23"
    serving = {"access": "authenticated_users", "external": True, "port": leaders.port}
    plan = plan_of(sandbox, name, serving=serving, **({"preemptibility": None} if old else {}))
    assert [finding.cause for finding in platform.check(plan)] == ["spread_not_supported"]

    live = create(platform, plan)
    status = running(platform, live)
    assert sorted(pod.role for pod in status.pods) == ["follower", "leader"]
    assert all(pod.machine for pod in status.pods)
    assert status.endpoint is not None
    assert status.endpoint.external
    leaders.open(pod.name for pod in status.pods if pod.role == "leader")
    answers = platform.request_leaders(live, status, "GET", "/v1/models", None, 10)
    assert [(answer.status, answer.credential) for answer in answers] == [(200, "the platform's token")]
    assert "mistral4" in answers[0].body

    later = make()
    again = found(later, name)
    assert same(later, plan, again)
    assert again.endpoint == status.endpoint
    assert again.record is not None
    assert flatten(again.record.body) == flatten(later.comparable(later.render(plan).body))
    assert later.layout(again).pods == 2

    later.scale(again, 0)
    assert until(lambda: later.status(again).pods == (), "no pod is left")
    assert found(later, name).replicas == 0
    later.delete(again)
    until(lambda: later.gone(again), f"{name} is gone")
    assert later.find(name) is None
    assert later.status(again).deleted


@BOTH
def test_a_single_pods_life(sandbox: SandboxHandle, make: Platforms) -> None:
    name, platform = sandbox.unique_name(), make()
    plan = plan_of(sandbox, name, pods=1)
    live = create(platform, plan)
    assert [pod.role for pod in running(platform, live).pods] == ["leader"]
    again = found(platform, name)
    assert (f"/api/v1/workloads/{again.kind}", again.replicas) == (INFERENCES, 1)
    assert same(platform, plan, again)
    changed = plan_of(sandbox, name, pods=1, env={"A": "1"})
    assert not same(platform, changed, again)
    rendered = platform.render(changed)
    record = AppliedRecord({"image": "x", "env": 1}, platform.comparable(rendered.body), None, "0.1.0")
    platform.change(again, rendered, ["spec.environmentVariables"], record)
    assert same(platform, changed, found(platform, name))
    assert found(platform, name).record == record
    platform.scale(again, 2)
    assert found(platform, name).replicas == 2
    assert platform.change_rules(again).cannot_stop is not None
    platform.delete(again)
    until(lambda: platform.gone(again), f"{name} is gone")


def test_a_look_at_what_runs_costs_two_requests(sandbox: SandboxHandle, make: Platforms) -> None:
    name, platform = sandbox.unique_name(), make()
    running(platform, create(platform, plan_of(sandbox, name)))
    sandbox.forget_requests()
    later = make()
    later.change_rules(found(later, name))
    assert [entry["method"] for entry in sandbox.requests()] == ["POST", "GET", "GET"]


@pytest.mark.parametrize("action", ["accept_then_reset", "reset"])
def test_creation_without_an_answer(sandbox: SandboxHandle, make: Platforms, action: str) -> None:
    name, platform = sandbox.unique_name(), make()
    plan = plan_of(sandbox, name)
    sandbox.add_fault({"type": action}, "POST", f"{DISTRIBUTED}$")
    if action == "reset":
        platform = RunaiPlatform(connection_to(sandbox), Host(sleep=lambda seconds: None))
        with pytest.raises(GpuopsError) as caught:
            create(platform, plan)
        assert caught.value.findings[0].cause == "creation_unconfirmed"
        assert sandbox.living(name) == []
    else:
        assert create(platform, plan).handle == sandbox.the_one(name)["id"]
    assert sandbox.writes() == [f"POST {DISTRIBUTED}"]


def test_tokens_that_end_in_mid_run(sandbox: SandboxHandle, make: Platforms) -> None:
    name, platform = sandbox.unique_name(), make()
    plan = plan_of(sandbox, name)
    platform.check(plan)
    sandbox.expire_tokens()
    live = create(platform, plan)
    status = running(platform, live)
    sandbox.expire_tokens()
    assert platform.request_leaders(live, status, "GET", "/v1/models", None, 10)[0].status == 200


def test_a_busy_control_plane(sandbox: SandboxHandle, make: Platforms) -> None:
    name, slept = sandbox.unique_name(), list[float]()
    platform = RunaiPlatform(connection_to(sandbox), Host(sleep=slept.append))
    sandbox.add_fault({"type": "status", "status": 429, "headers": {"Retry-After": "7"}}, "GET", "/workloads$")
    sandbox.add_fault({"type": "status", "status": 503}, "GET", "/workloads$", nth=2)
    sandbox.add_fault({"type": "reset"}, "GET", "/workloads$", nth=3)
    assert platform.find(name) is None
    assert sum(slept) >= 7


@BOTH
def test_two_that_create_the_same(sandbox: SandboxHandle, make: Platforms) -> None:
    name = sandbox.unique_name()
    first = create(make(), plan_of(sandbox, name))
    second = create(make(), plan_of(sandbox, name))
    assert second.handle == first.handle
    with pytest.raises(GpuopsError) as caught:
        create(make(), plan_of(sandbox, name, image="registry.example.com/stand-in:v0.34.0"))
    assert caught.value.findings[0].cause == "name_in_use"
    sandbox.the_one(name)


@BOTH
def test_a_name_of_somebody_else(sandbox: SandboxHandle, make: Platforms) -> None:
    name = sandbox.unique_name()
    sandbox.create_foreign(name)
    assert not found(make(), name).managed
    with pytest.raises(GpuopsError, match="did not make it"):
        create(make(), plan_of(sandbox, name))


@BOTH
def test_putting_a_deleted_workload_back(sandbox: SandboxHandle, make: Platforms) -> None:
    name, platform = sandbox.unique_name(), make()
    create(platform, plan_of(sandbox, name))
    live, before = found(platform, name), sandbox.spec(name)
    platform.delete(live)
    until(lambda: platform.gone(live), f"{name} is gone")
    platform.restore(live)
    assert sandbox.spec(name) == before


def test_another_cluster_than_expected(sandbox: SandboxHandle, make: Platforms) -> None:
    right = make(expect_cluster=sandbox.description["cluster"])
    assert right.find("nothing") is None
    with pytest.raises(GpuopsError) as caught:
        make(expect_cluster="another").find("nothing")
    assert caught.value.findings[0].cause == "wrong_cluster"


def test_an_unknown_project(sandbox: SandboxHandle, make: Platforms) -> None:
    platform = make(project=f"{PROJECT}s")
    for ask in (lambda: platform.find("nothing"), lambda: platform.check(plan_of(sandbox, "w"))):
        with pytest.raises(GpuopsError, match=f"there is no project '{PROJECT}s'.*{PROJECT}"):
            ask()


def test_policies_that_refuse(sandbox: SandboxHandle, make: Platforms) -> None:
    for switch, cause in (("compliance_issues", "policy_violation"), ("error", "request_refused")):
        sandbox.switch(policy_violation=switch)
        with pytest.raises(GpuopsError) as caught:
            create(make(), plan_of(sandbox, sandbox.unique_name()))
        assert cause in [finding.cause for finding in caught.value.findings]


def test_a_version_that_is_too_old(sandbox: SandboxHandle, make: Platforms) -> None:
    sandbox.switch(version="2.22")
    findings = make().check(plan_of(sandbox, "w"))
    assert [finding.object for finding in findings if finding.cause == "version_too_old"] == ["preemptibility"]
