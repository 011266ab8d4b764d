# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``deploy`` does with the model's volume and files, before anything is deployed: real files of this machine.

Containers are only records here, so the smoke test goes up to L0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.cluster import CLAIM, ClusterHandle
from support.model_plays import BASELINE, NAME, ModelPlays, handed_on, on
from support.playbook import Playbooks, PlayResult
from support.walks import UID, make_file, need_root, state

SETS = f"/apis/leaderworkerset.x-k8s.io/v1/namespaces/{BASELINE}/leaderworkersets"


@pytest.fixture
def deploy(playbooks: Playbooks, tmp_path: Path) -> ModelPlays:
    """The playbook, and a model as root downloads it."""
    need_root()
    plays = ModelPlays(playbooks, tmp_path, "deploy")
    make_file(plays.model / "weights", 0o600, 0, 0)
    return plays


def workload(cluster: ClusterHandle, **variables: Any) -> dict[str, Any]:
    return {**on(cluster), "gpuops_access": "cluster_internal", "gpuops_smoke_test_up_to": "L0", **variables}


def shown(result: PlayResult) -> list[str]:
    """Return the lines that the playbook ends with."""
    lines: list[str] = [entry["msg"] for entry in result.results if entry["task"].endswith("Show the verdict")][-1]
    return lines


def owners(plays: ModelPlays) -> set[int]:
    return {owner for _mode, owner, *_rest in state(plays.model).values()}


def started_jobs(cluster: ClusterHandle) -> list[str]:
    return [request for request in cluster.writes() if "/jobs" in request]


def test_it_repairs_before_it_deploys_and_looks_at_nothing_that_is_served(
    cluster: ClusterHandle, deploy: ModelPlays
) -> None:
    first = deploy.play(workload(cluster)).check()
    assert owners(deploy) == {UID}
    assert "model files: the serving user can read everything, 2 repaired" in shown(first)
    assert (first.changed, handed_on(first)["verdict"]) == (2, "passed")
    assert started_jobs(cluster)
    before = state(deploy.folder)
    cluster.forget_requests()
    second = deploy.play(workload(cluster)).check()
    assert (second.changed, handed_on(second)["verdict"]) == (0, "passed")
    assert (cluster.writes(), state(deploy.folder)) == ([], before)
    asked = [entry["path"].rpartition("/my-project-baseline/")[2] for entry in cluster.requests()]
    of_files = [path for path in asked if path in ("pods", f"persistentvolumeclaims/{CLAIM}")]
    assert sorted(of_files) == [f"persistentvolumeclaims/{CLAIM}", "pods", "pods"], "one of pods is the workload's own"
    [files] = [entry for entry in second.results if "not_looked_at" in entry and "serving" in entry]
    assert (files["serving"], files["looks"], len(files["not_looked_at"])) == ([NAME], 0, 1)


def test_files_that_cannot_be_read_stop_it_before_anything_is_deployed(
    cluster: ClusterHandle, deploy: ModelPlays
) -> None:
    stopped = deploy.play(workload(cluster, gpuops_model_path=f"{deploy.folder}/none"))
    assert stopped.rc == 2
    assert stopped.last["findings"][0]["cause"] == "path_missing"
    assert cluster.items(SETS) == []
    assert "verdict" not in handed_on(stopped)


def test_check_mode_starts_no_job(cluster: ClusterHandle, deploy: ModelPlays) -> None:
    before = state(deploy.folder)
    planned = deploy.play(workload(cluster), "--check", "--diff").check()
    assert (cluster.writes(), state(deploy.folder)) == ([], before)
    assert any(line.startswith("not looked at in check mode: the files of ") for line in shown(planned))


@pytest.mark.parametrize(
    "variables",
    [{"gpuops_model_storage": False}, {"gpuops_claim": None}, {"gpuops_state": "absent"}],
    ids=["not wanted", "no claim", "absent"],
)
def test_nothing_is_looked_at_where_there_is_no_reason_to(
    cluster: ClusterHandle, deploy: ModelPlays, variables: dict[str, Any]
) -> None:
    deploy.play(workload(cluster, **variables)).check()
    assert started_jobs(cluster) == []
    assert owners(deploy) == {0}


def test_the_verdict_is_never_that_of_the_files(cluster: ClusterHandle, deploy: ModelPlays) -> None:
    result = deploy.play(workload(cluster, gpuops_wait=False)).check()
    assert owners(deploy) == {UID}
    assert "verdict" not in handed_on(result)


def test_teardown_leaves_the_files(cluster: ClusterHandle, deploy: ModelPlays) -> None:
    deploy.play(workload(cluster)).check()
    before = state(deploy.folder)
    gone = deploy.play(workload(cluster), playbook="teardown").check()
    assert (gone.changed, state(deploy.folder)) == (1, before)
    assert cluster.items(SETS) == []
