# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``rechown``: real files of this machine, repaired by the jobs of a real API server.

The jobs run here without the pods' users, so what is proved as the serving user is tested on the whole cluster.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cluster import CLAIM, ClusterHandle
from support.model_plays import BASELINE, NAME, ModelPlays, handed_on, on
from support.modules import run_module
from support.playbook import Playbooks, PlayResult
from support.sandbox import PROJECT, TRAININGS, SandboxHandle
from support.walks import GID, UID, make_file, make_folder, need_root, state

STRANGER = 1000


@pytest.fixture
def rechown(playbooks: Playbooks, tmp_path: Path) -> ModelPlays:
    """The playbook, and the empty folder of a model as root makes it."""
    need_root()
    return ModelPlays(playbooks, tmp_path, "rechown")


def shown(result: PlayResult) -> list[str]:
    """Return the lines of the report."""
    lines: list[str] = [entry["msg"] for entry in result.results if entry["task"].endswith("Show what was found")][-1]
    return lines


def verdict(result: PlayResult) -> str:
    """Return what the next job of a workflow gets."""
    told = handed_on(result)
    assert list(told) == ["verdict"]
    return str(told["verdict"])


def owners(folder: Path) -> set[tuple[int, int]]:
    return {(owner, group) for _mode, owner, group, _changed in state(folder).values()}


def test_check_mode_reports_a_repair_repairs_and_a_second_run_changes_nothing(
    cluster: ClusterHandle, rechown: ModelPlays
) -> None:
    make_file(rechown.model / "weights", 0o600, 0, 0)
    before = state(rechown.folder)
    checked = rechown.play(on(cluster), "--check", "--diff").check()
    assert state(rechown.folder) == before
    assert checked.changed == 1
    assert "found: files 1, folders 1, size 7.00 Bytes" in shown(checked)
    assert "wrong: owner 2, group 2, mode 1, unreadable 1" in shown(checked)
    assert "-wrong owner: 2" in checked.stdout

    repaired = rechown.play(on(cluster)).check()
    assert (repaired.changed, verdict(repaired)) == (1, "passed")
    assert owners(rechown.model) == {(UID, GID)}
    assert (rechown.model / "weights").stat().st_mode & 0o777 == 0o640
    assert shown(repaired)[0] == f"{NAME}: can read everything"
    assert "paths: model" in shown(repaired)
    assert "changed: owner 2, group 2, mode 1" in shown(repaired)
    assert "still wrong: nothing" in shown(repaired)
    assert "since the last run: remembered from now on" in shown(repaired)
    assert "read as the serving user: 1 of 1 files, 1 of 1 folders" in shown(repaired)

    before = state(rechown.folder)
    again = rechown.play(on(cluster)).check()
    assert (again.changed, verdict(again)) == (0, "passed")
    assert state(rechown.folder) == before
    assert shown(again)[0] == f"{NAME}: can read everything, nothing changed"
    assert "since the last run: nothing differs" in shown(again)

    make_file(rechown.model / "more")
    (rechown.model / "weights").write_text("another revision")
    renewed = rechown.play(on(cluster)).check()
    assert (renewed.changed, verdict(renewed)) == (1, "passed")
    assert "since the last run: added 1, removed 0, changed 1" in shown(renewed)


def test_files_of_somebody_else_are_taken_only_where_the_inventory_says_so(
    cluster: ClusterHandle, rechown: ModelPlays
) -> None:
    theirs = make_file(rechown.model / "weights", 0o644, STRANGER, STRANGER)
    beside = make_file(rechown.folder / "data", 0o600, 0, 0)
    first = rechown.play(on(cluster)).check()
    assert theirs.stat().st_uid == STRANGER
    assert "still wrong: foreign 1" in shown(first)
    assert any(line.startswith("warning: ") and f"take_over_from: [{STRANGER}]" in line for line in shown(first))
    rechown.play({**on(cluster), "gpuops_ownership_take_over_from": [STRANGER]}).check()
    assert (theirs.stat().st_uid, theirs.stat().st_gid) == (UID, GID)
    assert (beside.stat().st_uid, beside.stat().st_mode & 0o777) == (0, 0o600)


def test_the_paths_and_the_identity_are_those_of_the_inventory(cluster: ClusterHandle, rechown: ModelPlays) -> None:
    other = make_folder(rechown.folder / "other", 0o755, 0, 0)
    variables = {
        "gpuops_claim": None,
        "gpuops_volumes": [{"claim": CLAIM, "path": str(rechown.folder), "read_only": True}],
        "gpuops_run_as_uid": 3000,
        "gpuops_run_as_gid": 3001,
        "gpuops_ownership_paths": [str(other)],
        "gpuops_ownership_directory_mode": "0750",
    }
    rechown.play({**on(cluster), **variables}).check()
    assert owners(other) == {(3000, 3001)}
    assert other.stat().st_mode & 0o777 == 0o750
    assert owners(rechown.model) == {(0, 0)}


def test_files_that_are_served_are_changed_only_where_that_is_allowed(
    cluster: ClusterHandle, rechown: ModelPlays
) -> None:
    weights = make_file(rechown.model / "weights", 0o644, 0, 0)
    model, volume = {"path": str(rechown.model)}, {"claim": CLAIM, "path": str(rechown.folder)}
    options = cluster.workload(NAME, pods=1, model=model, volumes=[volume])
    assert run_module("vllm_workload", {**options, **cluster.connection_in(BASELINE)})["rc"] == 0
    spared = rechown.play(on(cluster))
    assert (spared.rc, verdict(spared), weights.stat().st_uid) == (0, "passed", 0), "they can be read"
    assert f"serves from there now: {NAME}" in shown(spared)
    assert any(line.startswith(f"warning: {NAME} serves from there now") for line in shown(spared))
    rechown.play(on(cluster), "-e", "gpuops_ownership_allow_serving=true").check()
    assert weights.stat().st_uid == UID


def test_files_that_were_changed_under_a_workload_are_an_error_until_they_are_taken(
    cluster: ClusterHandle, rechown: ModelPlays
) -> None:
    weights = make_file(rechown.model / "weights", 0o644, 0, 0)
    rechown.play(on(cluster)).check()
    model, volume = {"path": str(rechown.model)}, {"claim": CLAIM, "path": str(rechown.folder)}
    options = cluster.workload(NAME, pods=1, model=model, volumes=[volume])
    assert run_module("vllm_workload", {**options, **cluster.connection_in(BASELINE)})["rc"] == 0
    assert verdict(rechown.play(on(cluster)).check()) == "passed"
    weights.write_text("another revision")
    before = state(rechown.folder)
    told = rechown.play(on(cluster))
    assert (told.rc, verdict(told), state(rechown.folder)) == (2, "failed", before)
    assert f"error: {NAME} serves from there now, and since their manifest was written, files are " in "".join(
        shown(told)
    )
    assert "since the last run: added 0, removed 0, changed 1" in shown(told)
    rechown.play(on(cluster), "-e", "gpuops_ownership_allow_serving=true").check()
    assert verdict(rechown.play(on(cluster)).check()) == "passed"


def test_a_workload_without_a_claim_has_nothing_to_see_to(cluster: ClusterHandle, rechown: ModelPlays) -> None:
    result = rechown.play({**on(cluster), "gpuops_claim": None}).check()
    assert result.changed == 0
    assert shown(result) == [f"{NAME}: has no claim, so there are no files to see to"]


def test_wrong_input_ends_with_one_message_and_changes_nothing(cluster: ClusterHandle, rechown: ModelPlays) -> None:
    before = state(rechown.folder)
    for variables, told in (
        ({"gpuops_model_path": None}, "missing required arguments: gpuops_model_path"),
        ({"gpuops_ownership_paths": ["/elsewhere"]}, "paths[0]: '/elsewhere' does not lie below"),
        ({"gpuops_ownership_file_mode": "u+q"}, "file_mode: "),
    ):
        cluster.forget_requests()
        result = rechown.play({**on(cluster), **variables})
        assert result.rc == 2
        assert told in result.stdout, result.stdout
        assert shown(result)[0] == f"{NAME}: nobody looked at its files"
        assert cluster.writes() == []
    assert state(rechown.folder) == before


def test_run_ai_without_a_kubeconfig_is_asked(sandbox: SandboxHandle, rechown: ModelPlays) -> None:
    credentials = {
        "RUNAI_URL": sandbox.description["api_url"],
        "RUNAI_CLIENT_ID": sandbox.description["client_id"],
        "RUNAI_CLIENT_SECRET": sandbox.description["client_secret"],
        "RUNAI_CA_PATH": sandbox.description["ca_path"],
    }
    result = rechown.play({"gpuops_platform": "runai", "gpuops_project": PROJECT}, **credentials).check()
    assert (result.changed, verdict(result)) == (0, "passed")
    assert shown(result)[0] == f"{NAME}: can read everything, nothing changed"
    assert sandbox.writes()[0] == f"POST {TRAININGS}"
    assert sandbox.living() == []
