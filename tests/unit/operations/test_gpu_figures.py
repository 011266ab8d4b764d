# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs that pods see: what nvidia-smi prints, and level L4's judgement of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.gpu_figures import (
    COMMAND,
    Gpu,
    PodGpus,
    parse_gpus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_gpus import gpu_findings
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_test import (
    SmokeTestOptions,
    run_smoke_test,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    COMMAND_FAILED,
    INITIALIZING,
    NOT_REACHABLE_FROM_HERE,
    CommandResult,
    ReplicaLayout,
    RolePods,
    Unreachable,
)
from hypothesis import given
from hypothesis import strategies as st
from scripted_platform import NAME, SERVING, ScriptedPlatform, Stage, pod, two_by_two, two_pods

LEADER, FOLLOWER = f"{NAME}-0", f"{NAME}-0-1"
H100 = "NVIDIA H100 80GB HBM3"
IDLE, BUSY, TOTAL = 4, 74_860, 81_559


def line(index: int, used: int | str = BUSY, total: int | str = TOTAL) -> str:
    return f"{index}, GPU-0b4f8f5e-{index:04}, {H100}, {used}, {total}\n"


def table(*used: int | str) -> CommandResult:
    """Return what nvidia-smi leaves where GPUs hold so much."""
    return CommandResult(0, "".join(line(index, held) for index, held in enumerate(used)), "")


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def platform(stage: Stage) -> ScriptedPlatform:
    """A healthy workload of two pods with two GPUs each."""
    platform = ScriptedPlatform(stage.clock)
    platform.serve("mistral4")
    platform.results = {LEADER: table(BUSY, BUSY), FOLLOWER: table(BUSY, BUSY - 2048)}
    return platform


def run(platform: ScriptedPlatform, stage: Stage, **options: Any) -> dict[str, Any]:
    return run_smoke_test(platform, stage.host, NAME, SmokeTestOptions(up_to="L4", **options)).as_dict()


def level(result: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(level for level in result["levels"] if level["level"] == "L4")
    return found


def found(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(finding["severity"], finding["cause"], finding["object"]) for finding in result["findings"]]


# The table


def test_a_table_is_read() -> None:
    assert parse_gpus(line(0) + line(7, IDLE)) == (
        Gpu(0, "GPU-0b4f8f5e-0000", H100, BUSY, TOTAL),
        Gpu(7, "GPU-0b4f8f5e-0007", H100, IDLE, TOTAL),
    )


@pytest.mark.parametrize("text", ["[N/A]", "[Insufficient Permissions]", "[Not Supported]", ""])
def test_memory_that_the_driver_does_not_tell(text: str) -> None:
    [gpu] = parse_gpus(line(0, text, text))
    assert (gpu.memory_used, gpu.memory_total) == (None, None)


NAMES = st.text(st.characters(blacklist_characters=",", blacklist_categories=["C", "Z"]), min_size=1, max_size=30)
GPUS = st.builds(
    Gpu, st.integers(0, 15), NAMES, NAMES, st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6)
)


@given(st.lists(GPUS, max_size=8), st.text(max_size=30))
def test_rows_are_found_among_whatever_else_is_printed(gpus: list[Gpu], noise: str) -> None:
    noise = noise.replace(",", ";")
    rows = [
        f"{gpu.index}, {gpu.uuid}, {gpu.name}, "
        + ", ".join("[N/A]" if held is None else str(held) for held in (gpu.memory_used, gpu.memory_total))
        for gpu in gpus
    ]
    assert parse_gpus("\n".join([noise, *rows, noise])) == tuple(gpus)


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse_gpus(text)


# The level


def test_gpus_that_are_all_used_pass(platform: ScriptedPlatform, stage: Stage) -> None:
    result = run(platform, stage)
    assert (result["verdict"], result["findings"]) == ("passed", [])
    assert [one["level"] for one in result["levels"]] == ["L0", "L1", "L2", "L4"]
    assert level(result)["name"] == "GPU memory"
    assert level(result)["reason"] == "4 GPUs in 2 pods, each in use: 71.1 to 73.1 of 79.6 GiB."
    assert result["gpus"][2] == {
        "pod": FOLLOWER,
        "role": "follower",
        "machine": "gpu-1",
        "index": 0,
        "uuid": "GPU-0b4f8f5e-0000",
        "name": H100,
        "memory_used_mib": BUSY,
        "memory_total_mib": TOTAL,
    }
    assert sorted(platform.commands) == [(LEADER, COMMAND), (FOLLOWER, COMMAND)]
    assert COMMAND == (
        "nvidia-smi",
        "--query-gpu=index,uuid,name,memory.used,memory.total",
        "--format=csv,noheader,nounits",
    )


def test_the_gpus_are_looked_at_after_the_completion(platform: ScriptedPlatform, stage: Stage) -> None:
    run(platform, stage)
    assert stage.lines[-1].endswith("L4: looking at the GPUs of 2 pods")


def test_lower_levels_run_no_command(platform: ScriptedPlatform, stage: Stage) -> None:
    result = run_smoke_test(platform, stage.host, NAME, SmokeTestOptions()).as_dict()
    assert (result["gpus"], platform.commands) == ([], [])
    assert [one["level"] for one in result["levels"]] == ["L0", "L1", "L2"]


def test_a_pod_that_joins_nothing_fails_it(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.results = {LEADER: table(BUSY, BUSY), FOLLOWER: table(IDLE, 0)}
    result = run(platform, stage)
    assert (level(result)["status"], found(result)) == ("failed", [("error", "gpu_idle", FOLLOWER)])
    assert result["findings"][0]["evidence"] == (
        f"GPU 0, 1 ({H100}) on gpu-1: 4, 0 MiB in use, so no rank works there."
    )


@pytest.mark.parametrize(
    ("busy", "held", "status"),
    [
        # The context of a process that only looked at the GPU.
        (BUSY, 600, "failed"),
        (BUSY, BUSY // 20 - 1, "failed"),
        (BUSY, BUSY // 20, "passed"),
        # Ranks of a tiny model hold little more than that.
        (700, 600, "passed"),
        (700, 255, "failed"),
        (255, 255, "failed"),
    ],
)
def test_from_when_on_a_gpu_is_used(
    platform: ScriptedPlatform, stage: Stage, busy: int, held: int, status: str
) -> None:
    platform.results = {LEADER: table(busy, held), FOLLOWER: table(busy, busy)}
    assert level(run(platform, stage))["status"] == status


@pytest.mark.parametrize(("result", "seen"), [(table(BUSY), 1), (CommandResult(6, "No devices were found\n", ""), 0)])
def test_a_pod_that_sees_too_few_gpus_fails_it(
    platform: ScriptedPlatform, stage: Stage, result: CommandResult, seen: int
) -> None:
    platform.results = {LEADER: table(BUSY, BUSY), FOLLOWER: result}
    tested = run(platform, stage)
    assert (level(tested)["status"], found(tested)) == ("failed", [("error", "gpus_missing", FOLLOWER)])
    assert f"sees {seen} of 2 GPUs" in tested["findings"][0]["evidence"]


def test_a_pod_that_sees_the_whole_machine_is_told(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.results = {LEADER: table(BUSY, BUSY), FOLLOWER: table(BUSY, BUSY, IDLE, IDLE)}
    result = run(platform, stage)
    assert (level(result)["status"], found(result)) == (
        "passed",
        [("warning", "more_gpus_than_allotted", FOLLOWER)],
    )
    platform.results = {LEADER: table(BUSY, BUSY), FOLLOWER: table(BUSY, IDLE, IDLE, IDLE)}
    assert level(run(platform, stage))["status"] == "failed"


def test_memory_that_is_not_told_leaves_it_unknown(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.results = {LEADER: table(BUSY, BUSY), FOLLOWER: table(BUSY, "[N/A]")}
    result = run(platform, stage)
    assert (level(result)["status"], result["verdict"]) == ("unknown", "unknown")
    assert found(result) == [("warning", "gpu_memory_not_told", FOLLOWER)]


def test_a_description_without_whole_gpus_asks_for_at_least_one(platform: ScriptedPlatform, stage: Stage) -> None:
    layout = two_by_two()
    assert layout.follower is not None
    platform.replica_layout = replace(
        layout, leader=replace(layout.leader, gpus=None), follower=replace(layout.follower, gpus=None)
    )
    platform.results = {LEADER: table(BUSY), FOLLOWER: table(BUSY, BUSY, BUSY)}
    assert level(run(platform, stage))["status"] == "passed"


def test_leader_and_followers_may_have_different_numbers() -> None:
    layout = ReplicaLayout(RolePods(1, 1, (), False, {}), RolePods(1, 4, (), False, {}), 1)
    gpus = parse_gpus(table(BUSY).output)
    figures = [PodGpus(pod(LEADER), gpus), PodGpus(pod(FOLLOWER), gpus)]
    assert [finding.object for finding in gpu_findings(figures, layout, NAME)] == [FOLLOWER]


# What cannot be seen


def test_a_platform_without_commands_leaves_it_unknown(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.results = None
    result = run(platform, stage)
    assert [one["status"] for one in result["levels"]] == ["passed", "passed", "passed", "unknown"]
    # The same for both pods, so it is told once.
    assert found(result) == [("warning", "gpus_not_seen", NAME)]
    assert "says nothing about the GPUs" in result["findings"][0]["hint"]
    assert result["gpus"] == []


def test_a_missing_right_is_told_once(platform: ScriptedPlatform, stage: Stage) -> None:
    reason = "user me may not create pods/exec in namespace my-project. Give the user the Role."
    denied = Unreachable(reason, NOT_REACHABLE_FROM_HERE)
    platform.results = {LEADER: denied, FOLLOWER: denied}
    result = run(platform, stage)
    assert (level(result)["status"], found(result)) == ("unknown", [("warning", "gpus_not_seen", NAME)])
    assert level(result)["reason"] == reason


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (Unreachable("nvidia-smi could not be started: not found in $PATH", COMMAND_FAILED), "could not be started"),
        (CommandResult(9, "NVIDIA-SMI has failed because it couldn't communicate with the driver.", ""), "status 9"),
        (CommandResult(0, "<html>", ""), "without a table"),
        (CommandResult(0, "", ""), "without a table"),
    ],
)
def test_one_pod_that_cannot_be_seen_does_not_hide_the_others(
    platform: ScriptedPlatform, stage: Stage, result: Any, told: str
) -> None:
    platform.results = {LEADER: table(BUSY, BUSY), FOLLOWER: result}
    tested = run(platform, stage)
    assert (level(tested)["status"], found(tested)) == ("unknown", [("warning", "gpus_not_seen", FOLLOWER)])
    assert told in tested["findings"][0]["evidence"]
    assert [row["pod"] for row in tested["gpus"]] == [LEADER, LEADER]
    platform.results = {LEADER: table(BUSY, IDLE), FOLLOWER: result}
    assert level(run(platform, stage))["status"] == "failed"


def test_pods_that_do_not_run_are_not_asked(platform: ScriptedPlatform, stage: Stage) -> None:
    platform.timeline = [(0, replace(SERVING, phase=INITIALIZING, pods=two_pods("Pending")))]
    result = run(platform, stage)
    assert (level(result)["status"], level(result)["reason"], platform.commands) == ("skipped", "no pod runs.", [])
