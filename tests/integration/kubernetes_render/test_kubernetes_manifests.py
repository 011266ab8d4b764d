# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real API server, LeaderWorkerSet's webhooks and Pod Security take what is rendered, and give it back as it was."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import RenderedWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.comparable import (
    comparable,
    restricted,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_security import needed_level
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.render import dry_run_pods
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import BY_KIND
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.rules import change_rules
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    DEPLOYMENTS,
    LEADERWORKERSET,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten, is_below
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    KubernetesSpec,
    PlacementSpec,
    VolumeSpec,
)
from support.cluster import IMAGE, NAMESPACE, ClusterHandle
from support.rendered_workloads import EVERYTHING, VARIANTS, live, rendered, spec_of, variant
from support.sandbox import until

OPEN = "my-project-open"
BASELINE = "my-project-baseline"
NAMESPACE_OF = {"restricted": NAMESPACE, "baseline": BASELINE, "privileged": OPEN}
MANAGER = "gpuops.inference"
# Its definition comes with the Prometheus operator, which the test cluster does not have.
NOT_SERVED = "ServiceMonitor"
# Seconds: controllers and the scheduler share a busy machine with other tests.
LONG = 180.0
SERVED = {name: variant(name) for name in VARIANTS}


def send(
    cluster: ClusterHandle, key: str, manifest: Mapping[str, Any], namespace: str = NAMESPACE, dry_run: bool = False
) -> tuple[int, Any]:
    """Apply an object server-side; fields that the server does not know are refused."""
    kind, _slash, name = key.partition("/")
    path = BY_KIND[kind].path(namespace, name)
    query = f"?fieldManager={MANAGER}&fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
    return cluster.api("PATCH", path + query, manifest, "application/apply-patch+yaml")


def objects_of(workload: RenderedWorkload) -> dict[str, Any]:
    """Return the objects that the test cluster serves."""
    return {key: copy.deepcopy(value) for key, value in workload.body.items() if not key.startswith(NOT_SERVED)}


def applied(cluster: ClusterHandle, workload: RenderedWorkload, namespace: str = NAMESPACE) -> dict[str, Any]:
    """Apply all objects and return what the server made of them."""
    answers = {}
    for key, manifest in objects_of(workload).items():
        status, answer = send(cluster, key, manifest, namespace)
        assert status in (200, 201), answer["message"]
        answers[key] = answer
    return answers


@pytest.mark.parametrize("name", VARIANTS)
def test_the_api_server_takes_every_object(cluster_server: ClusterHandle, name: str) -> None:
    for key, manifest in objects_of(SERVED[name]).items():
        status, answer = send(cluster_server, key, manifest, dry_run=True)
        assert status in (200, 201), answer["message"]


@pytest.mark.parametrize("name", VARIANTS)
def test_namespaces_of_the_level_that_the_plan_names_take_the_pods(cluster_server: ClusterHandle, name: str) -> None:
    _kind, changes = VARIANTS[name]
    level = needed_level(spec_of(**changes))
    for pod in dry_run_pods(SERVED[name]):
        for of_level, namespace in NAMESPACE_OF.items():
            without_others = copy.deepcopy(pod)
            # The class and the account are not what is asked here.
            without_others["spec"].pop("priorityClassName", None)
            without_others["spec"].pop("serviceAccountName", None)
            status, answer = cluster_server.api(
                "POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", without_others
            )
            takes = list(NAMESPACE_OF).index(of_level) >= list(NAMESPACE_OF).index(level)
            assert status == (201 if takes else 403), answer


@pytest.mark.parametrize("name", VARIANTS)
def test_what_comes_back_is_what_was_applied_and_applying_it_again_changes_nothing(
    cluster: ClusterHandle, name: str
) -> None:
    workload = SERVED[name]
    wanted = comparable(objects_of(workload))
    first = applied(cluster, workload, OPEN)
    assert flatten(comparable({key: restricted(first[key], wanted[key]) for key in wanted})) == flatten(wanted)
    for key, manifest in objects_of(workload).items():
        status, answer = send(cluster, key, manifest, OPEN, dry_run=True)
        assert status == 200, answer
        assert answer["spec"] == first[key]["spec"]
        assert len([entry for entry in answer["metadata"]["managedFields"] if entry["manager"] == MANAGER]) == 1


class TestRules:
    """``change_rules`` against what the API server and LeaderWorkerSet's webhook really change."""

    @pytest.mark.parametrize(
        ("kind", "before", "after"),
        [
            (LEADERWORKERSET, {}, {"kubernetes": KubernetesSpec(subgroup_size=1)}),
            (
                LEADERWORKERSET,
                {"kubernetes": KubernetesSpec(subgroup_size=2)},
                {"kubernetes": KubernetesSpec(subgroup_size=1)},
            ),
        ],
    )
    def test_what_is_refused_is_in_no_rule(
        self, cluster: ClusterHandle, kind: str, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        old, new = rendered(kind, **before), rendered(kind, **after)
        applied(cluster, old)
        rules = change_rules(live(old)).in_place
        refused = []
        for key, manifest in objects_of(new).items():
            status, answer = send(cluster, key, manifest, dry_run=True)
            if status != 200:
                refused.append(key)
                assert status in (403, 422), answer
        assert refused
        changed = {path for path, leaf in flatten(new.body).items() if flatten(old.body).get(path) != leaf}
        assert any(not is_below(path, rules) for path in changed)

    @pytest.mark.parametrize(
        ("kind", "changes"),
        [
            (LEADERWORKERSET, {"pods": 4, "image": IMAGE, "annotations": {"note": "x"}, "replicas": 3}),
            (LEADERWORKERSET, {"restart_policy": "recreate_group_after_start", "volumes": (VolumeSpec("a", "/data"),)}),
            (LEADERWORKERSET, {"kubernetes": KubernetesSpec(exclusive_topology="topology.kubernetes.io/zone")}),
            (DEPLOYMENTS, {"image": IMAGE, "annotations": {"note": "x"}, "start_timeout": 60}),
            (DEPLOYMENT, {"pods": 1, "image": IMAGE, "replicas": 3}),
            *((kind, {**EVERYTHING, "pods": pods}) for kind, pods in ((LEADERWORKERSET, 2), (DEPLOYMENT, 1))),
        ],
    )
    def test_what_is_in_a_rule_is_taken_there_and_back(
        self, cluster: ClusterHandle, kind: str, changes: dict[str, Any]
    ) -> None:
        old = rendered(kind, **({"pods": 1} if kind == DEPLOYMENT else {}))
        new = rendered(kind, **changes)
        rules = change_rules(live(old)).in_place
        flat_old, flat_new = flatten(old.body), flatten(new.body)
        changed = {path for path in {*flat_old, *flat_new} if flat_old.get(path) != flat_new.get(path)}
        assert all(is_below(path, rules) for path in changed - set(new.replica_paths))
        applied(cluster, old, OPEN)
        applied(cluster, new, OPEN)
        back = applied(cluster, old, OPEN)
        wanted = comparable(objects_of(old))
        assert flatten(comparable({key: restricted(back[key], wanted[key]) for key in wanted})) == flatten(wanted)


def pods_by_replica(cluster: ClusterHandle, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the workload's pods by the replica that they belong to."""
    replicas: dict[str, list[dict[str, Any]]] = {}
    for pod in cluster.pods(name):
        replicas.setdefault(pod["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/group-index"], []).append(pod)
    return replicas


def test_pods_of_one_replica_are_apart_and_those_of_several_share_machines(cluster: ClusterHandle) -> None:
    # 3 replicas of 2 pods with 4 GPUs each fit onto 4 machines of 8 GPUs only if pods of different replicas share them.
    # (A fourth replica would fit too, but pods are placed one by one, and the last two may be left with one machine.)
    workload = rendered(
        replicas=3, gpus_per_pod=4, image=IMAGE, placement=PlacementSpec(spread="required"), name="spread-out"
    )
    applied(cluster, workload)

    def machines() -> list[set[str]]:
        replicas = pods_by_replica(cluster, "spread-out").values()
        return [{pod["spec"]["nodeName"] for pod in pods if "nodeName" in pod["spec"]} for pods in replicas]

    until(machines, "all pods have a machine", LONG, lambda found: [len(one) for one in found] == [2] * 3)


def test_every_replica_has_a_topology_for_itself(cluster: ClusterHandle) -> None:
    rack = "topology.gpuops.test/rack"
    workload = rendered(
        replicas=2,
        image=IMAGE,
        placement=PlacementSpec(spread="required"),
        name="racks",
        kubernetes=KubernetesSpec(exclusive_topology=rack),
    )
    applied(cluster, workload)
    rack_of = {node["metadata"]["name"]: node["metadata"]["labels"][rack] for node in cluster.items("/api/v1/nodes")}

    def racks() -> list[list[str]]:
        replicas = pods_by_replica(cluster, "racks").values()
        machines = [{pod["spec"]["nodeName"] for pod in pods if "nodeName" in pod["spec"]} for pods in replicas]
        return [sorted(rack_of[machine] for machine in one) for one in machines]

    placed = until(racks, "all pods have a machine", LONG, lambda found: [len(one) for one in found] == [2] * 2)
    assert sorted(placed) == [["rack-1", "rack-1"], ["rack-2", "rack-2"]]


def test_followers_and_the_leader_get_what_their_command_lines_name(cluster: ClusterHandle) -> None:
    applied(cluster, rendered(image=IMAGE, name="named"))

    found = until(lambda: cluster.pods("named"), "both pods are there", LONG, lambda pods: len(pods) == 2)
    pods = {pod["metadata"]["labels"]["run.ai/role"]: pod for pod in found}
    for role, index in (("head", "0"), ("worker", "1")):
        env = {entry["name"]: entry.get("value") for entry in pods[role]["spec"]["containers"][0]["env"]}
        assert env["LWS_WORKER_INDEX"] == index
        assert env["LWS_LEADER_ADDRESS"] == f"named-0.named-0.{NAMESPACE}"
    assert pods["head"]["spec"]["subdomain"] == "named-0"


@pytest.mark.parametrize(("kind", "pods"), [(LEADERWORKERSET, 2), (DEPLOYMENTS, 2), (DEPLOYMENT, 1)])
def test_the_service_leads_to_the_leaders_alone(cluster: ClusterHandle, kind: str, pods: int) -> None:
    applied(cluster, rendered(kind, pods=pods, image=IMAGE, name="served"))

    def behind() -> list[str]:
        slices = cluster.items(f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices")
        return [
            endpoint["targetRef"]["name"]
            for one in slices
            if one["metadata"]["labels"]["kubernetes.io/service-name"] == "served"
            for endpoint in one.get("endpoints") or []
            if endpoint["conditions"].get("ready")
        ]

    found = until(lambda: cluster.pods("served"), "all pods are there", LONG, lambda found: len(found) == pods)
    roles = {pod["metadata"]["name"]: pod["metadata"]["labels"]["run.ai/role"] for pod in found}
    names = until(behind, "the Service leads somewhere", LONG)
    assert [roles[name] for name in names] == ["head"]
