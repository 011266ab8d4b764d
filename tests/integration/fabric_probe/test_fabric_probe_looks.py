# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that look at the fabric, on both platforms, against a real API server with its own scheduler and Job controller.

The pods are processes of this machine (``gpuops_cluster.kubelet.look_pods``); what real containers see is tested in
tests/e2e.
"""

from __future__ import annotations

from typing import Any

from support.cluster import NAMESPACE, ClusterHandle
from support.modules import run_module
from support.runai_on_cluster import RunaiOnCluster
from support.sandbox import SandboxHandle, until

IMAGE = "registry.example.com/vllm-openai:v0.33.0"
# The devices of the test cluster's machines.
RESOURCE = "rdma/rdma_shared_device_a"


def probe(connection: dict[str, Any], check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """Run the module, which waits no longer than it has to."""
    return run_module("fabric_probe", {**connection, "image": IMAGE, "start_timeout": 60, **options}, check_mode)


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def nothing_is_left(cluster: ClusterHandle, namespace: str = NAMESPACE) -> bool:
    """Say whether the jobs of looks and the Services of their pods are gone."""
    jobs = cluster.items(f"/apis/batch/v1/namespaces/{namespace}/jobs")
    services = cluster.items(f"/api/v1/namespaces/{namespace}/services")
    return not jobs and not [entry for entry in services if "-look-" in entry["metadata"]["name"]]


def test_pods_on_two_machines_find_each_other(cluster: ClusterHandle) -> None:
    result = probe(cluster.connection, spread="required")
    assert result["rc"] == 0, result
    assert (result["changed"], result["looks"], result["not_looked_at"]) == (False, 1, [])
    first, second = result["evidence"]["pods"]
    assert first["machine"] != second["machine"]
    assert {reach["machine"] for reach in first["reaches"]} == {second["machine"]}
    assert [reach["is_reached"] for reach in first["reaches"] + second["reaches"]] == [True] * 4
    assert first["requested_resources"] == {RESOURCE: 1}, "what the API shows is asked for"
    until(lambda: nothing_is_left(cluster), "the job is gone, with its Service")


def test_a_namespace_that_takes_them_gets_capabilities_and_a_priority(cluster: ClusterHandle) -> None:
    more = {"capabilities": ["IPC_LOCK"], "priority_class": "gpuops-low", "machines": 1}
    result = probe(cluster.connection_in("my-project-open"), **more)
    assert (result["rc"], len(result["evidence"]["pods"])) == (0, 1), result


def test_one_that_finds_no_machine_takes_nothing_from_the_other(cluster: ClusterHandle) -> None:
    one_machine = {"node_selector": {"kubernetes.io/hostname": "gpu-1"}, "spread": "required"}
    result = probe(cluster.connection, start_timeout=5, **one_machine)
    assert result["rc"] == 0, result
    [seen] = result["evidence"]["pods"]
    assert (seen["machine"], seen["reaches"]) == ("gpu-1", []), "nobody knows whether the other one can be reached"
    [missed] = [finding for finding in result["findings"] if finding["cause"] == "look_not_started"]
    assert missed["severity"] == "warning"
    assert "pod 2 of 2 saw nothing" in missed["evidence"] or "pod 1 of 2 saw nothing" in missed["evidence"]
    until(lambda: nothing_is_left(cluster), "the job is gone")


def test_check_mode_starts_nothing_unless_it_is_wanted(cluster: ClusterHandle) -> None:
    cluster.forget_requests()
    result = probe(cluster.connection, check_mode=True)
    assert (result["rc"], result["looks"], result["not_looked_at"]) == (0, 0, ["the fabric"])
    assert "not_looked_at" in causes(result)
    assert cluster.writes() == []
    wanted = probe(cluster.connection, check_mode=True, looks_in_check_mode=True)
    assert (wanted["rc"], wanted["looks"], len(wanted["evidence"]["pods"])) == (0, 1, 2)


def test_no_machine_with_gpus_is_no_place_to_look(cluster: ClusterHandle) -> None:
    cluster.forget_requests()
    result = probe(cluster.connection, node_selector={"no-such-label": "true"})
    assert (result["rc"], result["looks"]) == (0, 0)
    assert "no_machines_to_look_on" in causes(result)
    assert cluster.writes() == []


def test_pods_that_are_refused_leave_it_unknown(cluster: ClusterHandle) -> None:
    """Pod security level restricted takes no added capability but one."""
    result = probe(cluster.connection, capabilities=["IPC_LOCK"], start_timeout=20)
    assert (result["rc"], result["evidence"]["pods"]) == (0, []), result
    told = " ".join(finding["evidence"] for finding in result["findings"])
    assert "IPC_LOCK" in told and "restricted" in told
    until(lambda: nothing_is_left(cluster), "the job is gone")


def test_without_the_right_to_make_jobs_it_stays_unknown(cluster: ClusterHandle) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["get", "list"]}]
    result = probe(cluster.user("no-jobs", rules))
    assert (result["rc"], result["evidence"]["pods"]) == (0, []), result
    [denied] = [finding for finding in result["findings"] if finding["cause"] == "no_looks"]
    assert denied["severity"] == "warning" and "jobs" in denied["evidence"]


def test_run_ai_without_a_way_into_its_cluster_says_that_nobody_looked(sandbox: SandboxHandle) -> None:
    result = probe(sandbox.connection)
    assert (result["rc"], result["changed"], result["looks"]) == (0, False, 0), result
    assert "no_looks" in causes(result)
    assert result["decision"]["kind"] == "unknown"
    assert sandbox.writes() == []


def test_run_ai_with_a_kubeconfig_gets_the_whole_report(
    runai_on_cluster: RunaiOnCluster, cluster: ClusterHandle
) -> None:
    result = probe({**runai_on_cluster.connection, "kubeconfig": cluster.description["kubeconfig"]})
    assert result["rc"] == 0, result
    assert result["target"].startswith("runai at ")
    assert len(result["evidence"]["pods"]) == 2
    namespace = runai_on_cluster.description["namespace"]
    until(lambda: nothing_is_left(cluster, namespace), "the job is gone")
