# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets tests run against a Kubernetes cluster of the user's: only where GPUOPS_TEST_KUBECONFIG names its kubeconfig.

Not the usual KUBECONFIG: that one is set in many shells, and tests create and delete what is in their namespaces.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from support.cluster import NAMESPACE, ClusterHandle, need_cluster
from support.needs import missing
from support.sandbox import until

from gpuops_cluster import objects
from gpuops_cluster.api import Api, Identity
from gpuops_cluster.cleaning import clean_namespaces
from gpuops_cluster.users import Users, connection

VARIABLE = "GPUOPS_TEST_KUBECONFIG"
# On everything that is made there. A namespace of our name without it is somebody else's.
OWN = {"gpuops.test/cluster": "tests"}
END_SECONDS = 120.0
READY_WORDS = "Starting to serve on "


def any_cluster(folder: Path) -> ClusterHandle:
    """Return the user's cluster where the variable names one, else one of our own in ``folder``."""
    path = os.environ.get(VARIABLE)
    if path:
        return OtherCluster(folder, Path(path))
    need_cluster()
    return ClusterHandle(folder)


class OtherCluster(ClusterHandle):
    """A cluster that is not ours: pods are not played there, and nothing of it is stopped.

    Its API is reached through ``kubectl proxy``, so that every way to log in works that kubectl knows.
    """

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            missing(f"kubectl, to reach the cluster that {VARIABLE} names: install it and put it on PATH")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._kubeconfig = kubeconfig
        self._kubectl = [kubectl, "--kubeconfig", str(kubeconfig)]
        self._context = self.kubectl("config", "current-context").strip()
        self._proxy, url = self._start_proxy()
        self._admin = Api(Identity(url))
        self._users = Users(self._admin, folder / "users")
        self._numbers = itertools.count(1)
        self.description = self._describe(url)
        try:
            self._create()
        except BaseException:
            self._stop_proxy()
            raise

    def end(self) -> None:
        """Remove what was made; the cluster stays."""
        for content in reversed(self._objects()):
            self.api("DELETE", objects.path_of(content))
        for content in objects.namespaces():
            place = objects.path_of(content)
            until(partial(self._is_gone, place), f"{place} is gone", END_SECONDS)
        self._stop_proxy()

    def connection_in(self, namespace: str) -> dict[str, Any]:
        """Return the connection options of every module of the collection."""
        return connection(self._kubeconfig, namespace) | {"context": self._context}

    def user(
        self,
        name: str,
        rules: Sequence[dict[str, Any]],
        namespace: str = NAMESPACE,
        cluster_rules: Sequence[dict[str, Any]] = (),
    ) -> dict[str, Any]:
        """Return the connection of a new service account: only the cluster's own authority could issue certificates."""
        return self.service_account(name, rules, namespace, cluster_rules)

    def kubectl(self, *words: str) -> str:
        """Return what kubectl prints."""
        command = [*self._kubectl, *words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def reset(self) -> None:
        """Empty the test namespaces."""
        clean_namespaces(self._admin)

    def needs_played_pods(self) -> None:
        """Skip the test: what pods do here is up to the cluster."""
        self._not_here()

    def certificate_connection(self) -> dict[str, Any]:
        """Skip the test."""
        self._not_here()

    def expired_connection(self) -> dict[str, Any]:
        """Skip the test."""
        self._not_here()

    def exec_connection(self, rules: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Skip the test."""
        self._not_here()

    def requests(self) -> list[dict[str, Any]]:
        """Skip the test: the audit log of this cluster cannot be read."""
        self._not_here()

    def forget_requests(self) -> None:
        """Skip the test."""
        self._not_here()

    def stop_api_server(self) -> None:
        """Skip the test."""
        self._not_here()

    def start_api_server(self) -> None:
        """Skip the test."""
        self._not_here()

    def expire_watches(self) -> None:
        """Skip the test."""
        self._not_here()

    def remove_leaderworkersets(self) -> None:
        """Skip the test: others may use them."""
        self._not_here()

    def _is_gone(self, path: str) -> bool:
        return self.api("GET", path)[0] == 404

    def _not_here(self) -> NoReturn:
        pytest.skip(f"needs the cluster that the tests start themselves: unset {VARIABLE}")

    def _objects(self) -> list[dict[str, Any]]:
        """Return what is made: no machines and no storage class, which would change the cluster for others."""
        found = [*objects.namespaces(), objects.quota()]
        found += [entry for entry in objects.classes() if entry["kind"] == "PriorityClass"]
        for namespace in objects.NAMESPACES:
            found += objects.storage(namespace)
        for content in found:
            content["metadata"]["labels"] = {**content["metadata"].get("labels", {}), **OWN}
        return found

    def _create(self) -> None:
        for content in self._objects():
            status, found = self.api("GET", objects.path_of(content))
            own = status == 404 or OWN.items() <= found.get("metadata", {}).get("labels", {}).items()
            if not own:
                place = f"{content['kind']} {content['metadata']['name']}"
                raise AssertionError(f"{place} of the cluster that {VARIABLE} names is not of these tests: {found}")
        for content in self._objects():
            self._admin.apply(objects.path_of(content), content)

    def _describe(self, url: str) -> dict[str, Any]:
        cluster = self.kubectl("config", "view", "--raw", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
        authority = self.folder / "ca.crt"
        status, content = self.api("GET", "/api/v1/namespaces/default/configmaps/kube-root-ca.crt")
        assert status == 200, content
        authority.write_text(content["data"]["ca.crt"], encoding="utf-8")
        return {
            "kubeconfig": str(self._kubeconfig),
            "context": self._context,
            "api_url": cluster,
            "ca_path": str(authority),
            "namespaces": objects.NAMESPACES,
            "claim": objects.CLAIM,
        }

    def _start_proxy(self) -> tuple[subprocess.Popen[str], str]:
        command = [*self._kubectl, "proxy", "--port=0"]
        proxy = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert proxy.stdout is not None
        line = proxy.stdout.readline().strip()
        if not line.startswith(READY_WORDS):
            proxy.kill()
            proxy.wait()
            raise AssertionError(f"{' '.join(command)} did not start: {line}")
        return proxy, f"http://{line.removeprefix(READY_WORDS)}"

    def _stop_proxy(self) -> None:
        self._proxy.kill()
        self._proxy.wait()
        if self._proxy.stdout is not None:
            self._proxy.stdout.close()
