# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation behind ``fabric_probe``: what pods are started, what comes of their reports, and what stays unknown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    INFINIBAND,
    ClusterEvidence,
    DeviceResource,
    FabricMachine,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations import fabric_probe
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import perform
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_probe import fabric_probe_arguments
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    PENDING,
    RUNNING,
    LookStatus,
    PodStatus,
    Target,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricPlacement
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from scripted_platform import Clock, ScriptedPlatform

RESOURCE = "rdma/rdma_shared_device_a"
MACHINES = tuple(FabricMachine(f"gpu-{number}", 8, "H100", resources={RESOURCE: 63}) for number in (1, 2))
CLUSTER = ClusterEvidence(MACHINES, (DeviceResource(RESOURCE, INFINIBAND, "shared", True),))
PORT = ["mlx5_0", 1, "InfiniBand", "ACTIVE", 400.0, 17, "mlx5_core", False, 0, []]
USE = ["mlx5_0", True, True, True, ""]


class ScriptedView:
    """A fabric whose API shows ``cluster``."""

    answers_only = False
    looks_refused = None

    def __init__(self, platform: ScriptedPlatform, cluster: ClusterEvidence) -> None:
        self.platform = platform
        self._cluster = cluster

    def target(self) -> Target:
        return Target("kubernetes", "https://cluster.example.com")

    def evidence(self, placement: FabricPlacement) -> ClusterEvidence:
        return self._cluster


def report(peer: int, **parts: Any) -> str:
    """Return the report of a pod that can use the fabric and reached the other one."""
    whole = {
        "ports": [PORT],
        "uses": [USE],
        "memlock": None,
        "locked": 1 << 28,
        "effective": "0",
        "bounding": "0",
        "gpudirect": "nvidia_peermem",
        "interfaces": [["eth0", [f"10.244.1.{peer}"], True, 1450]],
        "reaches": [[peer, 41000, True, 9.5, ""]],
        "errors": [],
        "left_out": [],
    }
    return json.dumps({**whole, **parts})


def ended(text: str, machine: str) -> LookStatus:
    pod = PodStatus(f"look-{machine}", "uid", "succeeded", machine=machine)
    return LookStatus(WorkloadStatus(RUNNING, pods=(pod,)), True, 0, text)


def waiting() -> LookStatus:
    pod = PodStatus("look", "uid", PENDING, messages=("Unschedulable: 0/2 nodes are available.",))
    return LookStatus(WorkloadStatus(PENDING, pods=(pod,)))


SEEN = (ended(report(1), "gpu-1"), ended(report(0), "gpu-2"))


def run(
    *looks: Sequence[LookStatus], cluster: ClusterEvidence = CLUSTER, check_mode: bool = False, **options: Any
) -> tuple[dict[str, Any], list[Look]]:
    """Run the operation; each look has these copies. Returns the result and the looks that were started."""
    arguments, clock = fabric_probe_arguments(), Clock()
    platform = ScriptedPlatform(clock)
    left = [list(copies) for copies in looks or (SEEN,)]
    platform.carry_out = lambda look: [LookStatus(WorkloadStatus(RUNNING), copies=tuple(left.pop(0)))]
    given = {"platform": "kubernetes", "image": "example:v1", **options}
    params = ArgumentSpecValidator(**arguments.keywords()).validate(given).validated_parameters
    host = Host(check_mode=check_mode, clock=clock, sleep=clock.sleep)
    with mock.patch.object(fabric_probe, "make_fabric_view", return_value=ScriptedView(platform, cluster)):
        result = perform(fabric_probe.probe_fabric, arguments.argument_spec, params, host)
    return result, [look for look, _started in platform.looks]


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def test_what_pods_could_use_is_usable() -> None:
    result, [look] = run()
    assert (result["changed"], result["looks"]) == (False, 1)
    assert (result["decision"]["kind"], result["decision"]["confidence"]) == ("infiniband", "usable")
    assert [pod["machine"] for pod in result["evidence"]["pods"]] == ["gpu-1", "gpu-2"]
    assert result["evidence"]["pods"][0]["reaches"][0]["machine"] == "gpu-2"
    assert look.needs.resources == {RESOURCE: 1} and look.needs.gpus == 0


def test_pods_run_where_the_workload_would() -> None:
    small = FabricMachine("gpu-3", 8)
    _result, [look] = run(
        cluster=ClusterEvidence((*MACHINES, small), CLUSTER.resources),
        run_as={"uid": 3000, "gid": 3001},
        resources={RESOURCE: 2},
        capabilities=["IPC_LOCK"],
        node_selector={"pool": "gpu"},
        priority_class="low",
        machines=3,
        spread="required",
    )
    assert (look.place.run_as.uid, look.place.run_as.gid) == (3000, 3001)
    assert look.place.machines == ("gpu-1", "gpu-2"), "the third one has not what is asked for"
    assert (look.place.node_selector, look.place.priority_class) == ({"pool": "gpu"}, "low")
    assert (look.needs.resources, look.needs.capabilities) == ({RESOURCE: 2}, ("IPC_LOCK",))
    assert look.copies is not None and (look.copies.number, look.copies.spread) == (3, "required")


def test_ports_and_the_token_differ_from_run_to_run() -> None:
    tasks = [json.loads(looks[0].command[-1]) for looks in (run()[1], run()[1])]
    assert tasks[0]["token"] != tasks[1]["token"]
    assert all(len(set(task["ports"])) == 2 and min(task["ports"]) >= 32768 for task in tasks)
    _result, [look] = run(ports=[41001])
    assert json.loads(look.command[-1])["ports"] == [41001]


def test_one_pod_that_did_not_start_leaves_what_the_other_saw() -> None:
    result, _looks = run([SEEN[0], waiting()])
    [pod] = result["evidence"]["pods"]
    assert (pod["machine"], pod["reaches"]) == ("gpu-1", [])
    [told] = [finding for finding in result["findings"] if finding["cause"] == "look_not_started"]
    assert (told["severity"], told["evidence"].startswith("pod 2 of 2 saw nothing")) == ("warning", True)
    assert "failed" not in result


@pytest.mark.parametrize("text", ['{"ports": [[1]]}', '{"uses": [5, [1]]}', '{"interfaces": [["eth0", 5]]}'])
def test_a_report_that_makes_no_sense_is_a_finding(text: str) -> None:
    result, _looks = run([ended(text, "gpu-1"), SEEN[1]])
    assert [pod["machine"] for pod in result["evidence"]["pods"]] == ["gpu-2"]
    assert "look_failed" in causes(result) and "internal_error" not in causes(result)


def test_what_a_report_had_no_room_for_is_said() -> None:
    result, _looks = run(
        [ended(report(1, left_out=["gids", "ports"], errors=["listen on port 1: no"]), "gpu-1"), SEEN[1]]
    )
    told = [finding["evidence"] for finding in result["findings"] if finding["cause"] == "look_incomplete"]
    assert told == ["on gpu-1: listen on port 1: no.", "the report from gpu-1 had no room for all of: ports."]


def test_without_looks_it_is_what_the_api_shows() -> None:
    result, looks = run(check_mode=True)
    assert (looks, result["looks"], result["not_looked_at"]) == ([], 0, ["the fabric"])
    assert result["decision"]["confidence"] == "seen"
    assert result["evidence"]["not_looked"]


def test_without_machines_nothing_is_started() -> None:
    result, looks = run(cluster=ClusterEvidence(machines=()))
    assert looks == [] and "no_machines_to_look_on" in causes(result)


def test_a_missing_fabric_fails_where_it_is_required() -> None:
    bare = [ended(report(peer, ports=[], uses=[]), f"gpu-{2 - peer}") for peer in (1, 0)]
    result, _looks = run(bare, mode="require_rdma")
    assert result["failed"] and result["looks"] == 1
    assert len(result["evidence"]["pods"]) == 2


class TestProof:
    LINES = ("NCCL INFO Using network IB", "NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/IB/0/GDRDMA")

    def proof(self, **parts: Any) -> list[LookStatus]:
        text = json.dumps({"bandwidth": 46.1, "error": "", "lines": self.LINES, **parts})
        return [ended(text, "gpu-1"), ended(text, "gpu-2")]

    def test_a_collective_proves_it(self) -> None:
        result, [_look, proof] = run(SEEN, self.proof(), proof="nccl")
        assert (result["decision"]["kind"], result["decision"]["confidence"]) == ("infiniband", "proven")
        assert result["evidence"]["proof"]["bandwidth"] == 46.1
        assert (proof.needs.gpus, proof.needs.resources) == (1, {RESOURCE: 1})
        assert proof.copies is not None and proof.copies.number == 2

    def test_the_transport_is_pinned_and_says_what_it_does(self) -> None:
        _result, [_look, proof] = run(SEEN, self.proof(), proof="nccl")
        assert proof.environment["NCCL_NET"] == "IB"
        assert (proof.environment["NCCL_DEBUG"], proof.environment["NCCL_DEBUG_SUBSYS"]) == ("INFO", "INIT,NET")

    def test_a_failure_proves_nothing(self) -> None:
        result, _looks = run(SEEN, self.proof(bandwidth=None, error="RuntimeError: NCCL error"), proof="nccl")
        assert result["evidence"]["proof"]["error"] == "RuntimeError: NCCL error"
        assert result["decision"]["confidence"] != "proven"

    def test_a_pod_without_a_gpu_proves_nothing(self) -> None:
        result, _looks = run(SEEN, [self.proof()[0], waiting()], proof="nccl")
        assert "did not begin to run" in result["evidence"]["proof"]["error"]
        assert result["evidence"]["proof"]["bandwidth"] is None
        assert result["decision"]["confidence"] != "proven"

    def test_it_is_asked_for(self) -> None:
        result, looks = run()
        assert len(looks) == 1 and result["evidence"]["proof"] is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"name": "Probe"}, "name"),
        ({"name": "1probe"}, "name"),
        ({"name": "x" * 46}, "name"),
        ({"image": " "}, "image"),
        ({"machines": 0}, "machines"),
        ({"machines": 17}, "machines"),
        ({"proof": "nccl", "machines": 1}, "proof"),
        ({"capabilities": ["CAP_IPC_LOCK"]}, "capabilities"),
        ({"capabilities": ["ipc_lock"]}, "capabilities"),
        ({"ports": [80]}, "ports"),
        ({"ports": [70000]}, "ports"),
        ({"start_timeout": 0}, "start_timeout"),
        ({"time_limit": 0}, "time_limit"),
        ({"priority_class": "Not A Name"}, "priority_class"),
        ({"run_as": {"gid": -1}}, "run_as.gid"),
        ({"run_as": {"uid": 0}}, "run_as.uid"),
    ],
)
def test_what_makes_no_sense_is_one_clear_message(options: dict[str, Any], named: str) -> None:
    result, looks = run(**options)
    assert result["failed"] and result["msg"].startswith(f"{named}: ")
    assert looks == []
