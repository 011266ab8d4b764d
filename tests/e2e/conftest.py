# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox with real pods, and one cluster with real containers, for all tests of a run, with the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cluster import NAMESPACE
from support.modules import run_module
from support.needs import need_pods
from support.playbook import Playbooks, link_checkout
from support.real_cluster import RealClusterHandle, need_whole_cluster
from support.sandbox import CLAIM, SandboxHandle

from gpuops_sandbox.engine.tiny_model import HEALTHY_BUT_BROKEN_HEAD_DIM, MODEL_FOLDER, SERVING_USER, copy_model

BROKEN_MODEL = "input/Models/healthy-but-broken"


@pytest.fixture(scope="session")
def real_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """A sandbox whose pods are processes of real vLLM, with two models on the claim."""
    need_pods()
    handle = SandboxHandle(tmp_path_factory.mktemp("sandbox") / "state", "--machines", "2", "--gpus-per-machine", "4")
    try:
        claim = Path(handle.description["volumes_directory"]) / handle.description["namespace"] / CLAIM
        copy_model(claim / MODEL_FOLDER, SERVING_USER, SERVING_USER)
        copy_model(claim / BROKEN_MODEL, SERVING_USER, SERVING_USER, head_dim=HEALTHY_BUT_BROKEN_HEAD_DIM)
        yield handle
    finally:
        handle.end()


@pytest.fixture(scope="session")
def real_cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealClusterHandle]:
    """A cluster with a real machine, whose pods are containers, with two models on the claim."""
    need_whole_cluster()
    handle = RealClusterHandle(tmp_path_factory.mktemp("cluster") / "state")
    try:
        claim = handle.volumes / NAMESPACE / CLAIM
        copy_model(claim / MODEL_FOLDER, SERVING_USER, SERVING_USER)
        copy_model(claim / BROKEN_MODEL, SERVING_USER, SERVING_USER, head_dim=HEALTHY_BUT_BROKEN_HEAD_DIM)
        yield handle
    finally:
        handle.end()


@pytest.fixture(scope="module")
def real_cluster(real_cluster_server: RealClusterHandle) -> RealClusterHandle:
    """The cluster with empty namespaces, for the tests of one file."""
    real_cluster_server.reset()
    return real_cluster_server


@pytest.fixture(scope="session")
def real_playbooks(tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    """Runs the playbooks of the installed collection."""
    return Playbooks(tmp_path_factory.mktemp("plays"), link_checkout(tmp_path_factory.mktemp("collections")))


@pytest.fixture
def name(real_sandbox: SandboxHandle) -> Iterator[str]:
    """The name of a workload that is removed after the test."""
    name = real_sandbox.unique_name("real")
    yield name
    run_module("vllm_workload", {**real_sandbox.connection, "name": name, "state": "absent"})
