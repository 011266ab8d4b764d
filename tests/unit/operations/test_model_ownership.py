# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``model_ownership``: what is started, what is judged, and what is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
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
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookCopies
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.model_files import Reader
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from scripted_platform import Clock, ScriptedPlatform

# Where the task stands among the words of a command.
_TASK = 5
SAME = {"files": 2, "same": 1}
DIFFER = {"files": 2, "differs": 1, "changed": 1, "added": 1}
RIGHT = {"mode": "repair", "finished": True, "found": {"files": 2}, "manifest": SAME}
WRONG = {**RIGHT, "mode": "look", "found": {"files": 2, "owner": 2}, "left": {"owner": 2}}
REPAIRED = {**RIGHT, "found": {"files": 2, "owner": 2}, "done": {"changed": 2, "changed owner": 2}, "passes": 2}
PROVED = {"mode": "prove", "finished": True, "found": {"files": 2}}
UNREADABLE = {"mode": "prove", "finished": True, "found": {"unreadable": 1}}
DENIED = Finding(ERROR, "admission_denied", "pod security level restricted refuses the pods", "", "pod")


class ScriptedFiles:
    """Model files whose jobs leave scripted reports."""

    def __init__(self, platform: ScriptedPlatform, seen: dict[str, Any], proof: dict[str, Any]) -> None:
        self.platform = platform
        self.answers_only = False
        self.reading: list[Reader] = []
        self.refuses: Callable[[Look], list[Finding]] = lambda look: []
        ended = LookStatus(WorkloadStatus("running"), True, 0, json.dumps(proof), json.dumps(seen))
        platform.carry_out = lambda look: [ended]

    def target(self) -> Target:
        return Target("kubernetes", "https://cluster.example.com")

    def check(self, claim: str, pods: int, apart: bool) -> list[Finding]:
        return []

    def readers(self, claim: str) -> list[Reader]:
        return self.reading

    def rehearse(self, look: Look) -> list[Finding]:
        return self.refuses(look)


def make(seen: dict[str, Any] | None = None, proof: dict[str, Any] | None = None) -> ScriptedFiles:
    return ScriptedFiles(ScriptedPlatform(Clock()), seen or RIGHT, proof or PROVED)


def run(files: ScriptedFiles, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    arguments = model_ownership_arguments()
    given = {"platform": "kubernetes", "claim": "models", "paths": ["model"], "image": "example:v1", **options}
    params = ArgumentSpecValidator(**arguments.keywords()).validate(given).validated_parameters
    clock = Clock()
    host = Host(check_mode=check_mode, clock=clock, sleep=clock.sleep)
    with mock.patch.object(model_ownership, "make_model_files", return_value=files):
        return perform(model_ownership.apply_ownership, arguments.argument_spec, params, host)


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def modes(files: ScriptedFiles) -> list[str]:
    """Return the modes of the root commands that were started; empty where none runs as root."""
    return [json.loads(look.as_root[_TASK])["mode"] if look.as_root else "" for look, _started in files.platform.looks]


def test_what_is_right_is_no_change() -> None:
    files = make()
    result = run(files)
    assert (result["changed"], result["findings"], modes(files)) == (False, [], ["repair"])
    assert result["proof"]["readable"] is True
    assert "diff" not in result


def test_a_manifest_that_is_written_is_a_change() -> None:
    result = run(make({**RIGHT, "manifest": {"files": 2, "absent": 1, "written": 1}}))
    assert (result["changed"], result["findings"], result["manifest"]["state"]) == (True, [], "written")
    assert result["ownership"]["changed"]["entries"] == 0
    assert (result["diff"]["before"].splitlines()[-1], result["diff"]["after"].splitlines()[-1]) == (
        "manifest: absent 1",
        "manifest: of 2 files",
    )


def test_a_manifest_is_not_asked_for_where_nobody_wants_it() -> None:
    files = make({**RIGHT, "manifest": {}})
    result = run(files, manifest="none")
    assert (result["manifest"], result["findings"]) == (None, [])
    tasks = [json.loads(words[_TASK]) for look, _started in files.platform.looks for words in (look.as_root,)]
    assert [task["manifest"] for task in tasks] == ["none"]


def test_files_that_differ_where_nobody_serves_are_told_and_remembered() -> None:
    renewed = run(make({**RIGHT, "manifest": {**DIFFER, "written": 1}}))
    assert (renewed["changed"], renewed["manifest"]["state"], "failed" in renewed) == (True, "renewed", False)
    assert causes(renewed) == ["model_files_changed"]
    assert "added 1, removed 0, changed 1; it is renewed" in renewed["findings"][0]["evidence"]
    checked = run(make({**RIGHT, "mode": "look", "manifest": DIFFER}), check_mode=True, looks_in_check_mode=True)
    assert (checked["changed"], checked["manifest"]["state"], "failed" in checked) == (True, "differs", False)
    assert "files added 1, removed 0, changed 1" in checked["diff"]["before"]


def test_files_that_differ_under_a_workload_that_serves_are_an_error() -> None:
    files = make({**RIGHT, "mode": "look", "manifest": DIFFER})
    files.reading = [Reader("my-llm", ("model",))]
    result = run(files)
    assert (result["failed"], result["changed"], causes(result)) == (True, False, ["served_files_changed"])
    assert result["manifest"]["state"] == "differs"
    allowed = make({**RIGHT, "manifest": {**DIFFER, "written": 1}})
    allowed.reading = files.reading
    taken = run(allowed, allow_serving=True)
    assert (taken["changed"], causes(taken), "failed" in taken) == (True, ["model_files_changed"], False)


def test_without_root_nothing_is_known_of_the_manifest() -> None:
    files = make()
    files.refuses = lambda look: [DENIED] if look.as_root else []
    result = run(files)
    assert (result["manifest"]["state"], result["changed"]) == ("unknown", False)
    assert causes(result) == ["root_not_allowed", "manifest_unknown"]


def test_files_that_are_served_are_not_looked_at_where_nobody_wants_it() -> None:
    files = make()
    files.reading = [Reader("my-llm", ("model/sub",), 2000, 2000)]
    files.check = mock.Mock(return_value=[])
    result = run(files, look_at_served=False)
    assert (result["changed"], result["looks"], causes(result)) == (False, 0, ["not_looked_at"])
    assert (result["not_looked_at"], result["serving"]) == (["the files of models"], ["my-llm"])
    assert (result["ownership"], result["proof"], result["manifest"]["state"]) == (None, None, "unknown")
    assert files.platform.looks == [] and not files.check.called
    assert run(files, look_at_served=False, paths=["model", "other"])["looks"] == 1, "the other is not served"
    for others in ([], [Reader("my-llm", ("model",))], [Reader("my-llm", ("model",), 3000, 2000)]):
        files.reading = others
        assert run(files, look_at_served=False)["looks"] == 1, "nobody knows that this user can read them"


def test_a_repair_is_a_change_with_its_difference() -> None:
    result = run(make(REPAIRED))
    assert result["changed"] is True
    assert (result["diff"]["before"], result["diff"]["after"]) == (
        "wrong owner: 2\nwrong group: 0\nwrong mode: 0\n",
        "wrong owner: 0\nwrong group: 0\nwrong mode: 0\n",
    )


def test_in_check_mode_nothing_is_started() -> None:
    files = make(WRONG)
    result = run(files, check_mode=True)
    assert (result["changed"], modes(files), causes(result)) == (False, [], ["not_looked_at"])
    assert "failed" not in result


def test_in_check_mode_a_look_predicts() -> None:
    files = make(WRONG, UNREADABLE)
    result = run(files, check_mode=True, looks_in_check_mode=True)
    assert (result["changed"], modes(files), "failed" in result) == (True, ["look"], False)


@pytest.mark.parametrize(("proof", "failed"), [(PROVED, False), (UNREADABLE, True)])
def test_served_files_are_spared_which_is_a_failure_only_where_they_cannot_be_read(
    proof: dict[str, Any], failed: bool
) -> None:
    files = make(WRONG, proof)
    files.reading = [Reader("my-llm", ("model/sub",)), Reader("other", ("elsewhere",))]
    result = run(files)
    assert (result.get("failed", False), result["changed"], modes(files)) == (failed, False, ["look"])
    assert ("paths_are_served" in causes(result), result["serving"]) == (True, ["my-llm"])
    assert run(files, check_mode=True, looks_in_check_mode=True)["changed"] is False
    assert run(files, allow_serving=True)["serving"] == ["my-llm"]
    assert modes(files)[-1] == "repair"


def test_served_files_that_are_right_are_a_success() -> None:
    files = make({**RIGHT, "mode": "look"})
    files.reading = [Reader("my-llm")]
    assert "failed" not in run(files)


@pytest.mark.parametrize(("proof", "failed"), [(PROVED, False), (UNREADABLE, True)])
def test_without_root_files_are_read_all_the_same(proof: dict[str, Any], failed: bool) -> None:
    files = make(RIGHT, proof)
    files.refuses = lambda look: [DENIED] if look.as_root else []
    result = run(files)
    assert (result.get("failed", False), modes(files), result["ownership"]) == (failed, [""], None)
    assert "root_not_allowed" in causes(result)


def test_who_may_start_no_jobs_is_told_that_nobody_looked() -> None:
    files = make()
    denied = Finding(ERROR, "permission_denied", "jobs is forbidden", "Permit creating jobs.", "jobs")
    files.platform.carry_out = lambda look: GpuopsError.from_finding(denied)
    result = run(files)
    assert ("failed" in result, result["changed"], result["looks"], result["proof"]) == (False, False, 0, None)
    [found] = result["findings"]
    assert (found["cause"], found["severity"], found["hint"]) == ("no_looks", "warning", "Permit creating jobs.")


def test_other_refusals_stop_before_anything_is_started() -> None:
    files = make()
    files.refuses = lambda look: [Finding(ERROR, "quota_exceeded", "quota is exceeded", "", "pod")]
    result = run(files)
    assert (result["failed"], causes(result), modes(files)) == (True, ["quota_exceeded"], [])


def test_a_job_that_fails_is_a_failure() -> None:
    files = make()
    files.platform.carry_out = lambda look: [LookStatus(WorkloadStatus("running"), True, 2, "no such folder")]
    result = run(files)
    assert (result["failed"], causes(result), result["changed"]) == (True, ["look_failed"], False)


def test_what_could_not_be_read_in_the_end_is_a_failure() -> None:
    result = run(make(REPAIRED, UNREADABLE))
    assert (result["failed"], result["changed"]) == (True, True)
    assert "cannot read 1 files" in result["msg"]


def read_only(files: ScriptedFiles) -> bool:
    """Return whether the last look mounted the claim read-only for root too."""
    (mount,) = files.platform.looks[-1][0].mounts
    return mount.read_only


def test_only_a_repair_may_write_to_the_claim() -> None:
    files = make(WRONG)
    run(files, check_mode=True, looks_in_check_mode=True)
    assert read_only(files)
    run(files)
    assert not read_only(files)
    files.reading = [Reader("my-llm")]
    run(files)
    assert read_only(files)


def test_a_look_says_nothing_of_a_volume_that_it_mounts_read_only() -> None:
    seen = {**WRONG, "volume": {"read_only": True, "free_bytes": 1}}
    result = run(make(seen), check_mode=True, looks_in_check_mode=True)
    assert (causes(result), result["ownership"]["volume"]["read_only"]) == ([], None)


def test_only_the_same_question_finds_its_own_jobs() -> None:
    files = make()
    for options in (
        {"claim": "a.b", "paths": ["x", "y"]},
        {"claim": "a.b", "paths": ["y", "/data/x"]},
        {"claim": "a.b", "paths": ["x"]},
        {"claim": "a-b", "paths": ["x", "y"]},
        {"claim": "a.b", "paths": ["x", "y"], "workload": "one"},
        {"claim": "a.b", "paths": ["x", "y"], "workload": "another"},
    ):
        run(files, **options)
    first, same, *others = [(look.workload, look.what) for look, _started in files.platform.looks]
    assert first == same
    assert len({first, *others}) == 5


def ends(files: ScriptedFiles, status: int | None, report: Any, root_report: Any) -> None:
    """Have the job of ``files`` end with this exit status and these reports."""
    words = [told if isinstance(told, str) else json.dumps(told) for told in (report, root_report)]
    files.platform.carry_out = lambda look: [LookStatus(WorkloadStatus("running"), True, status, *words)]


def test_a_repair_whose_time_was_up_says_what_it_changed() -> None:
    files = make()
    unfinished = {**REPAIRED, "finished": False}
    ends(files, 3, unfinished, unfinished)
    result = run(files)
    assert (result["failed"], result["changed"], result["proof"]) == (True, True, None)
    assert causes(result) == ["time_is_up"]


def test_a_proof_whose_time_was_up_says_so() -> None:
    files = make()
    ends(files, 3, {**PROVED, "finished": False}, REPAIRED)
    result = run(files)
    assert (result["failed"], result["changed"], causes(result)) == (True, True, ["time_is_up"])
    assert result["proof"]["readable"] is False


@pytest.mark.parametrize(("status", "told"), [(137, ""), (2, "no such folder"), (3, "no report"), (None, "")])
def test_what_was_changed_is_told_where_the_proof_fails(status: int | None, told: str) -> None:
    files = make()
    ends(files, status, told, REPAIRED)
    result = run(files)
    assert (result["failed"], result["changed"], causes(result)) == (True, True, ["look_failed"])
    assert (result["ownership"]["changed"]["entries"], result["proof"]) == (2, None)


def test_what_was_changed_is_told_where_the_pod_is_gone_at_the_end() -> None:
    files = make()
    proving = LookStatus(WorkloadStatus("running"), False, None, "", json.dumps(REPAIRED))
    gone = LookStatus(WorkloadStatus("deleting", deleted=True), True)
    files.platform.carry_out = lambda look: [proving, gone]
    result = run(files)
    assert (result["failed"], result["changed"], causes(result)) == (True, True, ["look_removed"])


TOO_MUCH = {**RIGHT, "finished": False, "found": {"too_many": 1}, "done": {"changed": 10, "changed owner": 10}}
SHARE = {**RIGHT, "done": {"changed": 4, "changed owner": 4}}


def shared(files: ScriptedFiles, *copies: LookStatus, refused: GpuopsError | None = None, last: Any = None) -> None:
    """Let the first job find too much, and ``copies`` share the rest, where that is not ``refused``; the ``last`` job
    comes out as usual."""
    ended = [LookStatus(WorkloadStatus("running"), True, 3, json.dumps(TOO_MUCH), json.dumps(TOO_MUCH))]
    usual = files.platform.carry_out

    def carry_out(look: Look) -> list[LookStatus] | GpuopsError:
        if look.copies is None:
            return [ended.pop()] if ended else last or usual(look)
        return refused or [LookStatus(WorkloadStatus("running"), True, copies=copies)]

    files.platform.carry_out = carry_out


def copy_of(report: dict[str, Any] | None, exit_status: int = 0) -> LookStatus:
    as_root = json.dumps(report) if report else ""
    return LookStatus(WorkloadStatus("running"), True, exit_status, "{}" if exit_status == 0 else as_root, as_root)


def tasks(files: ScriptedFiles) -> list[tuple[int, int, str]]:
    """Return of every task of root after how many changes it stops, its shares, and what it remembers."""
    found = [json.loads(look.as_root[_TASK]) for look, _started in files.platform.looks]
    return [(task["most"], task["shares"], task["manifest"]) for task in found]


def test_too_much_for_one_is_shared_and_then_seen_to_by_one() -> None:
    files = make()
    shared(
        files,
        copy_of(SHARE),
        copy_of({**SHARE, "finished": False}, exit_status=3),
        copy_of({"error": "no such volume"}, exit_status=2),
        copy_of({"pass": 1, "seen": 9}, exit_status=137),
    )
    result = run(files, copies_from=10)
    assert tasks(files) == [(10, 1, "sizes"), (0, 4, "none"), (0, 1, "sizes")]
    first, look, _last = [look for look, _started in files.platform.looks]
    assert look.copies == LookCopies(4, "preferred", meet=False)
    assert look.what == first.what, "the next run removes both"
    assert (result["changed"], causes(result), result["looks"]) == (True, ["shared_repair"], 3)
    assert "after 10 changed entries 4 pods shared the rest, 1 got through: " in result["findings"][0]["evidence"]
    assert "exit status 2" in result["findings"][0]["evidence"]
    assert result["ownership"]["changed"]["entries"] == 18
    assert (result["ownership"]["wrong"]["owner"], result["proof"]["readable"]) == (18, True)
    assert result["diff"]["before"].splitlines()[0] == "wrong owner: 18"
    assert all(started.is_removed for _look, started in files.platform.looks)


def test_pods_that_are_refused_leave_it_to_the_one_job() -> None:
    files = make()
    shared(files, refused=GpuopsError("refused", [Finding(ERROR, "quota_exceeded", "no room for it.", "", "job")]))
    result = run(files, copies_from=10)
    assert ("failed" in result, result["ownership"]["changed"]["entries"]) == (False, 10)
    assert (causes(result), result["looks"]) == (["not_shared"], 2)
    assert "left to one pod: no room for it." in result["findings"][0]["evidence"]


def test_a_claim_that_several_machines_cannot_have_is_not_shared() -> None:
    files = make()
    shared(files)
    only_one = Finding(ERROR, "volume_claim_not_shared", "only one machine may mount it.", "", "models")
    files.check = lambda claim, pods, apart: [only_one] if apart else []
    result = run(files, copies_from=10)
    assert tasks(files) == [(10, 1, "sizes"), (0, 1, "sizes")]
    assert (causes(result), "failed" in result) == (["not_shared"], False)


@pytest.mark.parametrize(
    ("last", "entries"),
    [
        (LookStatus(WorkloadStatus("running"), True, 1, "broken", json.dumps(REPAIRED)), 16),
        (LookStatus(WorkloadStatus("running"), True, 137, "", json.dumps({"pass": 1, "seen": 9})), 14),
        (GpuopsError("refused", [Finding(ERROR, "quota_exceeded", "no room", "", "job")]), 14),
    ],
    ids=["the proof is broken", "killed", "not started"],
)
def test_what_was_changed_before_a_last_job_that_fails_is_told(last: LookStatus | GpuopsError, entries: int) -> None:
    files = make()
    shared(
        files, copy_of(SHARE), copy_of(None, exit_status=137), last=last if isinstance(last, GpuopsError) else [last]
    )
    result = run(files, copies=2, copies_from=10)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["ownership"]["changed"]["entries"] == entries


@pytest.mark.parametrize(("check_mode", "copies"), [(True, 4), (False, 1)])
def test_looks_and_single_pods_never_stop_for_too_much(check_mode: bool, copies: int) -> None:
    files = make()
    run(files, check_mode=check_mode, copies=copies, looks_in_check_mode=True)
    assert [most for most, _shares, _manifest in tasks(files)] == [0]
