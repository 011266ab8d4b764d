# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As whom and by what way the client comes in: every kind of credentials against a real API server."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import client_manifests as manifests
import pytest
import yaml
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    cluster_role_manifest,
    role_manifest,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    NODES,
    PODS,
    SERVICES,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from client_types import MakeClient
from support.cluster import ClusterHandle

READ_SERVICES = [{"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]}]


def kubeconfig_of(cluster: ClusterHandle) -> dict[str, Any]:
    content = yaml.safe_load(Path(cluster.description["kubeconfig"]).read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def users_of(cluster: ClusterHandle) -> set[str]:
    """Return whom the API server saw, as the client's requests were made."""
    return {entry["user"] for entry in cluster.requests() if entry["user_agent"].startswith("gpuops.inference")}


def refused(client: KubernetesClient) -> Refused:
    with pytest.raises(Refused) as error:
        client.list(SERVICES)
    return error.value


def test_a_kubeconfig_by_path_content_or_text(make_client: MakeClient, cluster: ClusterHandle) -> None:
    content = kubeconfig_of(cluster)
    for kubeconfig in (cluster.description["kubeconfig"], content, yaml.safe_dump(content)):
        assert make_client(kubeconfig=kubeconfig).list(SERVICES).items == []


def test_a_context_chooses(make_client: MakeClient, cluster: ClusterHandle) -> None:
    content = kubeconfig_of(cluster)
    other = {**content["contexts"][0], "name": "other"}
    other["context"] = {**other["context"], "namespace": "my-project-open"}
    content["contexts"].append(other)
    assert make_client(kubeconfig=content, context="other", namespace=None).namespace == "my-project-open"
    with pytest.raises(OptionError) as error:
        make_client(kubeconfig=content, context="no-such")
    assert error.value.findings[0].object == "context" and "other" in error.value.message


def test_a_client_certificate_by_options(make_client: MakeClient, cluster: ClusterHandle) -> None:
    make_client(cluster.certificate_connection()).list(SERVICES)
    assert users_of(cluster) == {"gpuops-tests"}


def test_a_token_by_options(make_client: MakeClient, cluster: ClusterHandle) -> None:
    connection = cluster.service_account("my-account", READ_SERVICES)
    make_client(connection).list(SERVICES)
    assert users_of(cluster) == {"system:serviceaccount:my-project:my-account"}


def test_a_token_counts_more_than_the_kubeconfigs_certificate(make_client: MakeClient, cluster: ClusterHandle) -> None:
    token = cluster.service_account("my-account", READ_SERVICES)["api_key"]
    make_client(api_key=token).list(SERVICES)
    assert users_of(cluster) == {"system:serviceaccount:my-project:my-account"}


def test_a_credential_plugin(make_client: MakeClient, cluster: ClusterHandle) -> None:
    make_client(cluster.exec_connection(READ_SERVICES)).list(SERVICES)
    assert users_of(cluster) == {"system:serviceaccount:my-project:gpuops-exec"}


def test_a_credential_plugin_that_fails_is_told(make_client: MakeClient, cluster: ClusterHandle) -> None:
    content = kubeconfig_of(cluster)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}
    content["users"] = [{"name": user["name"], "user": {"exec": plugin}} for user in content["users"]]
    with pytest.raises(OptionError) as error:
        make_client(kubeconfig=content)
    assert error.value.findings[0].cause == "credential_plugin_failed"
    assert "no-such-plugin" in error.value.message


def test_a_plugins_new_token_is_fetched_after_a_refusal(
    make_client: MakeClient, cluster: ClusterHandle, tmp_path: Path
) -> None:
    good = cluster.service_account("my-account", READ_SERVICES)["api_key"]
    state = tmp_path / "token"
    state.write_text("an-old-token", encoding="utf-8")
    script = tmp_path / "plugin"
    answer = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}'
    script.write_text(f"#!/bin/sh\nprintf '{answer}' \"$(cat {state})\"\n", encoding="utf-8")
    script.chmod(0o700)
    content = kubeconfig_of(cluster)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}
    content["users"] = [{"name": user["name"], "user": {"exec": plugin}} for user in content["users"]]
    host = Host()
    client = make_client(kubeconfig=content, host=host)
    state.write_text(good, encoding="utf-8")
    assert client.list(SERVICES).items == []
    assert good not in host.redactor.text(f"Bearer {good}")


def test_expired_credentials_are_told(make_client: MakeClient, cluster: ClusterHandle) -> None:
    with pytest.raises(GpuopsError) as error:
        make_client(cluster.expired_connection()).list(SERVICES)
    assert error.value.findings[0].cause == "credentials_expired"
    assert error.value.findings[0].object == "kubeconfig"


def test_unknown_credentials_are_told_without_the_secret(make_client: MakeClient, cluster: ClusterHandle) -> None:
    with pytest.raises(GpuopsError) as error:
        make_client(api_key="canary-of-a-token").list(SERVICES)
    assert error.value.findings[0].cause == "credentials_refused"
    assert error.value.findings[0].object == "api_key"
    assert "canary-of-a-token" not in error.value.message


def test_somebody_else_is_impersonated(make_client: MakeClient, cluster: ClusterHandle) -> None:
    other = make_client(impersonate_user="somebody", impersonate_groups=("first", "second"))
    error = refused(other)
    assert "user somebody may not list services" in error.message
    groups = make_client(impersonate_user="somebody", impersonate_groups=("first", "system:masters"))
    assert groups.list(SERVICES).items == []


def test_the_kubeconfigs_impersonation_counts(make_client: MakeClient, cluster: ClusterHandle) -> None:
    content = kubeconfig_of(cluster)
    for user in content["users"]:
        user["user"]["as"] = "somebody"
    assert "user somebody may not list services" in refused(make_client(kubeconfig=content)).message


def test_the_servers_certificate_must_be_trusted(make_client: MakeClient, cluster: ClusterHandle) -> None:
    connection = {**cluster.certificate_connection(), "ca_cert": None}
    with pytest.raises(GpuopsError) as error:
        make_client(connection).list(SERVICES)
    assert error.value.findings[0].cause == "tls_not_trusted"
    assert make_client(connection, validate_certs=False).list(SERVICES).items == []


def test_the_servers_name_can_be_told(make_client: MakeClient, cluster: ClusterHandle) -> None:
    assert make_client(tls_server_name="kubernetes.default.svc").list(SERVICES).items == []
    with pytest.raises(GpuopsError) as error:
        make_client(tls_server_name="another.example.com").list(SERVICES)
    assert error.value.findings[0].cause == "tls_not_trusted"


def test_certificates_inside_the_kubeconfig(make_client: MakeClient, cluster: ClusterHandle, tmp_path: Path) -> None:
    state = cluster.description
    files = {
        "certificate-authority-data": state["ca_path"],
        "client-certificate-data": state["client_cert_path"],
        "client-key-data": state["client_key_path"],
    }
    data = {name: base64.b64encode(Path(path).read_bytes()).decode() for name, path in files.items()}
    authority = data.pop("certificate-authority-data")
    server = {"server": state["api_url"], "certificate-authority-data": authority}
    content = {
        "clusters": [{"name": "test", "cluster": server}],
        "users": [{"name": "me", "user": data}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me"}}],
        "current-context": "test",
    }
    host = Host(temporary_directory=str(tmp_path))
    assert make_client(kubeconfig=content, context=None, host=host).list(SERVICES).items == []
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_role_of_the_table_is_enough(make_client: MakeClient, cluster: ClusterHandle) -> None:
    role, cluster_role = role_manifest("my-project"), cluster_role_manifest()
    client = make_client(cluster.user("least", role["rules"], cluster_rules=cluster_role["rules"]))
    client.apply(DEPLOYMENTS, "my-llm", manifests.deployment("my-llm"))
    client.create(PODS, manifests.pod("my-pod"), dry_run=True)
    client.list(NODES)
    client.delete(DEPLOYMENTS, "my-llm")
    assert not client.allowed("list", Resource("", "v1", "secrets", "Secret"))


def test_a_missing_permission_is_told_in_full(make_client: MakeClient, cluster: ClusterHandle) -> None:
    with pytest.raises(Refused) as error:
        make_client(cluster.user("reader", READ_SERVICES)).apply(
            DEPLOYMENTS, "my-llm", manifests.deployment("my-llm"), dry_run=True
        )
    assert error.value.is_permission
    (finding,) = error.value.findings
    assert finding.evidence == "user reader may not patch deployments.apps in namespace my-project."
    assert "docs/" in finding.hint
