# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both token routes, and what happens to a token that is not good (any more)."""

from __future__ import annotations

from typing import Any

import pytest
from conftest_types import StartSandbox
from support.control_plane_client import Client

PROJECTS = "/api/v1/org-unit/projects"


def test_the_form_gives_a_token_that_works(shared_client: Client) -> None:
    state = shared_client.running.state
    form = {
        "grant_type": "client_credentials",
        "client_id": state["client_id"],
        "client_secret": state["client_secret"],
    }
    answer = shared_client.http.post("/api/v2/token", data=form)
    assert answer.json()["token_type"] == "Bearer" and answer.json()["expires_in"] == 3600
    assert shared_client.get(PROJECTS)["projects"][0]["name"] == "my-project"


@pytest.mark.parametrize(
    "body",
    [
        {"grantType": "client_credentials", "clientId": "ID", "clientSecret": "SECRET"},
        {"grantType": "client_credentials", "clientID": "ID", "clientSecret": "SECRET"},
        {"grantType": "app_token", "AppId": "ID", "AppSecret": "SECRET"},
        {"grantType": "app_token", "appID": "ID", "appSecret": "SECRET"},
    ],
)
def test_the_json_route_takes_keys_of_any_case(shared_client: Client, body: dict[str, str]) -> None:
    known = {"ID": shared_client.running.state["client_id"], "SECRET": shared_client.running.state["client_secret"]}
    answer = shared_client.http.post(
        "/api/v1/token", json={key: known.get(value, value) for key, value in body.items()}
    )
    assert answer.status_code == 200 and answer.json()["expiresIn"] == 3600
    headers = {"Authorization": f"Bearer {answer.json()['accessToken']}"}
    assert shared_client.http.get(PROJECTS, headers=headers).status_code == 200


def test_bad_credentials_are_refused_in_each_route_s_own_words(shared_client: Client) -> None:
    form = {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}
    answer = shared_client.http.post("/api/v2/token", data=form)
    assert answer.status_code == 401 and answer.json()["error"] == "invalid_client"
    body = {"grantType": "client_credentials", "clientId": "a", "clientSecret": "b"}
    answer = shared_client.http.post("/api/v1/token", json=body)
    assert answer.status_code == 401 and answer.json()["code"] == 401


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": {"grant_type": "client_credentials"}}, 415),
        ({"data": {"grant_type": "app_token"}}, 400),
        ({"data": {"grant_type": "refresh_token"}}, 400),
    ],
)
def test_a_wrong_form_is_refused(shared_client: Client, options: dict[str, Any], status: int) -> None:
    assert shared_client.http.post("/api/v2/token", **options).status_code == status


def test_an_older_control_plane_has_no_form_route(start_sandbox: StartSandbox) -> None:
    client = start_sandbox(token_v2=False)
    assert client.http.post("/api/v2/token", data={}).status_code == 404


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic abc", "Bearer a.b.c"])
def test_without_a_good_token_every_route_answers_401(shared_client: Client, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for path in (PROJECTS, "/api/v1/clusters", "/api/v1/workloads", "/api/v1/workloads/x/pods"):
        answer = shared_client.http.get(path, headers=headers)
        assert answer.status_code == 401 and answer.json()["code"] == 401


def test_tokens_expire_when_told_and_by_time(start_sandbox: StartSandbox) -> None:
    client = start_sandbox()
    client.running.admin("POST", "/expire-tokens")
    assert client.call("GET", PROJECTS).status_code == 401
    client.token = client.new_token()
    assert client.call("GET", PROJECTS).status_code == 200
    client.running.admin("PUT", "/switches", {"token_lifetime_seconds": 0})
    client.token = client.new_token()
    assert client.call("GET", PROJECTS).status_code == 401


def test_the_admin_routes_need_their_own_token(shared_client: Client) -> None:
    assert shared_client.call("GET", "/sandbox/state").status_code == 401
