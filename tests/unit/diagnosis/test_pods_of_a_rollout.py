# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that a change replaces are no pods that end by themselves, and their events say nothing of their successors."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import diagnose
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    INITIALIZING,
    PlatformEvent,
    PodStatus,
    WorkloadStatus,
)

CREATED = "2026-11-23T10:00:00Z"


ENDED = ("container vllm ended: Error, exit code 1",)


def pod(handle: str, revision: str, messages: tuple[str, ...] = ENDED) -> PodStatus:
    """Return a pod that has not got ready, of a container that ended where nothing else is said."""
    return PodStatus("w-0", handle, "Pending", "leader", created=CREATED, messages=messages, revision=revision)


def causes_of(*looks: WorkloadStatus) -> list[str]:
    """Return the causes that the last of the looks tells."""
    history = StatusHistory()
    found: list[str] = []
    for now, look in enumerate(looks):
        history.observe(look, float(now))
        found = [finding.cause for finding in diagnose(look, history)]
    return found


def looks_at(*pods: PodStatus) -> list[WorkloadStatus]:
    """Return a look for each pod."""
    return [WorkloadStatus(INITIALIZING, pods=(one,)) for one in pods]


def test_pods_of_one_revision_that_come_again_are_a_crash_loop() -> None:
    assert "crash_loop" in causes_of(*looks_at(pod("a", "1"), pod("b", "1"), pod("c", "1")))


def test_pods_of_which_nobody_says_that_they_ended_are_none() -> None:
    looks = looks_at(*(pod(handle, "1", ()) for handle in "abcd"))
    assert "crash_loop" not in causes_of(*looks)


def test_pods_that_a_change_replaces_are_none() -> None:
    assert "crash_loop" not in causes_of(*looks_at(pod("a", "1"), pod("b", "1"), pod("c", "2")))


def test_neither_is_a_pod_of_the_old_revision_that_comes_again_in_between() -> None:
    looks = looks_at(pod("a", "1"), pod("b", "2"), pod("c", "1"), pod("d", "2"))
    assert "crash_loop" not in causes_of(*looks)


def test_pods_of_a_new_revision_can_be_a_crash_loop_of_their_own() -> None:
    assert "crash_loop" in causes_of(*looks_at(pod("a", "1"), pod("b", "2"), pod("c", "2"), pod("d", "2")))


def test_an_event_about_a_predecessor_of_the_same_name_does_not_count() -> None:
    event = PlatformEvent(CREATED, "Warning", "Failed", "Failed to pull image: not found", "w-0", "a")
    of_the_predecessor = WorkloadStatus(INITIALIZING, pods=(pod("b", "", ()),), events=(event,))
    of_the_pod = WorkloadStatus(INITIALIZING, pods=(pod("a", "", ()),), events=(event,))
    assert causes_of(of_the_predecessor) == []
    assert causes_of(of_the_pod) == ["image_pull_failed"]


def test_starts_of_pods_that_were_gone_before_the_first_look_do_not_count() -> None:
    starts = tuple(
        PlatformEvent(CREATED, "Normal", "Started", "Started container vllm", "w-0", handle) for handle in "xyza"
    )
    look = WorkloadStatus(INITIALIZING, pods=(pod("a", "1"),), events=starts)
    assert "crash_loop" not in causes_of(look)
    unknown = tuple(
        PlatformEvent(start.time, start.kind, start.reason, start.message, start.object) for start in starts
    )
    assert "crash_loop" in causes_of(WorkloadStatus(INITIALIZING, pods=(pod("a", ""),), events=unknown))


def test_a_pod_that_was_deleted_and_one_that_ended_are_no_crash_loop() -> None:
    looks = looks_at(pod("a", "1"), pod("b", "1", ()), pod("c", "1", ()))
    assert "crash_loop" not in causes_of(*looks)
