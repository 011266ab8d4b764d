# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smoke test's verdict: what passes, what fails with which finding, what stays unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_test import (
    SmokeTestOptions,
    run_smoke_test,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_verdict import SmokeVerdict
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DEGRADED,
    INITIALIZING,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    ReplicaLayout,
    RolePods,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.layout import read_layout
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import (
    GpuopsError,
    InterruptedByParent,
    OptionError,
)
from scripted_platform import (
    NAME,
    SERVING,
    ScriptedPlatform,
    Stage,
    chat_answer,
    json_answer,
    model_list,
    pod,
    refused,
    two_by_two,
    two_pods,
)

CHAT = "/v1/chat/completions"
ENGINE_DIED = json_answer(
    {"error": {"message": "EngineCore encountered an issue. See stack trace (above) for the root cause.", "code": 500}},
    500,
)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def platform(stage: Stage) -> ScriptedPlatform:
    """A healthy workload of the recipe's topology."""
    platform = ScriptedPlatform(stage.clock)
    platform.serve("mistral4")
    return platform


def run(platform: ScriptedPlatform, stage: Stage, **options: Any) -> SmokeVerdict:
    return run_smoke_test(platform, stage.host, NAME, SmokeTestOptions(**options))


def statuses(verdict: SmokeVerdict) -> list[str]:
    return [level.status for level in verdict.levels]


def causes(verdict: SmokeVerdict) -> list[str]:
    return [finding.cause for finding in verdict.findings]


def test_a_healthy_workload_passes_and_says_what_was_seen(platform: ScriptedPlatform, stage: Stage) -> None:
    verdict = run(platform, stage).as_dict()
    assert verdict["verdict"] == "passed"
    assert [level["status"] for level in verdict["levels"]] == ["passed"] * 3
    assert verdict["findings"] == []
    assert verdict["world_size"] == {"value": 4, "source": "the engine's /get_world_size"}
    assert [seen["role"] for seen in verdict["pods_seen"]] == ["leader", "follower"]
    assert verdict["replicas_proven"] == "1 of 1"
    assert verdict["models"] == [{"name": "mistral4", "max_model_len": 256}]
    assert verdict["answer"]["text"] == "hello"
    assert verdict["answer"]["seconds"] == 0.4
    assert verdict["answer"]["repeatable"] is True
    assert set(verdict["timings"]) == {"L0", "L1", "L2"}


def test_the_completion_is_deterministic_and_has_a_time_limit(platform: ScriptedPlatform, stage: Stage) -> None:
    run(platform, stage, time_limit=7, prompt="Hi", max_tokens=3)
    chats = [request for request in platform.requests if request[1] == CHAT]
    assert len(chats) == 2
    assert chats[0] == chats[1]
    _method, _path, body, limit = chats[0]
    assert limit == 7
    assert body == {
        "model": "mistral4",
        "max_tokens": 3,
        "temperature": 0,
        "seed": 0,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert not [request for request in platform.requests if "health" in request[1]]


def test_another_answer_the_second_time_is_only_information(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(CHAT, chat_answer("one"), chat_answer("two"))
    verdict = run(platform, stage)
    assert verdict.verdict == "passed"
    assert verdict.answer is not None
    assert not verdict.answer.repeatable


@pytest.mark.parametrize(("up_to", "asked"), [("L0", ["/get_world_size"]), ("L1", ["/v1/models", "/get_world_size"])])
def test_only_the_levels_asked_for_are_tried(
    platform: ScriptedPlatform, stage: Stage, up_to: str, asked: list[str]
) -> None:
    verdict = run(platform, stage, up_to=up_to)
    assert verdict.verdict == "passed"
    assert [level.level for level in verdict.levels] == ["L0", "L1"][: len(asked)]
    assert [path for _method, path, _body, _limit in platform.requests] == asked


def test_an_unknown_workload_is_refused(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.workloads.clear()
    with pytest.raises(GpuopsError, match="no such workload at scripted at") as caught:
        run(platform, stage)
    assert caught.value.findings[0].cause == "workload_not_found"


def test_the_recipes_literal_command_fails_l0_although_its_leader_answers(
    platform: ScriptedPlatform, stage: Stage
) -> None:
    args = "--model /data/m --served-model-name mistral4 --tensor-parallel-size 2 --port 8000"
    role = {"args": args, "compute": {"gpuDevicesRequest": 2}}
    platform.replica_layout = read_layout({"spec": {"workers": 2, "replicas": 1, "leader": role, "worker": role}})
    platform.timeline = [(0, replace(SERVING, pods=(*two_pods(), pod(f"{NAME}-0-2"))))]
    platform.reply("/get_world_size", json_answer({"world_size": 2}))
    verdict = run(platform, stage)
    assert statuses(verdict) == ["failed", "passed", "passed"]
    assert verdict.verdict == "failed"
    assert causes(verdict)[0] == "independent_engines"
    assert "3 pods run 3 separate engines (TP=2, PP=1)" in verdict.findings[0].evidence
    assert "2 of 6 GPUs serve" in verdict.findings[0].evidence


def test_an_engine_that_reports_fewer_ranks_than_gpus_fails_l0(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply("/get_world_size", json_answer({"world_size": 2}))
    verdict = run(platform, stage)
    assert statuses(verdict) == ["failed", "passed", "passed"]
    assert causes(verdict) == ["rank_mismatch"]


def test_an_engine_that_cannot_say_its_ranks_is_judged_by_the_commands(
    platform: ScriptedPlatform, stage: Stage
) -> None:
    platform.replies.pop("/get_world_size")
    verdict = run(platform, stage)
    assert verdict.verdict == "passed"
    assert verdict.world_size.value is None
    assert "no /get_world_size" in verdict.world_size.source
    assert "4 ranks by the commands that the platform returns" in verdict.levels[0].reason


def test_ranks_that_nobody_can_tell_leave_l0_unknown(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.replica_layout = ReplicaLayout(RolePods(1, 2, ("/start.sh",), False, {}), None, 1)
    platform.replies.pop("/get_world_size")
    verdict = run(platform, stage, expected_pods=2, served_names=("mistral4",))
    assert statuses(verdict) == ["unknown", "passed", "passed"]
    assert verdict.verdict == "unknown"
    assert causes(verdict) == ["engine_not_recognised"]


def test_missing_and_stopped_pods_fail_l0(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.timeline = [(0, replace(SERVING, phase=DEGRADED, pods=two_pods()[:1], messages=("one pod is gone",)))]
    assert causes(run(platform, stage)) == ["pods_missing", "degraded"]
    platform.timeline = [(0, replace(SERVING, pods=(pod(f"{NAME}-0"), pod(f"{NAME}-0-1", "Failed"))))]
    verdict = run(platform, stage)
    assert causes(verdict) == ["pods_not_running"]
    assert f"{NAME}-0-1 (Failed)" in verdict.findings[0].evidence


def test_a_workload_that_does_not_run_is_diagnosed_and_not_asked(platform: ScriptedPlatform, stage: Stage) -> None:
    loading = replace(
        SERVING, phase=INITIALIZING, messages=("pod x: ErrImagePull: unauthorized",), pods=two_pods("Pending")
    )
    platform.timeline = [(0, loading)]
    verdict = run(platform, stage)
    assert statuses(verdict) == ["failed", "skipped", "skipped"]
    assert verdict.verdict == "failed"
    assert causes(verdict) == ["not_running", "image_pull_failed", "pods_not_running"]
    assert platform.requests == []


def test_an_endpoint_that_cannot_be_reached_from_here_leaves_it_unknown(
    platform: ScriptedPlatform, stage: Stage
) -> None:
    platform.reply("/v1/models", Unreachable("the endpoint is not external", NOT_REACHABLE_FROM_HERE))
    verdict = run(platform, stage)
    assert statuses(verdict) == ["passed", "unknown", "unknown"]
    assert verdict.verdict == "unknown"
    assert causes(verdict) == [NOT_REACHABLE_FROM_HERE]
    assert "not external" in verdict.findings[0].evidence


def test_refused_callers_are_told_which_token_was_sent(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply("/v1/models", json_answer({"error": "Unauthorized"}, 401))
    verdict = run(platform, stage)
    assert statuses(verdict) == ["passed", "failed", "skipped"]
    assert causes(verdict) == ["endpoint_unauthorized"]
    assert "sent: no token" in verdict.findings[0].evidence
    assert "Give `endpoint_token`" in verdict.findings[0].hint
    platform.reply("/v1/models", json_answer({}, 403, credential="the platform's token"))
    verdict = run(platform, stage)
    assert "sent: the platform's token" in verdict.findings[0].evidence
    assert "not accepted" in verdict.findings[0].hint


def test_a_route_that_comes_late_is_waited_for(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply("/v1/models", refused(), json_answer({}, 503), json_answer({}, 502), model_list("mistral4"))
    assert run(platform, stage).verdict == "passed"
    assert stage.clock.now - 1000 < 10


def test_an_address_that_comes_late_is_looked_for_again(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.timeline = [(0, replace(SERVING, endpoint=None)), (2, SERVING)]
    platform.reply("/v1/models", refused(), refused(), refused(), model_list("mistral4"))
    verdict = run(platform, stage)
    assert verdict.verdict == "passed"
    assert verdict.as_dict()["endpoint"] == SERVING.endpoint.url


def test_the_ranks_are_asked_for_before_an_engine_may_die(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(CHAT, ENGINE_DIED)
    assert run(platform, stage).world_size.value == 4
    assert [path for _method, path, _body, _limit in platform.requests] == ["/v1/models", "/get_world_size", CHAT]


@pytest.mark.parametrize(
    ("reply", "cause"),
    [(json_answer("no leader ready", 503), "endpoint_failed"), (refused(), "endpoint_unreachable")],
)
def test_a_route_that_never_comes_is_a_finding_after_the_route_limit(
    platform: ScriptedPlatform, stage: Stage, reply: Any, cause: str
) -> None:
    platform.reply("/v1/models", reply)
    verdict = run(platform, stage, route_limit=12)
    assert causes(verdict) == [cause]
    assert statuses(verdict)[1:] == ["failed", "skipped"]
    assert 12 <= stage.clock.now - 1000 < 18


def test_other_names_than_served_are_a_finding(platform: ScriptedPlatform, stage: Stage) -> None:
    verdict = run(platform, stage, served_names=("other", "mistral4"))
    assert causes(verdict) == ["model_not_served"]
    assert "serves mistral4, not other" in verdict.findings[0].evidence


def test_something_else_on_the_port_is_a_finding(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply("/v1/models", json_answer("<html>nginx</html>", 404))
    assert causes(run(platform, stage)) == ["endpoint_failed"]


def test_an_engine_that_dies_on_its_first_work(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(CHAT, ENGINE_DIED)
    verdict = run(platform, stage)
    assert statuses(verdict) == ["passed", "passed", "failed"]
    assert causes(verdict) == ["completion_failed"]
    assert "EngineCore encountered an issue" in verdict.findings[0].evidence
    assert "--enforce-eager" in verdict.findings[0].hint
    assert verdict.replicas_proven == 0
    assert verdict.answer is None


def test_an_engine_that_dies_on_its_second_work(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(CHAT, chat_answer(), json_answer({}, 503))
    verdict = run(platform, stage)
    assert causes(verdict) == ["completion_failed"]
    assert verdict.replicas_proven == 0


def test_no_answer_in_time_points_to_the_followers(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(CHAT, Unreachable("time limit", NO_ANSWER_IN_TIME))
    verdict = run(platform, stage, time_limit=20)
    assert causes(verdict) == ["completion_timeout"]
    assert "no answer within 20 s" in verdict.findings[0].evidence
    assert "/health stays 200" in verdict.findings[0].hint


@pytest.mark.parametrize("content", [{}, {"choices": []}, {"choices": [{"message": {"content": ""}}]}, [], "x", None])
def test_200_without_a_completion_is_no_completion(platform: ScriptedPlatform, stage: Stage, content: Any) -> None:
    platform.reply(CHAT, json_answer(content))
    assert causes(run(platform, stage)) == ["completion_failed"]


def test_tokens_without_visible_text_are_a_completion(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(CHAT, json_answer({"choices": [{"message": {"content": ""}}], "usage": {"completion_tokens": 5}}))
    assert run(platform, stage).verdict == "passed"


def test_thoughts_of_a_reasoning_model_are_a_completion(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(CHAT, json_answer({"choices": [{"message": {"content": None, "reasoning_content": "hm"}}]}))
    verdict = run(platform, stage)
    assert verdict.answer is not None
    assert verdict.answer.text == "hm"


def test_a_model_without_chat_template_is_asked_for_a_plain_completion(
    platform: ScriptedPlatform, stage: Stage
) -> None:
    refusal = "default chat template is no longer allowed, so you must provide a chat template"
    platform.reply(CHAT, json_answer({"error": {"message": refusal}}, 400))
    platform.reply("/v1/completions", json_answer({"choices": [{"text": " dog"}], "usage": {"completion_tokens": 1}}))
    verdict = run(platform, stage)
    assert verdict.verdict == "passed"
    assert verdict.answer is not None
    assert (verdict.answer.path, verdict.answer.text) == ("/v1/completions", "dog")
    assert platform.requests[3][2]["prompt"] == "Say hello in one word."


def test_replicas_are_counted(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.replica_layout = two_by_two(replicas=3)
    verdict = run(platform, stage, expected_pods=2)
    assert verdict.as_dict()["replicas_proven"] == "1 of 3"
    assert causes(verdict) == ["replicas_not_proven"]
    assert verdict.verdict == "passed"
    platform.reply("/v1/models", [model_list("mistral4")] * 3)
    platform.reply(CHAT, [chat_answer(), ENGINE_DIED, chat_answer()])
    verdict = run(platform, stage, expected_pods=2)
    assert verdict.as_dict()["replicas_proven"] == "2 of 3"
    assert verdict.verdict == "failed"


def test_expected_pods_follow_the_layout_and_its_replicas(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.replica_layout = two_by_two(replicas=2)
    verdict = run(platform, stage)
    assert verdict.pods_expected == 4
    assert "pods_missing" in causes(verdict)


def test_a_refusal_of_the_collection_itself_is_in_the_verdict(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply("/v1/models", OptionError.of("endpoint_token", "is not sent over http.", "Use https."))
    verdict = run(platform, stage)
    assert causes(verdict) == ["invalid_option"]
    assert "is not sent over http" in verdict.levels[1].reason


def test_a_parent_that_is_gone_ends_everything(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply("/v1/models", InterruptedByParent("gone"))
    with pytest.raises(InterruptedByParent):
        run(platform, stage)


def test_the_answers_text_is_short_and_without_secrets(platform: ScriptedPlatform) -> None:
    stage = Stage(clock=platform.clock, secrets=("s3cr3t-token",))
    platform.reply(CHAT, chat_answer("s3cr3t-token " + "word " * 500))
    verdict = run(platform, stage)
    assert verdict.answer is not None
    assert "s3cr3t" not in verdict.answer.text
    assert len(verdict.answer.text) <= 300
