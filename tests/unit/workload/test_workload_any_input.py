# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is asked for: a plan, or one clear refusal."""

from __future__ import annotations

from typing import TypeVar

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision, FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import join_words
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ModelSpec,
    RunAsSpec,
    SecretReference,
    ServingSpec,
    VolumeSpec,
    WorkloadSpec,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_examples import RUNAI

T = TypeVar("T")
ANY_TEXT = st.text(max_size=12)


def rarely(usual: st.SearchStrategy[T], unusual: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Return a strategy that takes ``unusual`` about once in twenty times."""
    return st.integers(0, 19).flatmap(lambda number: unusual if number == 19 else usual)


def mostly(*good: str) -> st.SearchStrategy[str]:
    """Return a strategy of sensible values with anything else now and then."""
    return rarely(st.sampled_from(good), ANY_TEXT)


SIZES = rarely(st.one_of(st.none(), st.sampled_from([1, 2, 4])), st.integers(-1, 9))
MODELS = st.builds(
    ModelSpec,
    path=mostly("/data/model", "/models/m"),
    served_names=st.lists(mostly("mistral4", "a"), max_size=3).map(tuple),
)
SERVING = st.builds(
    ServingSpec,
    access=mostly("public", "authenticated_users"),
    port=rarely(st.just(8000), st.integers(-1, 70000)),
    external=st.booleans(),
    authorized_users=rarely(st.just(()), st.lists(ANY_TEXT, max_size=1).map(tuple)),
)
VOLUME = st.builds(VolumeSpec, mostly("claim"), mostly("/data", "/x", "/models"), st.booleans())
VOLUMES = st.lists(VOLUME, max_size=2, unique_by=lambda volume: volume.path).map(tuple)
VALUES = st.one_of(ANY_TEXT, st.builds(SecretReference, mostly("hub"), mostly("token")))
NAMES = mostly("NCCL_IB_HCA", "HOME", "HF_TOKEN", "VLLM_HOST_IP", "NCCL_NET_GDR_LEVEL")
ENV = st.dictionaries(NAMES, VALUES, max_size=3)
ARGUMENTS = mostly(
    "--max-model-len=256", "--enforce-eager", "--x=1", "--api-server-count", "--shutdown-timeout", "-cc.mode=1"
)
FABRICS = st.one_of(
    st.none(),
    st.builds(
        FabricDecision,
        kind=st.just("infiniband"),
        variables=st.lists(st.builds(FabricVariable, NAMES, ANY_TEXT), max_size=2).map(tuple),
        resources=st.dictionaries(mostly("rdma/ib"), rarely(st.just(1), st.integers(-1, 3)), max_size=1),
        annotations=st.dictionaries(mostly("k8s.v1.cni.cncf.io/networks"), ANY_TEXT, max_size=1),
    ),
)
SPECS = st.builds(
    WorkloadSpec,
    name=mostly("my-llm"),
    image=mostly("r.example.com/vllm-openai:v0.33.0", "r/vllm:v0.17.0", "r/vllm:latest"),
    model=MODELS,
    serving=SERVING,
    pods=rarely(st.sampled_from([1, 2, 4]), st.integers(0, 5)),
    gpus_per_pod=rarely(st.sampled_from([1, 2, 4]), st.integers(0, 5)),
    replicas=rarely(st.one_of(st.none(), st.just(2)), st.integers(-1, 3)),
    volumes=VOLUMES,
    fabric=FABRICS,
    run_as=rarely(st.just(RunAsSpec()), st.builds(RunAsSpec, st.integers(), st.integers())),
    tensor_parallel_size=SIZES,
    pipeline_parallel_size=SIZES,
    data_parallel_size=SIZES,
    allow_cross_pod_tp=st.booleans(),
    distributed_executor_backend=st.sampled_from(["mp", "ray"]),
    vllm_version=st.one_of(st.none(), mostly("0.33.0", "0.17.1")),
    vllm_args=st.lists(ARGUMENTS, max_size=4).map(tuple),
    env=ENV,
    restart_policy=st.sampled_from(["recreate_group", "none"]),
    startup_policy=rarely(st.just("leader_created"), st.just("leader_ready")),
    readiness_probe=st.booleans(),
    start_timeout=rarely(st.just(3600), st.integers(-1, 10**6)),
)


@given(SPECS)
@settings(max_examples=1000)
def test_any_workload_gives_a_plan_or_one_clear_refusal(spec: WorkloadSpec) -> None:
    try:
        plan = plan_workload(spec, RUNAI)
    except OptionError as error:
        assert error.findings[0].object
        assert error.message.count("\n") == 0
        return
    assert plan.topology.world_size == spec.pods * spec.gpus_per_pod
    assert (plan.follower is None) == (spec.pods == 1)
    for pod in (plan.leader, plan.follower):
        if pod is not None:
            assert join_words([*pod.command, *pod.arguments]).split() == [*pod.command, *pod.arguments]
            names = [variable.name for variable in pod.environment]
            assert len(names) == len(set(names))
    assert plan_workload(spec, RUNAI) == plan
