# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be carried out is refused with the option's name and a way out; what is doubtful is a finding."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision, FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ModelSpec,
    RunAsSpec,
    SecretReference,
    ServingSpec,
    VolumeSpec,
)
from workload_examples import INFINIBAND, RECIPE, RUNAI, causes_of, plan_of, workload

DATA = VolumeSpec("my-project-models", "/data")

REFUSALS: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"name": "My-LLM"}, "name", ["DNS-1035", "lower-case"]),
    ({"name": "7b"}, "name", ["DNS-1035"]),
    ({"name": "ends-"}, "name", ["DNS-1035"]),
    ({"name": "line\n"}, "name", ["DNS-1035"]),
    ({"name": "a" * 46}, "name", ["46 characters", "45"]),
    ({"name": "vllm"}, "name", ["VLLM_PORT", "another name"]),
    ({"image": ""}, "image", ["not an image reference"]),
    ({"image": "vllm openai"}, "image", ["not an image reference"]),
    ({"image": "registry.example.com/vllm-openai:v0.11.0"}, "image", ["0.11.0", "0.11.1"]),
    ({"vllm_version": "newest"}, "vllm_version", ["'newest'", "0.33.0"]),
    ({"model": ModelSpec("mistralai/Mistral-7B")}, "model.path", ["absolute path"]),
    ({"model": ModelSpec("/data/../etc")}, "model.path", ["absolute path"]),
    ({"model": ModelSpec("/data/my model")}, "model.path", ["' '"]),
    ({"model": ModelSpec("/data/m", ("a", "b c"))}, "model.served_names[1]", ["' '"]),
    ({"serving": ServingSpec("cluster_internal")}, "serving.access", ["runai", "authenticated_users"]),
    ({"serving": ServingSpec("public", port=0)}, "serving.port", ["not a port"]),
    ({"serving": ServingSpec("public", port=80)}, "serving.port", ["root", "1024"]),
    ({"serving": ServingSpec("authorized_users")}, "serving.authorized_users", ["nobody"]),
    ({"serving": ServingSpec("authorized_groups")}, "serving.authorized_groups", ["nobody"]),
    (
        {"serving": ServingSpec("authorized_users", authorized_users=("a",), authorized_groups=("b",))},
        "serving.authorized_groups",
        ["serving.access is authorized_users"],
    ),
    (
        {"serving": ServingSpec("public", authorized_users=("a",))},
        "serving.authorized_users",
        ["serving.access is public"],
    ),
    ({"run_as": RunAsSpec(uid=0)}, "run_as.uid", ["root"]),
    ({"run_as": RunAsSpec(gid=-1)}, "run_as.gid", ["out of range"]),
    ({"run_as": RunAsSpec(supplemental_groups=(5, -5))}, "run_as.supplemental_groups", ["-5 is out of range"]),
    ({"pods": 0}, "pods", ["out of range"]),
    ({"gpus_per_pod": 0}, "gpus_per_pod", ["out of range"]),
    ({"replicas": -1}, "replicas", ["out of range"]),
    ({"tensor_parallel_size": 0}, "tensor_parallel_size", ["out of range"]),
    ({"start_timeout": 5}, "start_timeout", ["5 s", "10 to 86400"]),
    ({"startup_policy": "leader_ready"}, "startup_policy", ["neither ever happens", "leader_created"]),
    (
        {"distributed_executor_backend": "ray", "image": "registry.example.com/vllm-openai:v0.21.0"},
        "distributed_executor_backend",
        ["0.21.0", "moved between 0.20 and 0.22", "mp"],
    ),
    (
        {"distributed_executor_backend": "ray", "data_parallel_size": 2},
        "distributed_executor_backend",
        ["data_parallel_size: 1"],
    ),
    ({"volumes": (DATA, VolumeSpec("x", "/data/"))}, "volumes[1].path", ["volumes[0]"]),
    ({"volumes": (VolumeSpec("x", "data"),)}, "volumes[0].path", ["absolute"]),
    ({"volumes": (VolumeSpec("x", "/"),)}, "volumes[0].path", ["hide"]),
    ({"volumes": (VolumeSpec("x", "//"),)}, "volumes[0].path", ["hide"]),
    ({"volumes": (VolumeSpec("x", "/dev/shm"),)}, "volumes[0].path", ["hide"]),
    ({"volumes": (DATA, VolumeSpec("x", "/scratch/x"))}, "volumes[1].path", ["scratch"]),
    ({"volumes": (VolumeSpec("", "/data"),)}, "volumes[0].claim", ["''"]),
    ({"env": {"1A": "x"}}, "env", ["'1A' is not a name"]),
    ({"env": {"A\nB": "x"}}, "env", ["'A\\nB' is not a name"]),
    ({"env": {"LWS_WORKER_INDEX": "0"}}, "env.LWS_WORKER_INDEX", ["platform"]),
    ({"env": {"RUNAI_PROJECT": "x"}}, "env.RUNAI_PROJECT", ["platform"]),
    ({"env": {"A": "x\0y"}}, "env.A", ["NUL"]),
    ({"env": {"A": SecretReference("s", "")}}, "env.A", ["''", "key of a Secret"]),
    (
        {"fabric": FabricDecision("tcp", variables=(FabricVariable("", "x"),))},
        "fabric.variables[0].name",
        ["not a name"],
    ),
]


@pytest.mark.parametrize(("changes", "option", "parts"), REFUSALS, ids=[f"{i}-{r[1]}" for i, r in enumerate(REFUSALS)])
def test_refusals_name_the_option(changes: dict[str, Any], option: str, parts: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        plan_of(**changes)
    assert caught.value.message.startswith(f"{option}: ")
    assert all(part in caught.value.message for part in parts), caught.value.message
    assert caught.value.findings[0].object == option


@pytest.mark.parametrize(
    ("words", "option", "instead"),
    [
        (["--tensor-parallel-size", "4"], "vllm_args[0]", "tensor_parallel_size"),
        (["--tensor_parallel_size=4"], "vllm_args[0]", "tensor_parallel_size"),
        (["--max-model-len", "256", "-tp", "4"], "vllm_args[2]", "tensor_parallel_size"),
        (["-tp=4"], "vllm_args[0]", "tensor_parallel_size"),
        (["--tensor-par", "4"], "vllm_args[0]", "tensor_parallel_size"),
        (["-pp", "2"], "vllm_args[0]", "pipeline_parallel_size"),
        (["-dp", "2"], "vllm_args[0]", "data_parallel_size"),
        (["-n", "2"], "vllm_args[0]", "pods"),
        (["-n2"], "vllm_args[0]", "pods"),
        (["-r1"], "vllm_args[0]", "pods"),
        (["--node-rank", "0"], "vllm_args[0]", "pods"),
        (["--master-addr", "x"], "vllm_args[0]", "pods"),
        (["--headless"], "vllm_args[0]", "pods"),
        (["--no-headless"], "vllm_args[0]", "pods"),
        (["--port=9000"], "vllm_args[0]", "serving.port"),
        (["--host", "127.0.0.1"], "vllm_args[0]", "all addresses"),
        (["--served-model-name", "x"], "vllm_args[0]", "model.served_names"),
        (["--model", "x"], "vllm_args[0]", "model.path"),
        (["--distributed-executor-backend=ray"], "vllm_args[0]", "distributed_executor_backend"),
        (["--data-parallel-size-local", "1"], "vllm_args[0]", "data_parallel_size"),
        (["--config", "/data/vllm.yaml"], "vllm_args[0]", "vllm_args"),
        (["--config=/data/vllm.yaml"], "vllm_args[0]", "vllm_args"),
        (["/data/other"], "vllm_args[0]", "model.path"),
    ],
)
def test_flags_that_the_plan_decides_are_refused(words: list[str], option: str, instead: str) -> None:
    with pytest.raises(OptionError) as caught:
        plan_of(vllm_args=tuple(words))
    assert caught.value.message.startswith(f"{option}: ")
    assert instead in caught.value.message


@pytest.mark.parametrize(
    ("words", "variable"),
    [
        (["--api-key", "hunter2"], "VLLM_API_KEY: {secret"),
        (["--api-key=hunter2"], "VLLM_API_KEY: {secret"),
        (["--api_key=hunter2"], "VLLM_API_KEY: {secret"),
        (["--hf-token", "hunter2"], "HF_TOKEN: {secret"),
    ],
)
def test_a_secret_is_never_an_argument_and_never_repeated(words: list[str], variable: str) -> None:
    with pytest.raises(OptionError) as caught:
        plan_of(vllm_args=tuple(words))
    assert "hunter2" not in caught.value.message
    assert variable in caught.value.message


def test_free_flags_pass() -> None:
    words = (
        "--model-impl",
        "auto",
        "-cc.mode=1",
        "-cc.backend=eager",
        "--max-model-len",
        "-1",
        "--no-enable-prefix-caching",
    )
    assert plan_of(vllm_args=words).leader.arguments[-len(words) :] == words


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"vllm_args": ("--x", "$(LWS_WORKER_INDEX)")}, "vllm_args[1]"),
        ({"model": ModelSpec("/data/m", ("a", "$(LWS_GROUP_SIZE)"))}, "model.served_names[1]"),
        ({"model": ModelSpec("/data/$(LWS_GROUP_SIZE)")}, "model.path"),
    ],
)
def test_placeholders_that_ray_would_hand_to_a_shell_are_refused(changes: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError, match="placeholder") as caught:
        plan_of(distributed_executor_backend="ray", **changes)
    assert caught.value.findings[0].object == option
    assert plan_of(**changes).follower is not None


def test_leader_ready_is_fine_without_a_probe_or_for_one_pod() -> None:
    assert plan_of(startup_policy="leader_ready", readiness_probe=False).leader.readiness_probe is None
    assert plan_of(startup_policy="leader_ready", pods=1).follower is None


WARNINGS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"image": "registry.example.com/vllm-openai:latest"}, "floating_image_tag", "warning", "image"),
    ({"restart_policy": "none"}, "restart_policy_none", "warning", "restart_policy"),
    ({"model": ModelSpec("/models/m")}, "model_not_on_a_volume", "warning", "model.path"),
    ({"model": ModelSpec("/database/m")}, "model_not_on_a_volume", "warning", "model.path"),
    ({"vllm_args": ("--enforce-eager",)}, "pipeline_with_eager", "warning", "vllm_args"),
    ({"env": {"HF_TOKEN": "hunter2"}}, "secret_in_clear", "warning", "env.HF_TOKEN"),
    ({"env": {"VLLM_HOST_IP": "10.0.0.1"}}, "engine_variable_overridden", "warning", "env.VLLM_HOST_IP"),
    ({"env": {"HOME": "/root"}}, "engine_variable_overridden", "warning", "env.HOME"),
    ({"env": {"CUDA_VISIBLE_DEVICES": "0"}}, "engine_variable_overridden", "warning", "env.CUDA_VISIBLE_DEVICES"),
    ({"env": {"NCCL_IB_HCA": "=mlx5_0:1"}}, "rdma_without_resource", "warning", "env"),
    ({"env": {"NCCL_NET": "IB"}}, "rdma_without_resource", "warning", "env"),
    ({"env": {"UCX_TLS": "rc,cuda_copy"}}, "rdma_without_resource", "warning", "env"),
    ({"env": {"NCCL_SOCKET_IFNAME": "mlx5_0"}}, "nccl_socket_interface", "warning", "env.NCCL_SOCKET_IFNAME"),
    ({"env": {"NCCL_SOCKET_IFNAME": "net1"}}, "nccl_socket_interface", "info", "env.NCCL_SOCKET_IFNAME"),
    ({"fabric": INFINIBAND, "env": {"NCCL_NET": "Socket"}}, "fabric_variable_overridden", "info", "env.NCCL_NET"),
    (
        {"fabric": INFINIBAND, "annotations": {"k8s.v1.cni.cncf.io/networks": "other"}},
        "fabric_annotation_overridden",
        "warning",
        "annotations.k8s.v1.cni.cncf.io/networks",
    ),
    ({"image": "registry.example.com/vllm-openai:v0.17.1"}, "no_distributed_timeout", "warning", "image"),
    ({"distributed_executor_backend": "ray"}, "ray_not_in_image", "warning", "distributed_executor_backend"),
]


@pytest.mark.parametrize(("changes", "cause", "severity", "about"), WARNINGS, ids=[f"{w[1]}-{w[3]}" for w in WARNINGS])
def test_doubtful_inputs_become_one_finding(changes: dict[str, Any], cause: str, severity: str, about: str) -> None:
    found = [finding for finding in plan_of(**{"env": {}, **changes}).findings if finding.cause == cause]
    assert [(finding.severity, finding.object) for finding in found] == [(severity, about)]


def test_a_sound_workload_has_no_findings() -> None:
    assert plan_of(env={}).findings == ()


def test_secret_values_are_nowhere_in_the_plans_own_words() -> None:
    plan = plan_of(env={"HF_TOKEN": "hunter2"})
    assert "hunter2" not in repr(plan.decisions) + repr(plan.findings)
    fabric = FabricDecision("tcp", variables=(FabricVariable("FABRIC_TOKEN", "hunter2"),))
    plan = plan_of(fabric=fabric)
    assert "hunter2" not in repr(plan.decisions) + repr(plan.findings)


def test_short_stop_grace_is_a_finding() -> None:
    assert causes_of(plan_workload(RECIPE, dataclasses.replace(RUNAI, stop_grace_seconds=10))) == {
        "stop_grace_short": "warning",
        "nccl_ib_disabled": "info",
        "nccl_default_value": "info",
    }


def test_errors_come_before_anything_is_planned_for_the_wrong_platform() -> None:
    kubernetes = dataclasses.replace(RUNAI, name="kubernetes", access_modes=("cluster_internal", "vllm_api_key"))
    with pytest.raises(OptionError, match="kubernetes"):
        plan_workload(workload(), kubernetes)
