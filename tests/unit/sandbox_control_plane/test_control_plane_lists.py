# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters, projects, workloads: filters, pages, order."""

from __future__ import annotations

import pytest
from conftest_types import StartSandbox
from support.control_plane_client import CLUSTER_ID, DISTRIBUTED, Client, distributed_body, eventually


def names(client: Client, **parameters: str) -> list[str]:
    return [workload["name"] for workload in client.get("/api/v1/workloads", **parameters)["workloads"]]


@pytest.fixture
def three(client: Client) -> Client:
    for name in ("alpha", "beta", "beta-two"):
        client.create(distributed_body(name, workers=0, worker=None))
    return client


def test_clusters_are_a_bare_list(client: Client) -> None:
    clusters = client.get("/api/v1/clusters", verbosity="metadata")
    assert [cluster["uuid"] for cluster in clusters] == [CLUSTER_ID]
    assert "status" not in clusters[0]
    assert client.get("/api/v1/clusters")[0]["status"]["state"] == "Connected"
    assert client.call("GET", "/api/v1/clusters", params={"filterBy": "name==a"}).status_code == 400


def test_a_project_is_found_by_name_and_tells_its_namespace(client: Client) -> None:
    client.running.admin("POST", "/projects", {"name": "other", "namespace": "team-x", "deserved_gpus": 4})
    found = client.get("/api/v1/org-unit/projects", filterBy=f"name==other,clusterId=={CLUSTER_ID}")["projects"]
    assert [(one["id"], one["status"]["namespace"], one["status"]["phase"]) for one in found] == [
        ("34", "team-x", "Ready")
    ]
    assert client.get("/api/v1/org-unit/projects", filterBy="name==nobody") == {"projects": []}


@pytest.mark.parametrize(
    ("filter_by", "expected"),
    [
        ("name==beta", ["beta"]),
        ("name!=beta", ["beta-two", "alpha"]),
        ("name=@bet", ["beta-two", "beta"]),
        ("name!@bet", ["alpha"]),
        ("name=^al", ["alpha"]),
        ("name=$two", ["beta-two"]),
        ("name==beta,projectId==33", ["beta"]),
        ("name==beta,projectId==34", []),
        ("priority>=151", []),
        ("priority<=150,name=^a", ["alpha"]),
    ],
)
def test_workloads_by_filter(three: Client, filter_by: str, expected: list[str]) -> None:
    assert names(three, filterBy=filter_by) == expected


@pytest.mark.parametrize(
    "query",
    [
        "filterBy=name",
        "filterBy=colour==red",
        "filterBy=name%3D%3Da&filterBy=type%3D%3Db",
        "limit=501",
        "limit=0",
        "offset=-1",
        "sortOrder=up",
        "sortBy=colour",
        "unknown=1",
        "deleted=maybe",
    ],
)
def test_a_query_that_makes_no_sense_is_refused(shared_client: Client, query: str) -> None:
    answer = shared_client.call("GET", f"/api/v1/workloads?{query}")
    assert answer.status_code == 400 and answer.json()["code"] == 400


def test_pages_carry_next_until_the_end(three: Client) -> None:
    first = three.get("/api/v1/workloads", limit="2", sortBy="name")
    assert [one["name"] for one in first["workloads"]] == ["alpha", "beta"] and first["next"] == 2
    second = three.get("/api/v1/workloads", limit="2", offset="2", sortBy="name")
    assert [one["name"] for one in second["workloads"]] == ["beta-two"] and "next" not in second
    assert names(three, sortBy="name", sortOrder="desc") == ["beta-two", "beta", "alpha"]
    assert names(three, search="two") == ["beta-two"]


def test_without_a_limit_a_page_has_fifty(client: Client) -> None:
    for number in range(51):
        client.create(distributed_body(f"w{number}", workers=0, worker=None, replicas=0))
    page = client.get("/api/v1/workloads")
    assert len(page["workloads"]) == 50 and page["next"] == 50


def test_deleted_workloads_have_a_list_of_their_own(three: Client) -> None:
    [found] = three.get("/api/v1/workloads", filterBy="name==alpha")["workloads"]
    assert three.call("DELETE", f"{DISTRIBUTED}/{found['id']}").status_code == 202
    eventually(lambda: names(three, deleted="true") == ["alpha"])
    assert names(three) == ["beta-two", "beta"]


def test_pods_of_all_workloads_by_filter(three: Client) -> None:
    [found] = three.get("/api/v1/workloads", filterBy="name==beta")["workloads"]
    three.reach(found["id"], "Running")
    pods = three.get("/api/v1/workloads/pods", filterBy=f"workloadId=={found['id']}")["pods"]
    assert [pod["name"] for pod in pods] == ["beta-0"]


def test_answers_hold_against_the_client_s_own_models(start_sandbox: StartSandbox) -> None:
    from gpuops_sandbox.control_plane.models import load_model

    client = start_sandbox()
    workload_id = client.create(distributed_body())
    client.reach(workload_id, "Running")
    base = f"/api/v1/workloads/{workload_id}"
    for path, module, name in (
        (base, "workload_detailed", "WorkloadDetailed"),
        (f"{base}/events", "get_workload_events200_response", "GetWorkloadEvents200Response"),
        (f"{base}/history", "get_workload_history200_response", "GetWorkloadHistory200Response"),
        (f"{DISTRIBUTED}/{workload_id}", "distributed_inference", "DistributedInference"),
    ):
        load_model(module, name).model_validate(client.get(path))
    workload = load_model("workload", "Workload")
    for entry in client.get("/api/v1/workloads")["workloads"]:
        workload.model_validate(entry)
    pod = load_model("pod1", "Pod1")
    for entry in client.pods(workload_id):
        pod.model_validate(entry)
