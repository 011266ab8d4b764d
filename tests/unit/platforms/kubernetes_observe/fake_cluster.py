# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client whose cluster is a dictionary, for judgments that need answers and no API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Listing,
    NotServed,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    PERMISSIONS,
    Permission,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    ALL_PODS,
    CLAIMS,
    LEADERWORKERSETS,
    NAMESPACES,
    NODES,
    RULES_REVIEWS,
    SELF_REVIEWS,
    STORAGE_CLASSES,
    Resource,
)

EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}


def claim(name: str = "models", modes: tuple[str, ...] = ("ReadWriteMany",), phase: str = "Bound") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"accessModes": list(modes), "storageClassName": "shared"},
        "status": {"phase": phase, "accessModes": list(modes) if phase == "Bound" else []},
    }


def machine(name: str, gpus: int = 8, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": "H100"}},
        "spec": spec,
        "status": {
            "allocatable": {"nvidia.com/gpu": str(gpus), "rdma/shared": "1k"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def quota(hard: int, used: int, resource: str = "requests.nvidia.com/gpu", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "gpus"},
        "spec": spec,
        "status": {"hard": {resource: str(hard)}, "used": {resource: str(used)}},
    }


class FakeCluster(KubernetesClient):
    """``objects`` by resource; kinds in ``forbidden`` may not be seen, those in ``unserved`` are not there.

    ``rules`` is what the user may do in the namespace, ``complete`` whether the API server can list all of it.
    """

    def __init__(self) -> None:
        self.address = "https://cluster.example.com:6443"
        self.cluster = "example"
        self.namespace = "my-project"
        self.objects: dict[Resource, list[dict[str, Any]]] = {
            NAMESPACES: [{"metadata": {"name": "my-project"}}],
            CLAIMS: [claim()],
            NODES: [machine("gpu-1"), machine("gpu-2")],
            STORAGE_CLASSES: [{"metadata": {"name": "shared"}, "provisioner": "nfs.csi.k8s.io"}],
        }
        self.forbidden: set[Resource] = set()
        self.unserved: set[Resource] = set()
        self.rules: list[dict[str, Any]] = [EVERYTHING]
        self.complete = True
        self.lacks: set[Permission] = set()
        self.versions: dict[str, Any] = {"gitVersion": "v1.36.3", "major": "1", "minor": "36"}
        self.asked: list[str] = []

    def get(self, resource: Resource, name: str) -> dict[str, Any] | None:
        found = [one for one in self.list(resource).items if one["metadata"]["name"] == name]
        return found[0] if found else None

    def list(
        self,
        resource: Resource,
        labels: str = "",
        fields: str = "",
        namespace: str | None = None,
        patient: bool = True,
    ) -> Listing:
        self.asked.append(resource.plural)
        if resource in self.unserved:
            raise NotServed([], 404)
        if resource in self.forbidden:
            raise Refused([], 403)
        return Listing(list(self.objects.get(resource, [])), "1")

    def serves(self, resource: Resource) -> bool:
        return resource not in self.unserved

    def version(self) -> dict[str, Any]:
        return self.versions

    def create(self, resource: Resource, manifest: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        assert dry_run, "nothing is written"
        if resource in self.forbidden:
            raise Refused([], 403)
        if resource == SELF_REVIEWS:
            return {"status": {"userInfo": {"username": "me", "groups": ["people"]}}}
        assert resource == RULES_REVIEWS
        return {"status": {"resourceRules": self.rules, "incomplete": not self.complete}}

    def allowed(self, verb: str, resource: Resource, subresource: str | None = None) -> bool:
        self.asked.append(f"{verb} {resource.plural}")
        row = next(
            row for row in PERMISSIONS if (row.verb, row.resource, row.subresource) == (verb, resource, subresource)
        )
        return row not in self.lacks


def without_leaderworkersets() -> FakeCluster:
    cluster = FakeCluster()
    cluster.unserved.add(LEADERWORKERSETS)
    return cluster


def used_by(machine_name: str, gpus: int) -> dict[str, Any]:
    """A pod of somebody else that has GPUs of a machine."""
    limits = {"limits": {"nvidia.com/gpu": gpus}}
    return {
        "metadata": {"name": "other"},
        "spec": {"nodeName": machine_name, "containers": [{"resources": limits}]},
        "status": {"phase": "Running"},
    }


__all__ = ["ALL_PODS", "EVERYTHING", "FakeCluster", "claim", "machine", "quota", "used_by", "without_leaderworkersets"]
