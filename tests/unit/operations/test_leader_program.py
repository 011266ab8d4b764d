# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of a look at the leaders: a process of its own, with the standard library alone, asks real servers."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.leader_program import (
    KEY_VARIABLE,
    report,
    shortened,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.leader_requests import program_text
from engine_server import HANG, HANG_UP, TRICKLE, EngineServer
from hypothesis import given
from hypothesis import strategies as st

MODELS, CHAT = "/v1/models", "/v1/chat/completions"
KEY = "key-0123456789abcdef"
KEEP = ["data", "id", "error", "message"]


@pytest.fixture
def server() -> Iterator[EngineServer]:
    server = EngineServer()
    yield server
    server.end()


def request(path: str = MODELS, body: Any = None, seconds: float = 5) -> dict[str, Any]:
    return {"method": "GET" if body is None else "POST", "path": path, "body": body, "seconds": seconds}


def answers_of(folder: Path, addresses: list[str], *requests: dict[str, Any], key: str = "") -> Any:
    """Run the program as a look's container does, and return its report."""
    file = folder / "report"
    task = {
        "addresses": addresses,
        "requests": list(requests),
        "keep": KEEP,
        "report": {"path": str(file), "bytes": 4096},
    }
    environment = {"PATH": os.environ["PATH"], **({KEY_VARIABLE: key} if key else {})}
    command = [sys.executable, "-I", "-B", "-c", program_text(), json.dumps(task)]
    subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL, timeout=60)
    return json.loads(file.read_text(encoding="utf-8"))["answers"]


def test_it_needs_the_standard_library_only() -> None:
    names: set[str] = set()
    for statement in ast.walk(ast.parse(program_text())):
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            names.add(statement.module or "")
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_each_address_is_asked_in_turn(server: EngineServer, tmp_path: Path) -> None:
    server.replies = {MODELS: [(200, {"data": [{"id": "mistral4", "permission": []}]})], CHAT: [(200, {"id": "c"})]}
    question = {"model": "mistral4", "messages": [{"role": "user", "content": "Sag $(HOME) \u00bbhallo\u00ab"}]}
    told = answers_of(tmp_path, [server.address] * 2, request(), request(CHAT, question))
    assert [[one["status"] for one in each] for each in told] == [[200, 200]] * 2
    assert told[0][0]["body"] == {"data": [{"id": "mistral4"}]}
    assert [path for _method, path, _headers, _body in server.asked].count(CHAT) == 2
    assert {json.dumps(body) for _method, path, _headers, body in server.asked if path == CHAT} == {
        json.dumps(question)
    }
    assert not [headers for _method, _path, headers, _body in server.asked if "authorization" in headers]


def test_a_key_comes_in_the_environment(server: EngineServer, tmp_path: Path) -> None:
    server.replies[MODELS] = [(200, {})]
    answers_of(tmp_path, [server.address], request(), key=KEY)
    assert server.asked[0][2]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [200, 307, 400, 401, 404, 500, 503])
def test_every_status_is_an_answer(server: EngineServer, tmp_path: Path, status: int) -> None:
    server.replies[MODELS] = [(status, "plain text")]
    [[told]] = answers_of(tmp_path, [server.address], request())
    assert (told["status"], told["body"]) == (status, "plain text")


@pytest.mark.parametrize(("reply", "cause"), [(HANG, "no_answer_in_time"), (TRICKLE, "no_answer_in_time")])
def test_a_hung_engine_costs_its_time_limit_once(server: EngineServer, tmp_path: Path, reply: str, cause: str) -> None:
    server.replies[MODELS] = [reply]
    [[told]] = answers_of(tmp_path, [server.address], request(seconds=0.5), request(seconds=0.5))
    assert (told["cause"], told["reason"]) == (cause, "no answer within 0.5 s")
    assert len(server.asked) == 1


def test_one_that_hangs_up(server: EngineServer, tmp_path: Path) -> None:
    server.replies[MODELS] = [HANG_UP]
    [[told]] = answers_of(tmp_path, [server.address], request())
    assert told["cause"] == "endpoint_unreachable" and "dropped" in told["reason"]


def test_no_connection_is_told_as_what_it_may_be(server: EngineServer, tmp_path: Path) -> None:
    server.end()
    [[told]] = answers_of(tmp_path, [server.address], request())
    assert told["cause"] == "not_reachable_from_here"
    assert "network policy" in told["reason"] and "refused" in told["reason"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=600),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*KEEP, "other"]), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.integers(0, 50))
def test_only_what_counts_is_kept_and_texts_are_cut(body: Any, characters: int) -> None:
    kept = shortened(body, KEEP, characters)
    assert "other" not in json.dumps(kept) or "other" in json.dumps(list(_texts(body)))
    assert all(len(text) <= characters for text in _texts(kept))


@given(st.lists(st.lists(JSON, max_size=2), max_size=8))
def test_a_report_is_as_long_as_it_may_be(bodies: list[list[Any]]) -> None:
    answers = [[{"status": 200, "seconds": 0.1, "body": body} for body in each] for each in bodies]
    text = report(answers, KEEP, 4096)
    assert len(text.encode()) <= 4096
    told = json.loads(text)
    assert [len(each) for each in told["answers"]] == [len(each) for each in bodies] if "answers" in told else True


def test_eight_leaders_with_long_answers_fit() -> None:
    body = {"error": {"message": "漢" * 1000}}
    answers = [[{"status": 500, "seconds": 12.345, "body": body}] * 2] * 8
    assert "answers" in json.loads(report(answers, KEEP, 4096))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)
