# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of the test cluster, as any of its users."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.watching import Feed, Subscription
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from client_types import MakeClient, MakeFeed
from support.cluster import ClusterHandle

_FIELDS = {field.name for field in dataclasses.fields(KubernetesConnection)}


@pytest.fixture
def make_client(cluster: ClusterHandle) -> MakeClient:
    """Return a maker of clients: of the usual user or of the given connection, with options changed by keywords."""

    def make(connection: dict[str, Any] | None = None, host: Host | None = None, **changes: Any) -> KubernetesClient:
        options = {**(connection or cluster.connection), **changes}
        fields = {name: value for name, value in options.items() if name in _FIELDS}
        return KubernetesClient(KubernetesConnection(**fields), options.get("namespace"), host or Host())

    return make


@pytest.fixture
def client(make_client: MakeClient) -> KubernetesClient:
    return make_client()


@pytest.fixture
def make_feed() -> Iterator[MakeFeed]:
    """Return a maker of feeds that are closed at the test's end."""
    feeds: list[Feed] = []

    def make(client: KubernetesClient, *subscriptions: Subscription) -> Feed:
        feeds.append(Feed(client, subscriptions))
        return feeds[-1]

    yield make
    for feed in feeds:
        feed.close()
