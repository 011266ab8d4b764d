# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following objects by watches against a real API server, through its restarts and forgetfulness."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import client_manifests as manifests
import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import watching
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    PODS,
    SERVICE_MONITORS,
    SERVICES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.watching import Feed, Subscription
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, InterruptedByParent
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from client_types import MakeClient, MakeFeed
from support.cluster import ClusterHandle
from support.sandbox import until

LONG = 120.0


def names(feed: Feed) -> set[str]:
    return {entry["metadata"]["name"] for entry in feed.objects(SERVICES)}


def heard(feed: Feed, good: Callable[[], bool]) -> None:
    """Wait by the feed alone until something is true."""
    deadline = time.monotonic() + LONG
    while not good():
        assert feed.failure is None
        assert time.monotonic() < deadline, f"not heard of in {LONG:g} s; trouble: {feed.trouble}"
        feed.wait(deadline - time.monotonic())


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("gpuops-watch")]


def test_changes_are_heard_of(client: KubernetesClient, make_feed: MakeFeed) -> None:
    client.apply(SERVICES, "before", manifests.service("before"))
    feed = make_feed(client, Subscription(SERVICES), Subscription(DEPLOYMENTS))
    assert names(feed) == {"before"} and feed.objects(DEPLOYMENTS) == []
    client.apply(SERVICES, "during", manifests.service("during"))
    heard(feed, lambda: names(feed) == {"before", "during"})
    client.delete(SERVICES, "before")
    heard(feed, lambda: names(feed) == {"during"})
    assert feed.trouble is None


def test_only_what_is_subscribed_is_heard_of(client: KubernetesClient, make_feed: MakeFeed) -> None:
    feed = make_feed(client, Subscription(SERVICES, "gpuops.inference/workload=mine"))
    assert feed.objects(SERVICES) == []
    feed.wait(0)
    client.apply(SERVICES, "theirs", manifests.service("theirs"))
    assert not feed.wait(0.5)
    client.apply(SERVICES, "mine", manifests.service("mine"))
    heard(feed, lambda: names(feed) == {"mine"})


def test_no_thread_stays(client: KubernetesClient) -> None:
    feed = Feed(client, (Subscription(SERVICES), Subscription(PODS), Subscription(DEPLOYMENTS)))
    feed.objects(PODS)
    assert len(threads()) == 3
    feed.close()
    assert threads() == []


def test_a_watch_that_ends_goes_on(
    client: KubernetesClient, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch, cluster: ClusterHandle
) -> None:
    def asked(verb: str) -> list[str]:
        return [entry["path"] for entry in cluster.requests() if entry["verb"] == verb]

    monkeypatch.setattr(watching, "_WATCH_SECONDS", 1)
    feed = make_feed(client, Subscription(SERVICES))
    feed.objects(SERVICES)
    for number in range(4):
        until(lambda number=number: len(asked("watch")) > number, "another watch began")
        name = f"my-llm-{number}"
        client.apply(SERVICES, name, manifests.service(name))
        heard(feed, lambda name=name: name in names(feed))
    assert len(asked("list")) == 1


def test_the_api_servers_restart_is_survived(
    client: KubernetesClient, make_feed: MakeFeed, cluster: ClusterHandle
) -> None:
    client.apply(SERVICES, "before", manifests.service("before"))
    feed = make_feed(client, Subscription(SERVICES))
    assert names(feed) == {"before"}
    cluster.stop_api_server()
    heard(feed, lambda: feed.trouble is not None)
    assert isinstance(feed.trouble, PlatformUnreachable)
    assert names(feed) == {"before"}
    cluster.start_api_server()
    client.apply(SERVICES, "after", manifests.service("after"))
    heard(feed, lambda: names(feed) == {"before", "after"})
    assert feed.trouble is None and feed.failure is None


def test_a_forgotten_version_is_listed_anew(
    client: KubernetesClient, make_feed: MakeFeed, cluster: ClusterHandle
) -> None:
    client.apply(SERVICES, "before", manifests.service("before"))
    feed = make_feed(client, Subscription(SERVICES))
    assert names(feed) == {"before"}
    cluster.expire_watches()
    client.delete(SERVICES, "before")
    client.apply(SERVICES, "after", manifests.service("after"))
    heard(feed, lambda: names(feed) == {"after"})


def test_without_permission_following_fails_soon(
    make_client: MakeClient, make_feed: MakeFeed, cluster: ClusterHandle
) -> None:
    rules = [{"apiGroups": [""], "resources": ["services"], "verbs": ["list", "watch"]}]
    limited = make_client(cluster.user("only-services", rules))
    feed = make_feed(limited, Subscription(SERVICES), Subscription(PODS))
    assert feed.objects(SERVICES) == []
    with pytest.raises(GpuopsError) as error:
        feed.objects(PODS)
    assert error.value.findings[0].cause == "permission_denied"
    assert feed.failure is not None


def test_what_is_not_served_cannot_be_followed(client: KubernetesClient, make_feed: MakeFeed) -> None:
    feed = make_feed(client, Subscription(SERVICE_MONITORS))
    with pytest.raises(GpuopsError) as error:
        feed.objects(SERVICE_MONITORS)
    assert error.value.findings[0].cause == "not_served"


def test_credentials_that_are_no_longer_taken_end_it(
    make_client: MakeClient, make_feed: MakeFeed, cluster: ClusterHandle
) -> None:
    feed = make_feed(make_client(cluster.expired_connection()), Subscription(SERVICES))
    with pytest.raises(GpuopsError) as error:
        feed.objects(SERVICES)
    assert error.value.findings[0].cause == "credentials_expired"


def test_waiting_ends_with_ansible_playbook(make_client: MakeClient, make_feed: MakeFeed) -> None:
    def gone() -> None:
        raise InterruptedByParent

    feed = make_feed(make_client(host=Host(alive=gone)), Subscription(SERVICES))
    with pytest.raises(InterruptedByParent):
        feed.wait(LONG)


def test_without_an_api_server_no_list_comes(
    make_client: MakeClient, make_feed: MakeFeed, cluster: ClusterHandle
) -> None:
    client = make_client(request_timeout=1)
    cluster.stop_api_server()
    feed = make_feed(client, Subscription(SERVICES))
    with pytest.raises(PlatformUnreachable) as error:
        feed.objects(SERVICES)
    assert error.value.findings[0].cause == "api_server_unreachable"
