# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smoke test where no way leads to the leaders: looks inside the cluster ask them. Their command really runs, as a
process of this machine, and real servers answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_test import (
    SmokeTestOptions,
    run_smoke_test,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    LEADER_NOT_READY,
    NOT_REACHABLE_FROM_HERE,
    LeadersInside,
    LookStatus,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec, SecretReference
from engine_server import HANG, EngineServer, carried_out
from scripted_platform import NAME, ScriptedPlatform, Stage, two_by_two

MODELS, CHAT, COMPLETIONS, RANKS = "/v1/models", "/v1/chat/completions", "/v1/completions", "/get_world_size"
PLACE = LookPlace("registry.example.com/vllm:v1", RunAsSpec())
KEY = SecretReference("my-key", "api-key")
CLOSED = Unreachable("user me may not get pods/proxy. The other way is closed, too.", NOT_REACHABLE_FROM_HERE)
FIRST, SECOND = f"{NAME}-0", f"{NAME}-1"
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "hello"}}], "usage": {"completion_tokens": 2}}


@pytest.fixture
def server() -> Iterator[EngineServer]:
    """A healthy engine of four ranks."""
    server = EngineServer(
        {
            MODELS: [
                (200, {"object": "list", "data": [{"id": "mistral4", "max_model_len": 256, "permission": ["x"]}]})
            ],
            RANKS: [(200, {"world_size": 4})],
            CHAT: [(200, ANSWER)],
        }
    )
    yield server
    server.end()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def platform(stage: Stage, server: EngineServer, tmp_path: Path) -> ScriptedPlatform:
    """A workload whose leaders no request from here reaches."""
    platform = ScriptedPlatform(stage.clock)
    for path in (MODELS, RANKS, CHAT):
        platform.reply(path, CLOSED)
    platform.inside = LeadersInside({FIRST: server.address}, (), PLACE)
    platform.carry_out = lambda look: [carried_out(look, tmp_path, {KEY: "key-0123456789abcdef"})]
    return platform


def run(platform: ScriptedPlatform, stage: Stage, **options: Any) -> dict[str, Any]:
    return run_smoke_test(platform, stage.host, NAME, SmokeTestOptions(**options)).as_dict()


def statuses(result: dict[str, Any]) -> list[str]:
    return [level["status"] for level in result["levels"]]


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def test_looks_prove_what_cannot_be_asked_from_here(
    platform: ScriptedPlatform, stage: Stage, server: EngineServer
) -> None:
    result = run(platform, stage)
    assert (result["verdict"], result["findings"]) == ("passed", [])
    assert result["world_size"]["value"] == 4
    assert result["models"] == [{"name": "mistral4", "max_model_len": 256}]
    assert (result["answer"]["text"], result["answer"]["repeatable"]) == ("hello", True)
    assert result["replicas_proven"] == "1 of 1"
    assert [path for _method, path, _headers, _body in server.asked] == [MODELS, RANKS, CHAT, CHAT]
    # One for the model list and the ranks, one for both completions; each is gone again.
    assert result["looks"] == 2
    assert [started.is_removed for _look, started in platform.looks] == [True, True]


def test_a_look_runs_in_the_workloads_own_image_and_has_its_key_by_reference_only(
    platform: ScriptedPlatform, stage: Stage, server: EngineServer
) -> None:
    platform.inside = LeadersInside({FIRST: server.address}, (), PLACE, KEY)
    server.replies[MODELS] = [(401, {"error": "Unauthorized"})]
    result = run(platform, stage)
    [(look, _started)] = platform.looks
    assert (look.place, look.environment) == (PLACE, {"GPUOPS_LOOK_KEY": KEY})
    assert look.command[0] == "python3"
    assert "key-0123456789abcdef" not in json.dumps(look.command)
    assert server.asked[0][2]["authorization"] == "Bearer key-0123456789abcdef"
    assert causes(result) == ["endpoint_unauthorized"]
    assert "sent: the workload's own API key" in result["findings"][0]["evidence"]


def test_a_leader_that_does_not_complete_fails_it(
    platform: ScriptedPlatform, stage: Stage, server: EngineServer
) -> None:
    server.replies[CHAT] = [HANG]
    result = run(platform, stage, time_limit=1)
    assert (statuses(result), causes(result)) == (["passed", "passed", "failed"], ["completion_timeout"])
    assert result["findings"][0]["object"] == FIRST
    server.replies[CHAT] = [(500, {"error": {"message": "EngineCore encountered an issue."}})]
    assert "EngineCore" in run(platform, stage)["findings"][0]["evidence"]


def test_a_model_without_chat_template_is_asked_for_a_plain_completion(
    platform: ScriptedPlatform, stage: Stage, server: EngineServer
) -> None:
    server.replies[CHAT] = [(400, {"error": {"message": "you must provide a chat template"}})]
    server.replies[COMPLETIONS] = [(200, {"choices": [{"text": " dog"}], "usage": {"completion_tokens": 1}})]
    result = run(platform, stage)
    assert (result["verdict"], result["answer"]["text"], result["looks"]) == ("passed", "dog", 3)


def test_replicas_that_were_not_asked_are_counted(
    platform: ScriptedPlatform, stage: Stage, server: EngineServer
) -> None:
    platform.replica_layout = two_by_two(replicas=2)
    unready = Unreachable(f"pod {SECOND} is not ready.", LEADER_NOT_READY, SECOND)
    platform.inside = LeadersInside({FIRST: server.address}, (unready,), PLACE)
    result = run(platform, stage, expected_pods=2)
    assert (statuses(result), causes(result)) == (["passed"] * 3, ["leader_not_ready", "replicas_not_proven"])
    assert result["replicas_proven"] == "1 of 2"


def test_more_leaders_than_one_report_has_room_for(
    platform: ScriptedPlatform, stage: Stage, server: EngineServer
) -> None:
    platform.replica_layout = two_by_two(replicas=9)
    platform.inside = LeadersInside({f"{NAME}-{index}": server.address for index in range(9)}, (), PLACE)
    result = run(platform, stage, expected_pods=2)
    assert (result["verdict"], result["replicas_proven"], result["looks"]) == ("passed", "9 of 9", 4)


def test_a_network_that_lets_no_look_through_leaves_it_unknown(
    platform: ScriptedPlatform, stage: Stage, server: EngineServer
) -> None:
    server.end()
    result = run(platform, stage)
    assert (statuses(result), result["looks"]) == (["passed", "unknown", "unknown"], 1)
    assert causes(result) == [NOT_REACHABLE_FROM_HERE]
    assert "network policy" in result["findings"][0]["evidence"]


def test_without_the_right_to_start_looks_it_stays_unknown(platform: ScriptedPlatform, stage: Stage) -> None:
    denied = Finding(ERROR, "permission_denied", "user me may not create jobs.", "Give the Role.", "Job")
    platform.carry_out = lambda look: GpuopsError.from_finding(denied)
    result = run(platform, stage)
    assert (statuses(result), result["looks"]) == (["passed", "unknown", "unknown"], 0)
    [finding] = result["findings"]
    assert CLOSED.reason in finding["evidence"] and "may not create jobs. Give the Role." in finding["evidence"]


def test_a_platform_without_looks_says_what_it_always_said(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.inside = None
    result = run(platform, stage)
    assert (statuses(result), result["looks"]) == (["passed", "unknown", "unknown"], 0)
    assert result["findings"][0]["evidence"] == CLOSED.reason


def test_check_mode_says_what_was_not_looked_at(platform: ScriptedPlatform) -> None:
    stage = Stage(clock=platform.clock, check_mode=True)
    result = run(platform, stage)
    assert (statuses(result), platform.looks) == (["passed", "unknown", "unknown"], [])
    assert (result["looks"], result["not_looked_at"]) == (0, [f"what the leaders of {NAME} answer"])
    assert "looks_in_check_mode" in result["findings"][0]["evidence"]
    wanted = run(platform, stage, looks_in_check_mode=True)
    assert (wanted["verdict"], wanted["looks"], wanted["not_looked_at"]) == ("passed", 2, [])


def test_pods_and_ranks_alone_are_worth_no_look(platform: ScriptedPlatform, stage: Stage) -> None:
    result = run(platform, stage, up_to="L0")
    assert (result["verdict"], result["looks"]) == ("passed", 0)


def test_where_the_way_is_open_no_look_is_started(
    platform: ScriptedPlatform, stage: Stage, server: EngineServer
) -> None:
    platform.serve("mistral4")
    assert (run(platform, stage)["looks"], server.asked) == (0, [])


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"answers": None},
        {"answers": []},
        {"answers": [[]]},
        {"answers": [None]},
        {"answers": [[{"status": "200", "seconds": 1}]]},
        {"answers": [[{"status": 200}]]},
        {"too_long": 9000},
    ],
)
def test_a_report_that_says_nothing_proves_nothing(
    platform: ScriptedPlatform, stage: Stage, report: dict[str, Any]
) -> None:
    def carry_out(look: Look) -> list[LookStatus]:
        ended = platform.timeline[0][1]
        return [LookStatus(ended, is_over=True, exit_status=0, report=json.dumps(report))]

    platform.carry_out = carry_out
    result = run(platform, stage)
    assert (statuses(result), causes(result)) == (["passed", "unknown", "unknown"], [NOT_REACHABLE_FROM_HERE])
