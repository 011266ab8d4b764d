# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds which field, as a real API server keeps it."""

from __future__ import annotations

from typing import Any

import client_manifests as manifests
import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.ownership import (
    conflicts,
    owned_part,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    LEADERWORKERSETS,
    SERVICES,
    Resource,
)
from support.cluster import ClusterHandle
from support.sandbox import until

APPLIED: list[tuple[Resource, dict[str, Any]]] = [
    (DEPLOYMENTS, manifests.deployment("my-llm")),
    (SERVICES, manifests.service("my-llm")),
    (LEADERWORKERSETS, manifests.leaderworkerset("my-llm")),
]
DEPLOYMENT_PATH = "/apis/apps/v1/namespaces/my-project/deployments/my-llm"
MERGE = "application/merge-patch+json"


@pytest.mark.parametrize(("resource", "manifest"), APPLIED, ids=[resource.kind for resource, _manifest in APPLIED])
def test_what_is_owned_is_what_was_applied(
    client: KubernetesClient, resource: Resource, manifest: dict[str, Any]
) -> None:
    assert owned_part(client.apply(resource, "my-llm", manifest)) == manifest

    def settled() -> bool:
        live = client.get(resource, "my-llm")
        return live is not None and owned_part(live) == manifest and ("status" not in live or bool(live["status"]))

    # After the restarts of other tests the controllers come back with their own patience.
    until(settled, "the controllers wrote their parts and ours is the same", 120)


def test_applying_what_is_owned_changes_nothing(client: KubernetesClient) -> None:
    client.apply(DEPLOYMENTS, "my-llm", manifests.deployment("my-llm"))
    live = client.get(DEPLOYMENTS, "my-llm")
    assert live is not None
    again = client.apply(DEPLOYMENTS, "my-llm", owned_part(live))
    assert again["metadata"]["generation"] == live["metadata"]["generation"]
    scaled = owned_part(again)
    scaled["spec"]["replicas"] = 3
    assert client.apply(DEPLOYMENTS, "my-llm", scaled)["spec"]["replicas"] == 3


def test_a_thousand_applies_leave_one_entry_of_ours(client: KubernetesClient) -> None:
    for number in range(1000):
        manifest = manifests.service("my-llm")
        manifest["metadata"]["annotations"] = {"gpuops.inference/applied": str(number)}
        live = client.apply(SERVICES, "my-llm", manifest)
    entries = [entry["manager"] for entry in live["metadata"]["managedFields"]]
    assert entries == ["gpuops.inference"]


def test_fields_of_others_stay(client: KubernetesClient, cluster: ClusterHandle) -> None:
    client.apply(DEPLOYMENTS, "my-llm", manifests.deployment("my-llm"))
    theirs = {"metadata": {"annotations": {"example.com/team": "blue"}}, "spec": {"minReadySeconds": 7}}
    status, _content = cluster.api("PATCH", f"{DEPLOYMENT_PATH}?fieldManager=their-tool", theirs, MERGE)
    assert status == 200
    changed = manifests.deployment("my-llm", image="registry.example.com/stand-in:v0.34.0")
    live = client.apply(DEPLOYMENTS, "my-llm", changed)
    assert live["metadata"]["annotations"]["example.com/team"] == "blue"
    assert live["spec"]["minReadySeconds"] == 7
    assert owned_part(live) == changed
    assert {entry["manager"] for entry in live["metadata"]["managedFields"]} >= {"their-tool", "gpuops.inference"}


def test_a_field_that_another_holds_is_told_by_its_path_and_holder(
    client: KubernetesClient, cluster: ClusterHandle
) -> None:
    manifest = manifests.deployment("my-llm")
    client.apply(DEPLOYMENTS, "my-llm", manifest)
    container = {"name": "vllm", "env": [{"name": "HOME", "value": "/elsewhere"}]}
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "my-llm"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    cluster.apply({**theirs, "metadata": {"name": "my-llm", "namespace": "my-project"}})
    with pytest.raises(Refused) as refused:
        client.apply(DEPLOYMENTS, "my-llm", manifest)
    assert refused.value.code == 409
    (finding,) = conflicts(refused.value, "Deployment/my-llm", manifest)
    assert finding.cause == "field_held_by_another"
    assert finding.object == "Deployment/my-llm.spec.template.spec.containers[vllm].env[HOME].value"
    assert "test" in finding.evidence and "force_conflicts" in finding.hint
    assert refused.value.findings == [finding]
    taken = client.apply(DEPLOYMENTS, "my-llm", manifest, force=True)
    assert owned_part(taken) == manifest


# The API server does not keep when a subresource was written.
@pytest.mark.parametrize(("way", "words"), [("/scale", "held by their-scaler (by scale) with"), ("", " since 20")])
def test_a_scaler_that_took_the_replicas_is_named(
    client: KubernetesClient, cluster: ClusterHandle, way: str, words: str
) -> None:
    manifest = manifests.deployment("my-llm")
    client.apply(DEPLOYMENTS, "my-llm", manifest)
    body = {"spec": {"replicas": 2}}
    status, _content = cluster.api("PATCH", f"{DEPLOYMENT_PATH}{way}?fieldManager=their-scaler", body, MERGE)
    assert status == 200
    live = client.get(DEPLOYMENTS, "my-llm")
    assert live is not None and "replicas" not in owned_part(live)["spec"]
    with pytest.raises(Refused) as refused:
        client.apply(DEPLOYMENTS, "my-llm", manifest)
    (finding,) = conflicts(refused.value, "Deployment/my-llm", manifest, live)
    assert finding.object == "Deployment/my-llm.spec.replicas"
    assert "their-scaler" in finding.evidence and words in finding.evidence
