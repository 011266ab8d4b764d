# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand, the outage, and the log of requests."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from support.control_plane_client import DISTRIBUTED, Client, distributed_body, eventually

PROJECTS = "/api/v1/org-unit/projects"


def fault(client: Client, action: dict[str, Any], times: int = 1, **match: Any) -> None:
    client.running.admin("POST", "/faults", {"match": match, "times": times, "action": action})


def names(client: Client) -> list[str]:
    return [workload["name"] for workload in client.get("/api/v1/workloads")["workloads"]]


def test_a_status_with_headers_and_body(client: Client) -> None:
    action = {"type": "status", "status": 429, "headers": {"Retry-After": "7"}, "body": {"code": 429, "message": "no"}}
    fault(client, action, method="GET", path_regex="projects")
    answer = client.call("GET", PROJECTS)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["message"]) == (429, "7", "no")
    assert client.call("GET", PROJECTS).status_code == 200


def test_only_the_nth_request_and_only_so_many_suffer(client: Client) -> None:
    fault(client, {"type": "status", "status": 503}, times=2, method="GET", path_regex="projects", nth=2)
    assert [client.call("GET", PROJECTS).status_code for _attempt in range(4)] == [200, 503, 503, 200]
    assert client.call("GET", "/api/v1/clusters").status_code == 200


def test_a_reset_before_the_handler_leaves_nothing(client: Client) -> None:
    fault(client, {"type": "reset"}, method="POST", path_regex="distributed-inferences$")
    with pytest.raises(httpx.TransportError):
        client.call("POST", DISTRIBUTED, json=distributed_body())
    assert names(client) == []


@pytest.mark.parametrize("kind", ["accept_then_reset", "accept_then_hang"])
def test_an_accepted_create_without_an_answer_leaves_a_workload(client: Client, kind: str) -> None:
    fault(client, {"type": kind}, method="POST", path_regex="distributed-inferences$")
    with pytest.raises(httpx.TransportError):
        client.call("POST", DISTRIBUTED, json=distributed_body(), timeout=1)
    assert names(client) == ["my-llm"]
    assert client.call("POST", DISTRIBUTED, json=distributed_body()).status_code == 409


def test_a_hanging_server_answers_nothing_and_does_nothing(client: Client) -> None:
    fault(client, {"type": "hang"}, method="POST", path_regex="distributed-inferences$")
    with pytest.raises(httpx.ReadTimeout):
        client.call("POST", DISTRIBUTED, json=distributed_body(), timeout=0.5)
    assert names(client) == []


def test_what_is_held_is_done_once_the_rules_are_removed_even_if_the_client_has_gone(client: Client) -> None:
    fault(client, {"type": "hold"}, method="POST", path_regex="distributed-inferences$")
    with pytest.raises(httpx.ReadTimeout):
        client.call("POST", DISTRIBUTED, json=distributed_body(), timeout=0.5)
    assert names(client) == []
    client.running.admin("DELETE", "/faults")
    assert eventually(lambda: names(client)) == ["my-llm"]


def test_a_delayed_answer_comes(client: Client) -> None:
    fault(client, {"type": "delay", "seconds": 0.1}, path_regex="projects")
    assert client.call("GET", PROJECTS).status_code == 200


def test_an_outage_drops_every_request_and_ends(client: Client) -> None:
    client.running.admin("POST", "/outage", {"seconds": 0.5})
    with pytest.raises(httpx.TransportError):
        client.call("GET", PROJECTS)

    def back() -> bool:
        try:
            return client.call("GET", PROJECTS).status_code == 200
        except httpx.TransportError:
            return False

    eventually(back)
    client.running.admin("POST", "/outage", {"seconds": 600})
    client.running.admin("DELETE", "/faults")
    assert back()


@pytest.mark.parametrize(
    "rule",
    [
        {"action": {"type": "explode"}},
        {"match": {"path": "x"}, "action": {"type": "reset"}},
        {"match": {"path_regex": "("}, "action": {"type": "reset"}},
        {"when": "always"},
        ["x"],
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(client: Client, rule: Any) -> None:
    headers = {"X-Sandbox-Admin": client.running.state["admin_token"]}
    answer = client.http.post("/sandbox/faults", json=rule, headers=headers)
    assert answer.status_code == 400 and answer.json()["message"]


@pytest.mark.parametrize("path", ["projects", "claims", "secrets", "config-maps"])
def test_admin_bodies_that_lack_something_are_refused(client: Client, path: str) -> None:
    headers = {"X-Sandbox-Admin": client.running.state["admin_token"]}
    for body in ({}, [], {"namespace": "a", "data": {}}):
        assert client.http.post(f"/sandbox/{path}", json=body, headers=headers).status_code == 400


def test_requests_are_logged_and_counted_by_template(client: Client) -> None:
    client.running.admin("DELETE", "/requests")
    workload_id = client.create(distributed_body())
    client.workload(workload_id)
    fault(client, {"type": "status", "status": 500}, path_regex="projects")
    client.call("GET", PROJECTS, params={"filterBy": "name==x"})
    log = client.running.admin("GET", "/requests")
    assert log["counts"] == {
        "GET /api/v1/org-unit/projects": 1,
        "GET /api/v1/workloads/{id}": 1,
        f"POST {DISTRIBUTED}": 1,
    }
    assert log["total"] == 3
    last = log["requests"][-1]
    assert (last["status"], last["fault"], last["query"]) == (500, "status", "filterBy=name%3D%3Dx")


def test_switches_are_turned_and_refused_by_name(client: Client) -> None:
    assert client.running.admin("PUT", "/switches", {"version": "2.25"})["version"] == "2.25"
    headers = {"X-Sandbox-Admin": client.running.state["admin_token"]}
    for wrong in ({"version": "9"}, {"colour": "red"}, {"token_v2": "perhaps"}):
        answer = client.http.put("/sandbox/switches", json=wrong, headers=headers)
        assert answer.status_code == 400 and next(iter(wrong)) in answer.json()["message"]
