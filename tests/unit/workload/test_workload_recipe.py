# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variants of the reference recipe give exactly these plans."""

from __future__ import annotations

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import PodField
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ModelSpec,
    SecretReference,
    ServingSpec,
)
from workload_examples import (
    INFINIBAND,
    MODEL,
    causes_of,
    plan_of,
    texts_of,
    variable_of,
    words_of,
)

SERVE = ["vllm", "serve", MODEL, "--served-model-name", "mistral4", "--host", "0.0.0.0", "--port", "8000"]


def group(pods: int, timeout: int = 1800) -> list[str]:
    """Return the words that join the pods."""
    return (
        f"--distributed-timeout-seconds {timeout} --nnodes {pods} --master-addr $(LWS_LEADER_ADDRESS) "
        "--master-port 29501 --distributed-executor-backend mp"
    ).split()


def test_two_pods_of_two_gpus_are_one_engine() -> None:
    plan = plan_of()
    sizes = ["--tensor-parallel-size", "2", "--pipeline-parallel-size", "2"]
    assert words_of(plan.leader) == [*SERVE, *sizes, *group(2), "--node-rank", "0"]
    assert plan.follower is not None
    assert words_of(plan.follower) == [*SERVE, *sizes, *group(2), "--node-rank", "$(LWS_WORKER_INDEX)", "--headless"]
    assert plan.leader.command == plan.follower.command == ("vllm", "serve")
    assert (plan.topology.pods, plan.topology.gpus_per_pod, plan.topology.world_size) == (2, 2, 4)
    assert plan.spec.preemptibility == "preemptible"


def test_only_the_leader_has_a_probe() -> None:
    plan = plan_of()
    probe = plan.leader.readiness_probe
    assert probe is not None
    assert (probe.path, probe.port) == ("/v1/models", 8000)
    assert plan.follower is not None
    assert plan.follower.readiness_probe is None


def test_four_pods_of_four_gpus() -> None:
    plan = plan_of(pods=4, gpus_per_pod=4, model=ModelSpec("/data/input/Models/Large-405B"), env={})
    assert plan.follower is not None
    words = " ".join(words_of(plan.follower))
    assert words.startswith("vllm serve /data/input/Models/Large-405B --host 0.0.0.0 --port 8000 ")
    assert "--tensor-parallel-size 4 --pipeline-parallel-size 4" in words
    assert "--nnodes 4 " in words
    assert "--served-model-name" not in words


def test_single_pod_with_two_gpus() -> None:
    plan = plan_of(pods=1, env={}, preemptibility=None)
    assert plan.follower is None
    sizes = ["--tensor-parallel-size", "2", "--pipeline-parallel-size", "1"]
    assert words_of(plan.leader) == [*SERVE, *sizes, "--shutdown-timeout", "15"]
    assert "VLLM_HOST_IP" not in {item.name for item in plan.leader.environment}


def test_infiniband_brings_variables_resource_and_network() -> None:
    plan = plan_of(fabric=INFINIBAND, env={})
    for pod in (plan.leader, plan.follower):
        assert pod is not None
        assert pod.extended_resources == {"openshift.io/mellanoxnics": 1}
        assert pod.annotations == {"k8s.v1.cni.cncf.io/networks": "rdma-net"}
        assert texts_of(pod)["NCCL_IB_HCA"] == "=mlx5_0:1"
    assert causes_of(plan) == {}
    (decision,) = [item for item in plan.decisions if item.name == "NCCL_IB_HCA"]
    assert decision.reason == "the active port (user)"


def test_every_pod_announces_its_own_address() -> None:
    plan = plan_of()
    assert plan.follower is not None
    assert variable_of(plan.leader, "VLLM_HOST_IP").value == PodField("status.podIP")
    assert plan.leader.environment == plan.follower.environment


def test_home_and_caches_lie_on_the_private_scratch() -> None:
    texts = texts_of(plan_of().leader)
    assert texts["HOME"] == "/scratch"
    assert texts["USER"] == texts["LOGNAME"] == "vllm"
    caches = [name for name in texts if "CACHE" in name]
    assert len(caches) >= 8
    assert all(texts[name].startswith("/scratch/") for name in caches)


def test_secrets_stay_references() -> None:
    reference = SecretReference("hub", "token")
    plan = plan_of(env={"HF_TOKEN": reference})
    assert variable_of(plan.leader, "HF_TOKEN").value == reference
    assert "secret_in_clear" not in causes_of(plan)


def test_every_decision_says_why() -> None:
    for plan in (plan_of(), plan_of(pods=1), plan_of(distributed_executor_backend="ray"), plan_of(fabric=INFINIBAND)):
        assert all(decision.reason for decision in plan.decisions)
        assert {decision.source for decision in plan.decisions} <= {"plan", "user"}
        names = [decision.name for decision in plan.decisions]
        assert len(names) == len(set(names))


def test_user_arguments_follow_and_their_budgets_win() -> None:
    arguments = ("--max-model-len", "256", "--distributed_timeout-seconds=60", "--shutdown-timeout", "3")
    plan = plan_of(vllm_args=arguments)
    words = words_of(plan.leader)
    assert words[-len(arguments) :] == list(arguments)
    assert "--distributed-timeout-seconds" not in words
    by_name = {decision.name: decision for decision in plan.decisions}
    assert (by_name["--distributed-timeout-seconds"].value, by_name["--distributed-timeout-seconds"].source) == (
        "60",
        "user",
    )


def test_followers_get_no_argument_of_the_http_server() -> None:
    plan = plan_of(vllm_args=("--api-server-count", "2", "--max-model-len", "256", "-asc=2"))
    assert plan.follower is not None
    assert "--api-server-count" in words_of(plan.leader)
    assert words_of(plan.follower)[-2:] == ["--max-model-len", "256"]


def test_data_parallel_engines_over_pods() -> None:
    plan = plan_of(data_parallel_size=2)
    assert (plan.topology.tensor_parallel_size, plan.topology.pipeline_parallel_size) == (2, 1)
    words = " ".join(words_of(plan.leader))
    assert "--data-parallel-size 2" in words


def test_a_key_of_vllm_moves_the_probe_and_is_explained() -> None:
    plan = plan_of(env={"VLLM_API_KEY": SecretReference("keys", "vllm")})
    assert plan.leader.readiness_probe is not None
    assert plan.leader.readiness_probe.path == "/health"
    assert causes_of(plan)["api_key_behind_platform_token"] == "warning"
    public = plan_of(env={"VLLM_API_KEY": SecretReference("keys", "vllm")}, serving=ServingSpec("public"))
    assert "api_key_behind_platform_token" not in causes_of(public)


@pytest.mark.parametrize(
    ("image", "script"),
    [
        ("registry.example.com/vllm-openai:v0.17.1", "/vllm-workspace/examples/online_serving/multi-node-serving.sh"),
        ("registry.example.com/vllm-openai:v0.20.2", "/vllm-workspace/examples/online_serving/multi-node-serving.sh"),
        ("registry.example.com/vllm-openai:v0.22.0", "/vllm-workspace/examples/ray_serving/multi-node-serving.sh"),
        ("registry.example.com/vllm-openai:v0.33.0", "/vllm-workspace/examples/ray_serving/multi-node-serving.sh"),
    ],
)
def test_ray_uses_the_script_of_the_version(image: str, script: str) -> None:
    plan = plan_of(image=image, distributed_executor_backend="ray")
    line = texts_of(plan.leader)["GPUOPS_RAY_LEADER"]
    assert line.startswith(
        f": && bash {script} leader --ray_cluster_size=2 --ray_init_timeout=1800 && exec vllm serve "
    )
    assert "--distributed-executor-backend ray" in line
    assert "--nnodes" not in line
    assert plan.follower is not None
    assert words_of(plan.follower)[:4] == ["bash", script, "worker", "--ray_address=$(LWS_LEADER_ADDRESS)"]
    assert "GPUOPS_RAY_LEADER" not in texts_of(plan.follower)
    assert ("ray_not_in_image" in causes_of(plan)) == (":v0.17" not in image)


def test_recipe_values_are_explained() -> None:
    values = {"NCCL_IB_DISABLE": "1", "NCCL_P2P_DISABLE": "0", "NCCL_NET_GDR_LEVEL": "5", "NCCL_IB_HCA": "mlx5_0"}
    plan = plan_of(env=values)
    about = {finding.object: finding.severity for finding in plan.findings}
    assert about == {"env": "warning", **{f"env.{name}": "info" for name in values}}
    assert causes_of(plan)["rdma_without_resource"] == "warning"
    assert "rdma_without_resource" not in causes_of(plan_of(env=values, fabric=INFINIBAND))
