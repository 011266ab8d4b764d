# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repair of model files by real jobs with real containers, users and capabilities, on a real volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.cluster import CLAIM, IMAGE
from support.modules import run_module
from support.real_cluster import RealClusterHandle
from support.sandbox import until
from support.tiny_engine import FOR_A_CPU
from support.walks import UID, make_file, make_folder, state

from gpuops_sandbox.engine.tiny_model import copy_model

# Pods may run as root there.
OPEN = "my-project-baseline"
RESTRICTED = "my-project"
ENGINE_IMAGE = "registry.example.com/vllm-openai:v0.33.0"
JOBS = f"/apis/batch/v1/namespaces/{OPEN}/jobs"


@pytest.fixture(params=[OPEN])
def model(request: pytest.FixtureRequest, real_cluster: RealClusterHandle) -> Path:
    """A model as root downloads it, on the claim of a namespace."""
    folder = real_cluster.volumes / request.param / CLAIM / "input" / "Models" / request.node.name.partition("[")[0]
    make_folder(folder, 0o755, 0, 0)
    make_file(folder / "config.json", 0o644, 0, 0)
    make_file(folder / "model.safetensors", 0o600, 0, 0)
    return folder


def ownership(cluster: RealClusterHandle, model: Path, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """Run the module on a model of the open namespace."""
    parameters = {
        **cluster.connection_in(OPEN),
        "claim": CLAIM,
        "paths": [f"/data/input/Models/{model.name}"],
        "image": ENGINE_IMAGE,
        **options,
    }
    return run_module("model_ownership", parameters, check_mode=check_mode, diff=True)


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def test_it_is_looked_at_repaired_proved_and_left_alone(real_cluster: RealClusterHandle, model: Path) -> None:
    before = state(model)
    looked = ownership(real_cluster, model, check_mode=True, looks_in_check_mode=True)
    assert looked["changed"] and looked["proof"]["readable"] is False
    assert "wrong owner: 3" in looked["diff"]["before"]
    assert state(model) == before

    repaired = ownership(real_cluster, model)
    assert repaired["rc"] == 0 and repaired["changed"] and repaired["findings"] == []
    assert repaired["ownership"]["changed"] == {"entries": 3, "owner": 3, "group": 3, "mode": 1}
    assert repaired["proof"] == {
        "readable": True, "files": 2, "directories": 1, "unreadable": 0, "unlisted": 0, "examples": {}
    }  # fmt: skip
    assert repaired["manifest"]["state"] == "written"
    assert {owner for _mode, owner, *_rest in state(model).values()} == {UID}

    before = state(model)
    again = ownership(real_cluster, model)
    assert again["rc"] == 0 and not again["changed"] and "diff" not in again
    assert (again["manifest"]["state"], again["findings"]) == ("same", [])
    assert state(model) == before
    until(lambda: not real_cluster.items(JOBS), "the jobs are gone")


def test_very_many_entries_are_shared_by_pods(real_cluster: RealClusterHandle, model: Path) -> None:
    folders, files = 30, 10
    for folder in range(folders):
        for name in range(files):
            make_file(model / str(folder) / str(name), 0o600, 0, 0)
        make_folder(model / str(folder), 0o700, 0, 0)
    (model / "0" / "again").hardlink_to(model / "1" / "0")
    shared = ownership(real_cluster, model, copies=2, copies_from=50)
    assert (shared["rc"], causes(shared), shared["looks"]) == (0, ["shared_repair"], 3), shared
    assert ", 2 got through." in shared["findings"][0]["evidence"]
    # One folder, two files, and all that was added: a file with two names is changed once.
    assert shared["ownership"]["changed"]["entries"] == 3 + folders + folders * files
    assert (shared["proof"]["readable"], shared["manifest"]["state"]) == (True, "written")
    assert {owner for _mode, owner, *_rest in state(model).values()} == {UID}
    before = state(model)
    again = ownership(real_cluster, model, copies=2, copies_from=50)
    assert (again["rc"], again["changed"], again["looks"]) == (0, False, 1)
    assert state(model) == before
    until(lambda: not real_cluster.items(JOBS), "the jobs are gone")


def test_set_group_id_bits_stay(real_cluster: RealClusterHandle, model: Path) -> None:
    """Root with three capabilities would lose them, if its group were not the workload's."""
    model.chmod(0o2700)
    assert ownership(real_cluster, model)["rc"] == 0
    assert model.stat().st_mode & 0o7777 == 0o2750


def test_check_mode_without_looks_starts_nothing(real_cluster: RealClusterHandle, model: Path) -> None:
    result = ownership(real_cluster, model, check_mode=True)
    assert (result["looks"], result["proof"], causes(result)) == (0, None, ["not_looked_at"])
    assert result["not_looked_at"] == [f"the files of {CLAIM}"]


@pytest.mark.parametrize("model", [RESTRICTED], indirect=True)
def test_a_namespace_without_root_is_read_as_the_serving_user(real_cluster: RealClusterHandle, model: Path) -> None:
    result = ownership(real_cluster, model, **real_cluster.connection_in(RESTRICTED))
    assert (result["rc"], result["changed"], result["ownership"]) == (1, False, None)
    assert set(causes(result)) == {"root_not_allowed", "files_unreadable", "manifest_unknown"}
    assert "pod security level restricted" in result["msg"] and "baseline" in result["msg"]
    model.joinpath("model.safetensors").chmod(0o644)
    readable = ownership(real_cluster, model, **real_cluster.connection_in(RESTRICTED))
    assert (readable["rc"], causes(readable)) == (0, ["root_not_allowed", "manifest_unknown"])
    assert readable["proof"]["readable"] is True


def test_what_serves_is_only_looked_at(real_cluster: RealClusterHandle, model: Path) -> None:
    workload = {
        **real_cluster.workload("reader", pods=1, gpus_per_pod=1, image=IMAGE),
        **real_cluster.connection_in(OPEN),
        "model": {"path": f"/data/input/Models/{model.name}", "served_names": ["m"]},
    }
    model.joinpath("model.safetensors").chmod(0o644)
    started = run_module("vllm_workload", workload)
    assert started["rc"] == 0, started
    before = state(model)
    spared = ownership(real_cluster, model)
    assert (spared["rc"], spared["mode"], spared["serving"]) == (0, "look", ["reader"])
    assert causes(spared) == ["paths_are_served", "manifest_unknown"]
    left = ownership(real_cluster, model, look_at_served=False)
    assert (left["rc"], left["looks"], causes(left)) == (0, 0, ["not_looked_at"])
    assert state(model) == before
    other = make_folder(model.parent / "other", 0o755, 0, 0)
    assert ownership(real_cluster, other)["changed"], "a path beside it is nobody's"
    assert ownership(real_cluster, model, allow_serving=True)["changed"]
    model.joinpath("config.json").write_text("another revision")
    changed = ownership(real_cluster, model, manifest="hashes")
    assert (changed["rc"], causes(changed), changed["manifest"]["changed"]) == (1, ["served_files_changed"], 1)
    run_module("vllm_workload", {**workload, "state": "absent"})


def test_what_is_not_there_is_one_clear_message(real_cluster: RealClusterHandle, model: Path) -> None:
    before = state(model)
    claim = ownership(real_cluster, model, claim="no-such-claim")
    assert (claim["rc"], causes(claim), claim["looks"]) == (1, ["volume_claim_missing"], 0)
    path = ownership(real_cluster, model, paths=["input/Models/none"])
    assert (path["rc"], causes(path)) == (1, ["path_missing"])
    image = ownership(real_cluster, model, image="registry.example.com/image-missing:v1", start_timeout=60)
    assert (image["rc"], causes(image)[0]) == (1, "image_pull_failed")
    assert state(model) == before


def test_real_vllm_fails_before_the_repair_and_serves_after_it(real_cluster: RealClusterHandle, model: Path) -> None:
    copy_model(model, 0, 0, readable=False)
    workload = {
        **real_cluster.workload("engine", pods=1, gpus_per_pod=1, image=ENGINE_IMAGE),
        **real_cluster.connection_in(OPEN),
        "model": {"path": f"/data/input/Models/{model.name}", "served_names": ["mistral4"]},
        "vllm_args": FOR_A_CPU,
        "start_timeout": 400,
    }
    failed = run_module("vllm_workload", workload)
    assert failed["rc"] == 1
    assert "model_folder_unreadable" in causes(failed), failed["findings"]
    assert ownership(real_cluster, model)["changed"]
    # The kubelet waits longer and longer before it starts a container again that ended.
    assert run_module("vllm_workload", {**workload, "state": "absent"})["rc"] == 0
    served = run_module("vllm_workload", workload)
    assert served["rc"] == 0, served
    assert ownership(real_cluster, model)["serving"] == ["engine"]
    run_module("vllm_workload", {**workload, "state": "absent"})
