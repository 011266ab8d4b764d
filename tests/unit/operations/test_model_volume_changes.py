# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``model_volume`` reports as changed when a write is refused, gets no answer, or is only thought of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._operations import model_volume
from ansible_collections.gpuops.inference.plugins.module_utils._options.model_volume import model_volume_arguments
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable, Target
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import BOUND, LiveClaim, Users
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import to_plain
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import ClaimChange, ClaimSpec
from scripted_platform import Stage

CLAIM = LiveClaim("models", "id-1", BOUND, True, {"size": "1Gi"})
REFUSED = GpuopsError.from_finding(Finding(ERROR, "permission_denied", "403.", "", "models"))
UNANSWERED = PlatformUnreachable.from_finding(Finding(ERROR, "api_unreachable", "reset.", "", "models"))
CREATED: dict[str, Any] = {"size": "1Gi"}
GROWN: dict[str, Any] = {"size": "2Gi"}
REMOVED: dict[str, Any] = {"state": "absent", "allow_data_loss": True}


class ScriptedVolumes:
    """One claim, or none; every write ends with ``failure``. ``writes`` lists what was sent."""

    def __init__(self, live: LiveClaim | None, failure: GpuopsError | None, obstacles: Sequence[Finding] = ()) -> None:
        self._live = live
        self._failure = failure
        self._obstacles = list(obstacles)
        self.writes: list[str] = []

    def target(self) -> Target:
        return Target(platform="kubernetes", address="https://api.example.com:6443", cluster=None)

    def refuse_options(self, spec: ClaimSpec) -> None:
        pass

    def find(self, spec: ClaimSpec, must_know: bool = False) -> LiveClaim | None:
        return self._live

    def missing(self, spec: ClaimSpec) -> None:
        return None

    def creation(self, spec: ClaimSpec) -> dict[str, Any]:
        return {"size": spec.size}

    def check(self, spec: ClaimSpec, live: LiveClaim | None) -> list[Finding]:
        return []

    rehearse = check
    unknown = check

    def differences(self, spec: ClaimSpec, live: LiveClaim) -> list[ClaimChange]:
        return [ClaimChange("size", "1Gi", spec.size)]

    def users(self, live: LiveClaim) -> Users:
        return Users()

    def loses_data(self, live: LiveClaim) -> bool:
        return True

    def check_removal(self, live: LiveClaim) -> list[Finding]:
        return self._obstacles

    def create(self, spec: ClaimSpec) -> LiveClaim:
        return self._write("create")

    def change(self, spec: ClaimSpec, live: LiveClaim) -> LiveClaim:
        return self._write("change")

    def delete(self, live: LiveClaim) -> None:
        self._write("delete")

    def _write(self, word: str) -> LiveClaim:
        self.writes.append(word)
        if self._failure is not None:
            raise self._failure
        return CLAIM


def outcome(
    monkeypatch: pytest.MonkeyPatch, volumes: ScriptedVolumes, options: dict[str, Any], check_mode: bool = False
) -> tuple[dict[str, Any], GpuopsError | None]:
    """Return the module's result, and the error that it came with."""
    monkeypatch.setattr(model_volume, "make_volumes", lambda connection, host: volumes)
    stated = {"platform": "kubernetes", "name": "models", "wait": False, **options}
    validated = ArgumentSpecValidator(**model_volume_arguments().keywords()).validate(stated)
    assert not validated.error_messages, validated.error_messages
    try:
        params = to_plain(validated.validated_parameters)
        return model_volume.apply_volume(params, Stage(check_mode=check_mode).host), None
    except GpuopsError as error:
        return error.result, error


@pytest.mark.parametrize(
    ("live", "options", "write"),
    [(None, CREATED, "create"), (CLAIM, GROWN, "change"), (CLAIM, REMOVED, "delete")],
    ids=["create", "change", "delete"],
)
class TestWrites:
    def test_one_that_is_refused_changes_nothing(
        self, monkeypatch: pytest.MonkeyPatch, live: LiveClaim | None, options: dict[str, Any], write: str
    ) -> None:
        volumes = ScriptedVolumes(live, GpuopsError(REFUSED.message, REFUSED.findings))
        result, error = outcome(monkeypatch, volumes, options)
        assert error is not None and volumes.writes == [write]
        assert result["changed"] is False and result["changes"] == [] and "diff" not in result

    def test_one_without_an_answer_may_have_changed_it(
        self, monkeypatch: pytest.MonkeyPatch, live: LiveClaim | None, options: dict[str, Any], write: str
    ) -> None:
        volumes = ScriptedVolumes(live, PlatformUnreachable(UNANSWERED.message, UNANSWERED.findings))
        result, error = outcome(monkeypatch, volumes, options)
        assert error is not None and volumes.writes == [write]
        assert result["changed"] is True and len(result["changes"]) == 1

    @pytest.mark.parametrize("check_mode", [False, True])
    def test_one_that_is_done_or_would_be(
        self,
        monkeypatch: pytest.MonkeyPatch,
        live: LiveClaim | None,
        options: dict[str, Any],
        write: str,
        check_mode: bool,
    ) -> None:
        volumes = ScriptedVolumes(live, None)
        result, error = outcome(monkeypatch, volumes, options, check_mode)
        assert error is None and result["changed"] is True and len(result["changes"]) == 1
        assert volumes.writes == ([] if check_mode else [write])


@pytest.mark.parametrize("check_mode", [False, True])
def test_check_mode_promises_no_deletion_that_is_refused(monkeypatch: pytest.MonkeyPatch, check_mode: bool) -> None:
    obstacle = Finding(ERROR, "name_in_use", "the claim models has no data source.", "", "models")
    volumes = ScriptedVolumes(CLAIM, None, [obstacle])
    result, error = outcome(monkeypatch, volumes, REMOVED, check_mode)
    assert error is not None and error.findings[0] == obstacle
    assert result["changed"] is False and volumes.writes == []
