# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts of real vLLM that fail, and a group that loses a pod: the longer set (``make test-real``).

Run:ai's API has no logs, so the task can only say that the start ends again and again; the pod's own log, which the
sandbox lends to tests, must lead the log rules to the cause.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from support.modules import run_module
from support.sandbox import SandboxHandle, until
from support.tiny_engine import FOR_A_CPU

pytestmark = pytest.mark.real

IMAGE = "registry.example.com/vllm-openai:v0.32.0"
MODEL = "/data/input/Models/Mistral-Small-4-119B-2603"


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"vllm_args": ["--no-such-flag", "3", *FOR_A_CPU]}, "unknown_flag"),
        ({"gpus_per_pod": 3, "vllm_args": FOR_A_CPU}, "tensor_parallel_heads"),
        ({"model": {"path": "/data/input/Models/nowhere"}, "vllm_args": FOR_A_CPU}, "model_path_missing"),
        ({"vllm_args": ["--max-model-len", "4096", "--kv-cache-memory-bytes", "16M"]}, "max_model_len_too_large"),
    ],
    ids=["unknown flag", "heads not divisible", "no model", "context too long"],
)
def test_a_start_that_ends_again_and_again(
    options: dict[str, Any], cause: str, real_sandbox: SandboxHandle, name: str
) -> None:
    parameters = {"gpus_per_pod": 1, "pods": 1, "single_pod_as": "distributed", "image": IMAGE, **options}
    result = run_module("vllm_workload", real_sandbox.workload(name, start_timeout=300, **parameters))
    assert result["failed"] and result["changed"] is True
    assert result["findings"][0]["cause"] == "crash_loop"
    found = {finding.cause for finding in diagnose_log(real_sandbox.log(f"{name}-0"))}
    assert cause in found, found


def test_a_group_that_loses_its_follower_comes_back_and_answers(real_sandbox: SandboxHandle, name: str) -> None:
    parameters = real_sandbox.workload(
        name, image=IMAGE, pods=2, gpus_per_pod=1, vllm_args=FOR_A_CPU, start_timeout=400, model={"path": MODEL}
    )
    assert run_module("vllm_workload", parameters)["rc"] == 0
    before = {pod["id"] for pod in real_sandbox.the_one(name)["pods"]}
    real_sandbox.pod("crash", f"{name}-0-1")
    until(
        lambda: {pod["id"] for pod in real_sandbox.the_one(name)["pods"]},
        "both pods are made anew",
        120,
        lambda pods: len(pods) == 2 and pods.isdisjoint(before),
    )
    again = run_module("vllm_workload", parameters)
    assert again["rc"] == 0 and again["changed"] is False, again
    assert run_module("vllm_smoke_test", {**real_sandbox.connection, "name": name})["verdict"] == "passed"
