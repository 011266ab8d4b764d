# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words arrive unchanged however the platform splits them; environment values however the kubelet expands them."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import (
    check_words,
    join_words,
    protect_expansion,
    unsafe_character,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import PodTemplate
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_examples import RUNAI, expand_as_kubelet, group_variables, plan_of, texts_of, words_of, workload

SAFE = st.text("abzAZ059_@%+=:,./-", min_size=1, max_size=12)
PLACEHOLDER = st.sampled_from(["$(LWS_LEADER_ADDRESS)", "$(LWS_GROUP_SIZE)", "--node-rank=$(LWS_WORKER_INDEX)"])
WORDS = st.lists(st.one_of(SAFE, PLACEHOLDER), min_size=1, max_size=8)
ANY_WORDS = st.lists(st.one_of(SAFE, PLACEHOLDER, st.text(max_size=5)), min_size=1, max_size=6)


def words_of_shell(line: str) -> list[str]:
    """Return the words that a real shell makes of ``line``."""
    script = f"printf '%s\\0' {line}"
    output = subprocess.run(["sh", "-c", script], check=True, capture_output=True).stdout
    return output.decode("utf-8", "surrogateescape").split("\0")[:-1]


@given(WORDS)
@settings(max_examples=100)
def test_accepted_words_come_back_under_every_splitting(words: list[str]) -> None:
    line = join_words(words)
    variables = group_variables(1, 2)
    seen = [expand_as_kubelet(word, variables) for word in words]
    assert line.split() == words
    assert shlex.split(line) == words
    # The kubelet expands before the shell runs.
    assert words_of_shell(expand_as_kubelet(line, variables)) == seen


@given(ANY_WORDS)
@settings(max_examples=300)
def test_words_are_either_accepted_and_survive_or_refused_by_name(words: list[str]) -> None:
    try:
        line = join_words(words, "vllm_args")
    except OptionError as error:
        assert error.message.startswith("vllm_args[")
        return
    assert line.split() == shlex.split(line) == words


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30))
@settings(max_examples=500)
def test_environment_values_come_back_after_the_kubelet(value: str) -> None:
    assert expand_as_kubelet(protect_expansion(value), {"HOME": "/root", "": "x"}) == value


@pytest.mark.parametrize("value", ["$(HOME)", "$$(HOME)", "$", "a$", "$$$", "$HOME", "$(", "$(a$(b))"])
def test_environment_values_with_dollars(value: str) -> None:
    assert expand_as_kubelet(protect_expansion(value), {"HOME": "/root", "a$(b": "x"}) == value


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("$(HOME)/x", "/root/x"),
        ("$$(HOME)", "$(HOME)"),
        ("$(NOT_SET)", "$(NOT_SET)"),
        ("$HOME $", "$HOME $"),
        ("$(x", "$(x"),
    ],
)
def test_the_kubelet_of_the_tests_expands_like_kubernetes(value: str, seen: str) -> None:
    assert expand_as_kubelet(value, {"HOME": "/root"}) == seen


@pytest.mark.parametrize(
    ("words", "option", "parts"),
    [
        (["--max-model-len 256"], "vllm_args[0]", ["' '", "its own list item"]),
        (["--compilation-config", '{"mode": 1}'], "vllm_args[1]", ["'{'", "--compilation-config.mode=1"]),
        (["--a", "--b", "$(HOME)"], "vllm_args[2]", ["'$'", "$(LWS_GROUP_SIZE)"]),
        (["a;b"], "vllm_args[0]", ["';'", "environment variable"]),
        (["é"], "vllm_args[0]", ["'é'"]),
        (["--a", ""], "vllm_args[1]", ["empty"]),
        (["~/x"], "vllm_args[0]", ["'~'"]),
        (["a\nb"], "vllm_args[0]", ["'\\n'"]),
    ],
)
def test_refused_words_name_option_character_and_way_out(words: list[str], option: str, parts: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        check_words(words, "vllm_args")
    assert caught.value.message.startswith(f"{option}: ")
    assert all(part in caught.value.message for part in parts)


def test_the_value_of_a_refused_word_is_not_repeated() -> None:
    with pytest.raises(OptionError) as caught:
        join_words(["--hf-token=hunter2 x"])
    assert "hunter2" not in caught.value.message


def test_only_our_placeholders_pass() -> None:
    assert unsafe_character("$(LWS_WORKER_INDEX)") is None
    assert unsafe_character("$(PATH)") == "$"
    assert unsafe_character("$$(LWS_GROUP_SIZE)") == "$"


def argv_of(pod: PodTemplate, splitting: str) -> list[str]:
    """Return the words of the pod's process when the platform splits the joined line in this way."""
    line = join_words(words_of(pod))
    words = {"white space": line.split(), "shell words": shlex.split(line), "sh -c": ["sh", "-c", line]}[splitting]
    variables = {**group_variables(0, 2), **texts_of(pod)}
    return [expand_as_kubelet(word, variables) for word in words]


@pytest.mark.parametrize("splitting", ["white space", "shell words", "sh -c"])
def test_the_ray_leader_runs_script_then_vllm_under_every_splitting(splitting: str) -> None:
    leader = plan_of(distributed_executor_backend="ray").leader
    # Stand-ins for bash and vllm that only say how they were called.
    prepare = 'bash() { echo bash "$@"; }; vllm() { echo vllm "$@"; }; '
    argv = argv_of(leader, splitting)
    spied = [prepare_line(word, prepare) for word in argv]
    output = subprocess.run(spied, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    first, second = output.splitlines()
    assert first.startswith(
        "bash /vllm-workspace/examples/ray_serving/multi-node-serving.sh leader --ray_cluster_size=2"
    )
    assert second.startswith("vllm serve /data/input/Models/Mistral-Small-4-119B-2603 --served-model-name mistral4")
    assert second.endswith("--distributed-executor-backend ray")


def prepare_line(word: str, prepare: str) -> str:
    """Return the shell line with the stand-ins defined in front; other words unchanged."""
    return prepare + word.replace("exec vllm", "vllm") if "&&" in word else word


def test_plans_for_platforms_with_lists_take_any_word() -> None:
    traits = dataclasses.replace(RUNAI, single_string_commands=False)
    plan = plan_workload(workload(vllm_args=("--compilation-config", '{"mode": 1}')), traits)
    assert plan.leader.arguments[-1] == '{"mode": 1}'
