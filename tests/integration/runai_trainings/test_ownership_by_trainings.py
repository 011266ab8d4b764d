# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``model_ownership`` on Run:ai without a kubeconfig: real trainings with real users on real files."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import MANIFEST_NAME
from support.modules import run_module
from support.needs import need_pods
from support.sandbox import CLAIM, TRAININGS, SandboxHandle, until
from support.walks import GID, UID, make_file, make_folder, need_root, state

IMAGE = "registry.example.com/stand-in:v1"
SECONDS = 60


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """A sandbox whose pods are processes."""
    need_pods()
    handle = SandboxHandle(tmp_path_factory.mktemp("trainings") / "state", "--machines", "1")
    yield handle
    handle.end()


@pytest.fixture
def real_pods(real_server: SandboxHandle) -> SandboxHandle:
    """The same without workloads, faults and requests."""
    real_server.reset()
    return real_server


@pytest.fixture
def model(real_pods: SandboxHandle) -> Iterator[Path]:
    """A model as root downloads it: weights that only root may read, a folder that only root may enter."""
    claim = Path(real_pods.description["volumes_directory"]) / real_pods.description["namespace"] / CLAIM
    folder = make_folder(claim / "model", 0o755, 0, 0)
    make_file(folder / "weights 'quoted'\n", 0o600, 0, 0)
    make_file(make_folder(folder / "closed", 0o700, 0, 0) / "more", 0o644, 0, 0)
    yield folder
    shutil.rmtree(folder)


def parameters(sandbox: SandboxHandle, **options: Any) -> dict[str, Any]:
    given = {"claim": CLAIM, "image": IMAGE, "paths": ["model"], "start_timeout": SECONDS, "time_limit": SECONDS}
    return {**sandbox.connection, **given, **options}


def ownership(sandbox: SandboxHandle, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    return run_module("model_ownership", parameters(sandbox, **options), check_mode=check_mode)


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def owners(folder: Path) -> set[int]:
    return {owner for _mode, owner, *_rest in state(folder).values()}


def started(sandbox: SandboxHandle) -> int:
    """Return how many trainings were started since the requests were forgotten."""
    return sandbox.writes().count(f"POST {TRAININGS}")


@pytest.mark.parametrize("splitting", ["whitespace", "shell_words", "sh_c"])
def test_look_repair_and_look_and_then_nothing(real_pods: SandboxHandle, model: Path, splitting: str) -> None:
    real_pods.switch(command_splitting=splitting)
    first = ownership(real_pods)
    assert (first["rc"], first["changed"], first["looks"], started(real_pods)) == (0, True, 4, 4), first
    assert (first["answers"], first["manifest"]["state"]) == ({"before": False, "after": True}, "written")
    assert (first["ownership"], first["proof"]["readable"]) == (None, True)
    assert {"counts_unknown", "default_capabilities"} <= set(causes(first))
    assert owners(model) == {UID}
    assert (model / "closed").stat().st_mode & 0o777 == 0o750
    before = state(model)
    real_pods.forget_requests()
    second = ownership(real_pods)
    assert (second["rc"], second["changed"], started(real_pods), state(model)) == (0, False, 1, before)
    assert second["manifest"]["state"] == "same"
    until(lambda: not real_pods.living(), "no training is left", SECONDS)
    told = json.dumps([first, second])
    assert real_pods.description["client_secret"] not in told
    assert real_pods.token() not in told


def test_check_mode_asks_only_where_it_may(real_pods: SandboxHandle, model: Path) -> None:
    before = state(model)
    silent = ownership(real_pods, check_mode=True)
    assert (silent["rc"], silent["changed"], silent["not_looked_at"]) == (0, False, [f"the files of {CLAIM}"])
    assert real_pods.writes() == []
    asked = ownership(real_pods, check_mode=True, looks_in_check_mode=True)
    assert (asked["rc"], asked["changed"], state(model)) == (0, True, before)
    assert "not_as_wanted" in causes(asked)


def test_readable_as_they_are_is_enough_where_that_is_wanted(real_pods: SandboxHandle, model: Path) -> None:
    (model / "weights 'quoted'\n").chmod(0o644)
    (model / "closed").chmod(0o755)
    before = state(model)
    result = ownership(real_pods, ensure="readable", manifest="none")
    assert (result["rc"], result["changed"], result["proof"]["readable"], state(model)) == (0, False, True, before)


def test_what_cannot_be_mended_is_an_error_that_says_what_is_not_known(real_pods: SandboxHandle, model: Path) -> None:
    make_file(model / "theirs", 0o600, 1000, 1000)
    result = ownership(real_pods)
    assert (result["rc"], result["changed"], result["proof"], causes(result)[0]) == (1, True, None, "not_as_wanted")
    assert (model / "theirs").stat().st_uid == 1000
    assert ownership(real_pods, take_over_from=[1000])["rc"] == 0
    assert owners(model) == {UID}


def test_a_path_that_is_not_there_is_one_clear_message(real_pods: SandboxHandle, model: Path) -> None:
    before = state(model)
    result = ownership(real_pods, paths=["model/none"])
    assert (result["rc"], causes(result)[0], state(model)) == (1, "path_missing", before)
    assert "model/none" in result["msg"]


def test_an_image_that_is_not_there_is_told_and_nothing_is_changed(real_pods: SandboxHandle, model: Path) -> None:
    before = state(model)
    result = ownership(real_pods, image="registry.example.com/stand-in:missing")
    assert (result["rc"], result["changed"], state(model)) == (1, False, before)
    assert "image" in causes(result)[0]
    until(lambda: not real_pods.living(), "no training is left", SECONDS)


def test_one_that_does_not_start_in_time_is_an_error(real_pods: SandboxHandle, model: Path) -> None:
    real_pods.switch(creation_seconds=SECONDS)
    result = ownership(real_pods, start_timeout=2)
    assert (result["rc"], result["changed"], causes(result)[0]) == (1, False, "look_not_started")


def test_a_creation_without_a_clear_answer_starts_one(real_pods: SandboxHandle, model: Path) -> None:
    real_pods.add_fault({"type": "accept_then_reset"}, "POST", TRAININGS)
    result = ownership(real_pods)
    assert (result["rc"], result["changed"], owners(model)) == (0, True, {UID})
    assert started(real_pods) == 4


def test_who_may_not_start_trainings_is_told_that_nobody_looked(real_pods: SandboxHandle, model: Path) -> None:
    refusal = {"code": 403, "message": "You do not have sufficient permissions."}
    real_pods.add_fault({"type": "status", "status": 403, "body": refusal}, "POST", TRAININGS)
    before = state(model)
    result = ownership(real_pods)
    assert (result["rc"], result["changed"], causes(result)[0], state(model)) == (0, False, "no_looks", before), result


def test_files_that_are_served_are_spared(real_pods: SandboxHandle, model: Path) -> None:
    serving = real_pods.workload(
        "engine", image=IMAGE, pods=1, gpus_per_pod=1, model={"path": "/data/model", "served_names": ["m"]}
    )
    assert run_module("vllm_workload", serving)["rc"] == 0
    before = state(model)
    spared = ownership(real_pods)
    assert (spared["rc"], spared["changed"], spared["serving"], state(model)) == (1, False, ["engine"], before)
    assert {"paths_are_served", "not_as_wanted"} <= set(causes(spared))
    real_pods.forget_requests()
    left = ownership(real_pods, look_at_served=False)
    assert (left["rc"], left["looks"], real_pods.writes()) == (0, 0, [])
    assert ownership(real_pods, allow_serving=True)["changed"]
    assert owners(model) == {UID}


@pytest.fixture
def right_model(model: Path) -> Path:
    """The same as the serving user has downloaded it."""
    for path in (model, *model.rglob("*")):
        os.chown(path, UID, GID)
        path.chmod(0o750 if path.is_dir() else 0o640)
    return model


def manifest_of(result: dict[str, Any]) -> str:
    return str(result["manifest"]["state"])


@pytest.mark.parametrize("wanted", ["sizes", "hashes"])
def test_right_files_get_a_manifest_that_the_next_run_compares(
    real_pods: SandboxHandle, right_model: Path, wanted: str
) -> None:
    before = state(right_model)
    first = ownership(real_pods, manifest=wanted)
    assert (first["rc"], first["changed"], manifest_of(first), started(real_pods)) == (0, True, "written", 3), first
    written = right_model / MANIFEST_NAME
    assert (written.stat().st_uid, written.stat().st_gid, written.stat().st_mode & 0o777) == (UID, GID, 0o640)
    files = json.loads(written.read_text(encoding="utf-8"))["files"]
    assert set(files) == {"weights 'quoted'\n", "closed/more"}
    assert all(("sha256" in entry) == (wanted == "hashes") for entry in files.values())
    after = state(right_model)
    assert [path for path in before if after[path] != before[path]] == [os.path.join(os.fsencode(right_model), b".")]
    real_pods.forget_requests()
    second = ownership(real_pods, manifest=wanted)
    assert (second["rc"], second["changed"], started(real_pods), state(right_model)) == (0, False, 1, after)
    assert (manifest_of(second), second["manifest"]["compared"], second["manifest"]["files"]) == ("same", wanted, None)


def test_files_that_were_changed_where_nobody_serves_are_remembered_anew(
    real_pods: SandboxHandle, right_model: Path
) -> None:
    ownership(real_pods)
    with (right_model / "closed" / "more").open("a", encoding="utf-8") as file:
        file.write("a new revision")
    assert (right_model / "closed" / "more").stat().st_uid == UID
    result = ownership(real_pods)
    assert (result["rc"], result["changed"], manifest_of(result)) == (0, True, "written")
    assert "manifest_written" in causes(result)
    assert manifest_of(ownership(real_pods)) == "same"


def test_storage_that_gives_no_file_away_is_unknown_and_never_a_change(
    real_pods: SandboxHandle, right_model: Path
) -> None:
    need_root("bindfs")
    claim = right_model.parent
    # Pods see what is mounted where their server is.
    there = ["nsenter", "--mount", "--target", str(real_pods.description["pid"])]
    denying = ["bindfs", "-o", "nonempty", "--chown-deny", "--chgrp-deny", str(claim), str(claim)]
    subprocess.run([*there, *denying], check=True)
    try:
        for _run in range(2):
            result = ownership(real_pods)
            assert (result["rc"], result["changed"], manifest_of(result)) == (0, False, "unknown"), result
            assert "manifest_unknown" in causes(result)
            assert sorted(path.name for path in right_model.iterdir()) == ["closed", "weights 'quoted'\n"]
    finally:
        subprocess.run([*there, "umount", str(claim)], check=True)


def test_files_that_are_changed_under_a_workload_that_serves_are_an_error(
    real_pods: SandboxHandle, right_model: Path
) -> None:
    serving = real_pods.workload(
        "engine", image=IMAGE, pods=1, gpus_per_pod=1, model={"path": "/data/model", "served_names": ["m"]}
    )
    assert run_module("vllm_workload", serving)["rc"] == 0
    before = state(right_model)
    missing = ownership(real_pods)
    assert (missing["rc"], missing["changed"], manifest_of(missing), state(right_model)) == (
        0,
        False,
        "unknown",
        before,
    )
    assert "manifest_unknown" in causes(missing)
    taken = ownership(real_pods, allow_serving=True)
    assert (taken["rc"], taken["changed"], manifest_of(taken)) == (0, True, "written")
    assert manifest_of(ownership(real_pods)) == "same"
    (right_model / "closed" / "more").unlink()
    before = state(right_model)
    changed = ownership(real_pods)
    assert (changed["rc"], changed["changed"], manifest_of(changed), state(right_model)) == (
        1,
        False,
        "differs",
        before,
    )
    assert (causes(changed)[0], "engine" in changed["msg"]) == ("served_files_changed", True)


def test_check_mode_tells_that_a_manifest_would_be_written(real_pods: SandboxHandle, right_model: Path) -> None:
    before = state(right_model)
    asked = ownership(real_pods, check_mode=True, looks_in_check_mode=True)
    assert (asked["rc"], asked["changed"], manifest_of(asked), state(right_model)) == (0, True, "unknown", before)
    assert started(real_pods) == 2


def _run_and_stay(given: dict[str, Any]) -> None:
    run_module("model_ownership", given)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_run_that_is_killed_leaves_nothing_for_good(real_pods: SandboxHandle, model: Path, number: int) -> None:
    """The kill comes while one of the first looks, the repair, or the look after it is there: the next run removes it,
    and ends well, whatever came of it meanwhile."""
    real_pods.add_fault({"type": "accept_then_hang"}, "POST", TRAININGS, nth=number)
    run = multiprocessing.get_context("spawn").Process(target=_run_and_stay, args=(parameters(real_pods),))
    run.start()
    real_pods.until_hit()
    left = until(real_pods.living, "a training is there")
    assert run.pid is not None
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    real_pods.forget_faults()
    assert ownership(real_pods)["rc"] == 0
    assert owners(model) == {UID}
    until(lambda: not real_pods.living(), "what was left over is gone", SECONDS)
    assert f"DELETE {TRAININGS}/{left[-1]['id']}" in real_pods.writes()
