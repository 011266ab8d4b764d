# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server refuses is said once, in its cause, and before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import permissions
from support.cluster import NAMESPACE, ClusterHandle
from support.kubernetes_place import SERVICES, KubernetesPlace
from support.modules import run_module
from support.results import causes, first_error, only_error, went_well
from support.sandbox import until

from gpuops_cluster.objects import QUOTA_NAMESPACE

Apply = Callable[..., dict[str, Any]]
RULES = "admissionregistration.k8s.io/v1"


def nothing_there(kubernetes: KubernetesPlace) -> bool:
    """Say whether nothing was written."""
    return kubernetes.writes() == [] and kubernetes.names() == set()


def rules_without(verb: str, resource: str) -> list[dict[str, Any]]:
    """Return the rules of the documentation's Role without one verb on one resource."""
    return [
        {**rule, "verbs": [known for known in rule["verbs"] if known != verb or rule["resources"] != [resource]]}
        for rule in permissions.role_manifest(NAMESPACE)["rules"]
    ]


def test_expired_credentials(cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply) -> None:
    error = only_error(apply("expired", **cluster.expired_connection()))
    assert error["cause"] in ("credentials_expired", "credentials_refused")
    assert len(kubernetes.requests()) <= 2, "it is not tried again and again"


def test_a_user_without_any_right(cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply) -> None:
    error = only_error(apply("nobody", **cluster.user("gpuops-nobody", [])))
    assert error["cause"] == "permission_denied"
    for word in ("gpuops-nobody", "get", "deployments", NAMESPACE):
        assert word in error["evidence"]
    assert nothing_there(kubernetes)


@pytest.mark.parametrize(
    ("verb", "resource"), [("patch", "leaderworkersets"), ("create", "services"), ("list", "pods")]
)
def test_a_missing_right_is_named_before_anything_is_written(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, verb: str, resource: str
) -> None:
    user = cluster.user("gpuops-lacking", rules_without(verb, resource))
    result = apply("lacking", **user)
    error = first_error(result)
    assert error["cause"] == "permission_denied"
    assert f"{verb} {resource}" in result["msg"]
    if verb != "list":
        assert nothing_there(kubernetes)


def test_without_the_right_to_create_pods_admission_is_not_checked(cluster: ClusterHandle, apply: Apply) -> None:
    user = cluster.user("gpuops-no-pods", rules_without("create", "pods"))
    assert "admission_not_checked" in causes(went_well(apply("unchecked", **user)))


@pytest.mark.parametrize("is_served", [True, False])
def test_without_the_right_to_see_leaderworkersets(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, is_served: bool
) -> None:
    rules = [
        rule for rule in permissions.role_manifest(NAMESPACE)["rules"] if "leaderworkersets" not in rule["resources"]
    ]
    user = cluster.user("gpuops-no-lws", rules)
    if is_served:
        error = only_error(apply("hidden", **user))
        assert error["cause"] == "permission_denied" and "get leaderworkersets" in error["evidence"]
        assert nothing_there(kubernetes)
        went_well(apply("hidden", controller="deployments"))
    else:
        cluster.remove_leaderworkersets()
    went_well(apply("hidden", controller="deployments", **user))


def test_a_cluster_without_leaderworkersets(cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply) -> None:
    cluster.remove_leaderworkersets()
    error = first_error(apply("asked", controller="leaderworkerset"))
    assert error["cause"] in ("lws_missing", "not_served")
    assert "controller: deployments" in error["hint"]
    assert nothing_there(kubernetes)
    result = went_well(apply("chosen"))
    assert {"no_gang", "not_self_healing"} <= set(causes(result))
    decisions = {entry["name"]: entry["value"] for entry in result["plan"]["decisions"]}
    assert decisions["controller"] == "deployments"
    assert len(kubernetes.ready_pods("chosen")) == 2
    assert went_well(apply("chosen"))["changed"] is False


@pytest.mark.parametrize("gpus", [4, 8], ids=["all pods together", "one pod"])
def test_more_than_the_quota(cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, gpus: int) -> None:
    rules = permissions.role_manifest(QUOTA_NAMESPACE)["rules"]
    user = cluster.user("gpuops-quota", rules, QUOTA_NAMESPACE)
    error = first_error(apply("large", **user, gpus_per_pod=gpus))
    assert error["cause"] == "quota_exceeded" and "gpus" in error["evidence"]
    assert kubernetes.writes() == []
    assert went_well(apply("small", **user, gpus_per_pod=2))["changed"]


def test_pod_security(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply, permitted: dict[str, Any]
) -> None:
    for check_mode in (True, False):
        result = apply("locked", check_mode=check_mode, capabilities=["IPC_LOCK"])
        assert first_error(result)["cause"] == "admission_denied"
        assert "IPC_LOCK" in result["msg"]
    assert nothing_there(kubernetes)
    rules = permissions.role_manifest("my-project-open")["rules"]
    user = cluster.user("gpuops-open", rules, "my-project-open")
    result = went_well(apply("locked", **user, capabilities=["IPC_LOCK"], wait=False))
    assert result["changed"] and "pod_security_not_restricted" in causes(result)


def test_a_policy_of_the_cluster(cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply) -> None:
    message = "only images of the house registry are served here"
    labels = {"gpuops.test/user": "policy"}
    policy = {
        "apiVersion": RULES,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "house-registry", "labels": labels},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ]
            },
            "validations": [{"expression": "false", "message": message}],
        },
    }
    binding = {
        "apiVersion": RULES,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "house-registry", "labels": labels},
        "spec": {
            "policyName": "house-registry",
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}},
        },
    }
    cluster.apply(policy, binding)
    until(lambda: "error" in str(apply("by-policy", check_mode=True).get("findings")), "the policy is in force")
    for check_mode in (True, False):
        result = apply("by-policy", check_mode=check_mode)
        assert first_error(result)["cause"] == "admission_denied"
        assert message in result["msg"]
    assert nothing_there(kubernetes)


def test_a_webhook_that_nobody_answers(cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply) -> None:
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    webhook = {
        "name": "check.example.com",
        "clientConfig": {"url": "https://127.0.0.1:9/check"},
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    metadata = {"name": "nobody", "labels": {"gpuops.test/user": "webhook"}}
    cluster.apply(
        {"apiVersion": RULES, "kind": "ValidatingWebhookConfiguration", "metadata": metadata, "webhooks": [webhook]}
    )
    options = {"pods": 1, "check_mode": True}
    until(lambda: apply("by-webhook", **options).get("failed"), "the webhook is in force")
    result = apply("by-webhook", pods=1)
    assert first_error(result)["cause"] in ("webhook_failed", "admission_denied")
    assert "check.example.com" in result["msg"]
    assert nothing_there(kubernetes)


def test_a_namespace_that_is_not_there(kubernetes: KubernetesPlace, apply: Apply, cluster: ClusterHandle) -> None:
    connection = {**cluster.connection, "namespace": "no-such-namespace"}
    result = apply("lost", **connection)
    assert "namespace_not_found" in causes(result), result["msg"]
    assert nothing_there(kubernetes)


def test_a_service_of_somebody_else_is_not_taken_over(
    cluster: ClusterHandle, kubernetes: KubernetesPlace, apply: Apply
) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "taken", "namespace": NAMESPACE},
            "spec": {"selector": {"app": "theirs"}, "ports": [{"name": "http", "port": 80}]},
        }
    )
    for check_mode in (True, False):
        assert first_error(apply("taken", check_mode=check_mode))["cause"] == "name_in_use"
    assert kubernetes.writes() == []
    assert cluster.get(f"{SERVICES}/taken")["spec"]["selector"] == {"app": "theirs"}


def test_info_needs_no_right_to_write(cluster: ClusterHandle, apply: Apply) -> None:
    went_well(apply("looked-at"))
    reading = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb in ("get", "list", "watch")]}
        for rule in permissions.role_manifest(NAMESPACE)["rules"]
    ]
    user = cluster.user("gpuops-reader", [rule for rule in reading if rule["verbs"]])
    info = went_well(run_module("vllm_workload_info", {**user, "name": "looked-at"}))
    assert info["workloads"][0]["phase"] == "running"
