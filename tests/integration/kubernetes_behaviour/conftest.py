# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user with exactly the rights that the collection's own table names, and short ways to apply a workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import permissions
from support.cluster import NAMESPACE, ClusterHandle
from support.kubernetes_place import KubernetesPlace
from support.modules import run_module

Result = dict[str, Any]
Apply = Callable[..., Result]


def rights_in(cluster: ClusterHandle, namespace: str, name: str = "gpuops-permitted") -> dict[str, Any]:
    """Return the connection of a user with the rights of the documentation's Role and ClusterRole, and no others."""
    rules = permissions.role_manifest(namespace)["rules"]
    return cluster.user(name, rules, namespace, permissions.cluster_role_manifest()["rules"])


@pytest.fixture
def permitted(cluster: ClusterHandle) -> dict[str, Any]:
    """The connection of a user with just the rights that the documentation asks for."""
    return rights_in(cluster, NAMESPACE)


@pytest.fixture
def kubernetes(cluster: ClusterHandle) -> KubernetesPlace:
    """The cluster in the words that both platforms have."""
    return KubernetesPlace(cluster)


@pytest.fixture
def apply(kubernetes: KubernetesPlace, permitted: dict[str, Any]) -> Apply:
    """Runs ``vllm_workload`` as the permitted user: ``apply(name, **options)``."""

    def run(name: str, check_mode: bool = False, diff: bool = False, **options: Any) -> Result:
        parameters = kubernetes.workload(name, **{**permitted, **options})
        return run_module("vllm_workload", parameters, check_mode=check_mode, diff=diff)

    return run


@pytest.fixture
def beside() -> Iterator[Callable[..., Future[Result]]]:
    """Runs something in a thread, so that the test can act meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit
