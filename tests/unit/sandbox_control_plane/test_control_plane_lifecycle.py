# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload's life: phases, names, scaling, deletion, updates; under every switch that concerns them."""

from __future__ import annotations

from typing import Any

import pytest
from conftest_types import StartSandbox
from control_plane_client import (
    DISTRIBUTED,
    INFERENCES,
    Client,
    changed,
    distributed_body,
    eventually,
    inference_body,
)


def test_a_workload_goes_through_its_phases_and_serves(client: Client) -> None:
    workload_id = client.create(distributed_body())
    workload = client.reach(workload_id, "Running")
    assert client.phases(workload_id) == ["Creating", "Pending", "Initializing", "Running"]
    assert [pod["name"] for pod in client.pods(workload_id)] == ["my-llm-0", "my-llm-0-1"]
    assert workload["runningPods"] == 2 and workload["requestedPods"]["number"] == 2
    assert workload["namespace"] == "runai-my-project" and workload["actionsSupport"]["suspend"] is False
    assert {"Scheduled", "Pulling", "Pulled", "Created", "Started"} <= set(client.reasons(workload_id))


@pytest.mark.parametrize("status", [409, 400])
def test_a_name_in_use_is_refused_until_it_is_free(start_sandbox: StartSandbox, status: int) -> None:
    client = start_sandbox(name_conflict_status=str(status), deletion_seconds=0.3)
    workload_id = client.create(distributed_body())
    assert client.call("POST", DISTRIBUTED, json=distributed_body()).status_code == status
    client.running.admin("POST", "/projects", {"name": "other", "deserved_gpus": 8})
    client.create(changed(distributed_body(), "projectId", "34"))
    assert client.call("DELETE", f"{DISTRIBUTED}/{workload_id}").json()["code"] == 202
    assert client.call("POST", DISTRIBUTED, json=distributed_body()).status_code == status
    eventually(lambda: client.call("POST", DISTRIBUTED, json=distributed_body()).status_code == 202)


def test_a_prefix_is_completed_by_the_server(client: Client) -> None:
    body = distributed_body() | {"useGivenNameAsPrefix": True}
    shown = [client.get(f"{DISTRIBUTED}/{client.create(body)}") for _attempt in range(2)]
    assert shown[0]["name"] != shown[1]["name"] and {one["requestedName"] for one in shown} == {"my-llm"}


@pytest.mark.parametrize("after", ["404", "deletedAt"])
def test_a_deleted_workload_is_gone_as_the_switch_says(start_sandbox: StartSandbox, after: str) -> None:
    client = start_sandbox(get_after_delete=after)
    workload_id = client.create(distributed_body())
    client.reach(workload_id, "Running")
    client.call("DELETE", f"{DISTRIBUTED}/{workload_id}")
    shown = client.get(f"{DISTRIBUTED}/{workload_id}")
    assert (shown["desiredPhase"], shown["actualPhase"], shown["deletedAt"]) == ("Deleted", "Deleting", None)
    eventually(lambda: not client.get("/api/v1/workloads")["workloads"])
    answer = client.call("GET", f"{DISTRIBUTED}/{workload_id}")
    if after == "404":
        assert answer.status_code == 404 and answer.json()["code"] == 404
    else:
        assert answer.json()["deletedAt"] is not None
    assert client.call("DELETE", f"{DISTRIBUTED}/{workload_id}").status_code == 404
    assert client.running.cluster.all_groups() == []


def test_replicas_come_and_go(client: Client) -> None:
    workload_id = client.create(distributed_body())
    client.reach(workload_id, "Running")
    answer = client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": 3}})
    assert answer.status_code == 202 and answer.json()["spec"]["replicas"] == 3
    eventually(lambda: client.workload(workload_id)["runningPods"] == 6)
    first = [pod["id"] for pod in client.pods(workload_id)[:2]]
    client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": 1}})
    eventually(lambda: len(client.pods(workload_id)) == 2)
    assert [pod["id"] for pod in client.pods(workload_id)] == first
    assert client.phase(workload_id) == "Running"


def test_a_replica_that_is_wanted_again_while_it_leaves_comes_back(client: Client) -> None:
    workload_id = client.create(distributed_body())
    client.reach(workload_id, "Running")
    for replicas in (0, 1, 0, 2):
        client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": replicas}})
    eventually(lambda: client.workload(workload_id)["runningPods"] == 4)


@pytest.mark.parametrize("phase", ["Running", "Stopped", "Pending", "Completed", "Initializing"])
def test_no_replicas_have_the_phase_of_the_switch(start_sandbox: StartSandbox, phase: str) -> None:
    client = start_sandbox(phase_at_zero_replicas=phase)
    workload_id = client.create(distributed_body(replicas=0))
    client.reach(workload_id, phase)
    assert client.pods(workload_id) == []
    client.call("PATCH", f"{DISTRIBUTED}/{workload_id}", json={"spec": {"replicas": 1}})
    eventually(lambda: client.workload(workload_id)["runningPods"] == 2)


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


def test_an_address_that_is_not_external_is_the_cluster_s_own(client: Client) -> None:
    port = {"port": 8000, "exposeExternally": False}
    workload = client.workload(client.create(distributed_body(servingPort=port)))
    assert workload["urls"] == ["http://my-llm.runai-my-project.svc.cluster.local:8000"]


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


@pytest.mark.parametrize(
    ("switches", "body", "path"),
    [
        ({"lws_installed": False}, distributed_body(), DISTRIBUTED),
        ({"inference_available": False}, inference_body(), INFERENCES),
        ({"invalid_name": "fails_later"}, distributed_body("My_LLM"), DISTRIBUTED),
    ],
)
def test_what_the_cluster_cannot_do_is_accepted_and_fails(
    start_sandbox: StartSandbox, switches: dict[str, Any], body: dict[str, Any], path: str
) -> None:
    client = start_sandbox(**switches)
    workload = client.reach(client.create(body, path), "Failed")
    assert workload["phaseMessage"] and workload["runningPods"] == 0


def test_an_inference_is_updated_by_a_new_revision(client: Client) -> None:
    workload_id = client.create(inference_body(), INFERENCES)
    client.reach(workload_id, "Running")
    [before] = client.pods(workload_id)
    answer = client.call("PATCH", f"{INFERENCES}/{workload_id}", json={"spec": {"args": "--port 8000 --seed 1"}})
    assert answer.status_code == 202 and answer.json()["spec"]["args"] == "--port 8000 --seed 1"
    eventually(lambda: [pod["id"] for pod in client.pods(workload_id)] not in ([before["id"]], []))
    eventually(lambda: len(client.pods(workload_id)) == 1)
    [after] = client.pods(workload_id)
    assert after["id"] != before["id"] and "-00002-" in after["name"]
    unchanged = client.call("PATCH", f"{INFERENCES}/{workload_id}", json={"spec": {"args": "--port 8000 --seed 1"}})
    assert unchanged.status_code == 202 and [pod["id"] for pod in client.pods(workload_id)] == [after["id"]]


def test_unknown_ids_and_routes_answer_in_run_ai_s_body(client: Client) -> None:
    for path in (f"{DISTRIBUTED}/none", "/api/v1/workloads/none", "/api/v1/workloads/none/pods", "/api/v1/nothing"):
        answer = client.call("GET", path)
        assert answer.status_code == 404 and answer.json()["code"] == 404
    inference = client.create(inference_body(), INFERENCES)
    assert client.call("GET", f"{DISTRIBUTED}/{inference}").status_code == 404
    assert client.call("PUT", f"{INFERENCES}/{inference}", json={}).json()["code"] == 405
