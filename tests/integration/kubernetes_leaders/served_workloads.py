# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes workloads in the test cluster and asks their leaders."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import HttpAnswer, Unreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    EndpointConnection,
    KubernetesConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import role_manifest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from support.cluster import PODS, ClusterHandle
from support.leader_server import LeaderServer
from support.modules import run_module

KEY = "key-0123456789abcdef"
MODELS = "/v1/models"
CHAT = "/v1/chat/completions"
QUESTION = {"model": "mistral4", "messages": [{"role": "user", "content": "Hi"}]}
WITH_KEY = {"access": "vllm_api_key", "api_key_secret": {"secret": "my-key", "key": "api-key"}}
_FIELDS = {field.name for field in dataclasses.fields(KubernetesConnection)}


class ServedWorkloads:
    """Makes workloads whose leaders the API server finds at ``server``."""

    def __init__(self, cluster: ClusterHandle, server: LeaderServer) -> None:
        self.cluster = cluster
        self.server = server

    def make(self, replicas: int = 1, serving: dict[str, Any] | None = None, **options: Any) -> str:
        """Create a workload of two pods per replica and return its name."""
        name = self.cluster.unique_name("led")
        serving = {"access": "cluster_internal", **(serving or {}), "port": self.server.port}
        result = run_module("vllm_workload", self.cluster.workload(name, replicas=replicas, serving=serving, **options))
        assert result["rc"] == 0, result
        for pod in self.leaders(name):
            self.lead_to(pod, self.server.address)
        return name

    def leaders(self, name: str) -> list[str]:
        """Return the names of the pods that lead a replica."""
        labelled = [pod["metadata"] for pod in self.cluster.pods(name)]
        return sorted(pod["name"] for pod in labelled if pod["labels"]["run.ai/role"] == "head")

    def lead_to(self, pod: str, address: str) -> None:
        """Let a pod have an address, as its machine's network would."""
        self.cluster.patch_status(f"{PODS}/{pod}", {"podIP": address, "podIPs": [{"ip": address}]})

    def make_unready(self, pod: str) -> None:
        """Let a pod's readiness probe fail."""
        conditions = self.cluster.get(f"{PODS}/{pod}")["status"]["conditions"]
        changed = [{**one, "status": "False"} if one["type"] == "Ready" else one for one in conditions]
        self.cluster.patch_status(f"{PODS}/{pod}", {"conditions": changed})

    def platform(
        self, connection: dict[str, Any] | None = None, token: str | None = None, **changes: Any
    ) -> KubernetesPlatform:
        """Return the platform as a user sees it, by default the usual one."""
        options = {**(connection or self.cluster.connection), **changes}
        fields = {name: value for name, value in options.items() if name in _FIELDS}
        whole = Connection(
            "kubernetes",
            kubernetes=KubernetesConnection(**fields),
            endpoint=EndpointConnection(token),
            namespace=options["namespace"],
        )
        return KubernetesPlatform(whole, Host())

    def ask(
        self,
        platform: KubernetesPlatform,
        name: str,
        path: str = MODELS,
        body: dict[str, Any] | None = None,
        time_limit: float = 20,
    ) -> Sequence[HttpAnswer | Unreachable]:
        """Send one request to the workload's leaders; a POST where there is a body."""
        live = platform.find(name)
        assert live is not None
        method = "GET" if body is None else "POST"
        return platform.request_leaders(live, platform.status(live), method, path, body, time_limit)

    def smoke_test(self, name: str, connection: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Return the module's result, whatever the verdict is."""
        parameters = {**(connection or self.cluster.connection), "name": name, "fail_on": "never", **options}
        return run_module("vllm_smoke_test", parameters)


def rules_without(*names: str) -> list[dict[str, Any]]:
    """Return the rules of the collection's Role without those of some kinds, or subresources of pods."""
    left_out = {*names, *(f"pods/{name}" for name in names)}
    rules: list[dict[str, Any]] = role_manifest("my-project")["rules"]
    return [rule for rule in rules if not left_out & set(rule["resources"])]


def statuses(result: dict[str, Any]) -> list[str]:
    """Return the outcome of each level."""
    return [level["status"] for level in result["levels"]]


def causes(result: dict[str, Any]) -> list[str]:
    """Return the causes of the findings."""
    return [finding["cause"] for finding in result["findings"]]
