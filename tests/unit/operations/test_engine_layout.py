# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranks judged from the body that the API returns: what the recipe's commands make, however they are written."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.engine_layout import (
    EngineLayout,
    read_engine,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import ReplicaLayout, RolePods
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.layout import read_layout
from hypothesis import given
from hypothesis import strategies as st

JOIN = "--nnodes $(LWS_GROUP_SIZE) --node-rank $(LWS_WORKER_INDEX) --master-addr $(LWS_LEADER_ADDRESS)"
ONE_ENGINE = f"/data/m --served-model-name mistral4 -tp 2 -pp 2 {JOIN} --port 8000"
RAY_SCRIPT = "bash /vllm-workspace/examples/ray_serving/multi-node-serving.sh"
RAY_LEADER = (
    f'sh -c "{RAY_SCRIPT} leader --ray_cluster_size=$(LWS_GROUP_SIZE); '
    "python3 -m vllm.entrypoints.openai.api_server --model /data/m --tensor-parallel-size 2 "
    '--pipeline-parallel-size 2 --distributed-executor-backend ray --port 8000"'
)
RAY_FOLLOWER = f'sh -c "{RAY_SCRIPT} worker --ray_address=$(LWS_LEADER_ADDRESS)"'


def distributed(leader: dict[str, Any], worker: dict[str, Any] | None, workers: int, gpus: int = 2) -> EngineLayout:
    """Read a distributed body whose roles have ``command`` or ``args`` as given."""
    compute = {"compute": {"gpuDevicesRequest": gpus}}
    spec = {"workers": workers, "leader": {**leader, **compute}, "worker": {**worker, **compute} if worker else None}
    return read_engine(read_layout({"name": "w", "spec": spec}), "w")


def both(command: str, workers: int = 1, gpus: int = 2) -> EngineLayout:
    """Read a body in which all pods run the same command."""
    return distributed({"command": command}, {"command": command}, workers, gpus)


def causes(engine: EngineLayout) -> list[str]:
    return [finding.cause for finding in engine.findings]


# Ways to write one engine over two pods of two GPUs.
SERVE = "vllm serve /data/m"
RAY_HEAD = f"ray start --head --port=6379 && {SERVE} -tp 2 -pp 2 --distributed-executor-backend ray"
DATA_PARALLEL = f"{SERVE} -tp 2 -dp 2 --data-parallel-size-local 1"
SCRIPT_FOR_ALL = (
    'sh -c \'extra=; [ "$LWS_WORKER_INDEX" = 0 ] || extra=--headless; '
    f'exec {SERVE} -tp 2 -pp 2 --nnodes ${{LWS_GROUP_SIZE}} --node-rank "$LWS_WORKER_INDEX" $extra\''
)
# The leader's and the follower's command (or only arguments) of one engine over two pods of two GPUs.
ONE_ENGINE_WAYS: dict[str, tuple[str, str]] = {
    "as rendered": (f"vllm serve {ONE_ENGINE}", f"vllm serve {ONE_ENGINE} --headless"),
    "absolute path": (f"/usr/bin/vllm serve {ONE_ENGINE}", f"/usr/bin/vllm serve {ONE_ENGINE} --headless"),
    "long options": (
        f"{SERVE} --tensor-parallel-size=2 --pipeline_parallel_size=2 {JOIN}",
        f"{SERVE} --tensor-parallel-size=2 --pipeline_parallel_size=2 {JOIN} --headless",
    ),
    "one script for all": (SCRIPT_FOR_ALL, SCRIPT_FOR_ALL),
    "fixed ranks": (f"{SERVE} -tp 2 -pp 2 -n 2 -r 0", f"{SERVE} -tp 2 -pp 2 -n 2 -r 1 --headless"),
    "ranks without a space": (f"{SERVE} -tp 2 -pp 2 -n2 -r0", f"{SERVE} -tp 2 -pp 2 -n2 -r1 --headless"),
    "ray script": (RAY_LEADER, RAY_FOLLOWER),
    "ray by hand": (f"bash -ec '{RAY_HEAD}'", "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"),
    "wrapped": (f"env A=b {SERVE} -tp 2 -pp 2 -n 2 -r 0", f"numactl -l {SERVE} -tp 2 -pp 2 -n 2 -r 1"),
    "data parallel over pods": (
        f"{DATA_PARALLEL} --data-parallel-address $(LWS_LEADER_ADDRESS)",
        f"{DATA_PARALLEL} --headless --data-parallel-start-rank 1",
    ),
}


@pytest.mark.parametrize("way", ONE_ENGINE_WAYS)
def test_one_engine_however_it_is_written(way: str) -> None:
    leader, follower = ONE_ENGINE_WAYS[way]
    engine = distributed({"command": leader}, {"command": follower}, 1)
    assert engine.findings == ()
    assert (engine.pods, engine.gpus, engine.ranks) == (2, 4, 4)
    assert engine.tensor_parallel_size == 2
    assert engine.joined_by in ("native", "ray")


def test_the_images_entrypoint_and_variables_are_read() -> None:
    leader = {"args": ONE_ENGINE.replace("-tp 2", "-tp $(TP)"), "environmentVariables": [{"name": "TP", "value": "2"}]}
    engine = distributed(leader, {"args": f"{ONE_ENGINE} --headless"}, 1)
    assert (engine.findings, engine.ranks) == ((), 4)


@pytest.mark.parametrize(
    "command",
    [
        {"args": "--model /data/m --served-model-name mistral4 --tensor-parallel-size 2 --port 8000"},
        {"command": "vllm serve /data/m --served-model-name mistral4 --tensor-parallel-size 2 --port 8000"},
        {"command": 'sh -c "vllm serve /data/m --served-model-name mistral4 --tensor-parallel-size 2 --port 8000"'},
        {"command": "python3 -m vllm.entrypoints.openai.api_server --model m --served-model-name mistral4 -tp 2"},
    ],
)
def test_the_recipes_literal_command_is_three_engines(command: dict[str, str]) -> None:
    engine = distributed(command, command, 2)
    assert causes(engine) == ["independent_engines"]
    assert "2 of 6 GPUs serve" in engine.findings[0].evidence
    assert engine.served_names == ("mistral4",)
    assert engine.findings[0].severity == "error"


@pytest.mark.parametrize(
    ("command", "workers", "cause", "evidence"),
    [
        (f"vllm serve m -tp 2 {JOIN}", 1, "idle_gpus", "2 ranks (TP=2, PP=1), but the 2 pods hold 4 GPUs: 2 are idle"),
        (f"vllm serve m -tp 2 -pp 4 {JOIN}", 1, "rank_mismatch", "wants 8 ranks"),
        ("vllm serve m -tp 2 -pp 2 --nnodes 3 --node-rank $(LWS_WORKER_INDEX)", 1, "rank_mismatch", "count 3 pods"),
        ("vllm serve m -tp 2 -pp 2 --nnodes 2 --node-rank $(LWS_WORKER_INDEX)", 2, "rank_mismatch", "a replica has 3"),
        ("vllm serve m -tp 2 -pp 2 --nnodes 2", 1, "rank_mismatch", "same `--node-rank 0` as the leader"),
        ("vllm serve m -tp 2 -pp 2 --nnodes 2 --node-rank 1", 1, "rank_mismatch", "only rank 0 serves"),
    ],
)
def test_wrong_counts(command: str, workers: int, cause: str, evidence: str) -> None:
    engine = both(command, workers)
    assert cause in causes(engine)
    assert evidence in " ".join(finding.evidence for finding in engine.findings)


def test_followers_with_one_rank_for_all() -> None:
    engine = distributed(
        {"command": "vllm serve m -tp 2 -pp 3 --nnodes 3 --node-rank 0"},
        {"command": "vllm serve m -tp 2 -pp 3 --nnodes 3 --node-rank 1 --headless"},
        2,
    )
    assert causes(engine) == ["rank_mismatch"]
    assert "all 2 followers" in engine.findings[0].evidence


def test_followers_that_only_sleep_are_idle() -> None:
    engine = distributed({"command": "vllm serve m -tp 2"}, {"command": "sleep infinity"}, 1)
    assert causes(engine) == ["idle_gpus"]
    assert "2 of 4 GPUs are idle" in engine.findings[0].evidence


def test_ray_cluster_of_another_size_than_the_group() -> None:
    engine = distributed({"command": RAY_LEADER.replace("$(LWS_GROUP_SIZE)", "3")}, {"command": RAY_FOLLOWER}, 1)
    assert causes(engine) == ["rank_mismatch"]


@pytest.mark.parametrize("leader", ["/opt/start.sh", "vllm serve m --nnodes 2 --node-rank 0 -tp 2 -pp 2"])
def test_what_is_not_recognised_is_said_and_not_judged(leader: str) -> None:
    engine = distributed({"command": leader}, {"command": "/opt/start-follower.sh"}, 1)
    assert causes(engine) == ["engine_not_recognised"]
    assert engine.findings[0].severity == "info"


def test_sizes_from_a_configuration_file_or_a_shell_variable_are_unknown() -> None:
    assert both(f"vllm serve m --config /data/vllm.yaml {JOIN}").ranks is None
    unknown = both(f"sh -c 'vllm serve m -tp $SIZE {JOIN}'")
    assert unknown.ranks is None
    assert unknown.findings == ()


def test_single_pods() -> None:
    spec = {"args": "--model /data/m --tensor-parallel-size 2", "compute": {"gpuDevicesRequest": 2}}
    engine = read_engine(read_layout({"spec": {**spec, "autoscaling": {"minReplicas": 1}}}), "w")
    assert (engine.pods, engine.gpus, engine.ranks, engine.joined_by) == (1, 2, 2, "alone")
    assert engine.findings == ()
    assert engine.served_names == ("/data/m",)
    idle = read_engine(read_layout({**spec, "compute": {"gpuDevicesRequest": 4}}), "w")
    assert causes(idle) == ["idle_gpus"]
    alone = distributed({"command": "vllm serve m -tp 2"}, None, 0)
    assert (alone.pods, alone.findings) == (1, ())


def test_portions_of_gpus_are_not_counted() -> None:
    spec = {"args": "--model m", "compute": {"gpuPortionRequest": 0.5}}
    engine = read_engine(read_layout({"spec": spec}), "w")
    assert engine.gpus is None
    assert engine.findings == ()


def test_several_served_names() -> None:
    engine = distributed({"command": "vllm serve m --served-model-name a b -tp 2"}, None, 0)
    assert engine.served_names == ("a", "b")


def test_replicas_that_the_platform_reports_win() -> None:
    body = {"spec": {"leader": {"args": "--model m"}, "workers": 1, "replicas": 2, "worker": {}}}
    assert read_layout(body).replicas == 2
    assert read_layout(body, 3).replicas == 3
    assert read_layout(body).pods == 2


WORDS = st.sampled_from(
    [
        *(
            "vllm",
            "serve",
            "sh",
            "-c",
            "bash",
            "-ec",
            "ray",
            "start",
            "--nnodes",
            "2",
            "$(LWS_GROUP_SIZE)",
            "-tp",
            "-tp=2",
        ),
        *(
            "'",
            '"',
            ";",
            "&&",
            "--config",
            "--model",
            "$",
            "${",
            "\\",
            "-m",
            "vllm.entrypoints.x",
            "--node-rank",
            "=",
            "\n",
        ),
        *("multi-node-serving.sh", "--served-model-name", "99999999999999999999", "--nnodes=0", "sh -c 'vllm serve'"),
    ]
)


@given(st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=14), st.integers(0, 4), st.booleans())
def test_any_words_are_read(words: list[str], workers: int, entrypoint: bool) -> None:
    role = RolePods(1, 2, tuple(words), entrypoint, {"A": "1"})
    follower = RolePods(workers, None, tuple(words), entrypoint, {}) if workers else None
    engine = read_engine(ReplicaLayout(role, follower, 1), "w")
    assert engine.pods == 1 + workers


KEYS = st.sampled_from(
    [
        *("spec", "leader", "worker", "workers", "command", "args", "compute", "gpuDevicesRequest"),
        *("environmentVariables", "name", "value", "replicas", "autoscaling"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["spec", "leader", "worker", "workers", "args", "x"]), JSON, max_size=5))
def test_any_body_is_read(body: dict[str, Any]) -> None:
    read_engine(read_layout(body), "w")
