# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door for plain Kubernetes: kubernetes.core's connection options, and what only Kubernetes takes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.kubernetes_connection import (
    kubeconfig_is_content,
    kubeconfig_secrets,
    kubernetes_connection_argument_spec,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload import (
    read_workload,
    workload_arguments,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.authentication import (
    LOWEST_PACKAGE,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import to_plain
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    DisruptionBudgetSpec,
    ExtraVolume,
    KubernetesSpec,
    NetworkClient,
    NetworkPolicySpec,
    SecretReference,
    ServiceSpec,
)
from support.modules import REPOSITORY

BASE: dict[str, Any] = {
    "platform": "kubernetes",
    "name": "my-llm",
    "image": "registry.example.com/vllm-openai:v0.33.0",
    "model": {"path": "/data/model"},
    "serving": {"access": "cluster_internal"},
}
HOST = "https://kubernetes.example.com:6443"

# kubernetes.core's option, its environment variable, and a value.
CORE_OPTIONS = {
    "kubeconfig": ("K8S_AUTH_KUBECONFIG", "/etc/kubeconfig"),
    "context": ("K8S_AUTH_CONTEXT", "production"),
    "host": ("K8S_AUTH_HOST", HOST),
    "api_key": ("K8S_AUTH_API_KEY", "canary-token"),
    "username": ("K8S_AUTH_USERNAME", "someone"),
    "password": ("K8S_AUTH_PASSWORD", "canary-password"),
    "client_cert": ("K8S_AUTH_CERT_FILE", "/etc/client.pem"),
    "client_key": ("K8S_AUTH_KEY_FILE", "/etc/client.key"),
    "ca_cert": ("K8S_AUTH_SSL_CA_CERT", "/etc/ca.pem"),
    "validate_certs": ("K8S_AUTH_VERIFY_SSL", "false"),
    "proxy": ("K8S_AUTH_PROXY", "http://proxy.example.com:3128"),
    "no_proxy": ("K8S_AUTH_NO_PROXY", "localhost,.example.com"),
    "impersonate_user": ("K8S_AUTH_IMPERSONATE_USER", "somebody"),
    "impersonate_groups": ("K8S_AUTH_IMPERSONATE_GROUPS", "developers,administrators"),
}
ALIASES = {
    "client_cert": "cert_file",
    "client_key": "key_file",
    "ca_cert": "ssl_ca_cert",
    "validate_certs": "verify_ssl",
}
AS_READ: dict[str, Any] = {
    name: value for name, (_variable, value) in CORE_OPTIONS.items() if name != "validate_certs"
} | {"validate_certs": False, "impersonate_groups": ("administrators", "developers")}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("K8S_AUTH_", "RUNAI_")):
            monkeypatch.delenv(name)


def validated(**changes: Any) -> dict[str, Any]:
    """Return parameters that went through the argument parser and became plain."""
    given = {name: value for name, value in {**BASE, **changes}.items() if value is not None}
    result = ArgumentSpecValidator(**workload_arguments().keywords()).validate(given)
    assert not result.error_messages, result.error_messages
    plain: dict[str, Any] = to_plain(result.validated_parameters)
    return plain


def cluster(**changes: Any) -> KubernetesConnection:
    """Return how a cluster is reached with these options."""
    found = read_connection(validated(**changes)).kubernetes
    assert found is not None
    return found


def leaf_types(value: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for entry in dataclasses.fields(value):
            yield from leaf_types(getattr(value, entry.name))
    elif isinstance(value, Mapping):
        for item in value.items():
            yield from (kind for part in item for kind in leaf_types(part))
    elif isinstance(value, (list, tuple)):
        yield from (kind for item in value for kind in leaf_types(item))
    else:
        yield type(value)


def test_nothing_stated_leaves_everything_to_the_kubeconfig() -> None:
    connection = read_connection(validated())
    assert connection.kubernetes == KubernetesConnection()
    assert (connection.runai, connection.project, connection.namespace) == (None, None, None)


def test_options_have_the_names_and_the_meaning_of_kubernetes_core() -> None:
    read = cluster(**{name: value for name, (_variable, value) in CORE_OPTIONS.items()})
    assert {name: getattr(read, name) for name in CORE_OPTIONS} == AS_READ


def test_what_is_not_stated_comes_from_the_environment_variables_of_kubernetes_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in CORE_OPTIONS.values():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("K8S_AUTH_PROXY_HEADERS_USER_AGENT", "ansible")
    read = cluster()
    assert {name: getattr(read, name) for name in CORE_OPTIONS} == AS_READ
    assert read.proxy_headers == {"user_agent": "ansible"}


def test_the_aliases_of_kubernetes_core_are_there() -> None:
    spec = kubernetes_connection_argument_spec()
    assert {name: option["aliases"] for name, option in spec.items() if "aliases" in option} == {
        name: [alias] for name, alias in ALIASES.items()
    }


def test_a_field_that_a_credential_leaves_empty_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (variable, _value) in CORE_OPTIONS.items():
        if name != "validate_certs":
            monkeypatch.setenv(variable, "")
    assert cluster() == KubernetesConnection()


def test_a_path_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert cluster(kubeconfig="~/.kube/config").kubeconfig == "/home/someone/.kube/config"
    assert cluster(kubeconfig="$HOME/config").kubeconfig == "/home/someone/config"


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"host": "kubernetes.example.com:6443"}, "host"),
        ({"host": "http://kubernetes.example.com", "api_key": "canary-secret"}, "host"),
        ({"host": "http://kubernetes.example.com", "username": "me", "password": "canary-secret"}, "host"),
        ({"client_cert": "/c.pem"}, "client_key"),
        ({"client_key": "/c.key"}, "client_cert"),
        ({"username": "me"}, "password"),
        ({"password": "canary-secret"}, "username"),
        ({"impersonate_groups": ["developers"]}, "impersonate_user"),
        ({"kubernetes_request_timeout": 0}, "kubernetes_request_timeout"),
        ({"kubeconfig": "apiVersion: v1\nusers:\n- user: {token: canary-secret\n"}, "kubeconfig"),
        ({"kubeconfig": "just\nthe canary-secret"}, "kubeconfig"),
        ({"kubeconfig": '{"users": [{"user": {"token": "canary-secret"}}]'}, "kubeconfig"),
        ({"kubeconfig": "--- &a [canary-secret, *a]"}, "kubeconfig"),
        ({"kubeconfig": "--- {a: &a {canary-secret: *a}}"}, "kubeconfig"),
        ({"kubeconfig": "Y2FuYXJ5" * 30}, "kubeconfig"),
        ({"kubeconfig": 3}, "kubeconfig"),
        ({"project": "my-project"}, "project"),
    ],
)
def test_a_connection_that_cannot_work_is_refused_by_name(changes: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_connection(validated(**changes))
    assert caught.value.findings[0].object == option
    assert "canary-secret" not in caught.value.message
    assert "Y2FuYXJ5" not in caught.value.message


KUBECONFIG = {"users": [{"name": "me", "user": {"token": "canary-token", "password": 12345678}}]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(KUBECONFIG),
        json.dumps(KUBECONFIG, indent=2),
        "users:\n- name: me\n  user:\n    token: canary-token\n    password: 12345678\n",
        "--- {users: [{name: me, user: {token: canary-token, password: 12345678}}]}",
    ],
)
def test_the_text_of_a_kubeconfig_is_its_content(text: str) -> None:
    assert cluster(kubeconfig=text).kubeconfig == KUBECONFIG
    assert kubeconfig_secrets({"kubeconfig": text}) == ["12345678", "canary-token"]


@pytest.mark.parametrize("path", ["/etc/kubeconfig", "~/.kube/config", "${HOME}/a:b", "", None, " /etc/kubeconfig\n"])
def test_a_path_is_no_content(path: str | None) -> None:
    assert not kubeconfig_is_content(path)


def test_kubectl_proxy_without_credentials_is_let_through() -> None:
    assert cluster(host="http://127.0.0.1:8001/").host == "http://127.0.0.1:8001"


@pytest.mark.parametrize(("changes", "option"), [({}, "project"), ({"namespace": "inference"}, "namespace")])
def test_the_place_on_runai_is_a_project(changes: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_connection(validated(platform="runai", runai_url="https://tenant.run.ai", runai_token="t", **changes))
    assert caught.value.findings[0].object == option


def test_the_credentials_of_runai_do_not_count_on_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNAI_URL", "no address at all")
    assert read_connection(validated()).runai is None


class TestTheWayIntoTheClusterOfRunai:
    """With platform: runai the options of Kubernetes are a second connection, and only what is stated makes one."""

    def read(self, **changes: Any) -> KubernetesConnection | None:
        runai = {"project": "my-project", "runai_url": "https://tenant.run.ai", "runai_token": "t"}
        connection = read_connection(validated(platform="runai", **runai, **changes))
        assert connection.runai is not None and connection.project == "my-project"
        return connection.kubernetes

    def test_without_an_option_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBECONFIG", "/etc/kubeconfig")
        for variable in ("K8S_AUTH_VERIFY_SSL", "K8S_AUTH_PROXY", "K8S_AUTH_NO_PROXY"):
            monkeypatch.setenv(variable, "false" if variable == "K8S_AUTH_VERIFY_SSL" else "proxy.example.com")
        monkeypatch.setenv("K8S_AUTH_KUBECONFIG", "")
        assert self.read() is None

    @pytest.mark.parametrize(
        "given",
        [
            {"kubeconfig": "/etc/kubeconfig"},
            {"kubeconfig": {"current-context": "a"}},
            {"context": "production"},
            {"host": HOST, "api_key": "canary-token"},
            {"host": HOST, "client_cert": "/c.pem", "client_key": "/c.key"},
        ],
    )
    def test_what_is_stated_is_all_there_is(self, given: dict[str, Any]) -> None:
        assert self.read(**given) == KubernetesConnection(**given, only_stated=True)

    def test_the_variables_of_kubernetes_core_state_one_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for variable, value in CORE_OPTIONS.values():
            monkeypatch.setenv(variable, value)
        read = self.read()
        assert read is not None and read.only_stated
        assert {name: getattr(read, name) for name in CORE_OPTIONS} == AS_READ

    @pytest.mark.parametrize(
        ("given", "option"),
        [({"host": "no address at all"}, "host"), ({"username": "half"}, "password")],
    )
    def test_one_that_cannot_work_is_refused_by_name(self, given: dict[str, Any], option: str) -> None:
        with pytest.raises(OptionError) as caught:
            self.read(**given)
        assert caught.value.findings[0].object == option


def test_the_secrets_of_a_kubeconfig_are_known() -> None:
    kubeconfig = {
        "apiVersion": "v1",
        "clusters": [{"name": "gpu", "cluster": {"server": HOST, "certificate-authority-data": "public"}}],
        "users": [
            {"name": "a", "user": {"token": "canary-1", "tokenFile": "/var/token"}},
            {"name": "b", "user": {"username": "me", "password": "canary-2"}},
            {"name": "c", "user": {"client-certificate-data": "public", "client-key-data": "canary-3"}},
            {"name": "d", "user": {"auth-provider": {"name": "oidc", "config": {"id-token": "canary-4"}}}},
            {
                "name": "e",
                "user": {
                    "exec": {
                        "command": "login",
                        "args": ["--client-secret", "canary-6", "--token=canary-7", "-c", "x --apiToken 'canary-8'"],
                        "env": [
                            {"name": "LOGIN_TOKEN", "value": "canary-5"},
                            {"name": "PROFILE", "value": "default"},
                        ],
                    }
                },
            },
        ],
    }
    assert kubeconfig_secrets({"kubeconfig": kubeconfig}) == [f"canary-{number}" for number in range(1, 9)]
    assert kubeconfig_secrets({"kubeconfig": "/etc/kubeconfig"}) == kubeconfig_secrets({}) == []


def test_who_holds_fields_may_be_overridden() -> None:
    assert cluster(force_conflicts=True).force_conflicts is True


def test_what_only_kubernetes_takes_becomes_plain_values() -> None:
    params = validated(
        controller="leaderworkerset",
        priority_class="low",
        scheduler="kai-scheduler",
        queue="team-a",
        service_account="vllm",
        node_selector={"nvidia.com/gpu.count": 8, "dedicated": True},
        affinity={"podAffinity": {"x": [1]}},
        extra_volumes=[{"name": "ca", "path": "/etc/ca", "source": {"configMap": {"name": "ca"}}}],
        capabilities=["SYS_NICE", "IPC_LOCK", "SYS_NICE"],
        shm_size="16Gi",
        scratch_size="20Gi",
        exclusive_topology="topology.kubernetes.io/rack",
        subgroup_size=2,
        subgroup_topology="kubernetes.io/hostname",
        service={"type": "load_balancer", "annotations": {"internal": True}},
        network_policy={
            "clients": [
                {"namespace_labels": {"kubernetes.io/metadata.name": "chat"}, "pod_labels": {"tier": 1}},
                {"namespace_labels": {}},
                {"cidr": "10.0.0.0/8"},
            ]
        },
        disruption_budget={},
        service_monitor=True,
        service_monitor_labels={"release": "prometheus"},
    )
    spec = read_workload(params).kubernetes
    assert spec == KubernetesSpec(
        controller="leaderworkerset",
        priority_class="low",
        scheduler="kai-scheduler",
        queue="team-a",
        service_account="vllm",
        node_selector={"nvidia.com/gpu.count": "8", "dedicated": "true"},
        affinity={"podAffinity": {"x": [1]}},
        extra_volumes=(ExtraVolume("ca", "/etc/ca", {"configMap": {"name": "ca"}}, read_only=True),),
        capabilities=("IPC_LOCK", "SYS_NICE"),
        shm_size="16Gi",
        scratch_size="20Gi",
        exclusive_topology="topology.kubernetes.io/rack",
        subgroup_size=2,
        subgroup_topology="kubernetes.io/hostname",
        service=ServiceSpec("load_balancer", {"internal": "true"}),
        network_policy=NetworkPolicySpec(
            (
                NetworkClient({"kubernetes.io/metadata.name": "chat"}, {"tier": "1"}, None),
                NetworkClient({}, None, None),
                NetworkClient(None, None, "10.0.0.0/8"),
            )
        ),
        disruption_budget=DisruptionBudgetSpec(1),
        service_monitor=True,
        service_monitor_labels={"release": "prometheus"},
    )
    assert set(leaf_types(spec)) <= {str, int, bool, type(None)}


def test_what_is_not_asked_for_is_not_there() -> None:
    assert read_workload(validated()).kubernetes == KubernetesSpec()


def test_the_key_of_vllm_stays_a_reference() -> None:
    serving = {"access": "vllm_api_key", "api_key_secret": {"secret": "vllm", "key": "api-key"}}
    assert read_workload(validated(serving=serving)).serving.api_key_secret == SecretReference("vllm", "api-key")


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"node_selector": {"a": ["x"]}}, "node_selector.a"),
        ({"service": {"annotations": {"a": {}}}}, "service.annotations.a"),
        ({"service_monitor_labels": {"a": []}}, "service_monitor_labels.a"),
        (
            {"network_policy": {"clients": [{"cidr": "10.0.0.0/8"}, {"pod_labels": {"a": []}}]}},
            "network_policy.clients[1].a",
        ),
    ],
)
def test_a_value_that_is_no_text_is_refused_by_name(changes: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_workload(validated(**changes))
    assert caught.value.findings[0].object == option


def test_the_oldest_client_that_works_is_the_same_everywhere() -> None:
    needed = (REPOSITORY / "meta" / "ee-requirements.txt").read_text(encoding="utf-8")
    assert f"\nkubernetes>={LOWEST_PACKAGE}\n" in needed
    documented = (REPOSITORY / "plugins" / "doc_fragments" / "_connection.py").read_text(encoding="utf-8")
    assert f"  - kubernetes >= {LOWEST_PACKAGE} (" in documented
