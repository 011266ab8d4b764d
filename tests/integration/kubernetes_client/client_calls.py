# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same calls of the client on any version of the package: a program of its own, run in another environment.

Reads connections by name (JSON) from standard input and writes what came out of each step (JSON).
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import client_manifests as manifests
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.ownership import owned_part
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    LEADERWORKERSETS,
    PODS,
    SERVICES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.watching import Feed, Subscription
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

NAME = "my-llm"
SECONDS = 120.0


def client_of(connection: dict[str, Any], **changes: Any) -> KubernetesClient:
    """Return a client; ``connection`` has the fields of a ``KubernetesConnection``."""
    return KubernetesClient(KubernetesConnection(**{**connection, **changes}), "my-project", Host())


def causes(call: Callable[[], object]) -> list[str]:
    """Return the causes for which a call failed."""
    try:
        call()
    except GpuopsError as error:
        return [finding.cause for finding in error.findings]
    return []


def life(client: KubernetesClient) -> dict[str, Any]:
    """Create, follow and delete objects."""
    manifest = manifests.deployment(NAME)
    feed = Feed(client, (Subscription(PODS), Subscription(DEPLOYMENTS)))
    steps: dict[str, Any] = {"pods before": len(feed.objects(PODS))}
    steps["dry run"] = client.apply(DEPLOYMENTS, NAME, manifest, dry_run=True)["kind"]
    steps["absent"] = client.get(DEPLOYMENTS, NAME)
    live = client.apply(DEPLOYMENTS, NAME, manifest)
    steps["owned"] = owned_part(live) == manifest
    deadline = time.monotonic() + SECONDS
    while not any(pod["status"].get("phase") == "Running" for pod in feed.objects(PODS)):
        if time.monotonic() > deadline:
            break
        feed.wait(1.0)
    pods = feed.objects(PODS)
    steps["pods"] = [pod["status"].get("phase") for pod in pods]
    steps["log lines"] = [len(client.logs(pod["metadata"]["name"], tail_lines=2).splitlines()) for pod in pods]
    client.delete(DEPLOYMENTS, NAME, uid=live["metadata"]["uid"])
    feed.close()
    steps["threads"] = len([thread for thread in threading.enumerate() if thread.name.startswith("gpuops")])
    return steps


def main() -> None:
    """Make all calls and print what came out."""
    connections = json.load(sys.stdin)
    client = client_of(connections["kubeconfig"])
    token = client_of(connections["token"])
    plugin = client_of(connections["plugin"])
    groups = client_of(
        connections["kubeconfig"], impersonate_user="somebody", impersonate_groups=("first", "system:masters")
    )
    invalid = manifests.deployment(NAME, bogus=1)
    outcome = {
        "life": life(client),
        "served": [client.serves(LEADERWORKERSETS), client.version()["major"]],
        "token": [token.allowed("list", SERVICES), token.allowed("list", PODS), len(token.list(SERVICES).items)],
        "plugin": len(plugin.list(SERVICES).items),
        "groups": len(groups.list(SERVICES).items),
        "by proxy": len(client_of(connections["proxy"]).list(SERVICES).items),
        "refused": {
            "permission": causes(lambda: token.list(PODS)),
            "field": causes(lambda: client.apply(DEPLOYMENTS, NAME, invalid)),
            "expired": causes(lambda: client_of(connections["expired"]).list(SERVICES)),
            "token": causes(lambda: client_of(connections["token"], api_key="no-such-token").list(SERVICES)),
            "trust": causes(lambda: client_of(connections["token"], ca_cert=None).list(SERVICES)),
            "context": causes(lambda: client_of(connections["kubeconfig"], context="no-such-context")),
            "kubeconfig": causes(lambda: client_of({"kubeconfig": {"clusters": 3, "current-context": "x"}})),
        },
    }
    json.dump(outcome, sys.stdout)


if __name__ == "__main__":
    main()
