# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims, volumes, classes and pods of the tests beside it, as others make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.cluster import NAMESPACE, ClusterHandle
from support.sandbox import until

from gpuops_cluster.users import LABEL

Object = dict[str, Any]
Volume = Callable[..., dict[str, Any]]

CLAIMS = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
MERGE = "application/merge-patch+json"


def claim(name: str, storage_class: str, size: str = "100Gi", mode: str = "ReadWriteMany") -> Object:
    """Return a claim as somebody else may have made it."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "accessModes": [mode],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": size}},
        },
    }


def persistent_volume(name: str, size: str = "100Gi", of_class: str = "") -> Object:
    """Return a volume that an administrator has made by hand."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {"gpuops.test/provisioned": "true", "tier": "fast"}},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": of_class,
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/var/lib/gpuops/{name}"},
        },
    }


def storage_class(name: str, **fields: Any) -> Object:
    """Return a class that nobody provisions; it goes with the test."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "labels": {LABEL: "true"}},
        "provisioner": "gpuops.test/nobody",
        **fields,
    }


def mounting_pod(name: str, claim_name: str) -> Object:
    """Return a pod that mounts a claim."""
    container = {
        "name": "main",
        "image": "registry.example.com/of-somebody-else:v1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "models", "mountPath": "/data"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "containers": [container],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": claim_name}}],
        },
    }


def live(cluster: ClusterHandle, name: str) -> Object:
    """Return a claim that must be there."""
    return cluster.get(f"{CLAIMS}/{name}")


def is_there(cluster: ClusterHandle, name: str) -> bool:
    """Say whether there is a claim of this name."""
    return cluster.api("GET", f"{CLAIMS}/{name}")[0] == 200


def until_bound(cluster: ClusterHandle, name: str) -> None:
    """Wait until a claim of somebody else is bound."""
    until(lambda: live(cluster, name)["status"].get("phase") == "Bound", f"{name} is bound")


def edit(cluster: ClusterHandle, name: str, change: Object) -> None:
    """Change a claim as ``kubectl edit`` does."""
    status, content = cluster.api("PATCH", f"{CLAIMS}/{name}?fieldManager=kubectl-edit", change, MERGE)
    assert status == 200, content
