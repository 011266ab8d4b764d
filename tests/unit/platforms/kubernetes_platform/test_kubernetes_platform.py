# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform asks of the API server, in which order, and what it makes of the answers."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.drift import (
    differences,
    inputs_of,
    with_fields,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DELETING,
    FAILED,
    AppliedRecord,
    LiveWorkload,
    PodStatus,
    RenderedWorkload,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.lost_machines import LostMachines
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.marks import record_text_of
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import TRAITS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import read_record
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import KubernetesSpec, NetworkPolicySpec
from scripted_api import ScriptedApi, platform_over, refused
from support.rendered_workloads import NAME, RECIPE

_DENIED = "permission_denied"
LWS = f"LeaderWorkerSet/{NAME}"
SERVICE = f"Service/{NAME}"
POLICY = f"NetworkPolicy/{NAME}"
HEAD, WORKER = f"Deployment/{NAME}-head", f"Deployment/{NAME}-worker-0"


def rendered_by(platform: KubernetesPlatform, **changes: Any) -> tuple[RenderedWorkload, AppliedRecord]:
    """Return the recipe's workload as the platform renders it, and its record."""
    spec = dataclasses.replace(RECIPE, **changes)
    rendered = platform.render(plan_workload(spec, TRAITS))
    return rendered, AppliedRecord(inputs_of(spec), platform.comparable(rendered.body), None, "0.2.0")


def created(api: ScriptedApi, **changes: Any) -> tuple[KubernetesPlatform, LiveWorkload, AppliedRecord]:
    """Create a workload, forget what was asked for that, and find it as a later task does."""
    platform = platform_over(api)
    assert platform.find(NAME) is None
    rendered, record = rendered_by(platform, **changes)
    platform.create(rendered, record)
    for key, entry in api.objects.items():
        if key in (LWS, HEAD, WORKER):
            entry["status"] = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}
    api.calls.clear()
    later = platform_over(api)
    live = later.find(NAME)
    assert live is not None
    return later, live, record


def deployments() -> dict[str, Any]:
    return {"kubernetes": KubernetesSpec(controller="deployments")}


class TestFind:
    def test_an_unchanged_workload_costs_two_requests(self, api: ScriptedApi) -> None:
        platform, live, record = created(api)
        assert api.calls == [f"get {LWS}", f"get {SERVICE}"]
        assert live.managed and live.record == record
        assert platform.comparable(live.body) == record.body

    def test_where_the_controller_lags_behind_the_pods_are_asked(self, api: ScriptedApi) -> None:
        created(api)
        api.objects[LWS]["status"] = {}
        api.calls.clear()
        assert platform_over(api).find(NAME) is not None
        assert api.calls == [f"get {LWS}", f"get {SERVICE}", "list Pod"]

    def test_a_group_of_deployments_is_found_by_its_head(self, api: ScriptedApi) -> None:
        _platform, live, record = created(api, **deployments())
        assert live.kind == "deployments" and live.record == record
        assert api.calls[:2] == [f"get {LWS}", f"get {HEAD}"]
        assert f"get {WORKER}" in api.calls

    def test_somebody_elses_deployment_called_head_is_no_workload(self, api: ScriptedApi) -> None:
        api.objects[HEAD] = {"metadata": {"name": f"{NAME}-head", "labels": {"app": "shop"}}}
        assert platform_over(api).find(NAME) is None

    def test_leftovers_are_a_failed_workload(self, api: ScriptedApi) -> None:
        created(api)
        del api.objects[LWS]
        platform = platform_over(api)
        live = platform.find(NAME)
        assert live is not None and live.managed and live.phase == FAILED
        platform.delete(live)
        assert api.objects == {}
        assert platform.gone(live)

    @pytest.mark.parametrize("is_ending", [True, False])
    def test_pods_that_are_left_and_ending_hold_the_name(self, api: ScriptedApi, is_ending: bool) -> None:
        created(api)
        labels = api.objects[LWS]["metadata"]["labels"]
        ending = {"deletionTimestamp": "2026-11-23T12:10:00Z"} if is_ending else {}
        metadata = {"name": f"{NAME}-0", "uid": "uid-9", "labels": labels, **ending}
        api.objects = {f"Pod/{NAME}-0": {"metadata": metadata, "spec": {}, "status": {}}}
        platform = platform_over(api)
        live = platform.find(NAME)
        if not is_ending:
            assert live is None, "a pod that somebody has kept is no workload"
            return
        assert live is not None and live.managed and (live.phase, live.handle) == (DELETING, "uid-9")
        assert not platform.gone(live)
        assert [pod.phase for pod in platform.status(live).pods] == ["terminating"]

    def test_ending_pods_of_run_ai_that_carry_the_same_label_hold_no_name(self, api: ScriptedApi) -> None:
        metadata = {
            "name": f"{NAME}-0",
            "uid": "uid-9",
            "labels": {"gpuops.inference/workload": NAME},
            "deletionTimestamp": "2026-11-23T12:10:00Z",
        }
        api.objects = {f"Pod/{NAME}-0": {"metadata": metadata, "spec": {}, "status": {}}}
        assert platform_over(api).find(NAME) is None

    @pytest.mark.parametrize("is_ours", [True, False])
    def test_only_pods_of_ours_are_released(
        self, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch, is_ours: bool
    ) -> None:
        created(api)
        labels = dict(api.objects[LWS]["metadata"]["labels"])
        if not is_ours:
            del labels["app.kubernetes.io/managed-by"]
        metadata = {"name": f"{NAME}-0", "uid": "uid-9", "labels": labels}
        api.objects[f"Pod/{NAME}-0"] = {"metadata": metadata, "spec": {}, "status": {}}
        released: list[str] = []

        def release(_lost: LostMachines, pods: Iterable[dict[str, Any]]) -> list[Finding]:
            released.extend(pod["metadata"]["name"] for pod in pods)
            return []

        monkeypatch.setattr(LostMachines, "release", release)
        platform = platform_over(api)
        live = platform.find(NAME)
        assert live is not None
        platform.status(live)
        platform.release_lost(live)
        assert released == ([f"{NAME}-0"] if is_ours else [])

    def test_a_cluster_without_leaderworkersets(self, api: ScriptedApi) -> None:
        api.unserved.add("LeaderWorkerSet")
        platform = platform_over(api)
        assert platform.find(NAME) is None
        rendered, _record = rendered_by(platform)
        assert rendered.kind == "deployments"
        assert rendered.decisions[0].reason == "the cluster serves no LeaderWorkerSet"

    def test_without_the_right_to_see_leaderworkersets_deployments_are_found(self, api: ScriptedApi) -> None:
        hidden = {f"get {LWS}": refused(403, "permission_denied"), "list LeaderWorkerSet": refused(403, _DENIED)}
        created(api, **deployments())
        api.refusals.update(hidden)
        platform = platform_over(api)
        live = platform.find(NAME)
        assert live is not None and (live.kind, live.managed) == ("deployments", True)
        platform.delete(live)
        assert api.objects == {} and platform.gone(live)

    def test_a_leaderworkerset_that_may_not_be_seen_is_not_taken_for_absent(self, api: ScriptedApi) -> None:
        created(api)
        api.refusals[f"get {LWS}"] = refused(403, _DENIED)
        platform = platform_over(api)
        with pytest.raises(GpuopsError) as caught:
            platform.find(NAME)
        assert caught.value.findings[0].cause == _DENIED

    def test_no_right_on_leaderworkersets_is_needed_where_none_are_served(self, api: ScriptedApi) -> None:
        api.refusals[f"get {LWS}"] = api.refusals["list LeaderWorkerSet"] = refused(403, _DENIED)
        api.unserved.add("LeaderWorkerSet")
        platform = platform_over(api)
        assert platform.find(NAME) is None
        assert rendered_by(platform)[0].kind == "deployments"

    def test_a_lost_right_does_not_make_a_leaderworkerset_gone(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api)
        api.refusals[f"get {LWS}"] = refused(403, _DENIED)
        with pytest.raises(GpuopsError):
            platform.gone(live)

    def test_the_cluster_that_is_meant(self, api: ScriptedApi) -> None:
        for meant in ("gpu-cluster", "api.example.com"):
            platform_over(api, expect_cluster=meant)
        with pytest.raises(GpuopsError, match="not to production") as caught:
            platform_over(api, expect_cluster="production")
        assert caught.value.findings[0].cause == "wrong_cluster"
        assert api.calls == []


class TestWrites:
    def test_the_main_object_comes_last_and_carries_the_record(self, api: ScriptedApi) -> None:
        platform = platform_over(api)
        platform.find(NAME)
        api.calls.clear()
        rendered, record = rendered_by(platform)
        live = platform.create(rendered, record)
        assert api.calls == [f"apply {SERVICE}", f"apply {LWS}"]
        assert read_record(record_text_of(api.objects[LWS])) == live.record == record
        template = api.objects[LWS]["spec"]["leaderWorkerTemplate"]
        for role in ("leaderTemplate", "workerTemplate"):
            assert "gpuops.inference/applied" not in template[role]["metadata"].get("annotations", {})

    def test_a_scale_applies_what_is_ours_with_another_number(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api)
        before = copy.deepcopy(api.objects[LWS])
        api.objects[LWS]["spec"]["somebodyElses"] = True
        platform.scale(live, 3)
        after = api.objects[LWS]
        assert after["spec"].pop("replicas") == 3
        before["spec"].pop("replicas", None)
        assert after["spec"] == before["spec"]
        assert record_text_of(after) == record_text_of(before)
        assert api.calls[-1] == f"apply {LWS}"

    def test_stopping_a_group_of_deployments_scales_each(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api, **deployments())
        platform.scale(live, 0)
        assert [api.objects[key]["spec"]["replicas"] for key in (HEAD, WORKER)] == [0, 0]

    def test_repaired_drift_leaves_the_rest_as_it_was_applied(self, api: ScriptedApi) -> None:
        platform, live, record = created(api)
        api.objects[SERVICE]["spec"]["type"] = "NodePort"
        platform = platform_over(api)
        live_now = platform.find(NAME)
        assert live_now is not None
        newer, newer_record = rendered_by(platform, image="registry.example.com/vllm-openai:v0.34.0")
        repaired = dataclasses.replace(record, body=with_fields(record.body, newer_record.body, [SERVICE]))
        platform.change(live_now, newer, [SERVICE], repaired)
        assert api.objects[SERVICE]["spec"]["type"] == "ClusterIP"
        containers = api.objects[LWS]["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"]
        assert containers[0]["image"] == RECIPE.image
        assert live.record is not None
        found = read_record(record_text_of(api.objects[LWS]))
        assert found is not None and found.inputs == live.record.inputs

    def test_repaired_drift_of_one_role_leaves_both_roles_as_they_were_applied(self, api: ScriptedApi) -> None:
        created(api)
        before = copy.deepcopy(api.objects[LWS]["spec"]["leaderWorkerTemplate"])
        api.objects[LWS]["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"][0]["image"] = "by-hand"
        platform = platform_over(api)
        live = platform.find(NAME)
        assert live is not None and live.record is not None
        newer, _record = rendered_by(platform, env={**RECIPE.env, "NEW": "decision"}, start_timeout=60)
        platform.change(live, newer, [f"{LWS}.spec.leaderWorkerTemplate.leaderTemplate"], live.record)
        after = api.objects[LWS]["spec"]["leaderWorkerTemplate"]
        assert differences(flatten(before), flatten(after), "drift") == []

    def test_a_variable_whose_applied_value_nobody_knows_is_not_guessed(self, api: ScriptedApi) -> None:
        created(api)
        template = api.objects[LWS]["spec"]["leaderWorkerTemplate"]["leaderTemplate"]
        variables = template["spec"]["containers"][0]["env"]
        next(entry for entry in variables if entry["name"] == "NCCL_IB_DISABLE")["value"] = "by hand"
        platform = platform_over(api)
        live = platform.find(NAME)
        assert live is not None and live.record is not None
        newer, _record = rendered_by(platform, env={"NCCL_IB_DISABLE": "newer"})
        with pytest.raises(GpuopsError, match="replan") as caught:
            platform.change(live, newer, [f"{LWS}.spec.leaderWorkerTemplate.leaderTemplate"], live.record)
        assert caught.value.findings[0].cause == "drift_not_repairable"
        same, _record = rendered_by(platform)
        platform.change(live, same, [f"{LWS}.spec.leaderWorkerTemplate.leaderTemplate"], live.record)
        template = api.objects[LWS]["spec"]["leaderWorkerTemplate"]["leaderTemplate"]
        assert {"name": "NCCL_IB_DISABLE", "value": "1"} in template["spec"]["containers"][0]["env"]

    def test_the_record_alone_can_be_written(self, api: ScriptedApi) -> None:
        platform, live, record = created(api)
        before = copy.deepcopy(api.objects)
        platform.change(live, rendered_by(platform)[0], [], dataclasses.replace(record, inputs={"other": "inputs"}))
        assert api.objects[LWS]["spec"] == before[LWS]["spec"]
        found = read_record(record_text_of(api.objects[LWS]))
        assert found is not None and found.inputs == {"other": "inputs"}
        assert api.calls[-1] == f"apply {LWS}" and f"apply {SERVICE}" not in api.calls

    def test_somebody_elses_object_of_a_recorded_name_is_left_alone(self, api: ScriptedApi) -> None:
        policy = {"kubernetes": KubernetesSpec(network_policy=NetworkPolicySpec())}
        created(api, **policy)
        api.objects[POLICY] = {"metadata": {"name": NAME, "uid": "theirs", "labels": {"app": "shop"}}, "spec": {}}
        platform = platform_over(api)
        live = platform.find(NAME)
        assert live is not None and POLICY not in live.body
        wanted, record = rendered_by(platform)
        platform.change(live, wanted, [POLICY], record)
        assert api.objects[POLICY]["metadata"]["uid"] == "theirs"
        with_policy, _record = rendered_by(platform, **policy)
        rehearsal = platform.rehearse(live, with_policy, [POLICY])
        assert [finding.cause for finding in rehearsal.findings] == ["name_in_use"]

    def test_a_refused_creation_leaves_nothing(self, api: ScriptedApi) -> None:
        platform = platform_over(api)
        platform.find(NAME)
        api.refusals[f"apply {LWS}"] = refused(403, "quota_exceeded")
        rendered, record = rendered_by(platform)
        with pytest.raises(GpuopsError):
            platform.create(rendered, record)
        assert api.objects == {}

    def test_what_is_wanted_no_more_is_deleted(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api, kubernetes=KubernetesSpec(network_policy=NetworkPolicySpec()))
        assert POLICY in api.objects
        wanted, record = rendered_by(platform)
        platform.change(live, wanted, [POLICY], record)
        assert POLICY not in api.objects
        found = read_record(record_text_of(api.objects[LWS]))
        assert found is not None and POLICY not in found.body

    def test_deletion_takes_the_main_object_first(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api)
        platform.delete(live)
        deleted = [call for call in api.calls if call.startswith("delete")]
        assert deleted == [f"delete {LWS}", f"delete {SERVICE}"]

    def test_a_deleted_workload_is_put_back_as_it_was(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api)
        before = copy.deepcopy(api.objects)
        platform.delete(live)
        platform.restore(live)
        for key, entry in before.items():
            assert api.objects[key]["spec"] == entry["spec"]
        assert record_text_of(api.objects[LWS]) == record_text_of(before[LWS])


class TestRehearsal:
    def test_every_object_and_a_pod_of_each_role_are_tried(self, api: ScriptedApi) -> None:
        platform = platform_over(api)
        platform.find(NAME)
        api.calls.clear()
        rendered, _record = rendered_by(platform)
        rehearsal = platform.rehearse(None, rendered, [])
        assert (rehearsal.findings, rehearsal.conflicts) == ((), ())
        tried = [call for call in api.calls if call.startswith("try")]
        assert sorted(tried) == sorted(["try Pod head", "try Pod worker", f"try {LWS}", f"try {SERVICE}"])
        assert api.objects == {}

    def test_somebody_elses_service_of_that_name_is_not_taken_over(self, api: ScriptedApi) -> None:
        api.objects[SERVICE] = {"metadata": {"name": NAME, "labels": {"app": "shop"}}, "spec": {}}
        platform = platform_over(api)
        assert platform.find(NAME) is None
        rehearsal = platform.rehearse(None, rendered_by(platform)[0], [])
        assert [(finding.severity, finding.cause) for finding in rehearsal.findings] == [("error", "name_in_use")]

    def test_a_refusal_is_a_finding(self, api: ScriptedApi) -> None:
        api.refusals["try Pod worker"] = refused(403, "admission_denied")
        platform = platform_over(api)
        platform.find(NAME)
        rehearsal = platform.rehearse(None, rendered_by(platform)[0], [])
        assert [finding.cause for finding in rehearsal.findings] == ["admission_denied"]

    def test_without_the_right_to_create_pods_the_plan_says_so(self, api: ScriptedApi) -> None:
        api.refusals["try Pod head"] = refused(403, "permission_denied")
        platform = platform_over(api)
        platform.find(NAME)
        rehearsal = platform.rehearse(None, rendered_by(platform)[0], [])
        assert [(finding.severity, finding.cause) for finding in rehearsal.findings] == [
            ("info", "admission_not_checked")
        ]

    def test_what_a_change_would_really_change(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api)
        same = rendered_by(platform)[0]
        assert platform.rehearse(live, same, [f"{LWS}.spec"]).effective == frozenset()
        other = rendered_by(platform, image="registry.example.com/vllm-openai:v0.34.0")[0]
        effective = platform.rehearse(live, other, [f"{LWS}.spec.leaderWorkerTemplate"]).effective
        assert effective is not None
        path = f"{LWS}.spec.leaderWorkerTemplate.leaderTemplate.spec.containers[vllm].image"
        assert path in effective
        assert all("containers[vllm]" in changed for changed in effective)

    def test_of_a_recreation_the_pods_and_what_is_new_are_tried(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api)
        api.calls.clear()
        rehearsal = platform.rehearse(live, rendered_by(platform)[0], [])
        assert api.calls == ["try Pod head", "try Pod worker"]
        assert rehearsal.effective is None
        rehearsal = platform.rehearse(live, rendered_by(platform_over(api), **deployments())[0], [])
        assert [call for call in api.calls if call.startswith("try Deployment")] == [f"try {WORKER}", f"try {HEAD}"]

    def test_what_goes_with_the_old_workload_is_in_nobodys_way(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api)
        owner = {"kind": "LeaderWorkerSet", "name": NAME, "uid": api.objects[LWS]["metadata"]["uid"]}
        api.objects[WORKER] = {"metadata": {"name": f"{NAME}-worker-0", "ownerReferences": [owner]}, "spec": {}}
        assert platform.rehearse(live, rendered_by(platform, **deployments())[0], []).findings == ()

    def test_a_recreation_that_would_take_somebody_elses_object_is_refused_before(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api)
        api.objects[WORKER] = {"metadata": {"name": f"{NAME}-worker-0", "labels": {"app": "shop"}}, "spec": {}}
        rehearsal = platform.rehearse(live, rendered_by(platform, **deployments())[0], [])
        assert [finding.cause for finding in rehearsal.findings] == ["name_in_use"]


class TestLogs:
    def test_a_log_that_cannot_be_read_is_none(self, api: ScriptedApi) -> None:
        platform, live, _record = created(api)

        def logs(*args: Any, **keywords: Any) -> str:
            raise refused(400, "log_not_available")

        vars(api)["logs"] = logs
        assert platform.log(live, PodStatus("x", "uid-9", "pending"), 10) is None

    @pytest.mark.parametrize("is_gone", [True, False])
    def test_where_the_earlier_log_is_gone_the_present_one_is_told(self, api: ScriptedApi, is_gone: bool) -> None:
        _platform, live, _record = created(api)
        restarted = {"containerStatuses": [{"name": "vllm", "restartCount": 1, "lastState": {"terminated": {}}}]}
        metadata = {"name": f"{NAME}-0", "uid": "uid-9", "labels": api.objects[LWS]["metadata"]["labels"]}
        api.objects[f"Pod/{NAME}-0"] = {"metadata": metadata, "spec": {}, "status": restarted}

        def logs(pod: str, *, previous: bool, **keywords: Any) -> str:
            if previous and is_gone:
                raise refused(400, "log_not_available")
            return "earlier" if previous else "present"

        vars(api)["logs"] = logs
        platform = platform_over(api)
        platform.find(NAME)
        (pod,) = platform.status(live).pods
        assert platform.log(live, pod, 10) == ("present" if is_gone else "earlier")
