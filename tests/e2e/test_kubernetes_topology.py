# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe's own topology as a LeaderWorkerSet of real vLLM in real containers: 2 pods x 2 GPUs, by the playbooks.

The tests of this file are one story in order: they share one deployment, since each start of the engine takes a minute.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from e2e_processes import engine_processes
from support.cluster import CLAIM, NAMESPACE, PODS
from support.playbook import Playbooks, PlayResult
from support.real_cluster import RealClusterHandle
from support.sandbox import until

from gpuops_sandbox.engine.tiny_model import MODEL_FOLDER, SERVING_USER

REPOSITORY = Path(__file__).resolve().parents[2]
INVENTORY = str(REPOSITORY / "inventories" / "sandbox-kubernetes")
NAME = "my-llm-inference"
LEADER, FOLLOWER = f"{NAME}-0", f"{NAME}-0-1"
GROUP = f"/apis/leaderworkerset.x-k8s.io/v1/namespaces/{NAMESPACE}/leaderworkersets/{NAME}"
SERVICE_PROXY = f"/api/v1/namespaces/{NAMESPACE}/services/{NAME}:http/proxy"
CHAT = {"model": "mistral4", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
START_SECONDS = 600.0


def play(name: str, cluster: RealClusterHandle, playbooks: Playbooks, **variables: Any) -> PlayResult:
    """Run a playbook of the collection on the inventory of the whole cluster."""
    running = playbooks.start_playbook(
        f"gpuops.inference.{name}",
        *("-e", json.dumps(variables)),
        inventory=INVENTORY,
        environment={"K8S_AUTH_KUBECONFIG": cluster.description["kubeconfig"]},
    )
    return running.wait(START_SECONDS).check()


def verdict(result: PlayResult) -> dict[str, Any]:
    """Return what the smoke test of a play has found."""
    found: dict[str, Any] = next(entry for entry in result.results if "verdict" in entry)
    return found


def pod_ids(cluster: RealClusterHandle) -> dict[str, str]:
    """Return the uid of each pod of the workload."""
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in cluster.pods(NAME)}


def chat(cluster: RealClusterHandle) -> tuple[int, Any]:
    """Send a chat through the API server to the workload's Service, without any code of the collection."""
    return cluster.api("POST", f"{SERVICE_PROXY}/v1/chat/completions", CHAT)


@pytest.fixture(scope="module")
def deployed(real_cluster: RealClusterHandle, real_playbooks: Playbooks) -> PlayResult:
    """The first run of ``gpuops.inference.deploy``."""
    return play("deploy", real_cluster, real_playbooks)


def test_deploy_serves_the_recipe(deployed: PlayResult, real_cluster: RealClusterHandle) -> None:
    assert deployed.stats[NAME]["changed"] == 1
    group = real_cluster.get(GROUP)
    assert group["spec"]["leaderWorkerTemplate"]["size"] == 2
    assert group["status"]["readyReplicas"] == 1
    assert sorted(pod_ids(real_cluster)) == [LEADER, FOLLOWER]
    seen = verdict(deployed)
    assert seen["verdict"] == "passed" and seen["replicas_proven"] == "1 of 1"
    assert seen["answer"]["text"].strip()[:10] in deployed.stdout, "the verdict on the screen has the answer"


def test_a_chat_is_answered_through_the_service(deployed: PlayResult, real_cluster: RealClusterHandle) -> None:
    status, answer = chat(real_cluster)
    assert status == 200, answer
    assert answer["model"] == "mistral4" and answer["choices"][0]["message"]["content"]
    # The recipe's own command, from another pod.
    question = f"import urllib.request as web; print(web.urlopen('http://{NAME}:8000/v1/models').read().decode())"
    assert "mistral4" in real_cluster.execute(FOLLOWER, "python3", "-c", question)


def test_four_ranks_run_as_the_serving_user_with_what_was_decided(
    deployed: PlayResult, real_cluster: RealClusterHandle
) -> None:
    processes = engine_processes()
    assert len(processes) >= 4, processes
    assert {uid for _pid, uid in processes} == {SERVING_USER}
    logs = real_cluster.log(LEADER) + real_cluster.log(FOLLOWER)
    for rank in range(4):
        assert f"world_size=4 rank={rank} " in logs
    for pod in (LEADER, FOLLOWER):
        variables = dict(
            line.split("=", 1)
            for line in real_cluster.execute(pod, "sh", "-c", "tr '\\0' '\\n' </proc/1/environ").splitlines()
            if "=" in line
        )
        assert variables["VLLM_HOST_IP"] == real_cluster.address(pod)


def test_every_rank_has_exactly_the_variables_that_were_decided(
    deployed: PlayResult, real_cluster: RealClusterHandle
) -> None:
    record = json.loads(real_cluster.get(GROUP)["metadata"]["annotations"]["gpuops.inference/applied"])
    decided = {variable["name"]: variable["value"] for variable in record["fabric"]["variables"]}
    assert (decided["NCCL_IB_DISABLE"], decided["NCCL_P2P_DISABLE"]) == ("1", "0"), "the recipe's own"
    assert decided["NCCL_DEBUG"] == "INFO"
    assert all(variable["reason"] and variable["source"] for variable in record["fabric"]["variables"])
    mains = 0
    for pid, _uid in engine_processes():
        process = Path(f"/proc/{pid}")
        entries = (process / "environ").read_bytes().decode().split("\0")
        found = dict(entry.split("=", 1) for entry in entries if entry.startswith(("NCCL_", "GLOO_")))
        # A process that gives itself a title, as ranks do, writes it over the beginning of what the kernel shows here.
        assert found.items() <= decided.items()
        if (process / "cmdline").read_bytes().split(b"\0")[2:3] == [b"serve"]:
            assert found == decided
            mains += 1
    assert mains == 2, "the program of each pod, whose environment all its ranks inherit"


def test_pods_looked_before_the_deployment_and_met(deployed: PlayResult) -> None:
    probed = next(entry for entry in deployed.results if "decision" in entry)
    assert probed["looks"] == 1
    reaches = [reach for pod in probed["evidence"]["pods"] for reach in pod["reaches"]]
    assert len(reaches) == 4 and all(reach["is_reached"] for reach in reaches), "each pod asked the other, on two ports"
    assert "What follows" in deployed.stdout, "the table is shown"


def test_a_second_run_changes_nothing(
    deployed: PlayResult, real_cluster: RealClusterHandle, real_playbooks: Playbooks
) -> None:
    before = (real_cluster.get(GROUP)["metadata"]["resourceVersion"], pod_ids(real_cluster))
    real_cluster.forget_requests()
    assert play("deploy", real_cluster, real_playbooks).changed == 0
    # A completion goes through the API server's proxy: a POST to a pod, which changes no object.
    # No look either: a look is a Job.
    assert [write for write in real_cluster.writes() if "/proxy/" not in write] == []
    assert (real_cluster.get(GROUP)["metadata"]["resourceVersion"], pod_ids(real_cluster)) == before


def test_logs_and_memory_of_the_devices_are_shown(
    deployed: PlayResult, real_cluster: RealClusterHandle, real_playbooks: Playbooks
) -> None:
    shown = play("status", real_cluster, real_playbooks, gpuops_logs=True)
    assert "Application startup complete" in shown.stdout
    seen = verdict(play("smoke_test", real_cluster, real_playbooks, gpuops_smoke_test_up_to="L4"))
    assert {level["level"]: level["status"] for level in seen["levels"]}["L4"] == "passed"
    assert sorted((row["pod"], row["index"]) for row in seen["gpus"]) == [
        (LEADER, 0),
        (LEADER, 1),
        (FOLLOWER, 0),
        (FOLLOWER, 1),
    ]
    assert all(row["memory_used_mib"] > 100 for row in seen["gpus"]), "each rank holds something"


def test_a_killed_follower_takes_the_group_with_it_and_it_serves_again(
    deployed: PlayResult, real_cluster: RealClusterHandle, real_playbooks: Playbooks
) -> None:
    before = pod_ids(real_cluster)
    real_cluster.kill_container(FOLLOWER)
    until(
        lambda: pod_ids(real_cluster),
        "leader and follower are new pods",
        180,
        lambda now: set(now) == set(before) and not set(now.values()) & set(before.values()),
    )
    # `deploy` has nothing to change, waits until it serves again, and proves it.
    again = play("deploy", real_cluster, real_playbooks)
    assert again.changed == 0
    assert verdict(again)["verdict"] == "passed"
    assert chat(real_cluster)[0] == 200


def test_teardown_keeps_the_volume(
    deployed: PlayResult, real_cluster: RealClusterHandle, real_playbooks: Playbooks
) -> None:
    assert play("teardown", real_cluster, real_playbooks).changed == 1
    assert real_cluster.api("GET", GROUP)[0] == 404
    assert pod_ids(real_cluster) == {}
    assert real_cluster.api("GET", f"{PODS.rpartition('/')[0]}/services/{NAME}")[0] == 404
    assert (real_cluster.volumes / NAMESPACE / CLAIM / MODEL_FOLDER / "config.json").is_file()
    until(lambda: not engine_processes(), "every process of the engine has ended", 60)
    assert play("teardown", real_cluster, real_playbooks).changed == 0
