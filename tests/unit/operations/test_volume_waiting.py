# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a claim: how long each trouble may last, and what the error says, by a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.volume_waiting import VolumeWaiter
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import (
    AT_ONCE,
    AVAILABLE,
    BOUND,
    CONTROLLER_GRACE,
    DELETING,
    PENDING,
    UNKNOWN,
    LiveClaim,
    Trouble,
    Users,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from scripted_platform import Clock, Stage

Timeline = Sequence[tuple[float, LiveClaim | None]]


def live(phase: str, **fields: Any) -> LiveClaim:
    """Return a claim of ours."""
    return LiveClaim("models", "id-1", phase, True, {}, **fields)


def trouble(cause: str, patience: float | None) -> Trouble:
    """Return a trouble that may last so long."""
    return Trouble(Finding(ERROR, cause, f"{cause} was seen.", "", "models"), patience)


class ScriptedVolumes:
    """Claims in memory: how the one is follows a timeline."""

    def __init__(self, clock: Clock, timeline: Timeline) -> None:
        self._clock = clock
        self._began = clock()
        self._timeline = timeline

    def within(self, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()

    def now(self, claim: LiveClaim) -> LiveClaim | None:
        passed = self._clock() - self._began
        return [state for since, state in self._timeline if since <= passed][-1]

    def users(self, claim: LiveClaim) -> Users:
        return Users(("reader",))


def wait(timeline: Timeline, limit: float = 600) -> tuple[Stage, Any]:
    """Wait until the claim is bound; return the stage and what came out."""
    stage = Stage()
    first = timeline[0][1]
    assert first is not None
    volumes: Any = ScriptedVolumes(stage.clock, timeline)
    try:
        return stage, VolumeWaiter(volumes, stage.host).until_bound(first, limit)
    except GpuopsError as error:
        return stage, error


def causes(error: Any) -> list[str]:
    assert isinstance(error, GpuopsError)
    return [finding.cause for finding in error.findings]


@pytest.mark.parametrize("state", [live(BOUND), live(AVAILABLE), live(UNKNOWN), live(PENDING, waits_for_pod=True)])
def test_what_is_well_is_not_waited_for(state: LiveClaim) -> None:
    stage, (ended, seconds) = wait([(0, state)])
    assert (ended, seconds) == (state, 0.0)
    assert stage.lines == [] and stage.clock.slept == []


def test_a_claim_that_grows_is_waited_for() -> None:
    growing = live(BOUND, is_growing=True, message="Resizing: External resizer is resizing volume")
    stage, (ended, seconds) = wait([(0, growing), (20, live(BOUND, capacity="2Ti"))])
    assert ended.capacity == "2Ti" and 20 <= seconds < 23
    assert stage.lines[0].endswith("models: growing: Resizing: External resizer is resizing volume")


def test_a_final_trouble_ends_the_wait_as_soon_as_it_is_seen() -> None:
    refused = live(PENDING, troubles=(trouble("provisioning_failed", AT_ONCE),))
    stage, error = wait([(0, live(PENDING)), (10, refused)])
    assert causes(error) == ["provisioning_failed"]
    assert stage.clock.now - 1000 < 13


def test_a_trouble_that_may_heal_is_given_its_time() -> None:
    passing = live(PENDING, troubles=(trouble("no_volume_fits", CONTROLLER_GRACE),))
    _stage, (ended, _seconds) = wait([(0, live(PENDING)), (10, passing), (30, live(BOUND))])
    assert ended.phase == BOUND
    stage, error = wait([(0, live(PENDING)), (10, passing)])
    assert causes(error) == ["no_volume_fits"]
    assert 40 <= stage.clock.now - 1000 < 45


def test_a_trouble_that_went_and_came_again_begins_anew() -> None:
    passing = live(PENDING, troubles=(trouble("no_volume_fits", CONTROLLER_GRACE),))
    stage, error = wait([(0, passing), (20, live(PENDING)), (40, passing)])
    assert causes(error) == ["no_volume_fits"]
    assert 70 <= stage.clock.now - 1000 < 75


def test_the_limit_is_told_with_what_explains_it() -> None:
    silent = live(PENDING, troubles=(trouble("provisioner_silent", None),), message="ExternalProvisioning: waiting")
    stage, error = wait([(0, silent)], limit=60)
    assert causes(error) == ["time_limit", "provisioner_silent"]
    assert "pending: ExternalProvisioning: waiting" in error.message
    assert stage.clock.now - 1000 == 60


@pytest.mark.parametrize("state", [None, live(DELETING)])
def test_a_claim_that_somebody_deletes_ends_the_wait(state: LiveClaim | None) -> None:
    _stage, error = wait([(0, live(PENDING)), (5, state)])
    assert causes(error) == ["deleted_meanwhile"]


def test_a_deletion_that_does_not_end_names_who_mounts_it() -> None:
    stage = Stage()
    volumes: Any = ScriptedVolumes(stage.clock, [(0, live(DELETING))])
    with pytest.raises(GpuopsError, match="mounted by reader") as caught:
        VolumeWaiter(volumes, stage.host).until_gone(live(DELETING), 30)
    assert causes(caught.value) == ["time_limit", "deletion_stuck"]
