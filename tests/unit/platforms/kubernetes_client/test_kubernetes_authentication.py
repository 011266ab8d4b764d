# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where address, credentials and namespace come from, and what of it nobody sees. No request is sent."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import authentication
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.authentication import (
    Access,
    load_access,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor
from hypothesis import given
from hypothesis import strategies as st

SERVER = "https://cluster.example.com:6443"


def kubeconfig(name: str = "one", current: str | None = None, **parts: Any) -> dict[str, Any]:
    """Return a kubeconfig of one context, whose user has a token; keywords add to its cluster, user or context."""
    server = {"server": f"https://{name}.example.com:6443", **parts.get("cluster", {})}
    context = {"cluster": f"{name}-cluster", "user": f"{name}-user", **parts.get("context", {})}
    return {
        "clusters": [{"name": f"{name}-cluster", "cluster": server}],
        "users": [{"name": f"{name}-user", "user": parts.get("user", {"token": f"canary-{name}"})}],
        "contexts": [{"name": name, "context": context}],
        "current-context": current if current is not None else name,
    }


def written(folder: Path, name: str, content: Any) -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def loaded(surroundings: Host | None = None, /, **options: Any) -> Access:
    return load_access(KubernetesConnection(**options), surroundings or Host())


def authorization(access: Access) -> str | None:
    return dict(access.headers()).get("Authorization")


def wrong(**options: Any) -> OptionError:
    with pytest.raises(OptionError) as error:
        loaded(**options)
    return error.value


def test_the_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / ".kube").mkdir(parents=True)
    written(tmp_path / "home" / ".kube", "config", kubeconfig("home"))
    assert loaded().address == "https://home.example.com:6443"
    monkeypatch.setenv("KUBECONFIG", written(tmp_path, "other", kubeconfig("other")))
    assert authorization(loaded()) == "Bearer canary-other"


def test_several_files_are_merged_as_kubectl_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kubeconfig("first")
    second = kubeconfig("second")
    second["clusters"].append({"name": "first-cluster", "cluster": {"server": "https://wrong.example.com"}})
    monkeypatch.setenv("KUBECONFIG", f"{written(tmp_path, 'a', first)}:/no/such:{written(tmp_path, 'b', second)}")
    assert loaded().address == "https://first.example.com:6443"
    other = loaded(context="second")
    assert (other.address, other.cluster) == ("https://second.example.com:6443", "second-cluster")
    assert authorization(other) == "Bearer canary-second"


def test_a_host_alone_does_not_take_the_default_files_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", written(tmp_path, "config", kubeconfig()))
    access = loaded(host=SERVER)
    assert (access.address, access.cluster, authorization(access)) == (SERVER, None, None)


def test_options_count_more_than_the_kubeconfig(tmp_path: Path) -> None:
    certificate = written(tmp_path, "me.pem", "certificate")
    content = kubeconfig(cluster={"insecure-skip-tls-verify": True}, user={"client-certificate": certificate})
    authority = written(tmp_path, "ca.pem", "certificate")
    access = loaded(kubeconfig=content, api_key="canary-mine", host=SERVER + "/", ca_cert=authority)
    configuration = access.configuration
    assert (access.address, authorization(access)) == (SERVER, "Bearer canary-mine")
    assert (configuration.ssl_ca_cert, configuration.verify_ssl, configuration.cert_file) == (authority, True, None)
    assert loaded(kubeconfig=kubeconfig(), username="me", password="canary").headers() == [
        ("Authorization", "Basic bWU6Y2FuYXJ5")
    ]
    assert authorization(loaded(kubeconfig=kubeconfig(), client_cert=certificate)) is None
    assert not loaded(host=SERVER, validate_certs=False).configuration.verify_ssl


def test_a_token_file_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "token", "canary-of-a-file")
    assert authorization(loaded(kubeconfig=kubeconfig(user={"tokenFile": path}))) == "Bearer canary-of-a-file"


def test_a_kubeconfigs_own_folder_counts(tmp_path: Path) -> None:
    written(tmp_path, "token", "canary-of-a-file")
    path = written(tmp_path, "config", kubeconfig(user={"tokenFile": "token"}))
    assert authorization(loaded(kubeconfig=path)) == "Bearer canary-of-a-file"


def test_the_service_account_of_the_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes.config import incluster_config

    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", written(tmp_path, "token", "canary-of-the-pod"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", written(tmp_path, "ca.crt", "certificate"))
    monkeypatch.setattr(authentication, "POD_NAMESPACE_FILE", written(tmp_path, "namespace", "my-pods\n"))
    access = loaded()
    assert (access.address, access.namespace) == ("https://10.96.0.1:443", "my-pods")
    assert "canary-of-the-pod" in (authorization(access) or "")
    assert "service account" in access.source


def test_the_namespace_falls_back_to_the_contexts() -> None:
    def namespace(option: str | None, **context: str) -> str:
        return KubernetesClient(KubernetesConnection(kubeconfig=kubeconfig(context=context)), option, Host()).namespace

    assert namespace("mine", namespace="contexts") == "mine"
    assert namespace(None, namespace="contexts") == "contexts"
    with pytest.raises(OptionError) as error:
        namespace(None)
    assert error.value.findings[0].object == "namespace"


def test_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    def proxy(**options: Any) -> Any:
        return getattr(loaded(**options).pool, "proxy", None)

    assert proxy(host=SERVER) is None
    monkeypatch.setenv("HTTPS_PROXY", "http://environment.example.com:3128")
    assert proxy(host=SERVER).host == "environment.example.com"
    content = kubeconfig(cluster={"proxy-url": "http://kubeconfig.example.com:3128"})
    assert proxy(kubeconfig=content).host == "kubeconfig.example.com"
    assert proxy(kubeconfig=content, proxy="http://option.example.com:3128").host == "option.example.com"
    assert proxy(kubeconfig=content, no_proxy="example.org, .example.com") is None
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert proxy(host=SERVER) is None


def test_a_proxys_password_is_sent_and_kept() -> None:
    redactor = Redactor()
    access = loaded(Host(redactor=redactor), host=SERVER, proxy="http://me:canary%40pw@proxy.example.com:3128")
    assert access.pool.proxy_headers == {"proxy-authorization": "Basic bWU6Y2FuYXJ5QHB3"}
    assert "canary" not in redactor.text("canary@pw")
    stated = loaded(
        host=SERVER, proxy="http://proxy:1", proxy_headers={"proxy_basic_auth": "me:canary", "user_agent": "x"}
    )
    assert stated.pool.proxy_headers == {"user-agent": "x", "proxy-authorization": "Basic bWU6Y2FuYXJ5"}
    assert (
        wrong(host=SERVER, proxy="http://proxy:1", proxy_headers={"wrong": "x"}).findings[0].object == "proxy_headers"
    )
    assert wrong(host=SERVER, proxy="gopher://proxy:1").findings[0].object == "proxy"


def test_whom_to_be() -> None:
    content = kubeconfig(user={"token": "canary", "as": "somebody", "as-groups": ["a", "b"]})
    assert loaded(kubeconfig=content).impersonation == (
        ("Impersonate-User", "somebody"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
    )
    assert loaded(kubeconfig=content, impersonate_user="me").impersonation[0] == ("Impersonate-User", "me")
    assert loaded(kubeconfig=content, api_key="canary-mine").impersonation == ()


def test_secrets_are_learned() -> None:
    redactor = Redactor()
    host = Host(redactor=redactor)
    variable = {"name": "CLIENT", "value": "canary-of-the-plugin"}
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "true", "env": [variable]}
    provider = {"name": "oidc", "config": {"id-token": "canary-id", "refresh-token": "canary-refresh"}}
    for user in (
        {"token": "canary-token"},
        {"username": "me", "password": "canary-password"},
        {"auth-provider": provider},
    ):
        loaded(host, kubeconfig=kubeconfig(user=user))
    with pytest.raises(OptionError):
        loaded(host, kubeconfig=kubeconfig(user={"exec": plugin}))
    loaded(host, host=SERVER, api_key="canary-key")
    assert "canary" not in redactor.text(
        "canary-token canary-password canary-id canary-refresh canary-key canary-of-the-plugin"
    )


def test_nothing_secret_is_shown_of_a_loaded_connection() -> None:
    connection = KubernetesConnection(kubeconfig=kubeconfig())
    access = load_access(connection, Host())
    assert "canary" not in access.source
    assert "canary" not in access.not_taken().message
    assert {field.name for field in dataclasses.fields(KubernetesConnection)} >= {"api_key", "password"}


@pytest.mark.parametrize(
    ("options", "option", "words"),
    [
        ({}, "kubeconfig", "no cluster is named"),
        ({"kubeconfig": "/no/such/file"}, "kubeconfig", "/no/such/file does not exist"),
        ({"kubeconfig": kubeconfig(), "context": "two"}, "context", "It has: one"),
        ({"kubeconfig": kubeconfig(current="")}, "context", "no context is chosen"),
        ({"kubeconfig": {**kubeconfig(), "clusters": []}}, "kubeconfig", "has no address"),
        ({"host": "cluster.example.com"}, "host", "https://HOST:PORT"),
        ({"host": "https://[::1"}, "host", "https://HOST:PORT"),
        ({"host": "https://cluster.example.com:port"}, "host", "https://HOST:PORT"),
        ({"kubeconfig": kubeconfig(cluster={"server": "cluster.example.com"})}, "kubeconfig", "is no address"),
        ({"host": SERVER, "proxy": "http://[::1"}, "proxy", "http://HOST:PORT"),
        ({"host": SERVER, "ca_cert": "/no/such"}, "ca_cert", "/no/such is no file"),
        ({"host": SERVER, "client_cert": "/no/such"}, "client_cert", "/no/such is no file"),
        (
            {"kubeconfig": kubeconfig(cluster={"certificate-authority": "/no/such/ca"})},
            "kubeconfig",
            "File does not exist: /no/such/ca",
        ),
    ],
)
def test_what_cannot_be_used_is_told_by_its_option(options: dict[str, Any], option: str, words: str) -> None:
    error = wrong(**options)
    assert error.findings[0].object == option and words in error.message and error.findings[0].hint


def test_a_file_that_is_no_yaml_is_not_quoted(tmp_path: Path) -> None:
    error = wrong(kubeconfig=written(tmp_path, "config", "a: b\nusers: [token: canary-secret\n}}"))
    assert "canary" not in error.message and "line" in error.message
    assert "canary" not in wrong(kubeconfig="a: b\nusers: [token: canary-secret\n}}").message
    assert "canary" not in wrong(kubeconfig='{"users": [{"user": {"token": "canary-secret"}}]').message
    assert "canary" not in wrong(kubeconfig="--- {users: [canary-secret]").message
    assert authorization(loaded(kubeconfig=json.dumps(kubeconfig()))) == "Bearer canary-one"


@pytest.mark.parametrize("kind", ["file", "content"])
@pytest.mark.parametrize(
    "parts",
    [
        {"users": [{"name": "one-user", "token": "canary-secret"}]},
        {"users": [{"user": {"token": "canary-secret"}}]},
        {"users": {"token": "canary-secret"}},
        {"users": ["canary-secret"]},
        {"users": [{"name": "one-user", "user": "canary-secret"}]},
        {"users": [{"name": "one-user", "user": {"client-certificate-data": "canary-secret"}}]},
        {"users": [{"name": "one-user", "user": {"auth-provider": {"name": "oidc", "config": "canary-secret"}}}]},
        {"clusters": [{"name": "one-cluster", "token": "canary-secret"}]},
    ],
)
def test_what_stands_in_a_kubeconfig_is_not_quoted(tmp_path: Path, parts: dict[str, Any], kind: str) -> None:
    content = {**kubeconfig(), **parts}
    try:
        access = loaded(kubeconfig=content if kind == "content" else written(tmp_path, "config", content))
    except OptionError as error:
        assert "canary" not in error.message
    else:
        assert "canary" not in repr(access)


def test_a_plugins_words_are_told_without_its_secrets() -> None:
    redactor = Redactor()
    command = 'echo "a-fresh-canary-token" >&2; exit 3'
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", command, "sh", "--oidc-client-secret=canary-secret", "--client-secret", "canary-word"],
    }
    with pytest.raises(OptionError) as error:
        loaded(Host(redactor=redactor), kubeconfig=kubeconfig(user={"exec": plugin}))
    assert error.value.findings[0].cause == "credential_plugin_failed"
    assert "exec: process returned 3." in error.value.message and "canary" not in error.value.message
    assert redactor.text("canary-secret canary-word") == "******** ********"


KEYS = (
    *("name", "clusters", "users", "contexts", "context", "cluster", "user", "server", "token", "namespace"),
    *("as", "as-groups", "exec", "args", "env", "auth-provider", "config", "proxy-url", "tls-server-name"),
)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(
            st.sampled_from(KEYS),
            below,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@given(
    st.fixed_dictionaries(
        {"current-context": st.one_of(plain, st.just("one"))},
        optional={name: st.one_of(plain, st.just(kubeconfig()[name])) for name in ("clusters", "users", "contexts")},
    )
)
def test_any_content_gives_an_access_or_an_error_of_ours(content: dict[str, Any]) -> None:
    try:
        loaded(kubeconfig=content)
    except OptionError as error:
        assert error.findings[0].object in ("kubeconfig", "context")


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(authentication, "import_module", without)
    with pytest.raises(GpuopsError) as error:
        loaded(host=SERVER)
    assert error.value.findings[0].cause == "package_missing"
    assert "pip install 'kubernetes>=" in error.value.message
