# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods as the API would show them, for tests of what stands in for the kubelets."""

from __future__ import annotations

from typing import Any

from gpuops_cluster.kubelet.pods import Pod


def make_pod(
    image: str, *, command: tuple[str, ...] = ("vllm", "serve"), restart_policy: str = "Always", **container: Any
) -> Pod:
    """Return a pod with one container ``vllm`` of this image; ``container``: more of its fields."""
    vllm = {"name": "vllm", "image": f"registry.example.com/{image}", "command": list(command), **container}
    return Pod(
        {
            "metadata": {"name": "p", "namespace": "ns", "uid": "0a1b2c3d-0000-4000-8000-000000000000"},
            "spec": {"nodeName": "gpu-1", "restartPolicy": restart_policy, "containers": [vllm]},
        }
    )


def with_status(pod: Pod, **status: Any) -> Pod:
    """Return the pod with the status of its one container."""
    entry = {"name": "vllm", "state": {}, "lastState": {}, **status}
    return Pod(pod.content | {"status": {"containerStatuses": [entry]}})
