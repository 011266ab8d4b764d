# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in pods through a real API server, and what is made of nvidia-smi's answer: level L4, the option ``gpus``.

The commands run on this machine, not in a container, and the nvidia-smi is a few lines of shell: nothing about GPUs is
claimed from it. KWOK loses exit statuses, so that a command that fails counts as one that did not run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    COMMAND_FAILED,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    CommandResult,
    PodStatus,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import UNTRUSTED_ANSWER_BYTES
from served_workloads import ServedWorkloads, causes, rules_without
from support.cluster import PODS, ClusterHandle
from support.modules import run_module
from support.playbook import Playbooks
from support.tunnel_proxy import TunnelProxy

from gpuops_cluster.components import IN_PODS

BUSY, IDLE, TOTAL = 74860, 4, 81559
H100 = "NVIDIA H100 80GB HBM3"
WriteSmi = Callable[..., None]


@pytest.fixture
def smi(cluster: ClusterHandle) -> Iterator[WriteSmi]:
    """Put an nvidia-smi where commands in pods find it: it prints rows with this much memory in use, or runs a text."""
    cluster.needs_played_pods()
    folder = Path(cluster.description["kubeconfig"]).parent / IN_PODS
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"

    def write(*used: int, script: str = "") -> None:
        rows = [f"{index}, GPU-{index}, {H100}, {held}, {TOTAL}" for index, held in enumerate(used)]
        table = "".join(f"echo '{row}'\n" for row in rows)
        program.write_text(f"#!/bin/sh\n{script or table}", encoding="utf-8")
        program.chmod(0o755)

    yield write
    program.unlink(missing_ok=True)


def execute(
    served: ServedWorkloads, platform: KubernetesPlatform, name: str, *command: str, time_limit: float = 20
) -> CommandResult:
    """Run a command in the workload's first leader."""
    live = platform.find(name)
    assert live is not None
    pod = PodStatus(served.leaders(name)[0], "", "running", "leader")
    return platform.execute(live, pod, command, time_limit)


def smoke_test_of_gpus(served: ServedWorkloads, name: str, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the result of a smoke test up to L4, and that level."""
    result = served.smoke_test(name, up_to="L4", **options)
    return result, result["levels"][-1]


def test_words_arrive_as_they_are_and_outputs_come_apart(served: ServedWorkloads) -> None:
    name = served.make()
    script = 'echo "$1|$2"; echo oops >&2'
    words = ("a b", "Ünïcode $(HOME) 'x' \"y\" \\ ; # & %41")
    result = execute(served, served.platform(), name, "sh", "-c", script, "sh", *words)
    assert result == CommandResult(0, f"{words[0]}|{words[1]}\n", "oops\n")
    [request] = [entry for entry in served.cluster.requests() if entry["path"].endswith("/exec")]
    assert request["path"] == f"{PODS}/{name}-0/exec"
    assert request["query"]["container"] == "vllm"
    assert request["user_agent"].startswith("gpuops.inference/")


def test_of_a_long_output_the_first_mebibyte_is_kept(served: ServedWorkloads) -> None:
    name = served.make()
    result = execute(served, served.platform(), name, "head", "-c", str(3 * UNTRUSTED_ANSWER_BYTES), "/dev/zero")
    assert (result.status, len(result.output)) == (0, UNTRUSTED_ANSWER_BYTES)


def test_a_command_that_does_not_end_is_left(served: ServedWorkloads) -> None:
    name = served.make()
    with pytest.raises(Unreachable, match=f"pod {name}-0: no answer within 1 s") as error:
        execute(served, served.platform(), name, "sleep", "30", time_limit=1)
    assert error.value.cause == NO_ANSWER_IN_TIME


def test_a_program_that_is_not_there(served: ServedWorkloads) -> None:
    name = served.make()
    with pytest.raises(Unreachable, match=r"no-such-program could not be started: .*not found") as error:
        execute(served, served.platform(), name, "no-such-program")
    assert error.value.cause == COMMAND_FAILED


def test_a_pod_that_is_gone(served: ServedWorkloads) -> None:
    name = served.make()
    platform = served.platform()
    live = platform.find(name)
    assert live is not None
    with pytest.raises(Unreachable):
        platform.execute(live, PodStatus("no-such-pod", "", "running"), ("true",), 20)


def test_it_goes_the_way_of_all_requests_through_a_proxy(served: ServedWorkloads) -> None:
    name = served.make()
    proxy = TunnelProxy()
    try:
        result = execute(served, served.platform(proxy=proxy.url), name, "echo", "hello")
    finally:
        proxy.close()
    assert (result.output, proxy.tunnels) == ("hello\n", 2)


def test_the_right_to_it_is_optional_and_named_where_it_is_missing(served: ServedWorkloads, smi: WriteSmi) -> None:
    name = served.make()
    smi(BUSY, BUSY)
    allowed = served.cluster.user("by-the-role", rules_without())
    assert execute(served, served.platform(allowed), name, "true").status == 0
    user = served.cluster.user("no-exec", rules_without("exec"))
    with pytest.raises(Unreachable, match=r"user no-exec may not (get|create) pods/exec in namespace") as error:
        execute(served, served.platform(user), name, "true")
    assert error.value.cause == NOT_REACHABLE_FROM_HERE
    result, level = smoke_test_of_gpus(served, name, connection=user)
    assert (level["level"], level["status"], causes(result)) == ("L4", "unknown", ["gpus_not_seen"])
    assert "docs/kubernetes.md" in level["reason"]
    assert [one["status"] for one in result["levels"][:-1]] == ["passed"] * 3


def test_whom_we_act_as_counts(served: ServedWorkloads) -> None:
    name = served.make()
    served.cluster.user("no-exec", rules_without("exec"))
    with pytest.raises(Unreachable, match="user no-exec may not"):
        execute(served, served.platform(impersonate_user="no-exec"), name, "true")


def test_gpus_that_are_all_used_pass(served: ServedWorkloads, smi: WriteSmi) -> None:
    name = served.make(replicas=2)
    smi(BUSY, BUSY - 1024)
    result, level = smoke_test_of_gpus(served, name)
    assert (result["verdict"], result["findings"]) == ("passed", [])
    assert level["reason"] == "8 GPUs in 4 pods, each in use: 72.1 to 73.1 of 79.6 GiB."
    pods = sorted(pod["metadata"]["name"] for pod in served.cluster.pods(name))
    assert [row["pod"] for row in result["gpus"]] == [pod for pod in pods for _gpu in range(2)]
    assert {row["machine"] for row in result["gpus"]} <= {"gpu-1", "gpu-2", "gpu-3", "gpu-4"}


def test_a_gpu_at_which_nobody_works_fails_it(served: ServedWorkloads, smi: WriteSmi) -> None:
    name = served.make()
    smi(BUSY, IDLE)
    result, level = smoke_test_of_gpus(served, name)
    assert (level["status"], set(causes(result))) == ("failed", {"gpu_idle"})
    assert f"GPU 1 ({H100})" in level["reason"]


def test_a_pod_with_too_few_gpus_fails_it(served: ServedWorkloads, smi: WriteSmi) -> None:
    name = served.make()
    smi(BUSY)
    result, level = smoke_test_of_gpus(served, name)
    assert (level["status"], set(causes(result))) == ("failed", {"gpus_missing"})


def test_an_image_without_nvidia_smi_leaves_it_unknown(served: ServedWorkloads) -> None:
    result, level = smoke_test_of_gpus(served, served.make())
    assert (level["status"], set(causes(result))) == ("unknown", {"gpus_not_seen"})
    assert "nvidia-smi could not be started" in level["reason"]


def test_a_driver_that_does_not_work_leaves_it_unknown(served: ServedWorkloads, smi: WriteSmi) -> None:
    smi(script='echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."\nexit 9\n')
    _result, level = smoke_test_of_gpus(served, served.make())
    assert level["status"] == "unknown"


def test_the_info_module_returns_the_same_gpus(served: ServedWorkloads, smi: WriteSmi) -> None:
    name = served.make()
    smi(BUSY, IDLE)
    asked = {**served.cluster.connection, "name": name}
    result = run_module("vllm_workload_info", {**asked, "gpus": True, "query": "[].gpus[].memory_used_mib"})
    assert result["query_result"] == [BUSY, IDLE] * 2
    assert result["workloads"][0]["gpus"] == smoke_test_of_gpus(served, name)[0]["gpus"]
    assert result["findings"] == []
    assert "gpus" not in run_module("vllm_workload_info", asked)["workloads"][0]
    user = served.cluster.user("no-exec", rules_without("exec"))
    refused = run_module("vllm_workload_info", {**user, "name": name, "gpus": True})
    assert (refused["workloads"][0]["gpus"], causes(refused)) == ([], ["gpus_not_seen"])


def test_the_playbooks_show_the_gpus(
    served: ServedWorkloads, smi: WriteSmi, playbooks: Playbooks, tmp_path: Path
) -> None:
    name = served.make()
    smi(BUSY, BUSY)
    connection = served.cluster.connection
    variables = {
        "gpuops_platform": "kubernetes",
        "gpuops_kubeconfig": connection["kubeconfig"],
        "gpuops_kubernetes_context": connection["context"],
        "gpuops_namespace": connection["namespace"],
        "gpuops_smoke_test_up_to": "L4",
        "gpuops_gpus": True,
    }
    inventory = tmp_path / "inventory.json"
    group = {"hosts": {name: {}}, "vars": variables}
    inventory.write_text(json.dumps({"vllm_workloads": group}), encoding="utf-8")
    for playbook in ("smoke_test", "status"):
        result = playbooks.run_playbook(f"gpuops.inference.{playbook}", inventory=str(inventory)).check()
        assert result.changed == 0
        assert f"gpu: {name}-0-1 1 {H100}, {BUSY} of {TOTAL} MiB" in result.stdout
        assert ("L4 GPU memory passed: 4 GPUs in 2 pods" in result.stdout) == (playbook == "smoke_test")
