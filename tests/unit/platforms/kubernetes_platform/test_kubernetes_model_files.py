# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reads a claim's files now, and the job that works on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    KubernetesConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.claims import waits_for_first_pod
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.look_manifest import (
    look_job,
    look_pod,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.looks import look_status
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.model_files import (
    KubernetesModelFiles,
    readers_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookMount, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.model_files import Reader
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec
from scripted_api import ScriptedApi

LOOK = Look(
    "models",
    "files",
    LookPlace("registry.example.com/vllm-openai:v0.33.0", RunAsSpec(2000, 3000, (5000,))),
    ("prove",),
    60.0,
    mounts=(LookMount("models", "/data"),),
    as_root=("repair", "$(HOME)"),
)


def pod(*words: str, ready: bool = True, claim: str = "models", **mount: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"gpuops.inference/workload": "my-llm"}},
        "spec": {
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}, {"name": "w", "emptyDir": {}}],
            "containers": [
                {"args": list(words), "volumeMounts": [{"name": "v", "mountPath": "/data", **mount}, {"name": "w"}]}
            ],
        },
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (("serve", "/data/input/M", "--port", "8000"), ("input/M",)),
        (("--model=/data/input/M",), ("input/M",)),
        (("sh", "-c", "exec vllm serve '/data/input/M' --x"), ("input/M",)),
        (("/data/a/", "/data/b", "/database/c"), ("a", "b")),
        (("serve", "some/name"), ()),
    ],
)
def test_what_a_command_names_below_the_mount_is_read(words: tuple[str, ...], paths: tuple[str, ...]) -> None:
    assert readers_of("models", [pod(*words)]) == [Reader("my-llm", paths)]


def test_as_whom_they_are_read_is_told_where_all_pods_say_the_same() -> None:
    own, others = pod("/data/M"), pod("/data/M")
    own["spec"]["securityContext"] = {"runAsUser": 2000, "runAsGroup": 3000}
    assert readers_of("models", [own]) == [Reader("my-llm", ("M",), 2000, 3000)]
    assert readers_of("models", [own, others]) == [Reader("my-llm", ("M",), None, None)]
    others["spec"]["securityContext"] = {"runAsUser": 1000, "runAsGroup": 3000}
    others["spec"]["containers"][0]["securityContext"] = {"runAsUser": 2000}
    assert readers_of("models", [own, others]) == [Reader("my-llm", ("M",), 2000, 3000)]


def test_a_part_of_the_claim_that_is_mounted_counts() -> None:
    assert readers_of("models", [pod("/data/M", subPath="team")]) == [Reader("my-llm", ("team/M",))]


def test_who_is_not_ready_or_mounts_another_claim_reads_nothing() -> None:
    assert readers_of("models", [pod("/data/M", ready=False), pod("/data/M", claim="other")]) == []


@pytest.mark.parametrize(
    ("own", "path", "reads"),
    [
        (("input/M",), "input/M", True),
        (("input/M",), "input", True),
        (("input/M",), "input/M/sub", True),
        (("input/M",), "input/M2", False),
        (("input/M",), "", True),
        ((), "anything", True),
    ],
)
def test_paths_touch_where_one_lies_in_the_other(own: tuple[str, ...], path: str, reads: bool) -> None:
    assert Reader("my-llm", own).reads(path) == reads


def test_root_has_three_rights_and_the_workloads_group() -> None:
    spec = look_job(LOOK, "job")["spec"]["template"]["spec"]
    (root,) = spec["initContainers"]
    assert root["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
        "readOnlyRootFilesystem": True,
        "runAsUser": 0,
        "runAsNonRoot": False,
    }
    assert spec["securityContext"]["runAsGroup"] == 3000
    assert spec["securityContext"]["supplementalGroups"] == [5000]
    assert root["command"] == ["repair", "$$(HOME)"]
    (served,) = spec["containers"]
    assert served["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert root["volumeMounts"] == [{"name": "claim-0", "mountPath": "/data"}]
    assert served["volumeMounts"] == [{"name": "claim-0", "mountPath": "/data", "readOnly": True}]
    assert spec["volumes"] == [{"name": "claim-0", "persistentVolumeClaim": {"claimName": "models"}}]


def test_the_job_ends_and_goes_by_itself() -> None:
    spec = look_job(LOOK, "job")["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 180)
    assert spec["ttlSecondsAfterFinished"] > 0


def test_the_rehearsed_pod_is_that_of_the_job() -> None:
    template = look_job(LOOK, "job")["spec"]["template"]
    rehearsed = look_pod(LOOK)
    assert rehearsed["spec"] == template["spec"]
    assert rehearsed["metadata"]["labels"] == template["metadata"]["labels"]


def status_of(**containers: dict[str, Any]) -> Any:
    entries = {
        name: [{"name": label, "state": containers[name]}] for name, label in _NAMES.items() if name in containers
    }
    lists = {"init": "initContainerStatuses", "main": "containerStatuses"}
    phase = "Failed" if containers["init"].get("terminated", {}).get("exitCode") else "Pending"
    seen = {"metadata": {}, "spec": {"nodeName": "m"}, "status": {"phase": phase}}
    seen["status"] |= {lists[name]: value for name, value in entries.items()}
    return look_status({"metadata": {"name": "job"}}, [seen], [])


_NAMES = {"init": "look-as-root", "main": "look"}


def test_while_root_works_the_look_runs() -> None:
    found = status_of(init={"running": {}})
    assert (found.status.phase, found.is_over) == ("running", False)


def test_root_that_fails_is_the_end() -> None:
    found = status_of(init={"terminated": {"exitCode": 2, "message": "no such claim"}})
    assert (found.is_over, found.exit_status, found.report) == (True, 2, "no such claim")


def test_both_reports_are_read() -> None:
    found = status_of(
        init={"terminated": {"exitCode": 0, "message": "{1}"}}, main={"terminated": {"exitCode": 0, "message": "{2}"}}
    )
    assert (found.is_over, found.exit_status, found.root_report, found.report) == (True, 0, "{1}", "{2}")


def test_a_claim_that_is_only_looked_at_is_mounted_read_only() -> None:
    look = replace(LOOK, mounts=(LookMount("models", "/data", read_only=True),))
    spec = look_job(look, "job")["spec"]["template"]["spec"]
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["volumeMounts"] == [{"name": "claim-0", "mountPath": "/data", "readOnly": True}]


@pytest.mark.parametrize(
    ("phase", "mode", "waits"),
    [
        ("Pending", "WaitForFirstConsumer", True),
        ("Pending", "Immediate", False),
        ("Pending", None, False),
        ("Bound", "WaitForFirstConsumer", False),
    ],
)
def test_a_claim_that_waits_for_its_first_pod_is_not_bound_by_a_look(phase: str, mode: str | None, waits: bool) -> None:
    claim = {"spec": {"storageClassName": "local"}, "status": {"phase": phase}}
    assert waits_for_first_pod(claim, lambda name: mode) is waits
    api = ScriptedApi(
        objects={
            "PersistentVolumeClaim/models": claim,
            "StorageClass/local": {"volumeBindingMode": mode} if mode else {},
        }
    )
    connection = Connection("kubernetes", None, kubernetes=KubernetesConnection(), namespace=api.namespace)
    files = KubernetesModelFiles(connection, Host(), cast(Any, api))
    severities = {finding.cause: finding.severity for finding in files.check("models", 1, False)}
    assert (severities.get("volume_claim_unbound") == "error") is waits
