# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a model's endpoint: which token goes where, and why none was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms import base
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import Endpoint, Unreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import EndpointConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.endpoint import (
    EndpointClient,
    PlatformToken,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from local_certificates import Certificates
from runai_examples import ENDPOINT_TOKEN
from scripted_server import Answer, Reset, ScriptedServer, Silence

MODELS = "/ns/name/v1/models"


@pytest.fixture
def tokens() -> Iterator[str]:
    return iter(["platform-1", "platform-2", "platform-3"])


Make = Callable[..., EndpointClient]


@pytest.fixture
def make(certificates: Certificates, tokens: Iterator[str]) -> Make:
    current = next(tokens)

    def build(platform_ca_path: str | None = certificates.ca_path, **changes: Any) -> EndpointClient:
        token = PlatformToken(lambda: current, lambda refused: next(tokens))
        return EndpointClient(EndpointConnection(**changes), platform_ca_path, token)

    return build


def endpoint(server: ScriptedServer, needs_token: bool = True) -> Endpoint:
    return Endpoint(f"{server.url}/ns/name", True, needs_token)


def ask(client: EndpointClient, where: Endpoint | None, limit: float = 5) -> base.HttpAnswer:
    return client.request(where, "GET", "/v1/models", None, limit)


def failure(client: EndpointClient, where: Endpoint | None, limit: float = 5) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        ask(client, where, limit)
    assert "platform-1" not in caught.value.reason
    assert ENDPOINT_TOKEN not in caught.value.reason
    return caught.value


def test_the_platforms_token_goes_where_the_endpoint_requires_it(tls_server: ScriptedServer, make: Make) -> None:
    tls_server.on("GET", MODELS, Answer(200, {"data": []}))
    answer = ask(make(), endpoint(tls_server))
    assert (answer.status, answer.body, answer.credential) == (200, '{"data": []}', "the platform's token")
    assert tls_server.asked[0].headers["authorization"] == "Bearer platform-1"


def test_it_goes_nowhere_else(tls_server: ScriptedServer, make: Make) -> None:
    tls_server.on("GET", MODELS, Answer(200, {}))
    assert ask(make(), endpoint(tls_server, needs_token=False)).credential == "no token"
    assert "authorization" not in tls_server.asked[0].headers


def test_an_endpoint_token_wins_and_is_never_renewed(tls_server: ScriptedServer, make: Make) -> None:
    tls_server.on("GET", MODELS, Answer(401, {}))
    answer = ask(make(token=ENDPOINT_TOKEN), endpoint(tls_server))
    assert (answer.status, answer.credential) == (401, "endpoint_token")
    assert [asked.headers["authorization"] for asked in tls_server.asked] == [f"Bearer {ENDPOINT_TOKEN}"]


def test_a_refused_platform_token_is_renewed_once(tls_server: ScriptedServer, make: Make) -> None:
    tls_server.on("GET", MODELS, Answer(401, {}))
    client = make()
    assert [ask(client, endpoint(tls_server)).status for turn in range(2)] == [401, 401]
    assert [asked.headers["authorization"] for asked in tls_server.asked] == [
        "Bearer platform-1",
        "Bearer platform-2",
        "Bearer platform-1",
    ]


def test_without_another_token_the_answer_stands(tls_server: ScriptedServer, certificates: Certificates) -> None:
    def renew(refused: str) -> str:
        raise GpuopsError("no other token")

    tls_server.on("GET", MODELS, Answer(403, {}), Answer(401, {}))
    client = EndpointClient(EndpointConnection(), certificates.ca_path, PlatformToken(lambda: "given", renew))
    assert [ask(client, endpoint(tls_server)).status for turn in range(2)] == [403, 401]


def test_bodies_are_json(tls_server: ScriptedServer, make: Make) -> None:
    tls_server.on("POST", "/ns/name/v1/chat/completions", Answer(200, {}))
    make().request(endpoint(tls_server), "POST", "/v1/chat/completions", {"prompt": "Grüße"}, 5)
    assert tls_server.asked[0].json() == {"prompt": "Grüße"}
    assert tls_server.asked[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize("changes", [{}, {"token": ENDPOINT_TOKEN}])
def test_no_token_over_an_open_connection(server: ScriptedServer, make: Make, changes: dict[str, Any]) -> None:
    error = failure(make(**changes), endpoint(server))
    assert error.cause == base.ENDPOINT_NOT_TRUSTED
    assert "not encrypted" in error.reason
    assert server.asked == []


def test_public_endpoints_may_be_open(server: ScriptedServer, make: Make) -> None:
    server.on("GET", MODELS, Answer(200, {}))
    assert ask(make(), endpoint(server, needs_token=False)).status == 200


def test_no_platform_token_over_unverified_tls(tls_server: ScriptedServer, make: Make) -> None:
    error = failure(make(validate_certs=False), endpoint(tls_server))
    assert error.cause == base.ENDPOINT_NOT_TRUSTED
    assert "endpoint_ca_path" in error.reason
    tls_server.on("GET", MODELS, Answer(200, {}))
    assert ask(make(validate_certs=False, token=ENDPOINT_TOKEN), endpoint(tls_server)).status == 200
    assert ask(make(validate_certs=False), endpoint(tls_server, needs_token=False)).status == 200
    assert all("platform" not in asked.headers.get("authorization", "") for asked in tls_server.asked)


def test_an_unknown_authority_gets_no_token(tls_server: ScriptedServer, make: Make) -> None:
    error = failure(make(platform_ca_path=None), endpoint(tls_server))
    assert error.cause == base.ENDPOINT_NOT_TRUSTED
    assert "endpoint_ca_path" in error.reason
    assert tls_server.asked == []


def test_the_endpoints_own_ca_file_wins(tls_server: ScriptedServer, make: Make, certificates: Certificates) -> None:
    tls_server.on("GET", MODELS, Answer(200, {}))
    client = make(platform_ca_path="/does/not/exist.pem", ca_path=certificates.ca_path)
    assert ask(client, endpoint(tls_server)).status == 200
    with pytest.raises(OptionError) as caught:
        make(ca_path="/does/not/exist.pem")
    assert caught.value.findings[0].object == "endpoint_ca_path"


def test_redirects_are_answers(tls_server: ScriptedServer, make: Make) -> None:
    tls_server.on("GET", MODELS, Answer(302, None, {"Location": "https://elsewhere.example.com/"}))
    assert ask(make(), endpoint(tls_server)).status == 302
    assert len(tls_server.asked) == 1


def test_not_external_cannot_be_reached_from_here(make: Make) -> None:
    error = failure(make(), Endpoint("http://name.ns.svc.cluster.local:8000", False, True))
    assert error.cause == base.NOT_REACHABLE_FROM_HERE
    assert "serving.external: true" in error.reason


def test_no_address_yet(make: Make) -> None:
    assert failure(make(), None).cause == base.ENDPOINT_UNREACHABLE


def test_no_answer_in_time(tls_server: ScriptedServer, make: Make) -> None:
    tls_server.on("GET", MODELS, Silence())
    assert failure(make(), endpoint(tls_server), limit=0.3).cause == base.NO_ANSWER_IN_TIME


def test_a_dropped_connection(tls_server: ScriptedServer, make: Make) -> None:
    tls_server.on("GET", MODELS, Reset())
    assert failure(make(), endpoint(tls_server)).cause == base.ENDPOINT_UNREACHABLE


def test_an_endless_answer_is_cut_off(tls_server: ScriptedServer, make: Make) -> None:
    tls_server.on("GET", MODELS, Answer(200, b"x" * (1024 * 1024 + 1)))
    assert "larger than" in failure(make(), endpoint(tls_server)).reason
