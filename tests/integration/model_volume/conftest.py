# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short ways to bring a claim of the test cluster into a state, as a user with just the rights of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import permissions
from support.cluster import NAMESPACE, ClusterHandle
from support.modules import run_module
from volume_objects import Volume


@pytest.fixture
def volume(cluster: ClusterHandle) -> Volume:
    """Runs ``model_volume`` as the permitted user: ``volume(name, **options)``."""
    rules = permissions.role_manifest(NAMESPACE)["rules"]
    permitted = cluster.user("gpuops-volumes", rules, NAMESPACE, permissions.cluster_role_manifest()["rules"])
    cluster.forget_requests()

    def run(name: str, check_mode: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        parameters = {**permitted, "name": name, "bind_timeout": 60, **options}
        return run_module("model_volume", parameters, check_mode=check_mode, diff=diff)

    return run


@pytest.fixture
def beside() -> Iterator[Callable[..., Future[dict[str, Any]]]]:
    """Runs something in a thread, so that the test can act meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit
