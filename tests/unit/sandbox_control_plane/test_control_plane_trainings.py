# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trainings of the simulator: they run to their end, fail after their retries, and delete themselves."""

from __future__ import annotations

from typing import Any

import pytest
from support.control_plane_client import CLUSTER_ID, Client, changed, eventually

from gpuops_sandbox.control_plane.models import load_model

PATH = "/api/v1/workloads/trainings"


def training(exit_code: int | None = 0, **spec: Any) -> dict[str, Any]:
    """Return a training on the stand-in image that ends with this code, or never."""
    code = [] if exit_code is None else [{"name": "STAND_IN_EXIT_CODE", "value": str(exit_code)}]
    return {
        "name": "look",
        "projectId": "33",
        "clusterId": CLUSTER_ID,
        "spec": {
            "image": "registry.example.com/stand-in:v1",
            "command": "serve",
            "environmentVariables": code,
            "storage": {"pvc": [{"path": "/data", "existingPvc": True, "claimName": "my-project-models"}]},
            "backoffLimit": 0,
            **spec,
        },
    }


@pytest.mark.parametrize(("exit_code", "phase"), [(0, "Completed"), (3, "Failed")])
def test_the_end_of_the_pod_is_the_phase_and_no_exit_code_is_shown(client: Client, exit_code: int, phase: str) -> None:
    workload_id = client.create(training(exit_code), PATH)
    ended = client.reach(workload_id, phase)
    assert (ended["type"], ended["category"]) == ("Training", "Train")
    assert client.phases(workload_id)[-2:] == ["Running", phase]
    [pod] = client.pods(workload_id)
    assert pod["k8sPhase"] == {"Completed": "Succeeded", "Failed": "Failed"}[phase]
    assert "exit" not in f"{ended} {pod} {client.get(f'{PATH}/{workload_id}')}"
    load_model("training1", "Training1").model_validate(client.get(f"{PATH}/{workload_id}"))


def test_a_question_about_files_is_answered_with_yes_since_there_are_none(client: Client) -> None:
    question = [{"name": "GPUOPS_QUESTION", "value": ": && exec test -e /data/model"}]
    workload_id = client.create(training(None, command="sh -c $(GPUOPS_QUESTION)", environmentVariables=question), PATH)
    client.reach(workload_id, "Completed")


def test_retries_are_made_with_new_pods(client: Client) -> None:
    workload_id = client.create(training(1, backoffLimit=2), PATH)
    client.reach(workload_id, "Failed")
    assert client.reasons(workload_id).count("Started") == 3
    assert client.reasons(workload_id)[-1] == "BackoffLimitExceeded"


def test_it_deletes_itself_after_its_time(client: Client) -> None:
    workload_id = client.create(training(0, autoDeletionTimeAfterCompletionSeconds=1), PATH)
    client.reach(workload_id, "Completed")
    eventually(lambda: client.call("GET", f"/api/v1/workloads/{workload_id}").status_code == 404)


def test_it_can_be_deleted_while_it_runs(client: Client) -> None:
    workload_id = client.create(training(None), PATH)
    client.reach(workload_id, "Running")
    assert client.call("DELETE", f"{PATH}/{workload_id}").status_code == 202
    eventually(lambda: client.call("GET", f"{PATH}/{workload_id}").status_code == 404)


def test_one_that_has_ended_holds_no_gpus(client: Client) -> None:
    workload_id = client.create(training(0, compute={"gpuDevicesRequest": 8}), PATH)
    client.reach(workload_id, "Completed")
    [project] = client.get("/api/v1/org-unit/projects")["projects"]
    assert project["status"]["quotaStatus"]["allocated"]["gpu"] == 0


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("spec.image", None, "spec.image"),
        ("spec.workers", 1, "spec.workers"),
        ("spec.servingPort", {"port": 1}, "spec.servingPort"),
        ("spec.backoffLimit", "0", "spec.backoffLimit"),
        ("spec.backoffLimit", -1, "spec.backoffLimit"),
        ("spec.activeDeadlineSeconds", 60, "spec.activeDeadlineSeconds"),
        ("spec.security", {"capabilities": ["NOT_ONE"]}, "spec.security.capabilities"),
        ("spec.restartPolicy", "Sometimes", "spec.restartPolicy"),
    ],
)
def test_what_the_models_do_not_know_is_refused(shared_client: Client, path: str, value: Any, named: str) -> None:
    answer = shared_client.call("POST", PATH, json=changed(training(), path, value))
    assert answer.status_code == 400 and named in answer.json()["message"], answer.text
    assert shared_client.get("/api/v1/workloads")["workloads"] == []
