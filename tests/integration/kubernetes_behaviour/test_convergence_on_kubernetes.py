# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second run repairs what is missing and leaves alone what the server makes of what it gets."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from support.cluster import NAMESPACE, ClusterHandle
from support.holding_proxy import LATE, NEVER, HoldingProxy
from support.kubernetes_place import DEPLOYMENTS, SERVICES, SETS, KubernetesPlace
from support.modules import run_module
from support.playbook import Playbooks, wait_for_end
from support.results import causes, went_well
from support.sandbox import until

from gpuops_cluster.api import Identity

Apply = Callable[..., dict[str, Any]]
ADMISSION = "admissionregistration.k8s.io/v1"
DEADLINE = 1234
TASK = "gpuops.inference.vllm_workload"
# What the server adds to every object, and nobody asked for.
NOISE = ("managedFields", "resourceVersion", "creationTimestamp", "uid", "generation", "status", "clusterIP")
SCENARIOS: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "create": (None, {}),
    "create deployments": (None, {"controller": "deployments"}),
    "change": ({}, {"env": {"A": "2"}, "on_disruption": "allow"}),
    "scale": ({}, {"replicas": 2}),
    "another controller": ({}, {"controller": "deployments", "on_disruption": "allow"}),
    "delete": ({}, {"state": "absent"}),
    "delete deployments": ({"controller": "deployments"}, {"state": "absent"}),
}


def test_a_service_that_was_deleted_by_hand_comes_back(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply
) -> None:
    went_well(apply("mended"))
    pods = kubernetes.pods("mended")
    assert cluster.api("DELETE", f"{SERVICES}/mended")[0] == 200
    planned = went_well(apply("mended", check_mode=True))
    assert planned["changed"] and planned["disruption"] == "none"
    assert cluster.api("GET", f"{SERVICES}/mended")[0] == 404
    assert went_well(apply("mended"))["changed"]
    assert cluster.get(f"{SERVICES}/mended")["spec"]["selector"]
    assert went_well(apply("mended"))["changed"] is False
    assert kubernetes.pods("mended") == pods


@pytest.mark.parametrize("main", [SETS, DEPLOYMENTS])
def test_what_is_left_of_a_workload_is_taken_over_and_removed(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, main: str
) -> None:
    options = {"controller": "leaderworkerset" if main == SETS else "deployments"}
    went_well(apply("left", **options))
    name = "left" if main == SETS else "left-head"
    assert cluster.api("DELETE", f"{main}/{name}")[0] == 200
    until(lambda: cluster.api("GET", f"{main}/{name}")[0] == 404, "the main object is gone")
    assert went_well(apply("left", **options))["changed"]
    assert len(kubernetes.ready_pods("left")) == 2
    assert cluster.api("DELETE", f"{main}/{name}")[0] == 200
    until(lambda: cluster.api("GET", f"{main}/{name}")[0] == 404, "the main object is gone")
    assert went_well(run_module("vllm_workload", {**kubernetes.connection, "name": "left", "state": "absent"}))[
        "changed"
    ]
    assert kubernetes.names() == set()


def test_what_the_server_writes_in_its_own_way_is_no_drift(kubernetes: KubernetesPlace, apply: Apply) -> None:
    resources = {"cpu_request": 0.5, "cpu_limit": 1000.0, "memory_request": "1024Mi", "memory_limit": "0.5Ti"}
    for pods in (1, 2):
        name = f"written-{pods}"
        options = {"pods": pods, "resources": resources, "shm_size": "2048Mi", "env": {"EMPTY": "", "NUMBER": "1e3"}}
        assert went_well(apply(name, wait=False, **options))["changed"]
        kubernetes.forget_requests()
        again = went_well(apply(name, wait=False, **options))
        assert again["changed"] is False and not [found for found in again["findings"] if "platform" in found["cause"]]
        assert kubernetes.writes() == []


@pytest.fixture
def changing_policy(cluster: ClusterHandle) -> Iterator[None]:
    """A policy of the cluster that sets a field of Deployments which the collection sets too."""
    matched = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
    expression = f"Object{{spec: Object.spec{{progressDeadlineSeconds: {DEADLINE}}}}}"
    policy = {
        "matchConstraints": {"resourceRules": [{**matched, "operations": ["CREATE", "UPDATE"]}]},
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
    }
    plurals = {"MutatingAdmissionPolicy": "policies", "MutatingAdmissionPolicyBinding": "policybindings"}
    paths = {kind: f"/apis/{ADMISSION}/mutatingadmission{plural}" for kind, plural in plurals.items()}
    specs: dict[str, Any] = dict(zip(plurals, (policy, {"policyName": "deadline"}), strict=True))
    for kind, spec in specs.items():
        body = {"apiVersion": ADMISSION, "kind": kind, "metadata": {"name": "deadline"}, "spec": spec}
        status, content = cluster.api("POST", paths[kind], body)
        assert status == 201, content
    yield
    for path in paths.values():
        cluster.api("DELETE", f"{path}/deadline")


@pytest.mark.usefixtures("changing_policy")
def test_what_a_policy_of_the_cluster_writes_into_it_is_no_endless_change(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply
) -> None:
    options = {"pods": 1, "gpus_per_pod": 1}

    def is_changed() -> bool:
        name = kubernetes.unique_name("probe")
        went_well(apply(name, wait=False, **options))
        return bool(cluster.get(f"{DEPLOYMENTS}/{name}")["spec"]["progressDeadlineSeconds"] == DEADLINE)

    until(is_changed, "the policy is in force", 60)
    went_well(apply("mutated", **options))
    kubernetes.forget_requests()
    again = went_well(apply("mutated", **options))
    assert again["changed"] is False and kubernetes.writes() == []
    assert "changed_by_platform" in causes(again)


def test_the_difference_shows_neither_secrets_nor_what_the_server_adds(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply
) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hub", "namespace": NAMESPACE},
            "stringData": {"token": "canary-of-a-secret"},
        }
    )
    env = {"HF_TOKEN": {"secret": "hub", "key": "token"}, "DB_PASSWORD": "canary-of-a-variable"}
    first = went_well(apply("shown", diff=True, env=env))
    second = went_well(apply("shown", diff=True, env={**env, "MY_FLAG": "1"}, on_disruption="allow"))
    gone = went_well(
        run_module("vllm_workload", {**kubernetes.connection, "name": "shown", "state": "absent"}, diff=True)
    )
    for result in (first, second, gone):
        shown = json.dumps({**result, "invocation": None})
        assert "canary" not in shown
        assert [word for word in NOISE if f".{word}" in shown] == []
    asked = [entry["path"] for entry in kubernetes.requests()]
    assert [path for path in asked if "/secrets" in path] == [], "no Secret is ever read"


def identity_of(cluster: ClusterHandle) -> Identity:
    """Return the credentials of the usual test user."""
    state = cluster.description
    return Identity(
        state["api_url"], Path(state["ca_path"]), Path(state["client_cert_path"]), Path(state["client_key_path"])
    )


def through(proxy: HoldingProxy) -> dict[str, Any]:
    """Return what makes parameters go through the proxy."""
    return {"kubeconfig": None, "context": None, "host": proxy.url, "namespace": NAMESPACE, "wait": False}


def check_convergence(kubernetes: KubernetesPlace, name: str, task: dict[str, Any]) -> None:
    """Run the task again, and once more: the first time it converges, the second time there is nothing to do."""
    parameters = kubernetes.workload(name, **task)
    went_well(run_module("vllm_workload", parameters))
    assert went_well(run_module("vllm_workload", parameters))["changed"] is False
    if task.get("state") == "absent":
        assert name not in kubernetes.names()
    else:
        assert name in kubernetes.names()
        assert kubernetes.replicas(name) == task.get("replicas", 1)


def killed_at(proxy: HoldingProxy, number: int, fate: str, parameters: dict[str, Any]) -> bool:
    """Run the module in a process of its own and kill it at its write of this number; say whether there was one.

    What is held stays so if it is to arrive ``LATE``.
    """
    proxy.hold(number, fate)
    process = get_context("fork").Process(target=run_module, args=("vllm_workload", parameters))
    process.start()
    until(lambda: proxy.is_hit() or not process.is_alive(), "it is held or has ended", 60)
    is_hit = proxy.is_hit()
    process.kill()
    process.join()
    if fate != LATE:
        proxy.release()
    return is_hit


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_process_killed_before_any_write_can_be_run_again(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, scenario: str
) -> None:
    # The state changes only with a write, so that every moment at which a process can end is one before some write.
    before, task = SCENARIOS[scenario]
    with HoldingProxy(identity_of(cluster)) as proxy:
        for number in itertools.count(1):
            name = kubernetes.unique_name("killed")
            if before is not None:
                went_well(run_module("vllm_workload", kubernetes.workload(name, **before, wait=False)))
            is_hit = killed_at(proxy, number, NEVER, kubernetes.workload(name, **{**task, **through(proxy)}))
            check_convergence(kubernetes, name, task)
            absent = {"name": name, "state": "absent", "wait": False}
            went_well(run_module("vllm_workload", {**kubernetes.connection, **absent}))
            if not is_hit:
                break
    assert number > 1, "it sent no write"


def test_a_deletion_of_a_killed_process_that_arrives_late_spares_the_successor(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply
) -> None:
    went_well(apply("late"))
    with HoldingProxy(identity_of(cluster)) as proxy:
        assert killed_at(proxy, 1, LATE, kubernetes.workload("late", state="absent", **through(proxy)))
        went_well(apply("late", state="absent"))
        went_well(apply("late"))
        successor = kubernetes.identity("late")
    # Whatever was held has been sent on.
    assert kubernetes.identity("late") == successor
    assert went_well(apply("late"))["changed"] is False


@pytest.mark.parametrize("scenario", ["create deployments", "delete"])
def test_what_a_killed_ansible_playbook_leaves_behind_writes_nothing_more(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, playbooks: Playbooks, scenario: str
) -> None:
    before, task = SCENARIOS[scenario]
    name = kubernetes.unique_name("orphan")
    if before is not None:
        went_well(run_module("vllm_workload", kubernetes.workload(name, **before)))
    with HoldingProxy(identity_of(cluster)) as proxy:
        proxy.hold(1, LATE)
        play = playbooks.start([{TASK: kubernetes.workload(name, **{**task, **through(proxy)})}])
        proxy.until_hit()
        orphans = play.kill_parent()
        assert orphans, "ansible-playbook had no process of its own for the task"
        kubernetes.forget_requests()
        proxy.release()
        wait_for_end(orphans)
        assert len(kubernetes.writes()) <= 1, "only what was held"
        check_convergence(kubernetes, name, task)
