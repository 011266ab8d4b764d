# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rendered command line is understood by vLLM's own parser and configuration (one process for all of them)."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._workload import vllm_flags
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import RAY_LEADER_VARIABLE
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import ModelSpec
from workload_examples import expand_as_kubelet, group_variables, plan_of, texts_of

from gpuops_sandbox.engine.environment import find_environment
from gpuops_sandbox.engine.tiny_model import ensure_model

JUDGE = Path(__file__).with_name("judge_with_vllm.py")
# An image whose version the sandbox's engine has.
IMAGE = "registry.example.com/vllm-openai:v0.32.0"
USER_WORDS = ("--max-model-len", "256", "--kv-cache-memory-bytes", "16M", "-cc.mode=1", "-cc.backend=eager")

LAYOUTS: dict[str, dict[str, Any]] = {
    "recipe": {"pods": 2, "gpus_per_pod": 2},
    "four pods of four": {"pods": 4, "gpus_per_pod": 4},
    "single pod": {"pods": 1, "gpus_per_pod": 2},
    "single GPU": {"pods": 1, "gpus_per_pod": 1},
    "several names": {"pods": 1, "gpus_per_pod": 1, "names": ("tiny", "alias")},
    "no name": {"pods": 2, "gpus_per_pod": 1, "names": ()},
    "user's arguments": {"pods": 2, "gpus_per_pod": 2, "vllm_args": (*USER_WORDS, "--api-server-count", "2")},
    "user's budgets": {
        "pods": 2,
        "gpus_per_pod": 1,
        "vllm_args": ("--distributed_timeout-seconds=60", "--shutdown-timeout", "3"),
    },
    "one engine in each pod": {"pods": 2, "gpus_per_pod": 2, "data_parallel_size": 2},
    "two engines in each pod": {"pods": 2, "gpus_per_pod": 2, "data_parallel_size": 4},
    "two engines of two pods": {"pods": 4, "gpus_per_pod": 1, "data_parallel_size": 2},
    "tensor parallel over pods": {
        "pods": 2,
        "gpus_per_pod": 2,
        "tensor_parallel_size": 4,
        "pipeline_parallel_size": 1,
        "allow_cross_pod_tp": True,
    },
    "many stages": {"pods": 2, "gpus_per_pod": 2, "pipeline_parallel_size": 4},
}


@dataclass(frozen=True)
class Judgement:
    """vLLM's answers: its option strings, and by (layout, rank) what it understood."""

    plans: dict[str, Plan]
    options: set[str]
    answers: dict[tuple[str, int], dict[str, Any]]


def plan_for(layout: dict[str, Any], model: Path, **changes: Any) -> Plan:
    """Return the plan of a layout for the tiny model."""
    options = dict(layout)
    served = ModelSpec(str(model), options.pop("names", ("tiny",)))
    return plan_of(image=IMAGE, model=served, env={}, **{**options, **changes})


def words_by_rank(plan: Plan) -> list[list[str]]:
    """Return the words after ``vllm serve`` of each pod of a replica, as the kubelet hands them over."""
    pods = [plan.leader, *[plan.follower] * (plan.topology.pods - 1)]
    lines = []
    for rank, pod in enumerate(pods):
        assert pod is not None
        assert pod.command == ("vllm", "serve")
        variables = group_variables(rank, plan.topology.pods)
        lines.append([expand_as_kubelet(word, variables) for word in pod.arguments])
    return lines


def ray_words(plan: Plan) -> list[str]:
    """Return the words after ``vllm serve`` of the Ray leader."""
    return texts_of(plan.leader)[RAY_LEADER_VARIABLE].partition("exec vllm serve ")[2].split()


@pytest.fixture(scope="module")
def judgement(tmp_path_factory: pytest.TempPathFactory) -> Judgement:
    """Have vLLM judge all command lines in one process."""
    try:
        engine = find_environment()
    except FileNotFoundError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    model = ensure_model()
    plans = {name: plan_for(layout, model) for name, layout in LAYOUTS.items()}
    keys: list[tuple[str, int]] = []
    lines: list[dict[str, Any]] = []
    for name, plan in plans.items():
        for rank, words in enumerate(words_by_rank(plan)):
            keys.append((name, rank))
            lines.append({"words": words, "configure": True})
    # Ray itself is not installed, so its configuration cannot be made.
    ray = plan_for(LAYOUTS["recipe"], model, distributed_executor_backend="ray")
    lines.append({"words": ray_words(ray), "configure": False})
    folder = tmp_path_factory.mktemp("judge")
    answer = folder / "answer.json"
    variables = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "HOME": str(folder), "VLLM_LOGGING_LEVEL": "ERROR"}
    subprocess.run(
        [str(engine.python), str(JUDGE), str(answer)],
        check=True,
        input=json.dumps({"lines": lines}),
        text=True,
        env={**os.environ, **variables},
        timeout=300,
    )
    judged = json.loads(answer.read_text(encoding="utf-8"))
    answers = dict(zip([*keys, ("ray", 0)], judged["answers"], strict=True))
    return Judgement(plans, set(judged["options"]), answers)


def test_nothing_is_refused(judgement: Judgement) -> None:
    assert {key: answer["refused"] for key, answer in judgement.answers.items() if "refused" in answer} == {}


@pytest.mark.parametrize("name", LAYOUTS)
def test_vllm_understands_what_was_planned(judgement: Judgement, name: str) -> None:
    plan = judgement.plans[name]
    pods = plan.topology.pods
    for rank in range(pods):
        understood = judgement.answers[name, rank]["understood"]
        assert understood["model_tag"] == plan.spec.model.path
        assert (understood["served_model_name"] or ()) == list(plan.spec.model.served_names) or not (
            plan.spec.model.served_names
        )
        assert (understood["host"], understood["port"]) == ("0.0.0.0", 8000)
        assert understood["tensor_parallel_size"] == plan.topology.tensor_parallel_size
        assert understood["pipeline_parallel_size"] == plan.topology.pipeline_parallel_size
        assert understood["data_parallel_size"] == plan.topology.data_parallel_size
        assert (understood["nnodes"], understood["node_rank"]) == (pods, rank)
        assert understood["headless"] is (rank > 0)
        if pods > 1:
            assert understood["master_addr"] == group_variables(rank, pods)["LWS_LEADER_ADDRESS"]
            assert understood["master_port"] == 29501
            assert understood["distributed_executor_backend"] == "mp"


def test_budgets_arrive(judgement: Judgement) -> None:
    understood = judgement.answers["recipe", 1]["understood"]
    assert (understood["distributed_timeout_seconds"], understood["shutdown_timeout"]) == (1800, 0)
    assert judgement.answers["single pod", 0]["understood"]["shutdown_timeout"] == 15
    own = judgement.answers["user's budgets", 0]["understood"]
    assert (own["distributed_timeout_seconds"], own["shutdown_timeout"]) == (60, 3)


def test_only_the_leader_has_api_servers(judgement: Judgement) -> None:
    counts = [judgement.answers["user's arguments", rank]["understood"]["api_server_count"] for rank in (0, 1)]
    assert counts == [2, None]


@pytest.mark.parametrize(
    ("name", "engine_pods", "first_engines"),
    [
        ("recipe", 2, [0, 0]),
        ("four pods of four", 4, [0, 0, 0, 0]),
        ("one engine in each pod", 1, [0, 1]),
        ("two engines in each pod", 1, [0, 2]),
        ("two engines of two pods", 2, [0, 0, 1, 1]),
        ("tensor parallel over pods", 2, [0, 0]),
    ],
)
def test_vllm_gives_every_pod_its_place(
    judgement: Judgement, name: str, engine_pods: int, first_engines: list[int]
) -> None:
    topology = judgement.plans[name].topology
    configured = [judgement.answers[name, rank]["configured"] for rank in range(topology.pods)]
    assert {item["world_size"] * topology.data_parallel_size for item in configured} == {topology.world_size}
    assert {item["nnodes_within_dp"] for item in configured} == {engine_pods}
    assert [item["node_rank_within_dp"] for item in configured] == [rank % engine_pods for rank in range(topology.pods)]
    assert [item["data_parallel_rank"] for item in configured] == first_engines


def test_refused_flags_exist_and_no_other_flag_is_taken_for_one(judgement: Judgement) -> None:
    assert judgement.options >= vllm_flags.REFUSED_FLAGS
    taken = {option for option in judgement.options if vllm_flags.refused_flag(option)}
    negated = {f"--no-{flag.removeprefix('--')}" for flag in vllm_flags.REFUSED_FLAGS}
    assert taken - negated == vllm_flags.REFUSED_FLAGS
