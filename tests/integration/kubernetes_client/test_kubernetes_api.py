# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's requests against a real API server."""

from __future__ import annotations

import client_manifests as manifests
import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import client as client_file
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    NotServed,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    LEADERWORKERSETS,
    NODES,
    PODS,
    SERVICE_MONITORS,
    SERVICES,
)
from client_types import MakeClient
from support.cluster import ClusterHandle
from support.sandbox import until

WORKLOAD = "gpuops.inference/workload"


def test_an_object_lives_its_life(client: KubernetesClient, cluster: ClusterHandle) -> None:
    assert client.get(SERVICES, "my-llm") is None
    applied = client.apply(SERVICES, "my-llm", manifests.service("my-llm"))
    assert applied["spec"]["ports"][0]["port"] == 8000
    found = client.get(SERVICES, "my-llm")
    assert found is not None and found["metadata"]["uid"] == applied["metadata"]["uid"]
    listing = client.list(SERVICES, labels=f"{WORKLOAD}=my-llm")
    assert [entry["metadata"]["name"] for entry in listing.items] == ["my-llm"]
    assert (listing.items[0]["apiVersion"], listing.items[0]["kind"]) == ("v1", "Service")
    assert listing.resource_version.isdigit()
    client.delete(SERVICES, "my-llm", uid=applied["metadata"]["uid"])
    assert client.get(SERVICES, "my-llm") is None
    client.delete(SERVICES, "my-llm")
    path = "/api/v1/namespaces/my-project/services"
    assert cluster.writes() == [f"PATCH {path}/my-llm", f"DELETE {path}/my-llm", f"DELETE {path}/my-llm"]


def test_requests_say_who_sends_them(client: KubernetesClient, cluster: ClusterHandle) -> None:
    client.apply(SERVICES, "my-llm", manifests.service("my-llm"))
    (request,) = [entry for entry in cluster.requests() if entry["method"] == "PATCH"]
    assert request["user_agent"].startswith("gpuops.inference/")
    assert request["query"]["fieldManager"] == "gpuops.inference"


def test_a_dry_run_changes_nothing(client: KubernetesClient, cluster: ClusterHandle) -> None:
    would_be = client.apply(DEPLOYMENTS, "my-llm", manifests.deployment("my-llm"), dry_run=True)
    assert would_be["spec"]["progressDeadlineSeconds"] == 600
    assert client.create(PODS, manifests.pod("my-pod"), dry_run=True)["metadata"]["name"] == "my-pod"
    assert client.list(DEPLOYMENTS).items == [] and client.list(PODS).items == []
    assert cluster.writes() == []


def test_deletion_takes_only_the_very_object(client: KubernetesClient) -> None:
    client.apply(SERVICES, "my-llm", manifests.service("my-llm"))
    client.delete(SERVICES, "my-llm", uid="11111111-2222-3333-4444-555555555555")
    assert client.get(SERVICES, "my-llm") is not None


def test_deletion_in_the_foreground_waits_for_what_belongs_to_it(client: KubernetesClient) -> None:
    client.apply(DEPLOYMENTS, "my-llm", manifests.deployment("my-llm"))
    until(lambda: client.list(PODS, labels=f"{WORKLOAD}=my-llm").items, "the pod is there", 120)
    client.delete(DEPLOYMENTS, "my-llm", propagation="Foreground")
    until(lambda: client.get(DEPLOYMENTS, "my-llm") is None, "the Deployment is gone", 120)
    assert client.list(PODS, labels=f"{WORKLOAD}=my-llm").items == []


def test_lists_come_page_by_page(client: KubernetesClient, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"my-llm-{number}" for number in range(5)}
    for name in names:
        client.apply(SERVICES, name, manifests.service(name))
    monkeypatch.setattr(client_file, "PAGE_SIZE", 2)
    assert {entry["metadata"]["name"] for entry in client.list(SERVICES).items} == names


def test_selectors_choose(client: KubernetesClient) -> None:
    for name in ("one", "two"):
        client.apply(SERVICES, name, manifests.service(name))
    assert len(client.list(SERVICES, labels=f"{WORKLOAD} in (one, two)").items) == 2
    assert [entry["metadata"]["name"] for entry in client.list(SERVICES, fields="metadata.name=two").items] == ["two"]


def test_a_pods_log_is_read(client: KubernetesClient) -> None:
    client.apply(DEPLOYMENTS, "my-llm", manifests.deployment("my-llm"))

    def running() -> list[str]:
        pods = client.list(PODS, labels=f"{WORKLOAD}=my-llm").items
        return [entry["metadata"]["name"] for entry in pods if entry["status"].get("phase") == "Running"]

    (pod,) = until(running, "the pod runs", 120)
    assert len(client.logs(pod, tail_lines=3).splitlines()) == 3
    with pytest.raises(Refused) as refused:
        client.logs(pod, container="vllm", previous=True)
    assert refused.value.findings[0].cause == "log_not_available"
    with pytest.raises(Refused) as refused:
        client.logs("no-such-pod")
    assert refused.value.code == 404 and refused.value.findings[0].cause == "not_found"


def test_what_is_served_is_known_and_asked_once(client: KubernetesClient, cluster: ClusterHandle) -> None:
    for _time in range(3):
        assert client.serves(LEADERWORKERSETS) and not client.serves(SERVICE_MONITORS)
    assert len([entry for entry in cluster.requests() if entry["path"].startswith("/apis/")]) <= 2
    with pytest.raises(NotServed):
        client.get(SERVICE_MONITORS, "my-llm")
    with pytest.raises(NotServed):
        client.list(SERVICE_MONITORS)
    client.delete(SERVICE_MONITORS, "my-llm")
    assert client.version()["major"] == "1"


def test_permissions_are_told(make_client: MakeClient, cluster: ClusterHandle) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    limited = make_client(cluster.user("reader", rules))
    assert limited.allowed("list", PODS)
    assert not limited.allowed("create", PODS)
    assert not limited.allowed("get", PODS, "log")
    assert not limited.allowed("list", NODES)


def test_a_watch_tells_what_happens_after_a_list(client: KubernetesClient) -> None:
    before = client.list(SERVICES)
    client.apply(SERVICES, "my-llm", manifests.service("my-llm"))
    watch = client.watch(SERVICES, "", "", before.resource_version, 5)
    event = next(iter(watch))
    watch.close()
    assert event["type"] == "ADDED" and event["object"]["metadata"]["name"] == "my-llm"


def test_the_namespace_and_the_cluster_are_the_contexts(make_client: MakeClient, cluster: ClusterHandle) -> None:
    client = make_client(namespace=None)
    assert client.namespace == "my-project"
    assert client.address == cluster.description["api_url"]
    assert client.cluster
