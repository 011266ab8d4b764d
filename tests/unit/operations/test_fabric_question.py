# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``fabric_probe`` where a pod tells nothing but yes or no: when it is asked, what, and what the answers lead to."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ClusterEvidence, FabricMachine
from ansible_collections.gpuops.inference.plugins.module_utils._operations import fabric_probe
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import perform
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_probe import fabric_probe_arguments
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    LookStatus,
    Target,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricPlacement
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec
from scripted_platform import Clock, ScriptedPlatform

YES, NO = 0, 1
RESOURCE = "openshift.io/mellanoxnics"
NETWORK = {"k8s.v1.cni.cncf.io/networks": "rdma-net"}
STATED = {"expect": "infiniband", "resources": {RESOURCE: 1}, "annotations": NETWORK}
FORBIDDEN = Finding(ERROR, "forbidden", "the control plane refused to create workload gpuops-fabric (403).")
NO_ROOM = LookStatus(WorkloadStatus("pending", messages=("NonPreemptibleOverQuota: no quota is left",)))
REMOVED = LookStatus(WorkloadStatus("deleting", deleted=True), is_over=True)

Outcome = int | list[LookStatus] | GpuopsError


class AnsweredFabric:
    """A fabric that no API shows, whose looks end in turn as ``answers`` say: with an exit status, or not at all."""

    answers_only = True
    looks_refused = None

    def __init__(self, *answers: Outcome) -> None:
        self.platform = ScriptedPlatform(Clock())
        self._answers = list(answers)
        self.platform.carry_out = lambda look: self._answer()

    def _answer(self) -> list[LookStatus] | GpuopsError:
        answer = self._answers.pop(0)
        if not isinstance(answer, int):
            return answer
        return [LookStatus(WorkloadStatus("stopped" if answer == YES else "failed"), True, answer)]

    def target(self) -> Target:
        return Target("runai", "https://runai.example.com")

    def evidence(self, placement: FabricPlacement) -> ClusterEvidence:
        return ClusterEvidence(unseen={"Node": "no kubeconfig of the cluster is given"})


def run(*answers: Outcome, check_mode: bool = False, **options: Any) -> tuple[dict[str, Any], list[Look]]:
    """Run the operation. Returns the result and the looks that were started."""
    view, arguments = AnsweredFabric(*answers), fabric_probe_arguments()
    given = {
        "platform": "runai",
        "project": "my-project",
        "runai_url": "https://runai.example.com",
        "runai_token": "canary-token-5d1f",
        "image": "example:v1",
        **STATED,
        **options,
    }
    params = ArgumentSpecValidator(**arguments.keywords()).validate(given).validated_parameters
    clock = view.platform.clock
    host = Host(check_mode=check_mode, clock=clock, sleep=clock.sleep)
    with mock.patch.object(fabric_probe, "make_fabric_view", return_value=view):
        result = perform(fabric_probe.probe_fabric, arguments.argument_spec, params, host)
    return result, [look for look, _started in view.platform.looks]


def judged(result: dict[str, Any]) -> tuple[str, str]:
    return result["decision"]["kind"], result["decision"]["confidence"]


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def judgements(looks: list[Look]) -> list[str]:
    return [json.loads(look.command[-1])["judgement"] for look in looks]


def test_why_a_cluster_that_shows_its_fabric_runs_no_jobs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Finding(INFO, "cluster_view_not_used", "trainings look, since jobs need more: create jobs.")
    machine = FabricMachine("gpu-1", 8, resources={RESOURCE: 1})
    monkeypatch.setattr(AnsweredFabric, "looks_refused", refused)
    monkeypatch.setattr(AnsweredFabric, "evidence", lambda view, placement: ClusterEvidence(machines=(machine,)))
    result, looks = run(YES)
    assert judged(result) == ("infiniband", "usable")
    assert "cluster_view_not_used" in causes(result)
    assert [look.place.machines for look in looks] == [()], "a training names no machine"


@pytest.mark.parametrize("stated", ["infiniband", "roce"])
def test_yes_is_usable_and_names_no_device(stated: str) -> None:
    result, looks = run(YES, expect=stated)
    assert (judged(result), result["looks"], result["evidence"]["confirmed"]) == ((stated, "usable"), 1, True)
    assert (result["changed"], result["not_looked_at"], causes(result)) == (False, [], [])
    assert "NCCL_IB_HCA" not in {variable["name"] for variable in result["decision"]["variables"]}
    assert json.loads(looks[0].command[-1])["kind"] == stated


def test_the_pod_is_like_those_of_the_workload_and_has_no_gpu() -> None:
    run_as = {"uid": 3000, "gid": 3001, "supplemental_groups": [5000]}
    _result, [look] = run(YES, run_as=run_as, capabilities=["IPC_LOCK"], node_selector={"pool": "gpu"}, time_limit=90)
    assert look.place.run_as == RunAsSpec(3000, 3001, (5000,))
    assert (look.place.image, look.place.node_selector) == ("example:v1", {"pool": "gpu"})
    assert (look.needs.resources, look.needs.annotations) == ({RESOURCE: 1}, NETWORK)
    assert (look.needs.gpus, look.needs.capabilities, look.copies) == (0, ("IPC_LOCK",), None)
    assert (look.time_limit, look.start_limit) == (90.0, 600.0)


def test_plays_of_other_names_have_looks_of_their_own() -> None:
    names = [run(YES, name=name)[1][0].what for name in ("one", "another", "one")]
    assert names[0] == names[2] != names[1]


def test_only_the_variable_that_the_judgement_depends_on_is_told_to_the_pod() -> None:
    _result, [look] = run(YES, variables={"NCCL_IB_ADDR_FAMILY": "AF_INET6", "NCCL_ALGO": "Ring"})
    assert json.loads(look.command[-1])["variables"] == {"NCCL_IB_ADDR_FAMILY": "AF_INET6"}


def test_no_is_unusable_once_a_second_pod_says_that_something_is_in_the_way() -> None:
    result, looks = run(NO, YES)
    assert (judged(result), judgements(looks)) == (("unusable", "seen"), ["usable", "unusable"])
    assert (result["looks"], result["evidence"]["confirmed"], causes(result)) == (2, False, ["fabric_not_confirmed"])
    assert "failed" not in result


def test_what_is_required_and_not_confirmed_is_a_failure() -> None:
    result, _looks = run(NO, YES, mode="require_rdma")
    assert (result["failed"], judged(result), result["looks"]) == (True, ("unusable", "seen"), 2)
    assert causes(result)[0] == "rdma_required"
    assert run(YES, mode="require_rdma")[0]["decision"]["confidence"] == "usable"


@pytest.mark.parametrize("second", [NO, GpuopsError.from_finding(FORBIDDEN), [REMOVED], [NO_ROOM]], ids=str)
def test_no_and_nothing_certain_stays_what_is_stated(second: Outcome) -> None:
    result, _looks = run(NO, second, start_timeout=30)
    assert (judged(result), result["evidence"]["confirmed"]) == (("infiniband", "stated"), None)
    assert causes(result) == ["fabric_not_answered", "not_looked"]
    assert "failed" not in result


@pytest.mark.parametrize(
    ("first", "cause"),
    [
        (GpuopsError.from_finding(FORBIDDEN), "no_looks"),
        ([NO_ROOM], "look_not_started"),
        ([REMOVED], "look_removed"),
    ],
    ids=["refused", "not in time", "removed"],
)
def test_what_could_not_be_asked_stays_what_is_stated(first: Outcome, cause: str) -> None:
    result, _looks = run(first, start_timeout=30)
    assert (judged(result), causes(result)[0]) == (("infiniband", "stated"), cause)
    assert (result["evidence"]["confirmed"], "failed" in result) == (None, False)


def test_in_check_mode_nothing_is_asked_unless_that_is_wanted() -> None:
    result, looks = run(check_mode=True)
    assert (judged(result), looks, result["not_looked_at"]) == (("infiniband", "stated"), [], ["the fabric"])
    result, looks = run(YES, check_mode=True, looks_in_check_mode=True)
    assert (judged(result), len(looks)) == (("infiniband", "usable"), 1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"resources": {}}, ("infiniband", "stated")),
        ({"expect": "efa"}, ("efa", "stated")),
        ({"expect": "tcp"}, ("tcp", "stated")),
        ({"expect": None}, ("unknown", "unknown")),
    ],
    ids=str,
)
def test_what_no_pod_can_try_is_not_asked(options: dict[str, Any], expected: tuple[str, str]) -> None:
    result, looks = run(**options)
    assert (judged(result), looks, result["looks"]) == (expected, [], 0)
    [told] = [finding for finding in result["findings"] if finding["cause"] == "no_looks"]
    assert "kubeconfig" in told["hint"]


def test_a_proof_is_not_possible_and_that_is_said() -> None:
    result, looks = run(YES, proof="nccl")
    assert (judged(result), len(looks), causes(result)) == (("infiniband", "usable"), 1, ["no_proof"])
