# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks as trainings: what is sent, under every way of splitting a command, what is left over, and how they end."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from typing import Any, cast

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_answer import AnswerTask
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.programs import answer_command
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import (
    Look,
    LookMount,
    LookNeeds,
    LookPlace,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.project_workloads import (
    ProjectWorkloads,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.training_looks import (
    TrainingLooks,
    training_spec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import OwnershipSpec
from ansible_collections.gpuops.inference.plugins.module_utils._storage.questions import is_as_wanted, repaired
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec, TolerationSpec
from runai_examples import FakeTime

NOW = 4102444800.0
# Linux takes no longer words of a command, and no longer variables.
LONGEST_WORD = 131072


def look(*command: str, uid: int = 2000, **place: Any) -> Look:
    return Look(
        workload="models",
        what="files-0123456789ab",
        place=LookPlace("example:v1", RunAsSpec(uid, 2000, (5000,)), **place),
        command=command,
        time_limit=60.0,
        start_limit=900.0,
        mounts=(LookMount("models", "/data", read_only=uid != 0),),
    )


def value_of(spec: dict[str, Any]) -> str:
    """Return the command line as the kubelet puts it into the container's environment."""
    (variable,) = spec["environmentVariables"]
    return str(variable["value"]).replace("$$", "$")


def words_of(spec: dict[str, Any], splitting: str) -> list[str]:
    """Return the words of the container's command: split first, expanded then."""
    command = str(spec["command"])
    split = {"whitespace": command.split(), "shell_words": shlex.split(command), "sh_c": ["sh", "-c", command]}
    return [word.replace("$(GPUOPS_QUESTION)", value_of(spec)) for word in split[splitting]]


@pytest.mark.parametrize("splitting", ["whitespace", "shell_words", "sh_c"])
@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ('[ "$1" = "a \'b\' $2" ]', 0)])
def test_the_command_arrives_however_it_is_split(splitting: str, script: str, status: int) -> None:
    spec = training_spec(look("sh", "-c", script, "sh", "a 'b' $2", "$2"), NOW)
    done = subprocess.run(words_of(spec, splitting), check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_one_that_waited_too_long_does_nothing() -> None:
    spec = training_spec(look("sh", "-c", "exit 0"), 0.0)
    assert subprocess.run(words_of(spec, "whitespace"), check=False).returncode == 1


def test_the_limit_ends_what_hangs() -> None:
    hanging = look("sh", "-c", "while :; do :; done")
    spec = training_spec(Look(**{**vars(hanging), "time_limit": 1.0}), NOW)
    assert subprocess.run(words_of(spec, "whitespace"), check=False, timeout=60).returncode != 0


def test_whole_programs_fit() -> None:
    spec = OwnershipSpec("models", "/data", tuple("p" * 200 + str(number) for number in range(20)), 2000, 2000)
    fabric = answer_command(AnswerTask("infiniband", "usable"))
    for command in (is_as_wanted(spec, 60.0), repaired(spec, 60.0), fabric):
        assert len(words_of(training_spec(look(*command), NOW), "sh_c")[-1]) < LONGEST_WORD


def test_it_runs_as_whom_it_is_asked_for_once_and_is_gone() -> None:
    spec = training_spec(look("true"), NOW)
    assert spec["security"] == {
        "uidGidSource": "custom",
        "runAsUid": 2000,
        "runAsGid": 2000,
        "runAsNonRoot": True,
        "supplementalGroups": "5000",
    }
    assert (spec["backoffLimit"], spec["autoDeletionTimeAfterCompletionSeconds"]) == (0, 600)
    assert spec["storage"]["pvc"] == [{"path": "/data", "existingPvc": True, "claimName": "models", "readOnly": True}]
    root = training_spec(look("true", uid=0), NOW)
    assert (root["security"]["runAsUid"], root["security"]["runAsNonRoot"]) == (0, False)
    assert root["storage"]["pvc"][0]["readOnly"] is False


def test_where_it_runs() -> None:
    place = {"node_selector": {"zone": "a"}, "tolerations": (TolerationSpec("gpu", "Exists", None, None, None),)}
    spec = training_spec(look("true", image_pull_secrets=("registry",), **place), NOW)
    expression = {"key": "zone", "operator": "In", "values": ["a"]}
    assert spec["nodeAffinityRequired"] == {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists", "effect": "Any"}]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]


def test_it_asks_for_what_it_needs_and_for_no_gpu() -> None:
    network = "k8s.v1.cni.cncf.io/networks"
    needs = LookNeeds(resources={"rdma/ib": 2}, annotations={network: ""}, capabilities=("IPC_LOCK",))
    spec = training_spec(replace(look("true"), needs=needs), NOW)
    assert spec["compute"]["extendedResources"] == [{"resource": "rdma/ib", "quantity": "2"}]
    assert spec["annotations"] == [{"name": network, "value": ""}]
    assert spec["security"]["capabilities"] == ["IPC_LOCK"]
    assert "gpuDevicesRequest" not in spec["compute"]
    bare = training_spec(look("true"), NOW)
    assert "extendedResources" not in bare["compute"] and "annotations" not in bare


class ControlPlane:
    """A project with some workloads, and what becomes of one training, look by look."""

    def __init__(self, *states: dict[str, Any] | None) -> None:
        self.listed = [
            {"id": "left", "name": "gpuops-files-0123456789ab-00aa11bb"},
            {"id": "gone", "name": "gpuops-files-0123456789ab-00aa11cc", "deletedAt": "2026-01-01T00:00:00Z"},
            {"id": "other", "name": "gpuops-files-ba9876543210-00aa11bb"},
            {"id": "foreign", "name": "gpuops-files-0123456789ab-mine"},
        ]
        self.states = list(states)
        self.details = 0
        self.removed: list[str] = []
        self.started: list[str] = []

    def project_workloads(self, project: str) -> list[dict[str, Any]]:
        return self.listed

    def now(self, handle: str) -> dict[str, Any] | None:
        return self.states.pop(0)

    def pods(self, handle: str) -> list[dict[str, Any]]:
        self.details += 1
        return []

    def events(self, handle: str) -> list[dict[str, Any]]:
        return []

    def start(self, name: str, spec: dict[str, Any]) -> str:
        self.started.append(name)
        return "new"

    def remove(self, handle: str) -> None:
        self.removed.append(handle)


def looks_of(plane: ControlPlane, time: FakeTime) -> TrainingLooks:
    host = Host(clock=time.clock, sleep=time.sleep)
    client = cast(Any, plane)
    workloads = ProjectWorkloads(client, "my-project")
    return TrainingLooks(client, client, workloads, Retry(host), host, lambda: NOW)


def test_what_an_earlier_run_left_over_is_removed_once(time: FakeTime) -> None:
    plane = ControlPlane()
    looks = looks_of(plane, time)
    looks.start_look(look("true"))
    looks.start_look(look("true"))
    assert plane.removed == ["left"]
    assert len(set(plane.started)) == 2
    assert all(name.startswith("gpuops-files-0123456789ab-") and len(name) <= 45 for name in plane.started)


@pytest.mark.parametrize(("phase", "exit_status"), [("Completed", 0), ("Failed", 1)])
def test_the_end_is_the_answer(time: FakeTime, phase: str, exit_status: int) -> None:
    plane = ControlPlane(None, {"phase": "Pending"}, {"phase": "Running"}, {"phase": phase})
    started = looks_of(plane, time).start_look(look("true"))
    states = [started.status() for _look in range(4)]
    assert [state.is_over for state in states] == [False, False, False, True]
    assert [state.exit_status for state in states] == [None, None, None, exit_status]
    assert plane.details == 1


@pytest.mark.parametrize("last", [None, {"phase": "Running", "desiredPhase": "Deleted"}])
def test_one_that_somebody_removed_is_over_without_an_answer(time: FakeTime, last: dict[str, Any] | None) -> None:
    started = looks_of(ControlPlane({"phase": "Running"}, last), time).start_look(look("true"))
    started.status()
    state = started.status()
    assert (state.is_over, state.exit_status, state.status.deleted) == (True, None, True)
