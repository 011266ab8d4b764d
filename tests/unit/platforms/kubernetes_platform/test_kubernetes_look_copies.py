# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks with several copies: their Job, the Service by which they find each other, and how each of them is."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    INITIALIZING,
    PENDING,
    RUNNING,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.look_manifest import (
    look_job,
    look_pod,
    look_service,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import (
    Look,
    LookCopies,
    LookNeeds,
    LookPlace,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec
from scripted_api import ScriptedApi, labels_of, refused

PLACE = LookPlace("registry.example.com/vllm:v1", RunAsSpec())
NEEDS = LookNeeds(0, {"rdma/ib": 1}, {"k8s.v1.cni.cncf.io/networks": "default/rdma"}, ("IPC_LOCK",))
LOOK = Look("fabric-probe", "fabric", PLACE, ("python3", "-c", "..."), 30.0, copies=LookCopies(2), needs=NEEDS)
INDEX = "batch.kubernetes.io/job-completion-index"


def pod_of(look: Look) -> dict[str, Any]:
    """Return the pod of a look's job."""
    pod: dict[str, Any] = look_job(look, "probe-look-1")["spec"]["template"]["spec"]
    return pod


def spread(mode: str) -> Any:
    look = dataclasses.replace(LOOK, copies=LookCopies(2, mode))
    return pod_of(look).get("affinity", {}).get("podAntiAffinity")


def add_pod(api: ScriptedApi, job: str, index: int, **status: Any) -> None:
    """Put the pod there that the Job controller makes of a copy."""
    template = copy.deepcopy(api.objects[f"Job/{job}"]["spec"]["template"])
    name = f"{job}-{index}-abcde"
    template["metadata"] |= {"name": name, "uid": f"uid-{index}", "annotations": {INDEX: str(index)}}
    template["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job
    machine = status.pop("machine", f"gpu-{index}")
    template["spec"] |= {"nodeName": machine} if machine else {}
    api.objects[f"Pod/{name}"] = {**template, "status": status}


def started(api: ScriptedApi, platform: KubernetesPlatform) -> tuple[Any, str]:
    found = platform.start_look(LOOK)
    [job] = [key.partition("/")[2] for key in api.objects if key.startswith("Job/")]
    return found, job


def state(**containers: Any) -> list[dict[str, Any]]:
    return [{"name": "look", "state": containers}]


def ended(code: int, message: str) -> list[dict[str, Any]]:
    return state(terminated={"exitCode": code, "reason": "Completed", "message": message})


class TestManifest:
    def test_each_copy_has_an_index_and_one_that_fails_takes_no_other_away(self) -> None:
        spec = look_job(LOOK, "probe-look-1")["spec"]
        assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
        assert spec["backoffLimitPerIndex"] == 0 and "backoffLimit" not in spec

    def test_they_know_each_other(self) -> None:
        pod = pod_of(LOOK)
        assert pod["subdomain"] == "probe-look-1"
        assert pod["containers"][0]["env"] == [
            {"name": "GPUOPS_LOOK_COPIES", "value": "probe-look-1-0.probe-look-1 probe-look-1-1.probe-look-1"},
            {"name": "GPUOPS_LOOK_ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ]

    def test_those_that_do_not_meet_need_no_names(self) -> None:
        pod = pod_of(dataclasses.replace(LOOK, copies=LookCopies(2, meet=False)))
        assert "subdomain" not in pod and "env" not in pod["containers"][0]

    def test_the_service_goes_with_the_job_and_is_none_of_a_workload(self) -> None:
        job = {"metadata": {"name": "probe-look-1", "uid": "uid-1"}}
        service = look_service(LOOK, job)
        assert service["spec"] == {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/job-name": "probe-look-1"},
        }
        assert service["metadata"]["ownerReferences"] == [
            {"apiVersion": "batch/v1", "kind": "Job", "name": "probe-look-1", "uid": "uid-1"}
        ]
        assert "gpuops.inference/workload" not in labels_of(service)

    def test_what_is_needed_is_asked_for_and_nothing_else(self) -> None:
        job = look_job(LOOK, "probe-look-1")["spec"]["template"]
        [container] = job["spec"]["containers"]
        assert container["resources"] == {
            "requests": {"cpu": "100m", "memory": "64Mi", "rdma/ib": "1"},
            "limits": {"cpu": "1", "memory": "512Mi", "rdma/ib": "1"},
        }
        assert job["metadata"]["annotations"] == {"k8s.v1.cni.cncf.io/networks": "default/rdma"}
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["IPC_LOCK"]}
        assert "volumes" not in job["spec"]

    def test_a_collective_has_a_gpu_and_room(self) -> None:
        needs = dataclasses.replace(NEEDS, gpus=1, cpu="4", memory="16Gi", scratch=True)
        pod = pod_of(dataclasses.replace(LOOK, needs=needs))
        [container] = pod["containers"]
        assert container["resources"]["limits"] == {
            "cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1", "rdma/ib": "1"
        }  # fmt: skip
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", "/dev/shm"}
        assert {volume["name"] for volume in pod["volumes"]} == {"scratch", "shared-memory"}

    def test_they_keep_apart(self) -> None:
        term = {
            "labelSelector": {"matchLabels": {"batch.kubernetes.io/job-name": "probe-look-1"}},
            "topologyKey": "kubernetes.io/hostname",
        }
        assert spread("none") is None
        assert spread("required") == {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
        wish = {"weight": 100, "podAffinityTerm": term}
        assert spread("preferred") == {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}

    def test_machines_and_priority(self) -> None:
        place = dataclasses.replace(PLACE, machines=("gpu-1", "gpu-2"), priority_class="low")
        pod = pod_of(dataclasses.replace(LOOK, place=place))
        [first, second] = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
            "nodeSelectorTerms"
        ]
        assert [term["matchFields"][0]["values"] for term in (first, second)] == [["gpu-1"], ["gpu-2"]]
        assert pod["priorityClassName"] == "low"

    def test_one_that_is_only_tried_names_nothing(self) -> None:
        pod = look_pod(LOOK)
        assert "subdomain" not in pod["spec"]
        assert pod["metadata"]["annotations"] == {"k8s.v1.cni.cncf.io/networks": "default/rdma"}


class TestLife:
    def test_each_has_its_own_report(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        look, job = started(api, platform)
        assert f"Service/{job}" in api.objects
        seen = look.status()
        assert (seen.status.phase, [one.status.phase for one in seen.copies]) == (CREATING, [CREATING, CREATING])
        add_pod(api, job, 1, phase="Running", containerStatuses=state(running={}))
        waiting = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/4 nodes"}]
        add_pod(api, job, 0, machine=None, phase="Pending", conditions=waiting)
        seen = look.status()
        assert (seen.status.phase, seen.is_over) == (PENDING, False)
        assert [one.status.phase for one in seen.copies] == [PENDING, RUNNING]
        assert seen.copies[0].status.pods[0].messages == ("Unschedulable: 0/4 nodes",)
        add_pod(api, job, 0, phase="Succeeded", containerStatuses=ended(0, '{"of": 0}'))
        add_pod(api, job, 1, phase="Failed", containerStatuses=ended(1, "MemoryError"))
        seen = look.status()
        assert seen.is_over
        assert [(one.exit_status, one.report) for one in seen.copies] == [(0, '{"of": 0}'), (1, "MemoryError")]
        assert [one.status.pods[0].machine for one in seen.copies] == ["gpu-0", "gpu-1"]

    def test_those_that_do_not_meet_have_no_service(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        apart = dataclasses.replace(LOOK, copies=LookCopies(2, meet=False))
        assert len((platform.start_look(apart)).status().copies) == 2
        assert not [key for key in api.objects if key.startswith("Service/")]

    def test_one_that_has_ended_leaves_the_phase_to_the_others(
        self, api: ScriptedApi, platform: KubernetesPlatform
    ) -> None:
        look, job = started(api, platform)
        add_pod(api, job, 0, phase="Succeeded", containerStatuses=ended(0, "{}"))
        add_pod(api, job, 1, phase="Pending", containerStatuses=state(waiting={"reason": "ErrImagePull"}))
        seen = look.status()
        assert (seen.status.phase, seen.is_over) == (INITIALIZING, False)
        assert [one.is_over for one in seen.copies] == [True, False]

    def test_time_that_is_over_ends_all(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        look, job = started(api, platform)
        failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}
        api.objects[f"Job/{job}"]["status"] = {"conditions": [failed]}
        assert [(one.is_over, one.exit_status) for one in look.status().copies] == [(True, None)] * 2

    def test_why_a_copy_has_no_pod(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        look, job = started(api, platform)
        add_pod(api, job, 0, phase="Running", containerStatuses=state(running={}))
        involved = {"kind": "Job", "name": job, "uid": api.objects[f"Job/{job}"]["metadata"]["uid"]}
        api.objects["Event/e"] = {
            "metadata": {"name": "e"},
            "involvedObject": involved,
            "reason": "FailedCreate",
            "message": "exceeded quota",
            "type": "Warning",
        }
        assert [event.message for event in look.status().copies[1].status.events] == ["exceeded quota"]

    def test_without_its_service_it_is_removed_again(self, api: ScriptedApi, platform: KubernetesPlatform) -> None:
        real = api._ask

        def refuse_services(call: str, resource: Any) -> None:
            real(call, resource)
            if call.startswith("apply Service"):
                raise refused(403, "permission_denied")

        api._ask = refuse_services  # its name is known only then
        with pytest.raises(GpuopsError):
            platform.start_look(LOOK)
        assert [key for key in api.objects if key.startswith(("Job/", "Service/"))] == []
