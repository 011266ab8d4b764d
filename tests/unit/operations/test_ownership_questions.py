# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about files where looks leave no reports: what is asked, what follows from the answers, what is told."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._operations import model_ownership
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import perform
from ansible_collections.gpuops.inference.plugins.module_utils._options.model_ownership import (
    model_ownership_arguments,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    LookStatus,
    Target,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.model_files import Reader
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from scripted_platform import Clock, ScriptedPlatform

YES, NO = 0, 1
REFUSED = Finding(ERROR, "request_refused", "the policy of the project allows no root", "Ask for another policy.")


class AnsweredFiles:
    """Model files whose looks end in turn as ``answers`` say: with an exit status, or not at all."""

    answers_only = True

    def __init__(self, *answers: int | list[LookStatus] | GpuopsError) -> None:
        self.platform = ScriptedPlatform(Clock())
        self.reading: list[Reader] = []
        self._answers = list(answers)
        self.platform.carry_out = lambda look: self._answer()

    def _answer(self) -> list[LookStatus] | GpuopsError:
        answer = self._answers.pop(0)
        return [_ended(answer)] if isinstance(answer, int) else answer

    def target(self) -> Target:
        return Target("runai", "https://runai.example.com")

    def check(self, claim: str, pods: int, apart: bool) -> list[Finding]:
        return []

    def readers(self, claim: str) -> list[Reader]:
        return self.reading

    def rehearse(self, look: Look) -> list[Finding]:
        return []


def _ended(exit_status: int) -> LookStatus:
    return LookStatus(WorkloadStatus("stopped" if exit_status == YES else "failed"), True, exit_status)


def run(files: AnsweredFiles, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    arguments = model_ownership_arguments()
    given = {
        "platform": "runai",
        "project": "my-project",
        "runai_url": "https://runai.example.com",
        "runai_token": "canary-token-5d1f",
        "claim": "models",
        "paths": ["model"],
        "image": "example:v1",
        "manifest": "none",
        **options,
    }
    params = ArgumentSpecValidator(**arguments.keywords()).validate(given).validated_parameters
    clock = Clock()
    host = Host(check_mode=check_mode, clock=clock, sleep=clock.sleep)
    with mock.patch.object(model_ownership, "make_model_files", return_value=files):
        return perform(model_ownership.apply_ownership, arguments.argument_spec, params, host)


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def asked(files: AnsweredFiles) -> list[tuple[int, bool]]:
    """Return as which user each question was asked, and whether the claim was mounted read-only for it."""
    return [(look.place.run_as.uid, look.mounts[0].read_only) for look, _started in files.platform.looks]


def test_what_is_as_wanted_is_asked_once_and_not_changed() -> None:
    files = AnsweredFiles(YES)
    result = run(files)
    assert (result["changed"], result["looks"], asked(files)) == (False, 1, [(2000, True)])
    assert result["answers"] == {"before": True, "after": None}
    assert (result["ownership"], result["proof"]["readable"], result["proof"]["files"]) == (None, True, None)
    assert causes(result) == ["counts_unknown"]


def test_look_repair_and_look() -> None:
    files = AnsweredFiles(NO, YES, YES)
    result = run(files)
    assert (result["changed"], asked(files)) == (True, [(2000, True), (0, False), (2000, True)])
    assert result["answers"] == {"before": False, "after": True}
    assert set(causes(result)) == {"counts_unknown", "default_capabilities"}
    root = files.platform.looks[1][0].place.run_as
    assert (root.gid, files.platform.looks[0][0].place.run_as.gid) == (2000, 2000)


def test_how_the_repair_ends_is_of_no_interest() -> None:
    assert "failed" not in run(AnsweredFiles(NO, NO, YES))


def test_what_a_repair_does_not_mend_is_a_failure_that_says_what_is_not_known() -> None:
    files = AnsweredFiles(NO, NO, NO, NO, YES)
    result = run(files)
    assert (result["failed"], result["changed"], result["proof"]) == (True, True, None)
    assert causes(result)[0] == "not_as_wanted"
    assert asked(files)[-2:] == [(2000, True), (0, True)]
    assert run(AnsweredFiles(NO, NO, NO, YES), ensure="readable")["failed"]


def test_what_can_be_read_as_it_is_is_no_failure() -> None:
    files = AnsweredFiles(NO, NO, NO, YES)
    result = run(files)
    assert ("failed" in result, result["changed"], result["proof"]["readable"]) == (False, True, True)
    assert ("not_as_wanted" in causes(result), asked(files)[-1]) == (True, (2000, True))
    assert '"mode": "look"' not in " ".join(files.platform.looks[-1][0].command)


def test_a_path_that_is_not_there_is_told_apart() -> None:
    result = run(AnsweredFiles(NO, NO, NO, NO, NO))
    assert (result["failed"], causes(result)[0]) == (True, "path_missing")
    assert "model" in result["msg"]


def test_in_check_mode_nothing_is_asked() -> None:
    files = AnsweredFiles()
    result = run(files, check_mode=True)
    assert (result["changed"], result["looks"], causes(result)) == (False, 0, ["not_looked_at"])
    assert result["answers"] == {"before": None, "after": None}


def test_in_check_mode_a_look_predicts() -> None:
    files = AnsweredFiles(NO, NO, YES)
    result = run(files, check_mode=True, looks_in_check_mode=True)
    assert (result["changed"], "failed" in result) == (True, False)
    assert asked(files) == [(2000, True), (2000, True), (0, True)]
    assert "not_as_wanted" in causes(result)
    missing = run(AnsweredFiles(NO, NO, NO), check_mode=True, looks_in_check_mode=True)
    assert (missing["changed"], causes(missing)[0]) == (False, "path_missing")


def test_served_files_are_asked_about_and_spared() -> None:
    files = AnsweredFiles(NO, NO, YES)
    files.reading = [Reader("my-llm", ("model",))]
    result = run(files, look_at_served=True)
    questions = [(2000, True), (2000, True), (0, True)]
    assert (result["failed"], result["changed"], asked(files)) == (True, False, questions)
    assert "paths_are_served" in causes(result)
    readable = AnsweredFiles(NO, YES)
    readable.reading = files.reading
    result = run(readable, look_at_served=True)
    assert ("failed" in result, "paths_are_served" in causes(result)) == (False, True)
    right = AnsweredFiles(YES)
    right.reading = files.reading
    assert "failed" not in run(right, look_at_served=True)


def test_who_may_start_no_trainings_is_told_that_nobody_looked() -> None:
    forbidden = Finding(ERROR, "forbidden", "the control plane refused to create workload gpuops-files (403).")
    result = run(AnsweredFiles(GpuopsError.from_finding(forbidden)))
    assert (result["changed"], result["proof"], causes(result)) == (False, None, ["no_looks"])
    assert "failed" not in result
    assert run(AnsweredFiles(NO, GpuopsError.from_finding(forbidden)))["failed"]


def test_a_repair_that_is_refused_is_no_change() -> None:
    result = run(AnsweredFiles(NO, GpuopsError.from_finding(REFUSED)))
    assert (result["failed"], result["changed"], causes(result)[0]) == (True, False, "request_refused")


def test_a_repair_that_never_runs_is_no_change() -> None:
    waiting = [LookStatus(WorkloadStatus("pending", messages=("NonPreemptibleOverQuota: no quota is left",)))]
    result = run(AnsweredFiles(NO, waiting), start_timeout=30)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "no quota is left" in result["msg"]


def test_a_repair_that_somebody_removes_while_it_runs_may_have_changed_something() -> None:
    states = [LookStatus(WorkloadStatus("running")), LookStatus(WorkloadStatus("deleting", deleted=True), True)]
    result = run(AnsweredFiles(NO, states))
    assert (result["failed"], result["changed"], causes(result)[0]) == (True, True, "look_removed")


def remembered(files: AnsweredFiles, **options: Any) -> dict[str, Any]:
    return run(files, manifest="sizes", **options)


def served(*answers: int) -> AnsweredFiles:
    files = AnsweredFiles(*answers)
    files.reading = [Reader("my-llm", ("model",))]
    return files


def manifest_of(result: dict[str, Any]) -> str:
    return str(result["manifest"]["state"])


def test_files_that_are_right_and_the_same_cost_one_question() -> None:
    files = AnsweredFiles(YES)
    result = remembered(files)
    assert (result["changed"], asked(files), causes(result)) == (False, [(2000, True)], ["counts_unknown"])
    assert result["manifest"] == {
        "state": "same",
        "compared": "sizes",
        "files": None,
        "added": None,
        "removed": None,
        "changed": None,
        "examples": {},
    }


def test_the_manifest_of_right_files_is_written_by_root() -> None:
    files = AnsweredFiles(NO, YES, YES)
    result = remembered(files)
    assert (result["changed"], asked(files)) == (True, [(2000, True), (2000, True), (0, False)])
    assert (manifest_of(result), result["answers"]) == ("written", {"before": True, "after": None})
    assert set(causes(result)) == {"counts_unknown", "default_capabilities", "manifest_written"}


def test_a_manifest_that_cannot_be_written_is_unknown_and_no_change() -> None:
    result = remembered(AnsweredFiles(NO, YES, NO))
    assert (result["changed"], manifest_of(result), "failed" in result) == (False, "unknown", False)
    assert "manifest_unknown" in causes(result)
    refused = remembered(AnsweredFiles(NO, YES, GpuopsError.from_finding(REFUSED)))
    assert (refused["changed"], manifest_of(refused), "failed" in refused) == (False, "unknown", False)
    assert set(causes(refused)) == {"counts_unknown", "manifest_unknown"}


def test_one_that_somebody_removes_while_it_writes_may_have_changed_something() -> None:
    states = [LookStatus(WorkloadStatus("running")), LookStatus(WorkloadStatus("deleting", deleted=True), True)]
    result = remembered(AnsweredFiles(NO, YES, states))
    assert (result["changed"], manifest_of(result), "failed" in result) == (True, "unknown", False)


def test_a_repair_writes_the_manifest_too() -> None:
    files = AnsweredFiles(NO, NO, YES, YES)
    result = remembered(files)
    assert (result["changed"], manifest_of(result)) == (True, "written")
    assert asked(files) == [(2000, True), (2000, True), (0, False), (2000, True)]
    without = remembered(AnsweredFiles(NO, NO, YES, NO, YES))
    assert (without["answers"]["after"], manifest_of(without), "failed" in without) == (True, "unknown", False)
    assert "manifest_unknown" in causes(without)
    still_wrong = remembered(AnsweredFiles(NO, NO, YES, NO, NO, NO, YES))
    assert (still_wrong["failed"], manifest_of(still_wrong)) == (True, "unknown")


def test_files_that_were_changed_under_a_workload_that_serves_are_an_error() -> None:
    files = served(NO, YES, YES)
    result = remembered(files)
    assert (result["failed"], result["changed"], manifest_of(result)) == (True, False, "differs")
    assert (causes(result)[0], asked(files)) == ("served_files_changed", [(2000, True)] * 3)
    assert "my-llm" in result["msg"]


def test_a_manifest_that_is_missing_under_a_workload_that_serves_is_no_error() -> None:
    result = remembered(served(NO, YES, NO))
    assert (result["changed"], manifest_of(result), "failed" in result) == (False, "unknown", False)
    assert "manifest_unknown" in causes(result)
    both = remembered(served(NO, NO, YES, NO, YES))
    assert {"served_files_changed", "paths_are_served"} <= set(causes(both))


def test_a_served_manifest_is_written_where_that_is_allowed() -> None:
    result = remembered(served(NO, YES, YES), allow_serving=True)
    assert (result["changed"], manifest_of(result)) == (True, "written")


def test_check_mode_says_that_a_manifest_would_be_written() -> None:
    files = AnsweredFiles(NO, YES)
    result = remembered(files, check_mode=True, looks_in_check_mode=True)
    assert (result["changed"], manifest_of(result), asked(files)) == (True, "unknown", [(2000, True)] * 2)
    assert "manifest_unknown" in causes(result)
    same = remembered(AnsweredFiles(YES), check_mode=True, looks_in_check_mode=True)
    assert (same["changed"], manifest_of(same)) == (False, "same")
    spared = remembered(served(NO, YES, NO), check_mode=True, looks_in_check_mode=True)
    assert (spared["changed"], manifest_of(spared)) == (False, "unknown")
    silent = remembered(AnsweredFiles(), check_mode=True)
    assert (manifest_of(silent), causes(silent)) == ("unknown", ["not_looked_at"])


def test_without_a_manifest_nobody_asks_for_it() -> None:
    modes = {}
    for manifest in ("none", "sizes"):
        files = AnsweredFiles(YES)
        result = run(files, manifest=manifest)
        modes[manifest] = re.findall(r'"mode": "(\w+)"', " ".join(files.platform.looks[0][0].command))
        assert (result["manifest"] is None) == (manifest == "none")
    assert modes == {"none": ["look", "prove"], "sizes": ["look", "prove", "compare"]}
