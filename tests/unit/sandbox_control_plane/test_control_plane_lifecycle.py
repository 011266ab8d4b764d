# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload's life: phases, names, scaling, deletion, updates; under every switch that concerns them."""

from __future__ import annotations

from typing import Any

import pytest
from conftest_types import StartSandbox
from support.control_plane_client import (
    DISTRIBUTED,
    INFERENCES,
    Client,
    distributed_body,
    inference_body,
)


def test_a_prefix_is_completed_by_the_server(client: Client) -> None:
    body = distributed_body() | {"useGivenNameAsPrefix": True}
    shown = [client.get(f"{DISTRIBUTED}/{client.create(body)}") for _attempt in range(2)]
    assert shown[0]["name"] != shown[1]["name"] and {one["requestedName"] for one in shown} == {"my-llm"}


@pytest.mark.parametrize("nulls", [True, False])
def test_the_spec_comes_back_bare_or_filled_in(start_sandbox: StartSandbox, nulls: bool) -> None:
    client = start_sandbox(spec_returned_with_nulls=nulls)
    body = distributed_body()
    shown = client.get(f"{DISTRIBUTED}/{client.create(body)}")["spec"]
    if not nulls:
        assert shown == body["spec"]
        return
    assert shown["leader"]["args"] == body["spec"]["leader"]["args"]
    assert shown["leader"]["probes"] is None and shown["nodePools"] is None
    assert shown["restartPolicy"] == "RecreateGroupOnPodRestart" and shown["priorityClass"] == "very-high"


@pytest.mark.parametrize(
    ("shape", "urls", "endpoints"),
    [
        ("none", True, None),
        ("urls_and_endpoints_list_of_strings", True, str),
        ("endpoints_objects", False, dict),
    ],
)
def test_the_address_stands_where_the_switch_says(
    start_sandbox: StartSandbox, shape: str, urls: bool, endpoints: type | None
) -> None:
    client = start_sandbox(endpoints_shape=shape)
    workload = client.workload(client.create(distributed_body()))
    assert ("urls" in workload) is urls
    assert ("endpoints" in workload) is (endpoints is not None)
    if endpoints is not None:
        assert isinstance(workload["endpoints"][0], endpoints)
    client.running.admin("PUT", "/switches", {"list_carries_endpoints": False})
    [listed] = client.get("/api/v1/workloads")["workloads"]
    assert not {"urls", "endpoints"} & set(listed)


@pytest.mark.parametrize(
    ("version", "spec", "status"),
    [("2.22", {}, 400), ("2.23", {}, 400), ("2.24", {}, 202), ("2.22", {"preemptibility": None}, 400)],
)
def test_an_older_control_plane_knows_no_preemptibility(
    start_sandbox: StartSandbox, version: str, spec: dict[str, Any], status: int
) -> None:
    client = start_sandbox(version=version)
    assert client.call("POST", DISTRIBUTED, json=distributed_body(**spec)).status_code == status


def test_the_oldest_control_plane_cannot_scale(start_sandbox: StartSandbox) -> None:
    client = start_sandbox(version="2.22")
    body = distributed_body()
    del body["spec"]["preemptibility"]
    workload_id = client.create(body)
    assert client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": 2}}).status_code == 405


@pytest.mark.parametrize(("violation", "issues"), [("error", False), ("compliance_issues", True)])
def test_a_policy_refuses_in_either_body(start_sandbox: StartSandbox, violation: str, issues: bool) -> None:
    client = start_sandbox(policy_violation=violation)
    answer = client.call("POST", DISTRIBUTED, json=distributed_body())
    assert answer.status_code == 400 and ("complianceIssues" in answer.json()) is issues


def test_unknown_ids_and_routes_answer_in_run_ai_s_body(client: Client) -> None:
    for path in (f"{DISTRIBUTED}/none", "/api/v1/workloads/none", "/api/v1/workloads/none/pods", "/api/v1/nothing"):
        answer = client.call("GET", path)
        assert answer.status_code == 404 and answer.json()["code"] == 404
    inference = client.create(inference_body(), INFERENCES)
    assert client.call("GET", f"{DISTRIBUTED}/{inference}").status_code == 404
    assert client.call("PUT", f"{INFERENCES}/{inference}", json={}).json()["code"] == 405
