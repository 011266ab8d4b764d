# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transport: every way in which an answer can fail to come, and nothing followed or leaked."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms import transport
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    HttpError,
    HttpReply,
    Transport,
    Trust,
)
from local_certificates import Certificates
from scripted_server import Answer, Cut, Reset, ScriptedServer, Silence, Trickle


def get(url: str, sender: Transport | None = None, time_limit: float = 5.0) -> HttpReply:
    return (sender or Transport()).request("GET", url, {"Authorization": "Bearer secret-in-header"}, None, time_limit)


def failure(url: str, sender: Transport | None = None, time_limit: float = 5.0) -> HttpError:
    with pytest.raises(HttpError) as caught:
        get(url, sender, time_limit)
    assert "secret-in-header" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    return caught.value


@pytest.mark.parametrize("status", [200, 202, 404, 401, 409, 500, 503])
def test_every_status_is_an_answer(server: ScriptedServer, status: int) -> None:
    server.on("GET", "/x", Answer(status, {"a": 1}, {"Retry-After": "3"}))
    reply = get(f"{server.url}/x")
    assert (reply.status, reply.json(), reply.headers["retry-after"]) == (status, {"a": 1}, "3")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server: ScriptedServer, status: int) -> None:
    server.on("GET", "/x", Answer(status, None, {"Location": f"{server.url}/elsewhere"}))
    assert get(f"{server.url}/x").status == status
    assert [asked.path for asked in server.asked] == ["/x"]


def test_body_and_headers_arrive(server: ScriptedServer) -> None:
    server.on("PATCH", "/x", Answer(202))
    reply = Transport().request("PATCH", f"{server.url}/x?a=1%2C2", {"Content-Type": "application/json"}, b"{}", 5)
    asked = server.asked[0]
    assert (reply.status, reply.json()) == (202, None)
    assert (asked.query, asked.body, asked.headers["content-type"]) == ({"a": ["1,2"]}, b"{}", "application/json")


def test_reset_after_sending_may_have_been_executed(server: ScriptedServer) -> None:
    server.on("GET", "/x", Reset())
    error = failure(f"{server.url}/x")
    assert (error.kind, error.maybe_executed, error.passing) == (transport.INTERRUPTED, True, True)


def test_answer_cut_short_is_no_answer(server: ScriptedServer) -> None:
    server.on("GET", "/x", Cut())
    error = failure(f"{server.url}/x")
    assert (error.kind, error.maybe_executed, error.passing) == (transport.INTERRUPTED, True, True)


def test_no_answer_in_time(server: ScriptedServer) -> None:
    server.on("GET", "/x", Silence())
    error = failure(f"{server.url}/x", time_limit=0.2)
    assert (error.kind, error.maybe_executed, error.passing) == (transport.TIMED_OUT, True, True)
    assert "0.2 s" in error.reason


def test_a_trickle_does_not_outlast_the_time_limit(server: ScriptedServer) -> None:
    server.on("GET", "/x", Trickle())
    assert failure(f"{server.url}/x", time_limit=0.3).kind == transport.TIMED_OUT


def test_answers_that_are_too_large_are_cut_off(server: ScriptedServer) -> None:
    server.on("GET", "/x", Answer(200, b"x" * 2000))
    assert failure(f"{server.url}/x", Transport(answer_limit=1999)).kind == transport.TOO_LARGE
    assert len(get(f"{server.url}/x", Transport(answer_limit=2000)).body) == 2000


def test_refused_connection_was_not_executed() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    error = failure(f"http://127.0.0.1:{port}/x")
    assert (error.kind, error.maybe_executed, error.passing) == (transport.REFUSED, False, True)


def test_unknown_host_name() -> None:
    error = failure("http://no-such-host.invalid/x")
    assert (error.kind, error.maybe_executed) == (transport.UNRESOLVED, False)


@pytest.mark.parametrize("url", ["ftp://localhost/x", "file:///etc/passwd", "no-address", "http://localhost:x/"])
def test_only_http_and_https(url: str) -> None:
    error = failure(url)
    assert (error.kind, error.maybe_executed, error.passing) == (transport.INVALID, False, False)


def test_header_with_a_line_end_is_not_sent_and_not_shown(server: ScriptedServer) -> None:
    with pytest.raises(HttpError) as caught:
        Transport().request("GET", f"{server.url}/x", {"Authorization": "Bearer top-secret\n"}, None, 5)
    assert caught.value.kind == transport.INVALID
    assert "top-secret" not in str(caught.value)
    assert server.asked == []


def test_certificate_of_a_named_authority(tls_server: ScriptedServer, certificates: Certificates) -> None:
    tls_server.on("GET", "/x", Answer(200, {}))
    assert get(f"{tls_server.url}/x", Transport(Trust(ca_path=certificates.ca_path))).status == 200


def test_unknown_authority_is_not_trusted(tls_server: ScriptedServer) -> None:
    error = failure(f"{tls_server.url}/x")
    assert (error.kind, error.maybe_executed, error.passing) == (transport.UNTRUSTED, False, False)
    assert tls_server.asked == []


def test_certificate_for_another_name_is_not_trusted(tls_server: ScriptedServer, certificates: Certificates) -> None:
    url = tls_server.url.replace("localhost", "127.0.0.1")
    assert failure(f"{url}/x", Transport(Trust(ca_path=certificates.ca_path))).kind == transport.UNTRUSTED


def test_checking_certificates_can_be_switched_off(tls_server: ScriptedServer) -> None:
    tls_server.on("GET", "/x", Answer(200, {}))
    assert get(f"{tls_server.url}/x", Transport(Trust(validate_certs=False))).status == 200


def test_https_to_a_server_without_tls(server: ScriptedServer) -> None:
    error = failure(f"{server.url.replace('http:', 'https:')}/x")
    assert (error.kind, error.passing) == (transport.UNTRUSTED, False)


def test_missing_ca_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Trust(ca_path=str(tmp_path / "none.pem")).context()


def test_proxy_is_read_from_the_environment_at_each_request(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Transport()
    server.on("GET", "/x", Answer(200, {}))
    server.on("GET", "http://models.invalid/x", Answer(200, {"by": "proxy"}))
    assert get(f"{server.url}/x", sender).status == 200
    monkeypatch.setenv("http_proxy", server.url)
    server.on("GET", "/x", Answer(200, {"by": "proxy"}))
    assert get("http://models.invalid/x", sender).json() == {"by": "proxy"}
    monkeypatch.setenv("no_proxy", "models.invalid")
    assert failure("http://models.invalid/x", sender).kind == transport.UNRESOLVED


def test_proxy_that_refuses_the_tunnel(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    error = failure("https://models.invalid/x")
    assert (error.kind, error.maybe_executed, error.passing) == (transport.PROXY, False, False)
