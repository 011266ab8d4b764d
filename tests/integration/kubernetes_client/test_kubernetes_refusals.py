# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real API server refuses, as findings."""

from __future__ import annotations

from typing import Any

import client_manifests as manifests
import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    NotServed,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    LEADERWORKERSETS,
    PODS,
    SERVICES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from client_types import MakeClient
from support.cluster import ClusterHandle
from support.sandbox import until


def only_finding(error: Refused) -> Finding:
    (finding,) = error.findings
    return finding


def refused_pod(client: KubernetesClient, spec: dict[str, Any]) -> Finding:
    with pytest.raises(Refused) as error:
        client.create(PODS, manifests.pod("my-pod", spec), dry_run=True)
    assert not error.value.is_permission
    return only_finding(error.value)


def test_pod_security_names_the_rules(client: KubernetesClient) -> None:
    spec = manifests.pod_spec()
    del spec["securityContext"]
    finding = refused_pod(client, spec)
    assert finding.cause == "admission_denied"
    assert "restricted" in finding.evidence and "runAsNonRoot != true" in finding.evidence


def test_a_quota_names_its_numbers(make_client: MakeClient) -> None:
    spec = manifests.pod_spec()
    spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = "8"
    finding = refused_pod(make_client(namespace="my-project-quota"), spec)
    assert finding.cause == "quota_exceeded"
    assert "requests.nvidia.com/gpu=8" in finding.evidence and "limited" in finding.evidence


def test_a_priority_class_that_is_not_there(client: KubernetesClient) -> None:
    finding = refused_pod(client, {**manifests.pod_spec(), "priorityClassName": "no-such-class"})
    assert finding.cause == "admission_denied" and "no-such-class" in finding.evidence


def test_a_webhook_is_named(client: KubernetesClient) -> None:
    with pytest.raises(Refused) as error:
        client.apply(LEADERWORKERSETS, "my-llm", manifests.leaderworkerset("my-llm", size=-1))
    finding = only_finding(error.value)
    assert finding.cause == "admission_denied"
    assert "vleaderworkerset.kb.io" in finding.evidence and "size" in finding.evidence


def test_a_webhook_that_cannot_be_asked_is_told_soon(client: KubernetesClient, cluster: ClusterHandle) -> None:
    webhook = {
        "name": "nobody.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": "https://127.0.0.1:1/never"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["services"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "my-project"}},
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "nobody"},
        "webhooks": [webhook],
    }
    status, content = cluster.api("POST", path, body)
    assert status == 201, content
    service = {**manifests.service("probe"), "metadata": {"name": "probe", "namespace": "my-project"}}
    probe = "/api/v1/namespaces/my-project/services?dryRun=All"
    try:
        until(lambda: cluster.api("POST", probe, service)[0] == 500, "the API server takes notice of the webhook")
        with pytest.raises(Refused) as error:
            client.apply(SERVICES, "my-llm", manifests.service("my-llm"))
    finally:
        cluster.api("DELETE", f"{path}/nobody")
    finding = only_finding(error.value)
    assert finding.cause == "webhook_failed" and "nobody.example.com" in finding.evidence


def test_invalid_fields_have_our_paths(client: KubernetesClient) -> None:
    manifest = manifests.deployment("my-llm")
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["ports"][0]["containerPort"] = 99999
    container["volumeMounts"][0]["name"] = "no-such-volume"
    with pytest.raises(Refused) as error:
        client.apply(DEPLOYMENTS, "my-llm", manifest, dry_run=True)
    root = "Deployment/my-llm.spec.template.spec.containers[vllm]"
    assert {(finding.cause, finding.object) for finding in error.value.findings} == {
        ("invalid_object", f"{root}.ports[http].containerPort"),
        ("invalid_object", f"{root}.volumeMounts[no-such-volume].name"),
    }


@pytest.mark.parametrize(
    ("resource", "manifest"),
    [
        (DEPLOYMENTS, manifests.deployment("my-llm", bogus=1)),
        (LEADERWORKERSETS, {**manifests.leaderworkerset("my-llm"), "spec": {"bogus": 1}}),
    ],
    ids=["Deployment", "LeaderWorkerSet"],
)
def test_a_field_that_is_not_known_is_told_at_once(
    client: KubernetesClient, cluster: ClusterHandle, resource: Any, manifest: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as error:
        client.apply(resource, "my-llm", manifest)
    finding = only_finding(error.value)
    assert finding.cause == "invalid_object" and finding.object == f"{resource.kind}/my-llm.spec.bogus"
    assert len(cluster.requests()) == 1


def test_a_namespace_that_is_not_there(make_client: MakeClient) -> None:
    client = make_client(namespace="no-such-namespace")
    assert client.get(SERVICES, "my-llm") is None and client.list(SERVICES).items == []
    with pytest.raises(Refused) as error:
        client.apply(SERVICES, "my-llm", manifests.service("my-llm"))
    finding = only_finding(error.value)
    assert (finding.cause, finding.object) == ("namespace_not_found", "namespace")


def test_what_is_too_large(client: KubernetesClient) -> None:
    manifest = manifests.service("my-llm")
    manifest["metadata"]["annotations"] = {"gpuops.inference/applied": "x" * 300_000}
    with pytest.raises(Refused) as error:
        client.apply(SERVICES, "my-llm", manifest)
    assert only_finding(error.value).cause == "too_large"


def test_a_pod_that_exists(client: KubernetesClient, cluster: ClusterHandle) -> None:
    pod = manifests.pod("my-pod")
    cluster.apply({**pod, "metadata": {**pod["metadata"], "namespace": "my-project"}})
    with pytest.raises(Refused) as error:
        client.create(PODS, pod, dry_run=True)
    assert only_finding(error.value).cause == "already_exists"


def test_leaderworkersets_that_are_not_served(client: KubernetesClient, cluster: ClusterHandle) -> None:
    cluster.remove_leaderworkersets()
    assert not client.serves(LEADERWORKERSETS)
    for call in (
        lambda: client.get(LEADERWORKERSETS, "my-llm"),
        lambda: client.apply(LEADERWORKERSETS, "my-llm", manifests.leaderworkerset("my-llm"), dry_run=True),
    ):
        with pytest.raises(NotServed) as error:
            call()
        assert "controller: deployments" in only_finding(error.value).hint


def test_an_api_server_that_is_gone(client: KubernetesClient, cluster: ClusterHandle) -> None:
    cluster.stop_api_server()
    # Long enough for a second try: the first one may meet the connection that is just being cut.
    with client.within(3), pytest.raises(PlatformUnreachable) as error:
        client.get(SERVICES, "my-llm")
    assert error.value.findings[0].cause == "api_server_unreachable"
    assert "refused" in error.value.message and client.address in error.value.message


def test_an_api_servers_restart_is_waited_out(client: KubernetesClient, cluster: ClusterHandle) -> None:
    cluster.restart_api_server()
    assert client.apply(SERVICES, "my-llm", manifests.service("my-llm"))["metadata"]["name"] == "my-llm"
