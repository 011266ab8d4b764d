# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines that say they are healthy and cannot answer: real vLLM, each a fault that the field has met."""

from __future__ import annotations

from typing import Any

import pytest
from support.modules import run_module
from support.sandbox import SandboxHandle
from support.tiny_engine import FOR_A_CPU, WITHOUT_A_COMPILER


@pytest.mark.parametrize(
    ("model", "options"),
    [
        # A head of 16 is refused by the CPU engine at the first request only.
        ("healthy-but-broken", {"gpus_per_pod": 1, "vllm_args": WITHOUT_A_COMPILER}),
        # Pipeline parallelism with eager mode: the warm-up that fills a buffer is skipped.
        (
            "Mistral-Small-4-119B-2603",
            {
                "gpus_per_pod": 2,
                "tensor_parallel_size": 1,
                "pipeline_parallel_size": 2,
                "vllm_args": [*FOR_A_CPU, "--enforce-eager"],
            },
        ),
    ],
    ids=["head of 16", "pipeline with eager mode"],
)
def test_an_engine_that_starts_but_cannot_answer_fails_the_smoke_test(
    model: str, options: dict[str, Any], real_sandbox: SandboxHandle, name: str
) -> None:
    parameters = real_sandbox.workload(
        name,
        image="registry.example.com/vllm-openai:v0.32.0",
        pods=1,
        single_pod_as="distributed",
        model={"path": f"/data/input/Models/{model}", "served_names": ["broken"]},
        start_timeout=400,
        **options,
    )
    started = run_module("vllm_workload", parameters)
    assert started["rc"] == 0 and started["workload"]["phase"] == "running", started
    result = run_module("vllm_smoke_test", {**real_sandbox.connection, "name": name, "time_limit": 40})
    assert result["failed"] and result["verdict"] == "failed"
    assert {level["level"]: level["status"] for level in result["levels"]} == {
        "L0": "passed",
        "L1": "passed",
        "L2": "failed",
    }
    assert {"completion_failed", "completion_timeout"} & {finding["cause"] for finding in result["findings"]}
