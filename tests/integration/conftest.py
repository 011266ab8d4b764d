# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox without processes and one cluster without machines for all integration tests of a run.

Each is brought back to its beginning before every test that uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cluster import ClusterHandle
from support.leader_server import LeaderServer, own_address
from support.leaders import PlayedLeaders
from support.other_cluster import any_cluster
from support.places import PLACES, chosen_place
from support.playbook import Playbooks, link_checkout
from support.runai_on_cluster import RunaiOnCluster, forget_extras, runai_on_test_cluster
from support.sandbox import SandboxHandle
from support.workload_place import WorkloadPlace


@pytest.fixture(scope="session")
def sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """A sandbox whose pods are only records: ready at once, answering like a served model."""
    handle = SandboxHandle(tmp_path_factory.mktemp("sandbox") / "state", "--runtime", "inert", "--machines", "8")
    yield handle
    handle.end()


@pytest.fixture
def sandbox(sandbox_server: SandboxHandle) -> SandboxHandle:
    """The sandbox without workloads, faults and requests, its switches as at the start."""
    sandbox_server.reset()
    return sandbox_server


@pytest.fixture(scope="session")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHandle]:
    """A real Kubernetes control plane whose machines, GPUs and running containers are only records, or the cluster that
    ``GPUOPS_TEST_KUBECONFIG`` names."""
    handle = any_cluster(tmp_path_factory.mktemp("cluster") / "state")
    yield handle
    handle.end()


@pytest.fixture
def cluster(cluster_server: ClusterHandle) -> ClusterHandle:
    """The cluster with empty namespaces and an empty log of requests."""
    cluster_server.reset()
    return cluster_server


@pytest.fixture(scope="session")
def runai_on_cluster_server(
    tmp_path_factory: pytest.TempPathFactory, cluster_server: ClusterHandle
) -> Iterator[RunaiOnCluster]:
    """A sandbox whose pods are those of the test cluster; skips on a cluster where pods are not played."""
    cluster_server.needs_played_pods()
    cluster_server.reset()
    handle = runai_on_test_cluster(tmp_path_factory.mktemp("runai-on-cluster") / "state", cluster_server)
    yield handle
    handle.end()


@pytest.fixture
def runai_on_cluster(cluster: ClusterHandle, runai_on_cluster_server: RunaiOnCluster) -> RunaiOnCluster:
    """The sandbox over the test cluster, as at the start."""
    runai_on_cluster_server.reset()
    forget_extras(cluster, runai_on_cluster_server.description["namespace"])
    return runai_on_cluster_server


@pytest.fixture
def played_leaders(cluster: ClusterHandle, runai_on_cluster: RunaiOnCluster) -> Iterator[PlayedLeaders]:
    """Lets the leaders of the sandbox over the test cluster answer."""
    server = LeaderServer(own_address())
    yield PlayedLeaders(cluster, runai_on_cluster.description["namespace"], server)
    server.end()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> WorkloadPlace:
    """A place where workloads run, on each platform in turn."""
    return chosen_place(request)


@pytest.fixture(scope="session")
def checkout_link(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the checkout lies at ``ansible_collections/gpuops/inference``."""
    return link_checkout(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def playbooks(tmp_path: Path, checkout_link: Path) -> Playbooks:
    """Runs real ``ansible-playbook`` processes with a home of their own."""
    return Playbooks(tmp_path, checkout_link)
