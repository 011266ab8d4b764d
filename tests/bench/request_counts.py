# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the control plane or the API server: a deployment, a second run, a look, a removal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bench.clusters import counted
from bench.figures import Figure
from bench.stage import Stage, requests_of, workload_task
from support.cluster import ClusterHandle
from support.sandbox import SandboxHandle

GROUP = "Requests to the control plane (logins left out)"
KUBERNETES_GROUP = "Requests to the API server of Kubernetes"
INFO = "vllm_workload_info"
_STATUS = "GET /api/v1/workloads/{id}"


def measure(stage: Stage, sandbox: SandboxHandle) -> list[Figure]:
    """Count the requests of one task each, against pods that are ready at once."""
    name = sandbox.unique_name("requests")
    removal = {**sandbox.connection, "name": name, "state": "absent"}
    created, looks, logins = _count(stage, sandbox, sandbox.workload(name))
    nothing, _looks, _logins = _count(stage, sandbox, sandbox.workload(name))
    info, _looks, _logins = _count(stage, sandbox, {**sandbox.connection, "name": name}, INFO)
    removed, _looks, _logins = _count(stage, sandbox, removal)
    absent, _looks, _logins = _count(stage, sandbox, removal)
    return [
        Figure(GROUP, "second run (nothing to change)", sum(nothing.values()), "", "2 or fewer", _told(nothing)),
        Figure(GROUP, "deployment until it runs", sum(created.values()), "", "", _told(created)),
        Figure(GROUP, "of these, looks while it starts", looks, "", "", "each: status, pods, events"),
        Figure(GROUP, "logins of a task", logins, "", "1"),
        Figure(GROUP, "vllm_workload_info of one workload", sum(info.values()), "", "", _told(info)),
        Figure(GROUP, "removal until the name is free", sum(removed.values()), "", "", _told(removed)),
        Figure(GROUP, "removal of what is not there", sum(absent.values()), "", "", _told(absent)),
    ]


def _count(
    stage: Stage, sandbox: SandboxHandle, parameters: Mapping[str, Any], module: str = "vllm_workload"
) -> tuple[dict[str, int], int, int]:
    """Run one task; return its requests, how many looks at the status were among them, and its logins."""
    sandbox.forget_requests()
    stage.play([workload_task(parameters, module)])
    counted, logins = requests_of(sandbox)
    return dict(counted), counted[_STATUS], logins


def measure_kubernetes(stage: Stage, cluster: ClusterHandle) -> list[Figure]:
    """Count the same against the API server of a cluster whose pods are ready at once."""
    name = cluster.unique_name("requests")
    workload = cluster.workload(name)
    removal = {**cluster.connection, "name": name, "state": "absent"}

    def count(parameters: Mapping[str, Any], *arguments: str, module: str = "vllm_workload") -> Counter[str]:
        cluster.forget_requests()
        stage.play([workload_task(parameters, module)], *arguments)
        return counted(cluster)

    figures = []
    for label, found, aim in (
        ("`--check` of a new workload", count(workload, "--check"), ""),
        ("deployment until it runs", count(workload), ""),
        ("second run (nothing to change)", count(workload), "2 or fewer"),
        ("vllm_workload_info of one workload", count({**cluster.connection, "name": name}, module=INFO), ""),
        ("removal until the name is free", count(removal), ""),
        ("removal of what is not there", count(removal), ""),
    ):
        figures.append(Figure(KUBERNETES_GROUP, label, sum(found.values()), "", aim, _told(found)))
    return figures


def _told(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{number} x `{what}`" for what, number in counted.items())
