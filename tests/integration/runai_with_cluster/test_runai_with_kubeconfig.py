# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run:ai with a kubeconfig of its cluster: real LeaderWorkerSets of a real API server, beside the sandbox's API.

The user of the kubeconfig may only look, and nothing that a task does is a write there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import NAMESPACES
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_preflight import (
    used_permissions,
)
from support.cluster import ClusterHandle
from support.leaders import PlayedLeaders
from support.modules import run_module
from support.playbook import Playbooks
from support.results import causes, went_well
from support.runai_on_cluster import RunaiOnCluster

Result = dict[str, Any]
CRASHING = "registry.example.com/crash-loop:model_path_missing"
OPTIONS_OF_A_CLUSTER = ("kubeconfig", "context")


def looking_rules(*left_out: str) -> list[dict[str, Any]]:
    """Return the rules of a Role for looking into a namespace, without those of some resources."""
    rows = [row for row in used_permissions() if row.resource.namespaced or row.resource is NAMESPACES]
    rules = [
        {
            "apiGroups": [row.resource.group],
            "resources": [row.resource.plural + (f"/{row.subresource}" if row.subresource else "")],
            "verbs": [row.verb],
        }
        for row in rows
    ]
    return [rule for rule in rules if not set(left_out) & set(rule["resources"])]


@dataclass
class Stage:
    """A project whose pods run in a cluster, and who looks into it."""

    runai: RunaiOnCluster
    cluster: ClusterHandle
    leaders: PlayedLeaders

    @property
    def namespace(self) -> str:
        """The project's namespace."""
        return str(self.runai.description["namespace"])

    def way(self, user: str = "looker", *left_out: str) -> dict[str, Any]:
        """Return the options of a user who may only look, without the rights on some resources."""
        options = self.cluster.user(user, looking_rules(*left_out), self.namespace)
        return {option: options[option] for option in OPTIONS_OF_A_CLUSTER}

    def deploy(self, name: str, **options: Any) -> Result:
        """Run ``vllm_workload`` for two pods for each replica; they serve where the test's leaders are."""
        serving = {"access": "authenticated_users", "external": False, "port": self.leaders.port}
        return run_module("vllm_workload", self.runai.workload(name, serving=serving, **options))

    def serve(self, name: str, **options: Any) -> None:
        """Deploy a workload whose leaders answer."""
        went_well(self.deploy(name, **options))
        names = [pod["name"] for pod in self.runai.the_one(name)["pods"]]
        # The pods get new addresses, which Run:ai's API shows as well.
        self.leaders.open(leader for leader in names if leader.removeprefix(name).count("-") == 1)

    def look(self, module: str, name: str, **options: Any) -> Result:
        """Run a module that only reads."""
        return run_module(module, {**self.runai.connection, "name": name, **options})

    def smoke_test(self, name: str, **options: Any) -> Result:
        """Return the smoke test's result, whatever the verdict is."""
        return self.look("vllm_smoke_test", name, fail_on="never", **options)

    def writes(self) -> list[str]:
        """Return what the users of the cluster wrote there; HTTP to pods is none."""
        return [request for request in self.cluster.writes() if "/proxy/" not in request]


@pytest.fixture
def stage(runai_on_cluster: RunaiOnCluster, cluster: ClusterHandle, played_leaders: PlayedLeaders) -> Stage:
    return Stage(runai_on_cluster, cluster, played_leaders)


def statuses(result: Result) -> list[str]:
    return [level["status"] for level in result["levels"]]


def test_every_replica_is_proven_though_the_endpoint_is_not_external(stage: Stage) -> None:
    stage.serve("seen", replicas=2)
    without = stage.smoke_test("seen")
    assert (statuses(without), without["replicas_proven"]) == (["passed", "unknown", "unknown"], "0 of 2")
    result = stage.smoke_test("seen", **stage.way())
    assert (statuses(result), result["replicas_proven"]) == (["passed"] * 3, "2 of 2"), result["findings"]
    assert causes(result) == []
    assert stage.writes() == []


def test_a_result_with_the_cluster_differs_only_in_what_could_not_be_seen(stage: Stage) -> None:
    stage.serve("seen")
    way = stage.way()
    [without] = went_well(stage.look("vllm_workload_info", "seen", logs=True))["workloads"]
    [with_cluster] = went_well(stage.look("vllm_workload_info", "seen", logs=True, **way))["workloads"]
    hidden = {"events", "pods", "messages"}
    assert {key: value for key, value in without.items() if key not in hidden} == {
        key: value for key, value in with_cluster.items() if key not in hidden
    }
    unlogged = [[{**pod, "log": None, "markers": []} for pod in one["pods"]] for one in (without, with_cluster)]
    assert [{**pod, "log": None, "markers": []} for pod in without["pods"]] == unlogged[1]
    assert [pod["log"] for pod in without["pods"] if pod["role"] == "leader"] == [None]
    assert [bool(pod["log"]) for pod in with_cluster["pods"] if pod["role"] == "leader"] == [True]


def test_a_failed_start_is_told_by_the_pods_log(stage: Stage) -> None:
    without = stage.deploy("crashing", image=CRASHING, start_timeout=60)
    assert without["failed"] and "model_path_missing" not in causes(without)
    went_well(run_module("vllm_workload", stage.runai.workload("crashing", state="absent")))
    result = stage.deploy("crashing", image=CRASHING, start_timeout=60, **stage.way())
    assert result["failed"] and "model_path_missing" in causes(result), result["findings"]
    assert stage.writes() == []


def test_a_claim_that_is_not_there_stops_before_anything_is_written(stage: Stage) -> None:
    volumes = [{"claim": "no-such-claim", "path": "/data"}]
    result = stage.deploy("claimed", volumes=volumes, **stage.way())
    assert result["failed"] and causes(result)[0] == "volume_claim_missing"
    assert stage.runai.writes() == [] and stage.writes() == []


def test_preflight_shows_the_way_the_rights_and_the_claims(stage: Stage) -> None:
    claims = ["my-project-models", "no-such-claim"]
    asked = {**stage.runai.connection, "pods": 2, "gpus_per_pod": 2, "claims": claims, "fail_on": "never"}
    way = stage.way("half-blind", "pods/log", "pods/exec")
    result = went_well(run_module("preflight_info", {**asked, **way}))
    found = {check["name"]: check for check in result["checks"]}
    assert found["cluster_view"]["status"] == "passed"
    assert found["cluster_view_permissions"]["status"] == "warning"
    assert "pods/log" in found["cluster_view_permissions"]["evidence"]
    assert "pods/proxy" not in found["cluster_view_permissions"]["evidence"]
    assert [found[f"claim {claim}"]["status"] for claim in claims] == ["passed", "failed"]
    assert stage.writes() == []


@pytest.mark.parametrize("left_out", [("pods",), ("namespaces", "pods")])
def test_a_user_who_may_not_look_sees_what_runai_shows(stage: Stage, left_out: tuple[str, ...]) -> None:
    stage.serve("seen")
    result = stage.smoke_test("seen", **stage.way("blind", *left_out))
    assert statuses(result) == ["passed", "unknown", "unknown"]
    assert causes(result).count("cluster_view_not_used") == 1
    assert "may not list pods" in json.dumps(result["findings"])


@pytest.mark.parametrize("by", ["inventory", "environment"])
def test_the_playbook_takes_the_way_there(stage: Stage, playbooks: Playbooks, tmp_path: Path, by: str) -> None:
    stage.serve("seen")
    way = stage.way()
    variables = {"gpuops_platform": "runai", "gpuops_project": stage.runai.connection["project"]}
    environment = dict(stage.runai.runai_variables)
    if by == "inventory":
        variables |= {"gpuops_kubeconfig": way["kubeconfig"], "gpuops_kubernetes_context": way["context"]}
    else:
        environment |= {"K8S_AUTH_KUBECONFIG": way["kubeconfig"], "K8S_AUTH_CONTEXT": way["context"]}
    inventory = tmp_path / "inventory.json"
    group = {"hosts": {"seen": {}}, "vars": variables}
    inventory.write_text(json.dumps({"vllm_workloads": group}), encoding="utf-8")
    result = playbooks.run_playbook(
        "gpuops.inference.smoke_test", inventory=str(inventory), environment=environment
    ).check()
    assert "seen: passed" in result.stdout
