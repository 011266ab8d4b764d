# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks as Jobs: what is applied, how they are, what becomes of those that were left over, and that their pods are
nobody else's."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, cast

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    INITIALIZING,
    PENDING,
    RUNNING,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.look_manifest import look_job
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.look_places import place_like
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.objects import WorkloadObjects
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    RunAsSpec,
    SecretReference,
    TolerationSpec,
)
from scripted_api import ScriptedApi, labels_of, refused
from support.rendered_workloads import NAME

PLACE = LookPlace(
    "registry.example.com/vllm:v1",
    RunAsSpec(2000, 3000, (4000,)),
    ("pull-secret",),
    {"pool": "gpu"},
    (TolerationSpec("nvidia.com/gpu", effect="NoSchedule"),),
    "gpu-1",
)
LOOK = Look(NAME, "leaders", PLACE, ("python3", "-c", "print('$(HOME)')"), 30.5)
BARE = dataclasses.replace(LOOK, place=LookPlace("image", RunAsSpec()))
UID = "uid-of-pod"


def jobs_of(api: ScriptedApi) -> list[str]:
    return [key for key in api.objects if key.startswith("Job/")]


def look_pod(api: ScriptedApi, job: str, **status: Any) -> None:
    """Put the pod there that the Job controller makes of a Job."""
    template = copy.deepcopy(api.objects[f"Job/{job}"]["spec"]["template"])
    template["metadata"] |= {"name": f"{job}-abcde", "uid": UID}
    template["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job
    machine = status.pop("machine", "gpu-1")
    template["spec"] |= {"nodeName": machine} if machine else {}
    api.objects[f"Pod/{job}-abcde"] = {**template, "status": status}


def started(api: ScriptedApi, platform: KubernetesPlatform, look: Look = LOOK) -> tuple[Any, str]:
    """Start a look; return it and its name."""
    found = platform.start_look(look)
    return found, jobs_of(api)[-1].partition("/")[2]


def container_state(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "look", "state": state}]


class TestManifest:
    def test_it_ends_by_itself_and_is_gone_by_itself(self) -> None:
        spec = look_job(LOOK, "look")["spec"]
        assert spec["backoffLimit"] == 0
        assert spec["activeDeadlineSeconds"] == 151
        assert spec["ttlSecondsAfterFinished"] == 600
        assert spec["template"]["spec"]["restartPolicy"] == "Never"

    def test_labels_say_whose_it_is_and_what_it_reads(self) -> None:
        job = look_job(LOOK, "look")
        labels = {
            "app.kubernetes.io/managed-by": "gpuops.inference",
            "gpuops.inference/workload": NAME,
            "gpuops.inference/look": "leaders",
        }
        assert labels_of(job) == labels_of(job["spec"]["template"]) == labels

    def test_it_runs_like_the_workload_and_may_do_nothing(self) -> None:
        pod = look_job(LOOK, "look")["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert pod["securityContext"] == {
            "runAsUser": 2000,
            "runAsGroup": 3000,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "supplementalGroups": [4000],
        }
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert pod["automountServiceAccountToken"] is False
        assert (pod["nodeSelector"], pod["imagePullSecrets"]) == ({"pool": "gpu"}, [{"name": "pull-secret"}])
        assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        [near] = pod["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert near["preference"]["matchFields"][0]["values"] == ["gpu-1"]
        assert "nvidia.com/gpu" not in container["resources"]["limits"]

    def test_nothing_is_stated_that_is_not_known(self) -> None:
        pod = look_job(BARE, "look")["spec"]["template"]["spec"]
        assert not {"affinity", "nodeSelector", "imagePullSecrets"} & set(pod)
        assert "supplementalGroups" not in pod["securityContext"]

    def test_it_gets_to_machines_with_the_taint_of_gpus(self) -> None:
        place = dataclasses.replace(BARE.place, tolerations=(TolerationSpec("team"),))
        for look, others in (
            (BARE, []),
            (dataclasses.replace(BARE, place=place), [{"key": "team", "operator": "Exists"}]),
        ):
            pod = look_job(look, "look")["spec"]["template"]["spec"]
            assert pod["tolerations"] == [*others, {"key": "nvidia.com/gpu", "operator": "Exists"}]

    def test_the_kubelet_expands_nothing_in_it(self) -> None:
        look = dataclasses.replace(LOOK, environment={"TEXT": "$(HOME)", "KEY": SecretReference("my-key", "api-key")})
        [container] = look_job(look, "look")["spec"]["template"]["spec"]["containers"]
        assert container["command"][-1] == "print('$$(HOME)')"
        assert container["env"] == [
            {"name": "TEXT", "value": "$$(HOME)"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "my-key", "key": "api-key"}}},
        ]


class TestPlace:
    def test_it_is_that_of_the_pod(self) -> None:
        container = {"name": "vllm", "image": "vllm:v1", "securityContext": {"runAsUser": 2001}}
        pod = {
            "spec": {
                "containers": [container],
                "securityContext": {"runAsUser": 2000, "runAsGroup": 3000, "supplementalGroups": [4000]},
                "imagePullSecrets": [{"name": "pull-secret"}],
                "nodeSelector": {"pool": "gpu"},
                "tolerations": [
                    {"key": "nvidia.com/gpu", "operator": "Exists"},
                    {"key": "team", "value": "a", "effect": "NoExecute", "tolerationSeconds": 30},
                    {"operator": "Exists"},
                ],
                "nodeName": "gpu-2",
            }
        }
        assert place_like(pod, container) == LookPlace(
            "vllm:v1",
            RunAsSpec(2001, 3000, (4000,)),
            ("pull-secret",),
            {"pool": "gpu"},
            (
                TolerationSpec("nvidia.com/gpu"),
                TolerationSpec("team", "Equal", "a", "NoExecute", 30),
                TolerationSpec(""),
            ),
            "gpu-2",
        )

    @pytest.mark.parametrize("context", [{}, {"runAsUser": 0}, {"runAsUser": None}])
    def test_it_is_never_roots(self, context: dict[str, Any]) -> None:
        place = place_like({"spec": {"securityContext": context}}, {"image": "vllm:v1"})
        assert place.run_as == RunAsSpec(65534, 65534)


class TestLife:
    def test_one_that_waits_runs_and_ends(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        look, job = started(api, platform)
        assert job.startswith(f"{NAME}-look-")
        assert look.status().status.phase == CREATING
        waiting = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/4 nodes"}]
        look_pod(api, job, machine=None, phase="Pending", conditions=waiting)
        seen = look.status()
        assert (seen.status.phase, seen.status.pods[0].messages) == (PENDING, ("Unschedulable: 0/4 nodes",))
        look_pod(api, job, phase="Pending", containerStatuses=container_state(waiting={"reason": "ErrImagePull"}))
        seen = look.status()
        assert (seen.status.phase, seen.status.pods[0].messages) == (INITIALIZING, ("ErrImagePull",))
        look_pod(api, job, phase="Running", containerStatuses=container_state(running={}))
        assert (look.status().status.phase, look.status().is_over) == (RUNNING, False)
        ended = {"exitCode": 0, "reason": "Completed", "message": '{"answers":[]}\n'}
        look_pod(api, job, phase="Succeeded", containerStatuses=container_state(terminated=ended))
        seen = look.status()
        assert (seen.is_over, seen.exit_status, seen.report) == (True, 0, '{"answers":[]}')
        look.remove()
        assert jobs_of(api) == []

    def test_its_name_leaves_room_for_its_pods(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        _look, job = started(api, platform, dataclasses.replace(LOOK, workload=f"{'x' * 44}-{'y' * 40}"))
        assert len(job) <= 63 - len("-abcde") and "--" not in job

    def test_one_that_failed_says_how(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        look, job = started(api, platform)
        failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "limit"}
        api.objects[f"Job/{job}"]["status"] = {"conditions": [{**failed, "type": "FailureTarget"}, failed]}
        ended = {"exitCode": 1, "reason": "Error", "message": "MemoryError"}
        look_pod(api, job, phase="Failed", containerStatuses=container_state(terminated=ended))
        seen = look.status()
        assert (seen.is_over, seen.exit_status, seen.report) == (True, 1, "MemoryError")
        assert seen.status.pods[0].messages == ("container look ended: Error (exit code 1)",)
        assert seen.status.messages == ()

    def test_one_whose_time_is_over_has_no_exit_status(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        look, job = started(api, platform)
        failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}
        api.objects[f"Job/{job}"]["status"] = {"conditions": [failed, {"type": "Suspended", "status": "False"}]}
        seen = look.status()
        assert (seen.is_over, seen.exit_status) == (True, None)
        assert seen.status.messages == ("DeadlineExceeded: too long",)

    def test_an_evicted_one_is_over(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        look, job = started(api, platform)
        look_pod(api, job, phase="Failed", reason="Evicted", message="low on memory")
        seen = look.status()
        assert (seen.is_over, seen.exit_status) == (True, None)
        assert seen.status.pods[0].messages == ("Evicted: low on memory",)

    def test_one_that_somebody_removed_is_over(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        look, job = started(api, platform)
        api.objects[f"Job/{job}"]["metadata"]["uid"] = "of-another"
        assert look.status().status.deleted
        del api.objects[f"Job/{job}"]
        assert (look.status().status.deleted, look.status().is_over) == (True, True)

    def test_why_there_is_no_pod(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        look, job = started(api, platform)
        involved = {"kind": "Job", "name": job, "uid": api.objects[f"Job/{job}"]["metadata"]["uid"]}
        api.objects["Event/e"] = {
            "metadata": {"name": "e"},
            "involvedObject": involved,
            "reason": "FailedCreate",
            "message": "exceeded quota",
            "type": "Warning",
        }
        [said] = look.status().status.events
        assert (said.reason, said.message, said.object) == ("FailedCreate", "exceeded quota", f"Job/{job}")
        api.refusals["list Event"] = refused(403, "permission_denied")
        assert look.status().status.events == ()

    def test_those_that_an_earlier_run_left_over_are_removed_first(
        self, api: ScriptedApi, platform: KubernetesPlatform
    ) -> None:
        for workload, what in ((NAME, "leaders"), (NAME, "fabric"), ("other", "leaders")):
            started(api, platform, dataclasses.replace(LOOK, workload=workload, what=what))
        before = jobs_of(api)
        api.objects["Job/nobodys"] = {"metadata": {"name": "nobodys", "labels": {"app": "shop"}}}
        _look, job = started(api, platform)
        assert jobs_of(api) == [*before[1:], "Job/nobodys", f"Job/{job}"]

    def test_without_the_right_nothing_is_started(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        api.refusals["list Job"] = refused(403, "permission_denied")
        with pytest.raises(GpuopsError) as caught:
            platform.start_look(LOOK)
        assert caught.value.findings[0].cause == "permission_denied"
        assert jobs_of(api) == []


class TestWhoseItIs:
    def test_its_pod_is_no_pod_of_the_workload(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        for label in ({"run.ai/role": "head"}, {}):
            metadata = {"name": "pod", "uid": "u", "labels": {"gpuops.inference/workload": NAME, **label}}
            api.objects[f"Pod/{NAME}-{len(label)}"] = {"metadata": metadata, "status": {"phase": "Running"}}
        _look, job = started(api, platform)
        look_pod(api, job, phase="Running", containerStatuses=container_state(running={}))
        assert len([key for key in api.objects if key.startswith("Pod/")]) == 3
        assert len(WorkloadObjects(cast(Any, api)).pods(NAME)) == 2

    def test_a_look_alone_is_no_workload_and_in_nobodys_way(
        self, api: ScriptedApi, platform: KubernetesPlatform
    ) -> None:
        _look, job = started(api, platform)
        look_pod(api, job, phase="Running", containerStatuses=container_state(running={}))
        assert platform.find(NAME) is None
