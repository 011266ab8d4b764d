# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests for the tests of the client."""

from __future__ import annotations

import copy
from typing import Any

_POD = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 2000, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "vllm",
            "image": "registry.example.com/stand-in:v0.33.0",
            "command": ["vllm", "serve"],
            "args": ["/data/model", "--port", "8000"],
            "env": [
                {"name": "HOME", "value": "/scratch"},
                {"name": "VLLM_HOST_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
            ],
            "ports": [{"name": "http", "containerPort": 8000}],
            "resources": {"limits": {"cpu": "4", "nvidia.com/gpu": "2"}, "requests": {"cpu": "2"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [
                {"name": "shm", "mountPath": "/dev/shm"},
                {"name": "scratch", "mountPath": "/scratch"},
                {"name": "scratch", "mountPath": "/tmp", "subPath": "tmp"},
            ],
        }
    ],
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "nodeSelector": {"nvidia.com/gpu.present": "true"},
    "volumes": [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"name": "scratch", "emptyDir": {}},
    ],
}


def pod_spec(image: str | None = None) -> dict[str, Any]:
    """Return the spec of a pod that the level restricted takes."""
    spec = copy.deepcopy(_POD)
    if image is not None:
        _container(spec)["image"] = image
    return spec


def _container(spec: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = spec["containers"][0]
    return container


def pod(name: str, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a bare pod."""
    labels = {"gpuops.inference/workload": name}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec or pod_spec()}


def deployment(name: str, image: str | None = None, **spec: Any) -> dict[str, Any]:
    """Return a Deployment of one pod; keywords change its spec."""
    labels = {"gpuops.inference/workload": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels, "annotations": {"gpuops.inference/applied": "{}"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(image)},
            **spec,
        },
    }


def service(name: str) -> dict[str, Any]:
    """Return a Service of one port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"gpuops.inference/workload": name}},
        "spec": {
            "selector": {"gpuops.inference/workload": name},
            "ports": [{"name": "http", "port": 8000, "targetPort": "http"}],
        },
    }


def leaderworkerset(name: str, size: int = 2) -> dict[str, Any]:
    """Return a LeaderWorkerSet of one group."""
    labels = {"gpuops.inference/workload": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec()}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1,
            "networkConfig": {"subdomainPolicy": "UniquePerReplica"},
            "leaderWorkerTemplate": {
                "size": size,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": template,
                "workerTemplate": copy.deepcopy(template),
            },
        },
    }
