# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the sandbox's control plane over a Kubernetes cluster: Run:ai with a kubeconfig."""

from __future__ import annotations

from pathlib import Path

from support.cluster import ClusterHandle
from support.sandbox import CLAIM, SandboxHandle

from gpuops_cluster.objects import storage


class RunaiOnCluster(SandboxHandle):
    """A simulated Run:ai whose pods are those of the cluster that ``kubeconfig`` leads to.

    ``users_kubeconfig`` is what a user of the collection has; by default the same. The claim with the models is the
    cluster's own: make it in the namespace ``description["namespace"]``, which exists from the start.
    """

    def __init__(self, folder: Path, kubeconfig: Path, users_kubeconfig: Path | None = None) -> None:
        self._users_kubeconfig = users_kubeconfig or kubeconfig
        super().__init__(folder, "--cluster-kubeconfig", str(kubeconfig))

    @property
    def runai_variables(self) -> dict[str, str]:
        """The environment variables that tell the collection where Run:ai is and how to log in."""
        return {
            "RUNAI_URL": self.description["api_url"],
            "RUNAI_CLIENT_ID": self.description["client_id"],
            "RUNAI_CLIENT_SECRET": self.description["client_secret"],
            "RUNAI_CA_PATH": self.description["ca_path"],
        }

    @property
    def variables(self) -> dict[str, str]:
        """The same, and the one that names the cluster's kubeconfig."""
        return {**self.runai_variables, "K8S_AUTH_KUBECONFIG": str(self._users_kubeconfig)}


def runai_on_test_cluster(folder: Path, cluster: ClusterHandle) -> RunaiOnCluster:
    """Start it over the test cluster, with the claim of the models in the project's namespace.

    It acts as the cluster's administrator, whose requests are not in the log that tests count.
    """
    about = cluster.description
    usual = about["kubeconfig"]
    handle = RunaiOnCluster(folder, Path(about.get("admin_kubeconfig", usual)), Path(usual))
    cluster.apply(*storage(handle.description["namespace"]))
    return handle


def forget_extras(cluster: ClusterHandle, namespace: str) -> None:
    """Remove the secrets, claims and rights that tests have made in a project's namespace."""
    root = f"/api/v1/namespaces/{namespace}"
    cluster.api("DELETE", f"{root}/secrets")
    cluster.api("DELETE", f"{root}/persistentvolumeclaims?fieldSelector=metadata.name!={CLAIM}")
    for resource in ("roles", "rolebindings"):
        cluster.api("DELETE", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}")
