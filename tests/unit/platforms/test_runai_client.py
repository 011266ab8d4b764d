# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client: encoding, paging, refusals in words, what is repeated and what never."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import RunaiConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import (
    DoubtfulAnswer,
    RunaiClient,
    filter_query,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.refusals import ApiError
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import DISTRIBUTED, INFERENCE
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from local_certificates import Certificates
from runai_examples import CANARY_SECRET, CANARY_TOKEN, WORKLOAD_ID, FakeTime
from scripted_server import Answer, Asked, Reset, ScriptedServer, Silence

TOKEN = "/api/v2/token"
WORKLOADS = "/api/v1/workloads"
CREATE = f"/api/v1/workloads/{DISTRIBUTED}"
ONE = f"/api/v1/workloads/{DISTRIBUTED}/{WORKLOAD_ID}"


@pytest.fixture
def client(runai: RunaiConnection, host: Host, retry: Retry) -> RunaiClient:
    return RunaiClient(runai, host, retry=retry)


def test_requests_carry_the_token(server: ScriptedServer, client: RunaiClient) -> None:
    client.workloads("a", "p")
    assert server.asked[1].headers["authorization"] == f"Bearer {CANARY_TOKEN}"


def test_filters_are_one_parameter_with_encoded_terms(server: ScriptedServer, client: RunaiClient) -> None:
    client.workloads("my-llm", "my project & co")
    asked = server.matching("GET", WORKLOADS)[0]
    assert asked.raw_query.startswith("filterBy=name%3D%3Dmy-llm,projectName%3D%3Dmy%20project%20%26%20co&")
    assert asked.query["filterBy"] == ["name==my-llm,projectName==my project & co"]


@pytest.mark.parametrize("project", ["x,clusterId==y", "", " "])
def test_a_filter_that_could_mean_something_else_is_refused(project: str) -> None:
    with pytest.raises(OptionError) as caught:
        filter_query(name="a", projectName=project)
    assert caught.value.findings[0].object == "project"


def test_all_pages_are_read(server: ScriptedServer, client: RunaiClient) -> None:
    def page(asked: Asked) -> Answer:
        offset = int(asked.query.get("offset", ["0"])[0])
        following = {"next": offset + 2} if offset < 4 else {}
        return Answer(200, {"projects": [{"name": f"p{offset}"}, {"name": f"p{offset + 1}"}], **following})

    server.on("GET", "/api/v1/org-unit/projects", page)
    assert [entry["name"] for entry in client.projects()] == ["p0", "p1", "p2", "p3", "p4", "p5"]
    assert server.matching("GET", "/api/v1/org-unit/projects")[0].query == {"limit": ["500"]}


@pytest.mark.parametrize("following", [0, -3, "2", None, True])
def test_paging_that_does_not_advance_ends(server: ScriptedServer, client: RunaiClient, following: object) -> None:
    server.on("GET", WORKLOADS, Answer(200, {"workloads": [{"id": "1"}], "next": following}))
    assert len(client.workloads("a", "p")) <= 2


@pytest.mark.parametrize("content", [None, [], {}, {"workloads": None}, {"workloads": ["x", 3]}, "text"])
def test_odd_lists_are_empty_lists(server: ScriptedServer, client: RunaiClient, content: object) -> None:
    server.on("GET", WORKLOADS, Answer(200, content))
    assert client.workloads("a", "p") == []


def test_what_is_not_there_is_none(client: RunaiClient) -> None:
    assert client.workload(WORKLOAD_ID) is None
    assert client.definition(INFERENCE, WORKLOAD_ID) is None
    assert client.events(WORKLOAD_ID) == []


def test_a_refused_token_in_mid_run_is_replaced_once(server: ScriptedServer, client: RunaiClient) -> None:
    tokens = iter(["first", "second", "third"])
    server.on("POST", TOKEN, lambda asked: Answer(200, {"access_token": next(tokens), "expires_in": 3600}))
    server.on("GET", WORKLOADS, lambda asked: Answer(401 if "first" in asked.headers["authorization"] else 200, {}))
    assert client.workloads("a", "p") == []
    assert [asked.headers["authorization"] for asked in server.matching("GET", WORKLOADS)] == [
        "Bearer first",
        "Bearer second",
    ]
    client.workloads("a", "p")
    assert server.count("POST", TOKEN) == 2


def test_a_creation_that_was_not_let_in_is_sent_again(server: ScriptedServer, client: RunaiClient) -> None:
    tokens = iter(["first", "second"])
    server.on("POST", TOKEN, lambda asked: Answer(200, {"access_token": next(tokens), "expires_in": 3600}))
    server.on("POST", CREATE, Answer(401, {}), Answer(202, {"workloadId": "w"}))
    assert client.create(DISTRIBUTED, {"name": "a"}) == {"workloadId": "w"}
    assert server.count("POST", CREATE) == 2


def test_tokens_that_are_never_taken_end_the_run(server: ScriptedServer, client: RunaiClient) -> None:
    tokens = iter(f"t{number}" for number in range(9))
    server.on("POST", TOKEN, lambda asked: Answer(200, {"access_token": next(tokens), "expires_in": 3600}))
    server.on("GET", WORKLOADS, Answer(401, {"code": 401, "message": "Issuer is not familiar."}))
    with pytest.raises(GpuopsError) as caught:
        client.workloads("a", "p")
    assert caught.value.findings[0].cause == "unauthorized"
    assert server.count("GET", WORKLOADS) == 2


@pytest.mark.parametrize(
    ("status", "cause"),
    [(400, "request_refused"), (403, "forbidden"), (404, "not_found"), (409, "conflict"), (422, "request_refused")],
)
def test_refusals_say_what_the_server_said(
    server: ScriptedServer, client: RunaiClient, status: int, cause: str
) -> None:
    body = {"code": status, "message": "No such thing", "details": f"for {CANARY_TOKEN}"}
    server.on("GET", WORKLOADS, Answer(status, body))
    with pytest.raises(ApiError) as caught:
        client.workloads("my-llm", "p")
    finding = caught.value.findings[0]
    assert finding.cause == cause
    assert f"refused to look up workload my-llm ({status}): No such thing. for ********." in finding.evidence
    assert CANARY_TOKEN not in caught.value.message


def test_policy_violations_become_findings_by_field(server: ScriptedServer, client: RunaiClient) -> None:
    issues = [
        {"field": "spec.leader.compute.gpuDevicesRequest", "details": "must be at most 1", "rule": "max"},
        {"field": "spec.leader.image", "details": "cannot be edited.", "rule": "canEdit"},
        "odd",
    ]
    server.on("POST", CREATE, Answer(400, {"code": 400, "message": "Policy not complied", "complianceIssues": issues}))
    with pytest.raises(ApiError) as caught:
        client.create(DISTRIBUTED, {"name": "a"})
    violations = [finding for finding in caught.value.findings if finding.cause == "policy_violation"]
    assert [(finding.object, finding.evidence) for finding in violations] == [
        ("spec.leader.compute.gpuDevicesRequest", "must be at most 1."),
        ("spec.leader.image", "cannot be edited."),
    ]
    assert "rule max" in violations[0].hint
    assert "spec.leader.image: cannot be edited." in caught.value.message


def test_answers_that_are_not_json(server: ScriptedServer, client: RunaiClient) -> None:
    server.on("GET", WORKLOADS, Answer(200, b"<html>welcome</html>", {"Content-Type": "text/html"}))
    with pytest.raises(ApiError) as caught:
        client.workloads("a", "p")
    assert caught.value.findings[0].cause == "not_the_api"
    server.on("GET", WORKLOADS, Answer(418, b"<html><b>short</b> and stout</html>"))
    with pytest.raises(ApiError, match=r"\(418\): short and stout\."):
        client.workloads("a", "p")


def test_redirects_are_an_error_that_shows_no_path(server: ScriptedServer, client: RunaiClient) -> None:
    where = "https://login.example.com/a?session=secret"
    server.on("GET", WORKLOADS, Answer(302, None, {"Location": where}))
    with pytest.raises(ApiError) as caught:
        client.workloads("a", "p")
    assert caught.value.findings[0].cause == "redirected"
    assert "https://login.example.com." in caught.value.message
    assert "session" not in caught.value.message
    assert server.count("GET", "/a") == 0


def test_a_control_plane_that_stays_away(runai: RunaiConnection, host: Host, retry: Retry, time: FakeTime) -> None:
    client = RunaiClient(replace(runai, url="http://localhost:1"), host, retry=retry)
    began = time.now
    with pytest.raises(PlatformUnreachable) as caught:
        client.workloads("a", "p")
    finding = caught.value.findings[0]
    assert (finding.cause, finding.object) == ("control_plane_unreachable", "runai_url")
    assert "http://localhost:1: the connection was refused." in finding.evidence
    assert time.now - began <= 120


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_control_plane_that_stays_out_of_order(server: ScriptedServer, client: RunaiClient, status: int) -> None:
    server.on("GET", WORKLOADS, Answer(status))
    with pytest.raises(PlatformUnreachable, match=f"refused to look up workload a \\({status}\\)"):
        client.workloads("a", "p")


def test_what_no_later_request_can_change_is_no_outage(runai: RunaiConnection, host: Host, retry: Retry) -> None:
    client = RunaiClient(replace(runai, url="http://two words"), host, retry=retry)
    with pytest.raises(GpuopsError) as caught:
        client.workloads("a", "p")
    assert caught.value.findings[0].cause == "control_plane_unreachable"
    assert not isinstance(caught.value, PlatformUnreachable)


def test_requests_can_be_bounded_together(
    server: ScriptedServer, client: RunaiClient, retry: Retry, time: FakeTime
) -> None:
    server.on("GET", WORKLOADS, Silence())
    began = time.now
    with retry.within(1), pytest.raises(PlatformUnreachable, match="no answer within 1 s"):
        client.workloads("a", "p")
    assert time.now - began <= 1


class TestCreation:
    def test_the_body_is_sent_once_as_it_is(self, server: ScriptedServer, client: RunaiClient) -> None:
        server.on("POST", CREATE, Answer(202, {"workloadId": "w"}))
        client.create(DISTRIBUTED, {"name": "ä", "spec": {"workers": 1}})
        asked = server.matching("POST", CREATE)
        assert len(asked) == 1
        assert asked[0].json() == {"name": "ä", "spec": {"workers": 1}}
        assert asked[0].headers["content-type"] == "application/json"

    @pytest.mark.parametrize("reaction", [Answer(500), Answer(502), Answer(503), Answer(504), Answer(408), Reset()])
    def test_doubt_is_never_repeated(self, server: ScriptedServer, client: RunaiClient, reaction: Answer) -> None:
        server.on("POST", CREATE, reaction, Answer(202, {"workloadId": "w"}))
        with pytest.raises(DoubtfulAnswer):
            client.create(DISTRIBUTED, {"name": "a"})
        assert server.count("POST", CREATE) == 1

    def test_no_answer_in_time_is_doubt(
        self, server: ScriptedServer, runai: RunaiConnection, host: Host, retry: Retry
    ) -> None:
        server.on("POST", CREATE, Silence())
        connection = replace(runai, request_timeout=1)
        with pytest.raises(DoubtfulAnswer, match="no answer within 1 s"):
            RunaiClient(connection, host, retry=retry).create(DISTRIBUTED, {"name": "a"})
        assert server.count("POST", CREATE) == 1

    def test_too_many_requests_was_not_executed(
        self, server: ScriptedServer, client: RunaiClient, time: FakeTime
    ) -> None:
        server.on("POST", CREATE, Answer(429, {}, {"Retry-After": "4"}), Answer(202, {"workloadId": "w"}))
        assert client.create(DISTRIBUTED, {"name": "a"}) == {"workloadId": "w"}
        assert sum(time.slept) == 4.0

    @pytest.mark.parametrize(
        ("status", "message", "taken"),
        [
            (409, "Resource with this name already exists", True),
            (409, "", True),
            (400, "workload name is already in use in the project", True),
            (400, "A workload with the name x already exists", True),
            (400, "spec.leader.image: field required", False),
            (400, "the port 8000 is already in use", False),
            (409, "a lock is taken", True),
            (403, "name already exists", False),
        ],
    )
    def test_a_name_in_use(
        self, server: ScriptedServer, client: RunaiClient, status: int, message: str, taken: bool
    ) -> None:
        server.on("POST", CREATE, Answer(status, {"code": status, "message": message}))
        with pytest.raises(ApiError) as caught:
            client.create(DISTRIBUTED, {"name": "a"})
        assert caught.value.says_name_is_taken() is taken


class TestIdempotentWrites:
    @pytest.mark.parametrize("reaction", [Answer(503), Answer(500), Reset()])
    def test_updates_are_repeated(self, server: ScriptedServer, client: RunaiClient, reaction: Answer) -> None:
        server.on("PATCH", ONE, reaction, Answer(202, {}))
        client.update(DISTRIBUTED, WORKLOAD_ID, {"replicas": 2})
        assert [asked.json() for asked in server.matching("PATCH", ONE)] == [{"spec": {"replicas": 2}}] * 2

    @pytest.mark.parametrize("reaction", [Answer(503), Reset()])
    def test_deletions_are_repeated(self, server: ScriptedServer, client: RunaiClient, reaction: Answer) -> None:
        server.on("DELETE", ONE, reaction, Answer(404, {"code": 404, "message": "Resource id not found."}))
        client.delete(DISTRIBUTED, WORKLOAD_ID)
        assert server.count("DELETE", ONE) == 2

    def test_a_refused_deletion_is_an_error(self, server: ScriptedServer, client: RunaiClient) -> None:
        server.on("DELETE", ONE, Answer(403, {"code": 403, "message": "no"}))
        with pytest.raises(ApiError):
            client.delete(DISTRIBUTED, WORKLOAD_ID)


class TestFiles:
    def test_missing_and_broken_files_name_their_option(
        self, runai: RunaiConnection, host: Host, tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken.pem"
        broken.write_text("no certificate")
        for option, value in (("ca_path", str(tmp_path / "none.pem")), ("ca_path", str(broken))):
            with pytest.raises(OptionError) as caught:
                RunaiClient(replace(runai, **{option: value}), host)
            assert caught.value.findings[0].object == f"runai_{option}"
        with pytest.raises(OptionError) as caught:
            RunaiClient(replace(runai, client_cert=str(broken), client_key=str(broken)), host)
        assert caught.value.findings[0].object == "runai_client_cert"

    def test_an_untrusted_control_plane_gets_nothing(
        self, tls_server: ScriptedServer, certificates: Certificates, runai: RunaiConnection, host: Host, retry: Retry
    ) -> None:
        connection = replace(runai, url=tls_server.url)
        with pytest.raises(GpuopsError) as caught:
            RunaiClient(connection, host, retry=retry).workloads("a", "p")
        assert caught.value.findings[0].cause == "tls_not_trusted"
        assert "runai_ca_path" in caught.value.message
        assert tls_server.asked == []
        tls_server.on("POST", TOKEN, Answer(200, {"access_token": "t-1", "expires_in": 60}))
        tls_server.on("GET", WORKLOADS, Answer(200, {"workloads": []}))
        trusting = replace(connection, ca_path=certificates.ca_path)
        assert RunaiClient(trusting, host, retry=retry).workloads("a", "p") == []


def test_no_secret_in_any_error(server: ScriptedServer, client: RunaiClient) -> None:
    echo = {"code": 400, "message": f"{CANARY_SECRET} {CANARY_TOKEN}", "complianceIssues": [{"field": CANARY_TOKEN}]}
    server.on("GET", WORKLOADS, Answer(400, echo))
    with pytest.raises(GpuopsError) as caught:
        client.workloads("a", "p")
    text = f"{caught.value.message} {caught.value.findings} {caught.value!r} {caught.value.__dict__}"
    assert CANARY_SECRET not in text
    assert CANARY_TOKEN not in text
