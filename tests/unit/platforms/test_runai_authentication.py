# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in: both forms, given tokens, the command line's login, the cache, and no secret in any text."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import RunaiConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.authentication import Authenticator
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.token_cache import Token, TokenCache
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import Transport
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import MASK
from runai_examples import CANARY_SECRET, CANARY_TOKEN, FakeTime
from scripted_server import Answer, Asked, Reset, ScriptedServer

V2, V1 = "/api/v2/token", "/api/v1/token"
OAUTH_ERROR = {"error": "invalid_client", "error_description": "unknown client"}

Make = Callable[..., Authenticator]


@pytest.fixture
def make(runai: RunaiConnection, host: Host, retry: Retry, time: FakeTime) -> Make:
    def build(folder: Path | None = None, **changes: Any) -> Authenticator:
        surroundings = replace(host, temporary_directory=str(folder) if folder else None)
        connection = replace(runai, **changes)
        return Authenticator(connection, surroundings, Transport(), retry, wall_clock=time.clock)

    return build


def jwt(end: float, name: str = "a") -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": end, "name": name}).encode()).decode().rstrip("=")
    return f"head.{claims}.sig"


def test_v2_sends_the_oauth2_form(server: ScriptedServer, make: Make) -> None:
    assert make(client_id="my+app", client_secret="s&cret=1").token() == CANARY_TOKEN
    asked = server.asked[0]
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.body == b"grant_type=client_credentials&client_id=my%2Bapp&client_secret=s%26cret%3D1"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, {"code": 404, "message": "not found"}),
        Answer(405),
        Answer(415),
        Answer(200, b"<html>login</html>", {"Content-Type": "text/html"}),
        Answer(401, {"code": 401, "message": "Issuer is not familiar."}),
    ],
)
def test_older_control_planes_are_asked_by_v1_json(server: ScriptedServer, make: Make, answer: Answer) -> None:
    server.on("POST", V2, answer)
    server.on("POST", V1, Answer(200, {"accessToken": "v1-token", "expiresIn": 3600}))
    assert make().token() == "v1-token"
    assert server.asked[1].json() == {
        "grantType": "client_credentials",
        "clientId": "my-app",
        "clientSecret": CANARY_SECRET,
    }


@pytest.mark.parametrize(
    ("v2", "v1"),
    [
        (Answer(401, OAUTH_ERROR), Answer(404)),
        (Answer(400, OAUTH_ERROR), Answer(404)),
        (Answer(404), Answer(401, {"code": 401, "message": f"bad secret {CANARY_SECRET}"})),
        (Answer(404), Answer(403, {"code": 403, "message": "no"})),
    ],
)
def test_wrong_credentials_name_the_options(server: ScriptedServer, make: Make, v2: Answer, v1: Answer) -> None:
    server.on("POST", V2, v2)
    server.on("POST", V1, v1)
    with pytest.raises(GpuopsError) as caught:
        make().token()
    finding = caught.value.findings[0]
    assert finding.cause == "invalid_credentials"
    assert finding.object == "runai_client_id, runai_client_secret"
    assert CANARY_SECRET not in caught.value.message


def test_a_busy_or_absent_login_is_repeated(server: ScriptedServer, make: Make, time: FakeTime) -> None:
    server.on("POST", V2, Answer(503), Reset(), Answer(200, {"access_token": "t-1", "expires_in": 60}))
    assert make().token() == "t-1"
    assert sum(time.slept) == 1 + 2


@pytest.mark.parametrize("content", [[], {"access_token": 3}, {"access_token": " "}])
def test_a_success_without_a_token_is_another_server(server: ScriptedServer, make: Make, content: object) -> None:
    server.on("POST", V2, Answer(200, content))
    server.on("POST", V1, Answer(200, content))
    with pytest.raises(GpuopsError) as caught:
        make().token()
    assert caught.value.findings[0].cause == "not_the_api"


def test_the_token_is_kept_and_replaced_a_minute_before_its_end(
    server: ScriptedServer, make: Make, time: FakeTime
) -> None:
    tokens = iter(f"token-{number}" for number in range(9))
    server.on("POST", V2, lambda asked: Answer(200, {"access_token": next(tokens), "expires_in": 300}))
    authenticator = make()
    assert [authenticator.token() for turn in range(3)] == ["token-0"] * 3
    time.now += 239
    assert authenticator.token() == "token-0"
    time.now += 2
    assert authenticator.token() == "token-1"
    assert authenticator.renew("token-1") == "token-2"
    assert authenticator.token() == "token-2"


def test_the_end_of_a_token_is_read_from_the_token_itself(server: ScriptedServer, make: Make, time: FakeTime) -> None:
    tokens = iter([jwt(time.now + 100), jwt(time.now + 9999)])
    server.on("POST", V2, lambda asked: Answer(200, {"access_token": next(tokens)}))
    authenticator = make()
    first = authenticator.token()
    time.now += 41
    assert authenticator.token() != first


def test_tokens_are_known_to_the_redactor_at_once(make: Make, host: Host) -> None:
    make().token()
    assert host.redactor.text(f"x {CANARY_TOKEN} {CANARY_SECRET}") == f"x {MASK} {MASK}"


def test_a_given_token_is_used_as_it_is(server: ScriptedServer, make: Make, host: Host) -> None:
    authenticator = make(token="given-token")
    assert authenticator.token() == "given-token"
    assert host.redactor.text("given-token") == MASK
    with pytest.raises(GpuopsError) as caught:
        authenticator.renew("given-token")
    assert caught.value.findings[0].object == "runai_token"
    assert server.asked == []


class TestCommandLine:
    @pytest.fixture
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".runai").mkdir()
        return tmp_path / ".runai"

    def login(self, home: Path, token: str, url: str) -> None:
        (home / "authentication.json").write_text(json.dumps({"accessToken": token}))
        (home / "config.json").write_text(json.dumps({"control_plane": {"url": url}, "cluster": {"uuid": "u"}}))

    @pytest.mark.parametrize("encoded", [True, False])
    def test_its_token_is_used(self, home: Path, make: Make, server: ScriptedServer, encoded: bool) -> None:
        token = jwt(9e9)
        stored = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=") if encoded else token
        self.login(home, stored, f"{server.url}/")
        assert make(authentication="cli", client_id=None, client_secret=None).token() == token
        assert server.asked == []

    def test_a_refused_token_is_read_again_once(self, home: Path, make: Make, server: ScriptedServer) -> None:
        self.login(home, jwt(9e9, "old"), server.url)
        authenticator = make(authentication="cli")
        old = authenticator.token()
        with pytest.raises(GpuopsError, match="Log in again"):
            authenticator.renew(old)
        self.login(home, jwt(9e9, "new"), server.url)
        assert authenticator.renew(old) == jwt(9e9, "new")

    def test_a_login_at_another_control_plane_is_not_sent_here(self, home: Path, make: Make) -> None:
        self.login(home, jwt(9e9), "https://other.example.com")
        with pytest.raises(GpuopsError) as caught:
            make(authentication="cli").token()
        assert "https://other.example.com" in caught.value.message
        assert jwt(9e9) not in caught.value.message

    @pytest.mark.parametrize("broken", ["", "{", "[]", '{"accessToken": 5}'])
    def test_a_broken_login_is_said(self, home: Path, make: Make, server: ScriptedServer, broken: str) -> None:
        self.login(home, "x", server.url)
        (home / "authentication.json").write_text(broken)
        with pytest.raises(GpuopsError) as caught:
            make(authentication="cli").token()
        assert caught.value.findings[0].object == "runai_auth"

    def test_no_login_at_all(self, home: Path, make: Make) -> None:
        with pytest.raises(GpuopsError, match="not logged in"):
            make(authentication="cli").token()


class TestCache:
    def files(self, folder: Path) -> list[Path]:
        return sorted(folder.iterdir())

    def test_tasks_of_one_run_log_in_once(self, server: ScriptedServer, make: Make, tmp_path: Path) -> None:
        assert make(tmp_path).token() == make(tmp_path).token() == CANARY_TOKEN
        assert server.count("POST", V2) == 1
        assert [stat.S_IMODE(file.stat().st_mode) for file in self.files(tmp_path)] == [0o600]
        assert CANARY_SECRET not in self.files(tmp_path)[0].name + self.files(tmp_path)[0].read_text()

    def test_a_token_from_the_cache_is_known_to_the_redactor(
        self, server: ScriptedServer, runai: RunaiConnection, retry: Retry, make: Make, tmp_path: Path, time: FakeTime
    ) -> None:
        make(tmp_path).token()
        next_task = Host(temporary_directory=str(tmp_path))
        assert next_task.redactor.text(CANARY_TOKEN) == CANARY_TOKEN
        Authenticator(runai, next_task, Transport(), retry, wall_clock=time.clock).token()
        assert server.count("POST", V2) == 1
        assert next_task.redactor.text(CANARY_TOKEN) == MASK

    def test_other_credentials_have_another_file(self, server: ScriptedServer, make: Make, tmp_path: Path) -> None:
        make(tmp_path).token()
        make(tmp_path, client_secret="another").token()
        assert server.count("POST", V2) == 2
        assert len(self.files(tmp_path)) == 2

    def test_a_refused_token_leaves_the_cache(self, server: ScriptedServer, make: Make, tmp_path: Path) -> None:
        make(tmp_path).token()
        server.on("POST", V2, Answer(200, {"access_token": "fresh-token", "expires_in": 3600}))
        assert make(tmp_path).renew(CANARY_TOKEN) == "fresh-token"
        assert make(tmp_path).token() == "fresh-token"
        assert len(self.files(tmp_path)) == 1

    @pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
    def test_a_file_that_others_can_read_is_not_used(self, make: Make, tmp_path: Path, mode: int) -> None:
        make(tmp_path).token()
        self.files(tmp_path)[0].chmod(mode)
        assert TokenCache(str(tmp_path)).read() is None
        make(tmp_path).token()
        assert stat.S_IMODE(self.files(tmp_path)[0].stat().st_mode) == 0o600

    def test_links_are_neither_read_nor_written_through(self, tmp_path: Path) -> None:
        cache = TokenCache(str(tmp_path), "url", "id")
        cache.write(Token("kept", 5.0))
        kept = self.files(tmp_path)[0]
        target = tmp_path / "target"
        os.rename(kept, target)
        kept.symlink_to(target)
        assert cache.read() is None
        cache.write(Token("new", 6.0))
        assert not kept.is_symlink()
        assert cache.read() == Token("new", 6.0)
        assert "kept" in target.read_text()

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"token": "x"}', '{"token": "x", "expires_at": "soon"}'])
    def test_broken_files_are_as_good_as_none(self, tmp_path: Path, content: str) -> None:
        cache = TokenCache(str(tmp_path), "url")
        cache.write(Token("kept", 5.0))
        self.files(tmp_path)[0].write_text(content)
        assert cache.read() is None

    def test_a_folder_that_cannot_be_used_is_no_error(self, make: Make, tmp_path: Path) -> None:
        assert make(tmp_path / "missing").token() == CANARY_TOKEN

    def test_without_a_folder_nothing_is_written(self, make: Make) -> None:
        assert make(None).token() == CANARY_TOKEN


def test_no_secret_in_any_error(server: ScriptedServer, make: Make) -> None:
    def echo(asked: Asked) -> Answer:
        return Answer(500, {"code": 500, "message": f"cannot handle {asked.body.decode()}"})

    server.on("POST", V2, echo)
    with pytest.raises(GpuopsError) as caught:
        make().token()
    assert CANARY_SECRET not in f"{caught.value.message} {caught.value.findings}"
    assert "cannot handle" in caught.value.message
