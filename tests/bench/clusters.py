# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test cluster as the measurements need it: room for thousands of pods, and its requests counted by kind."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.stage import BenchFailure
from support.cluster import LEADERWORKERSETS, NAMESPACE, ClusterHandle

from gpuops_cluster.api import APPLY

MACHINES = 8
# More than any measurement takes: what has no room would be looked at again and again by the scheduler.
PLENTY = {"nvidia.com/gpu": "10000", "pods": "5000", "cpu": "100000", "memory": "1Pi"}
# A thousand workloads are made by controllers that hold themselves back.
SETTLE_SECONDS = 900.0
LOOK_SECONDS = 2.0
FIELD_MANAGER = "gpuops.inference"
PLATFORM = "ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes"
_RESOURCE = re.compile(
    r"/api(?:s/[^/]+)?/[^/]+/(?:namespaces/[^/]+/)?(?P<plural>[a-z-]+)(?:/[^/]+(?P<below>/[a-z]+)?)?$"
)
_SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
_WORKLOADS = f"{LEADERWORKERSETS}/namespaces/{NAMESPACE}/leaderworkersets"


@contextmanager
def cluster_with_room(folder: Path) -> Iterator[ClusterHandle]:
    """A cluster for the length of a ``with`` block, whose machines have room for whatever is asked."""
    handle = ClusterHandle(folder, "--machines", str(MACHINES))
    try:
        for number in range(MACHINES):
            handle.patch_status(f"/api/v1/nodes/gpu-{number + 1}", {"allocatable": PLENTY, "capacity": PLENTY})
        yield handle
    finally:
        handle.end()


def counted(cluster: ClusterHandle) -> Counter[str]:
    """Return the requests since the log was emptied, as verb and resource: ``get leaderworkersets``."""
    return Counter(_described(entry) for entry in cluster.requests())


def told(cluster: ClusterHandle) -> str:
    """Return how many requests there were, and for which kinds of things."""
    found = counted(cluster)
    return f"{sum(found.values())} requests" if found else ""


def manifests(cluster: ClusterHandle, made: str, name: str) -> list[dict[str, Any]]:
    """Return what the collection applied for the workload ``made``, written for one called ``name``."""
    owned_part = import_module(f"{PLATFORM}.ownership").owned_part
    applied = json.dumps([owned_part(cluster.get(f"{path}/{made}")) for path in (_WORKLOADS, _SERVICES)])
    renamed: list[dict[str, Any]] = json.loads(applied.replace(made, name))
    return renamed


def copy_workload(cluster: ClusterHandle, made: str, names: Sequence[str]) -> None:
    """Make workloads as the collection makes them, from what it made for another, without its pace."""
    template = json.dumps(manifests(cluster, made, made))
    for name in names:
        for path, manifest in zip((_WORKLOADS, _SERVICES), json.loads(template.replace(made, name)), strict=True):
            address = f"{path}/{name}?fieldManager={FIELD_MANAGER}"
            status, content = cluster.api("PATCH", address, manifest, APPLY)
            if status != 201:
                raise BenchFailure(f"PATCH {address}: {status} {content}")


def settled(cluster: ClusterHandle, names: Sequence[str]) -> None:
    """Wait until all of these workloads are available."""

    deadline = time.monotonic() + SETTLE_SECONDS
    while missing := set(names) - {entry["metadata"]["name"] for entry in cluster.items(_WORKLOADS) if _runs(entry)}:
        if time.monotonic() > deadline:
            raise BenchFailure(f"{len(missing)} of {len(names)} workloads do not run after {SETTLE_SECONDS:.0f} s")
        # Each look is a list of all, which keeps the API server from its work.
        time.sleep(LOOK_SECONDS)


def _runs(entry: dict[str, Any]) -> bool:
    conditions = entry.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Available" and condition["status"] == "True" for condition in conditions)


def _described(entry: dict[str, Any]) -> str:
    found = _RESOURCE.match(entry["path"])
    what = found["plural"] + (found["below"] or "") if found else "what the API serves"
    dry = " (dry run)" if "dryRun" in entry["query"] else ""
    return f"{entry['verb']} {what}{dry}"
