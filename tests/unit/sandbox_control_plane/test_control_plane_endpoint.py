# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The serving endpoint: who may call it, and where the request goes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from support.control_plane_client import NAMESPACE, Client, distributed_body, eventually


def served(client: Client, **port: Any) -> str:
    workload_id = client.create(distributed_body(servingPort={"port": 8000, **port}))
    return str(client.reach(workload_id, "Running")["urls"][0])


def call(client: Client, url: str, token: str | None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return client.http.get(f"{url}/v1/models", headers=headers)


def user_token(client: Client) -> str:
    state = client.running.state
    return client.new_token(grant_type="password", username=state["username"], password=state["password"])


@pytest.mark.parametrize(
    ("port", "anonymous", "account", "user"),
    [
        ({}, 200, 200, 200),
        ({"authorizationType": "public"}, 200, 200, 200),
        ({"authorizationType": "authenticatedUsers"}, 401, 200, 200),
        ({"authorizationType": "authorizedUsers", "authorizedUsers": ["researcher@example.com"]}, 401, 403, 200),
        ({"authorizationType": "authorizedUsers", "authorizedUsers": ["gpuops-sandbox"]}, 401, 200, 403),
        ({"authorizationType": "authorizedGroups", "authorizedGroups": ["ml-engineers"]}, 401, 403, 200),
    ],
)
def test_access_is_what_the_serving_port_says(
    client: Client, port: dict[str, Any], anonymous: int, account: int, user: int
) -> None:
    url = served(client, **port)
    assert call(client, url, None).status_code == anonymous
    assert call(client, url, client.token).status_code == account
    assert call(client, url, user_token(client)).status_code == user
    if anonymous == 401:
        assert call(client, url, "nonsense").status_code == 401


def test_an_expired_token_is_refused_here_too(client: Client) -> None:
    url = served(client, authorizationType="authenticatedUsers")
    client.running.admin("POST", "/expire-tokens")
    assert call(client, url, client.token).status_code == 401


def test_without_a_ready_leader_there_is_no_answer(client: Client) -> None:
    url = served(client)
    client.running.admin("PUT", "/switches", {"recreate_seconds": 60})
    client.running.admin("POST", f"/pods/{NAMESPACE}/my-llm-0/crash")
    eventually(lambda: call(client, url, None).status_code == 503)


def test_replicas_answer_in_turn(client: Client) -> None:
    workload_id = client.create(distributed_body(replicas=2, servingPort={"port": 8000}))
    url = str(client.reach(workload_id, "Running")["urls"][0])
    client.running.admin("POST", f"/pods/{NAMESPACE}/my-llm-1/pause")
    answered = 0
    for _attempt in range(2):
        try:
            answered += client.http.get(f"{url}/v1/models", timeout=0.5).status_code == 200
        except httpx.ReadTimeout:
            continue
    assert answered == 1
