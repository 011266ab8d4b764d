# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads of the sandbox, and pods of a cluster that are theirs."""

from __future__ import annotations

from typing import Any

from support.control_plane_client import distributed_body, inference_body

from gpuops_sandbox.cluster.objects import CLUSTER_ID, Kind, Project, Workload
from gpuops_sandbox.kubernetes.observe import observed_pod
from gpuops_sandbox.kubernetes.view import View

PROJECT = Project("33", "my-project", "runai-my-project", 32)


def workload(kind: Kind = Kind.DISTRIBUTED, **spec: Any) -> Workload:
    """Return a workload as it was asked for."""
    body = distributed_body(**spec) if kind is Kind.DISTRIBUTED else inference_body(**spec)
    return Workload(kind, body["name"], body["name"], PROJECT, CLUSTER_ID, body["spec"], "somebody")


def pod(uid: str, member: int = 0, group: int = 0, ready: bool = True, **labels: str) -> dict[str, Any]:
    """Return a pod that runs, as the API shows it."""
    prefix = "leaderworkerset.sigs.k8s.io"
    own = {f"{prefix}/group-index": str(group), f"{prefix}/worker-index": str(member)}
    state = {"running": {"startedAt": "2026-01-01T00:00:02Z"}}
    container = {"name": "workload", "image": "registry.example.com/stand-in:v1"}
    return {
        "metadata": {
            "name": f"my-llm-{group}" + (f"-{member}" if member else ""),
            "namespace": PROJECT.namespace,
            "uid": uid,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": own | labels,
        },
        "spec": {"nodeName": "gpu-1", "containers": [container]},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "workload", "restartCount": 0, "state": state}],
        },
    }


def view(of: Workload, *contents: dict[str, Any]) -> View:
    """Return what is seen of a workload whose objects were made."""
    seen = View(of)
    seen.made = True
    for content in contents:
        seen.see(observed_pod(of, content))
    return seen
