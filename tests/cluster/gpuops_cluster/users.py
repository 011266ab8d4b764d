# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users for tests: with exactly the rights that a test gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpuops_cluster.api import Api, Identity
from gpuops_cluster.certificates import Authority
from gpuops_cluster.components import CONTEXT, write_kubeconfig
from gpuops_cluster.objects import CLIENTS, path_of

# Marks what belongs to one test, and is removed after it.
LABEL = "gpuops.test/user"
GROUP = "rbac.authorization.k8s.io"
Rules = Sequence[dict[str, Any]]


class Users:
    """Makes users of a cluster, as certificates of its authority or as service accounts."""

    def __init__(self, api: Api, folder: Path) -> None:
        self._api = api
        self._folder = folder
        self._folder.mkdir(exist_ok=True, mode=0o700)

    def with_certificate(self, name: str, expired: bool = False) -> tuple[Path, Identity]:
        """Issue a client certificate for a user; return its kubeconfig and its files."""
        if self._api.identity.authority is None:
            raise TypeError("this cluster's certificate authority is not ours")
        authority = Authority(self._api.identity.authority.parent)
        pair = authority.issue(f"user-{name}", name, (CLIENTS,), expired=expired)
        identity = Identity(self._api.identity.url, authority.path, pair.certificate, pair.key)
        return write_kubeconfig(self._folder / f"{name}.kubeconfig", identity), identity

    def with_exec_plugin(self, name: str, credential: Path, program: str) -> Path:
        """Return a kubeconfig that logs in with what a program prints (an ExecCredential, from a file)."""
        _path, identity = self.with_certificate(name)
        login = {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": program,
                "args": [str(credential)],
                "interactiveMode": "Never",
            }
        }
        return write_kubeconfig(self._folder / f"{name}-exec.kubeconfig", identity, login)

    def service_account(self, name: str, namespace: str) -> str:
        """Create a service account and return a token of it."""
        body = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace, "labels": {LABEL: name}},
        }
        self._api.apply(path_of(body), body)
        return self.token(name, namespace)

    def token(self, name: str, namespace: str, seconds: int = 3600) -> str:
        """Return a fresh token of a service account; a server gives no shorter life than 600 s."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        status, content = self._api.request("POST", path, request)
        if status != 201:
            raise AssertionError(f"POST {path}: {status} {content}")
        return str(content["status"]["token"])

    def allow(self, subject: dict[str, Any], namespace: str, rules: Rules, cluster_rules: Rules = ()) -> None:
        """Give a user or service account these rights, in the namespace and in the whole cluster, and no others."""
        name = subject["name"]
        labels = {LABEL: name}
        binding_subject = subject if subject["kind"] == "ServiceAccount" else {**subject, "apiGroup": GROUP}
        scopes: list[tuple[str, dict[str, Any], Rules]] = [
            ("Role", {"name": name, "namespace": namespace, "labels": labels}, rules),
            ("ClusterRole", {"name": f"{namespace}-{name}", "labels": labels}, cluster_rules),
        ]
        for kind, metadata, wanted in scopes:
            role = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "rules": list(wanted)}
            binding = {
                "apiVersion": f"{GROUP}/v1",
                "kind": f"{kind}Binding",
                "metadata": metadata,
                "roleRef": {"apiGroup": GROUP, "kind": kind, "name": metadata["name"]},
                "subjects": [binding_subject],
            }
            for body in (role, binding):
                self._api.apply(path_of(body), body)


def connection(kubeconfig: Path, namespace: str) -> dict[str, Any]:
    """Return the connection options of the collection's modules for a kubeconfig."""
    return {
        "platform": "kubernetes",
        "kubeconfig": str(kubeconfig),
        "context": CONTEXT,
        "namespace": namespace,
        "progress": "none",
    }
