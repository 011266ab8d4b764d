# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe's own topology with real vLLM: 2 pods x 2 GPUs, deployed by the playbooks and proved to answer.

The tests of this file are one story in order: they share one deployment, since each start of the engine takes a minute.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from e2e_processes import engine_processes
from support.modules import run_module
from support.playbook import Playbooks, PlayResult
from support.sandbox import CLAIM, SandboxHandle, until

REPOSITORY = Path(__file__).resolve().parents[2]
INVENTORY = str(REPOSITORY / "inventories" / "sandbox")
NAME = "my-llm-inference"
SERVING_USER = 2000
START_SECONDS = 600.0


def environment(sandbox: SandboxHandle) -> dict[str, str]:
    """Return the credentials as AWX hands them in."""
    return {
        "RUNAI_URL": sandbox.description["api_url"],
        "RUNAI_CLIENT_ID": sandbox.description["client_id"],
        "RUNAI_CLIENT_SECRET": sandbox.description["client_secret"],
        "RUNAI_CA_PATH": sandbox.description["ca_path"],
    }


def play(name: str, sandbox: SandboxHandle, playbooks: Playbooks) -> PlayResult:
    """Run a playbook of the collection on the sandbox's inventory."""
    running = playbooks.start_playbook(
        f"gpuops.inference.{name}", inventory=INVENTORY, environment=environment(sandbox)
    )
    return running.wait(START_SECONDS).check()


def ask(
    sandbox: SandboxHandle, path: str, body: dict[str, Any] | None = None, token: str | None = None
) -> tuple[int, Any]:
    """Send a request to the endpoint without any code of the collection."""
    url = f"{sandbox.description['endpoint_base']}/{sandbox.description['namespace']}/{NAME}{path}"
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    context = ssl.create_default_context(cafile=sandbox.description["ca_path"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=60) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text.strip() else None
    except urllib.error.HTTPError as error:
        return error.code, None


@pytest.fixture(scope="module")
def deployed(real_sandbox: SandboxHandle, real_playbooks: Playbooks) -> PlayResult:
    """The first run of ``gpuops.inference.deploy``."""
    return play("deploy", real_sandbox, real_playbooks)


def test_deploy_serves_the_recipe(deployed: PlayResult, real_sandbox: SandboxHandle) -> None:
    assert deployed.stats[NAME]["changed"] == 2, "the manifest of the files, and the workload"
    workload = real_sandbox.the_one(NAME)
    assert workload["phase"] == "Running"
    assert sorted(pod["name"] for pod in workload["pods"]) == [f"{NAME}-0", f"{NAME}-0-1"]
    spec = real_sandbox.spec(NAME)
    assert spec["workers"] == 1 and spec["preemptibility"] == "preemptible"
    assert spec["servingPort"]["authorizationType"] == "authenticatedUsers"
    for role in ("leader", "worker"):
        assert spec[role]["compute"]["gpuDevicesRequest"] == 2
        assert spec[role]["security"]["runAsUid"] == spec[role]["security"]["runAsGid"] == SERVING_USER
        variables = {entry["name"]: entry.get("value") for entry in spec[role]["environmentVariables"]}
        assert variables["NCCL_IB_DISABLE"] == "1" and variables["NCCL_P2P_DISABLE"] == "0"


def test_the_verdict_tells_what_was_seen(deployed: PlayResult) -> None:
    smoke = next(result for result in deployed.results if "verdict" in result)
    assert smoke["verdict"] == "passed"
    assert {level["level"]: level["status"] for level in smoke["levels"]} == {
        "L0": "passed",
        "L1": "passed",
        "L2": "passed",
    }
    assert len(smoke["pods_seen"]) == 2 and smoke["replicas_proven"] == "1 of 1"
    assert smoke["world_size"]["value"] in (4, None), "never from our own plan"
    assert smoke["answer"]["text"]
    assert smoke["answer"]["text"].strip()[:10] in deployed.stdout, "the verdict on the screen has the answer"


def test_every_engine_process_runs_as_the_serving_user(deployed: PlayResult, real_sandbox: SandboxHandle) -> None:
    processes = engine_processes()
    assert len(processes) >= 4, processes
    assert {uid for _pid, uid in processes} == {SERVING_USER}


def test_four_ranks_have_joined(deployed: PlayResult, real_sandbox: SandboxHandle) -> None:
    logs = "".join(real_sandbox.log(pod) for pod in (f"{NAME}-0", f"{NAME}-0-1"))
    for rank in range(4):
        assert f"world_size=4 rank={rank} " in logs


def test_the_endpoint_asks_for_a_user_and_answers_him(deployed: PlayResult, real_sandbox: SandboxHandle) -> None:
    chat = {"model": "mistral4", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    assert ask(real_sandbox, "/v1/chat/completions", chat)[0] in (401, 403)
    status, answer = ask(real_sandbox, "/v1/chat/completions", chat, real_sandbox.token())
    assert status == 200
    assert answer["model"] == "mistral4" and answer["choices"][0]["message"]["content"]


def test_a_second_run_changes_nothing(
    deployed: PlayResult, real_sandbox: SandboxHandle, real_playbooks: Playbooks
) -> None:
    before = real_sandbox.definition(NAME)
    real_sandbox.forget_requests()
    again = play("deploy", real_sandbox, real_playbooks)
    assert again.changed == 0
    assert real_sandbox.writes() == []
    assert real_sandbox.definition(NAME) == before


def test_status_shows_it(deployed: PlayResult, real_sandbox: SandboxHandle, real_playbooks: Playbooks) -> None:
    shown = play("status", real_sandbox, real_playbooks)
    looked = next(result for result in shown.results if "workloads" in result)
    assert [workload["phase"] for workload in looked["workloads"]] == ["running"]
    assert looked["workloads"][0]["drift"] == []


def test_a_stopped_follower_is_found_although_health_is_good(deployed: PlayResult, real_sandbox: SandboxHandle) -> None:
    options = {**real_sandbox.connection, "name": NAME, "time_limit": 10}
    real_sandbox.pod("pause", f"{NAME}-0-1")
    try:
        result = run_module("vllm_smoke_test", options)
        assert ask(real_sandbox, "/health", token=real_sandbox.token())[0] == 200
    finally:
        real_sandbox.pod("resume", f"{NAME}-0-1")
    assert result["failed"] and result["verdict"] == "failed"
    assert "completion_timeout" in {finding["cause"] for finding in result["findings"]}
    recovered = until(
        lambda: run_module("vllm_smoke_test", {**options, "fail_on": "never"}),
        "it answers again",
        120,
        lambda verdict: verdict["verdict"] == "passed",
    )
    assert recovered["changed"] is False


def test_teardown_keeps_the_volume(
    deployed: PlayResult, real_sandbox: SandboxHandle, real_playbooks: Playbooks
) -> None:
    gone = play("teardown", real_sandbox, real_playbooks)
    assert gone.changed == 1
    assert real_sandbox.living(NAME) == []
    claim = Path(real_sandbox.description["volumes_directory"]) / real_sandbox.description["namespace"] / CLAIM
    assert (claim / "input/Models/Mistral-Small-4-119B-2603/config.json").is_file()
    until(lambda: not engine_processes(), "every process of the engine has ended")
    assert play("teardown", real_sandbox, real_playbooks).changed == 0
