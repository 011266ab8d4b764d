# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits that meet pods of a lost machine: what they say, when they end, and what they do where that is wanted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.lost_machines import LostMachines
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import Watcher
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DELETING,
    INITIALIZING,
    RUNNING,
    STOPPED,
    LiveWorkload,
    PlatformUnreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding
from scripted_platform import NAME, ScriptedPlatform, Stage, pod

LIVE = LiveWorkload(NAME, "leaderworkerset", "id-1", RUNNING, True, {})
UNREADY = "MachineNotReady: machine gpu-1 is not ready since 2026-11-23T10:00:00Z"
LOST = UNREADY.replace("NotReady", "Lost", 1)
DELETED = Finding(WARNING, "lost_pod_deleted", "deleted without waiting for its end.", "", f"{NAME}-0")


def left(phase: str, message: str) -> WorkloadStatus:
    """Return the status of a workload of which one pod cannot end."""
    return WorkloadStatus(phase, pods=(pod(f"{NAME}-0", "terminating", messages=(message,)),), pods_expected=2)


class Waiting:
    """A wait for a workload, and what it did about lost machines."""

    def __init__(self, *timeline: tuple[float, WorkloadStatus], force: bool = False) -> None:
        self.stage = Stage()
        self.platform = ScriptedPlatform(self.stage.clock, list(timeline))
        self.noted: list[Finding] = []
        lost = LostMachines(self.platform, force, self.noted.append)
        self.watcher = Watcher(self.platform, self.stage.host, lost)

    @property
    def seconds(self) -> float:
        return self.stage.clock.now - 1000

    def failed(self, wait: Any, *arguments: Any) -> GpuopsError:
        with pytest.raises(GpuopsError) as caught:
            wait(LIVE, *arguments)
        return caught.value


def causes(error: GpuopsError) -> list[str]:
    return [finding.cause for finding in error.findings]


def test_a_deletion_goes_on_while_the_machine_may_come_back_and_names_it_at_the_end() -> None:
    waiting = Waiting((0, left(DELETING, UNREADY)))
    waiting.platform.deletion_seconds = 1e9
    waiting.platform.delete(LIVE)
    error = waiting.failed(waiting.watcher.wait_until_gone, 120)
    assert causes(error) == ["time_limit", "machine_lost", "deletion_stuck"]
    assert "gpu-1 is not ready since 2026-11-23T10:00:00Z" in error.message and "force_lost_machines" in error.message
    assert any("machine_lost" in line for line in waiting.stage.lines), "it is told long before"
    assert "release_lost" not in waiting.platform.calls


def test_a_deletion_is_given_up_once_the_machine_is_lost() -> None:
    waiting = Waiting((0, left(DELETING, UNREADY)), (40, left(DELETING, LOST)))
    waiting.platform.deletion_seconds = 1e9
    waiting.platform.delete(LIVE)
    error = waiting.failed(waiting.watcher.wait_until_gone, 3600)
    assert causes(error) == ["machine_lost", "deletion_stuck"]
    assert waiting.seconds < 60


def test_a_deletion_without_trouble_asks_for_no_pods() -> None:
    waiting = Waiting((0, left(DELETING, LOST)))
    waiting.platform.deletion_seconds = 15
    waiting.platform.delete(LIVE)
    waiting.watcher.wait_until_gone(LIVE, 60)
    assert "status" not in waiting.platform.calls


def test_a_status_that_cannot_be_had_any_more_ends_no_deletion() -> None:
    class Gone(ScriptedPlatform):
        def status(self, live: LiveWorkload, detail: bool = True) -> WorkloadStatus:
            raise GpuopsError("no such workload")

    stage = Stage()
    platform = Gone(stage.clock)
    platform.deletion_seconds = 50
    platform.delete(LIVE)
    Watcher(platform, stage.host).wait_until_gone(LIVE, 60)


def test_an_outage_while_pods_are_asked_for_is_waited_out() -> None:
    class Away(ScriptedPlatform):
        def status(self, live: LiveWorkload, detail: bool = True) -> WorkloadStatus:
            raise PlatformUnreachable("no answer")

    stage = Stage()
    platform = Away(stage.clock)
    platform.deletion_seconds = 50
    platform.delete(LIVE)
    Watcher(platform, stage.host).wait_until_gone(LIVE, 60)
    assert any("no answer" in line for line in stage.lines)


@pytest.mark.parametrize("message", [UNREADY, LOST])
def test_forced_a_deletion_comes_to_its_end(message: str) -> None:
    waiting = Waiting((0, left(DELETING, message)), force=True)
    waiting.platform.deletion_seconds = 45
    waiting.platform.lost = [DELETED]
    waiting.platform.delete(LIVE)
    waiting.watcher.wait_until_gone(LIVE, 120)
    assert waiting.noted == [DELETED]


def test_a_stop_names_the_machine_and_is_given_up() -> None:
    waiting = Waiting((0, left(STOPPED, UNREADY)), (10, left(STOPPED, LOST)))
    error = waiting.failed(waiting.watcher.wait_until_stopped, 300)
    assert causes(error) == ["machine_lost"]
    assert waiting.seconds < 20


def test_forced_a_stop_comes_to_its_end() -> None:
    waiting = Waiting((0, left(STOPPED, LOST)), (10, WorkloadStatus(STOPPED)), force=True)
    waiting.platform.lost = [DELETED]
    waiting.watcher.wait_until_stopped(LIVE, 300)
    assert waiting.noted == [DELETED]


def test_a_group_that_cannot_be_made_anew_is_told_by_its_machine() -> None:
    waiting = Waiting((0, left(INITIALIZING, UNREADY)), (30, left(INITIALIZING, LOST)))
    error = waiting.failed(waiting.watcher.wait_until_running, 600, 600, 2)
    assert causes(error)[0] == "machine_lost"
    assert waiting.seconds < 40
    assert "machine_lost" in waiting.stage.lines[0]


def test_forced_the_group_is_made_anew_elsewhere() -> None:
    up = tuple(pod(name, machine="gpu-2", handle="2") for name in (f"{NAME}-0", f"{NAME}-0-1"))
    serving = WorkloadStatus(RUNNING, pods=up, pods_expected=2)
    waiting = Waiting(
        (0, left(INITIALIZING, LOST)), (20, replace(serving, phase=INITIALIZING)), (60, serving), force=True
    )
    waiting.platform.lost = [DELETED]
    waited = waiting.watcher.wait_until_running(LIVE, 600, 600, 2)
    assert waiting.noted == [DELETED]
    assert waited.status is not None and waited.status.phase == RUNNING
    assert [finding.cause for finding in waited.findings] == ["machine_lost"]


def test_without_a_lost_machine_nothing_is_deleted_by_force() -> None:
    waiting = Waiting((0, left(STOPPED, "PodNotEnding: finalizer x")), (10, WorkloadStatus(STOPPED)), force=True)
    waiting.watcher.wait_until_stopped(LIVE, 300)
    assert "release_lost" not in waiting.platform.calls
