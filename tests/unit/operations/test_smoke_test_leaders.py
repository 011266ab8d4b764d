# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smoke test where every replica's leader is asked for itself: each one counts, none is hidden."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_test import (
    SmokeTestOptions,
    run_smoke_test,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    ENDPOINT_UNREACHABLE,
    LEADER_NOT_READY,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    HttpAnswer,
    Unreachable,
    together,
)
from scripted_platform import (
    NAME,
    ScriptedPlatform,
    Stage,
    chat_answer,
    json_answer,
    model_list,
    two_by_two,
)

MODELS, CHAT = "/v1/models", "/v1/chat/completions"
FIRST, SECOND = f"{NAME}-0", f"{NAME}-1"


def by(leader: str, answer: Any) -> HttpAnswer:
    """Return an answer as this leader's."""
    assert isinstance(answer, HttpAnswer)
    return replace(answer, leader=leader)


def none_of(leader: str, cause: str) -> Unreachable:
    """Return that this leader gave no answer."""
    return Unreachable(f"pod {leader}: why", cause, leader)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def platform(stage: Stage) -> ScriptedPlatform:
    """A healthy workload of two replicas."""
    platform = ScriptedPlatform(stage.clock)
    platform.replica_layout = two_by_two(replicas=2)
    platform.reply(MODELS, both(model_list("mistral4")))
    platform.reply("/get_world_size", both(json_answer({"world_size": 4})))
    platform.reply(CHAT, both(chat_answer()))
    return platform


def both(answer: Any) -> list[Any]:
    """Return the same answer of both leaders."""
    return [by(FIRST, answer), by(SECOND, answer)]


def run(platform: ScriptedPlatform, stage: Stage, **options: Any) -> dict[str, Any]:
    return run_smoke_test(platform, stage.host, NAME, SmokeTestOptions(expected_pods=2, **options)).as_dict()


def statuses(result: dict[str, Any]) -> list[str]:
    return [level["status"] for level in result["levels"]]


def found(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(finding["severity"], finding["cause"], finding["object"]) for finding in result["findings"]]


def test_all_leaders_answer(platform: ScriptedPlatform, stage: Stage) -> None:
    result = run(platform, stage)
    assert (result["verdict"], result["replicas_proven"], result["findings"]) == ("passed", "2 of 2", [])


def test_a_leader_that_is_not_ready_is_told_once_and_fails_nothing(platform: ScriptedPlatform, stage: Stage) -> None:
    unready = none_of(SECOND, LEADER_NOT_READY)
    platform.reply(MODELS, [by(FIRST, model_list("mistral4")), unready])
    platform.reply("/get_world_size", [by(FIRST, json_answer({"world_size": 4})), unready])
    platform.reply(CHAT, [by(FIRST, chat_answer()), unready])
    result = run(platform, stage)
    assert statuses(result) == ["passed"] * 3
    assert result["replicas_proven"] == "1 of 2"
    assert found(result) == [
        ("warning", "leader_not_ready", SECOND),
        ("warning", "replicas_not_proven", NAME),
    ]
    assert result["world_size"]["value"] == 4


@pytest.mark.parametrize(
    ("cause", "named"),
    [(NO_ANSWER_IN_TIME, "completion_timeout"), (ENDPOINT_UNREACHABLE, "endpoint_unreachable")],
)
def test_a_leader_that_does_not_complete_fails_it(
    platform: ScriptedPlatform, stage: Stage, cause: str, named: str
) -> None:
    platform.reply(CHAT, [by(FIRST, chat_answer()), none_of(SECOND, cause)])
    result = run(platform, stage)
    assert statuses(result) == ["passed", "passed", "failed"]
    assert found(result)[0] == ("error", named, SECOND)
    assert result["replicas_proven"] == "1 of 2"


def test_a_leader_that_comes_late_is_waited_for(platform: ScriptedPlatform, stage: Stage) -> None:
    late = [by(FIRST, model_list("mistral4")), none_of(SECOND, ENDPOINT_UNREACHABLE)]
    platform.reply(MODELS, late, late, both(model_list("mistral4")))
    assert run(platform, stage)["verdict"] == "passed"
    platform.reply(MODELS, late)
    result = run(platform, stage, route_limit=5)
    assert statuses(result)[1:] == ["failed", "skipped"]
    assert found(result)[0] == ("error", "endpoint_unreachable", SECOND)


def test_pods_that_changed_meanwhile_are_looked_up_again(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(MODELS, none_of(FIRST, ENDPOINT_UNREACHABLE), both(model_list("mistral4")))
    assert run(platform, stage)["verdict"] == "passed"
    assert platform.calls.count("status") == 2


def test_no_way_to_any_leader_leaves_it_unknown(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(MODELS, none_of("", NOT_REACHABLE_FROM_HERE))
    result = run(platform, stage)
    assert (statuses(result), result["replicas_proven"]) == (["passed", "unknown", "unknown"], "0 of 2")
    assert found(result) == [("warning", NOT_REACHABLE_FROM_HERE, NAME)]


def test_other_models_of_a_replica_are_told_by_its_leader(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(MODELS, [by(FIRST, model_list("mistral4")), by(SECOND, model_list("other"))])
    result = run(platform, stage)
    assert statuses(result)[1:] == ["failed", "skipped"]
    assert found(result)[0] == ("error", "model_not_served", SECOND)


def test_replicas_that_differ_in_their_ranks_are_told(platform: ScriptedPlatform, stage: Stage) -> None:
    sizes = [by(leader, json_answer({"world_size": size})) for leader, size in ((FIRST, 4), (SECOND, 2))]
    platform.reply("/get_world_size", sizes)
    assert run(platform, stage)["world_size"] == {"value": None, "source": "the replicas differ: [2, 4]"}


def test_the_answer_is_compared_with_the_same_leaders_second(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(
        CHAT,
        [none_of(FIRST, LEADER_NOT_READY), by(SECOND, chat_answer("two"))],
        [by(FIRST, chat_answer("one")), by(SECOND, chat_answer("two"))],
    )
    result = run(platform, stage)
    assert (result["answer"]["text"], result["answer"]["repeatable"]) == ("two", True)
    assert result["replicas_proven"] == "2 of 2"


def test_a_cause_of_the_platforms_own_is_the_least_telling_of_several() -> None:
    denied, late = none_of(FIRST, "permission_denied"), none_of(SECOND, NO_ANSWER_IN_TIME)
    assert together([denied, late]).cause == NO_ANSWER_IN_TIME
    assert together([denied, none_of(SECOND, "permission_denied")]).cause == "permission_denied"
