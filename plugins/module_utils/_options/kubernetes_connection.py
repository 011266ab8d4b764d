# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The connection options of Kubernetes: names, aliases and environment variables are those of ``kubernetes.core``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import env_fallback
from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import looks_secret

# How the text of a kubeconfig looks: a mapping's brace or another mark of YAML or JSON, several lines, or base64 as it
# stands in a Secret object. A path may hold ``${HOME}``.
_CONTENT = re.compile(r"\s*(?:[{\[%]|---)|.*(?:(?<!\$)\{|[\r\n])|[A-Za-z0-9+][A-Za-z0-9+/]{99,}={0,2}$")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Options that say which cluster is meant, or as whom; all others only say how it is reached.
_MEANS_A_CLUSTER = ("kubeconfig", "context", "host", "api_key", "username", "client_cert")


def kubernetes_connection_argument_spec() -> ArgumentSpec:
    """Return the options about how the API server of a cluster is reached."""
    return {
        "namespace": {"type": "str"},
        "kubeconfig": {"type": "raw", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG"])},
        "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
        "host": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_HOST"])},
        "api_key": {"type": "str", "no_log": True, "fallback": (env_fallback, ["K8S_AUTH_API_KEY"])},
        "username": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_USERNAME"])},
        "password": {"type": "str", "no_log": True, "fallback": (env_fallback, ["K8S_AUTH_PASSWORD"])},
        "client_cert": {
            "type": "path",
            "aliases": ["cert_file"],
            "fallback": (env_fallback, ["K8S_AUTH_CERT_FILE"]),
        },
        "client_key": {
            "type": "path",
            "aliases": ["key_file"],
            "no_log": False,
            "fallback": (env_fallback, ["K8S_AUTH_KEY_FILE"]),
        },
        "ca_cert": {
            "type": "path",
            "aliases": ["ssl_ca_cert"],
            "fallback": (env_fallback, ["K8S_AUTH_SSL_CA_CERT"]),
        },
        "validate_certs": {
            "type": "bool",
            "aliases": ["verify_ssl"],
            "fallback": (env_fallback, ["K8S_AUTH_VERIFY_SSL"]),
        },
        "tls_server_name": {"type": "str"},
        "proxy": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_PROXY"])},
        "no_proxy": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_NO_PROXY"])},
        "proxy_headers": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "basic_auth": {
                    "type": "str",
                    "no_log": True,
                    "fallback": (env_fallback, ["K8S_AUTH_PROXY_HEADERS_BASIC_AUTH"]),
                },
                "proxy_basic_auth": {
                    "type": "str",
                    "no_log": True,
                    "fallback": (env_fallback, ["K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH"]),
                },
                "user_agent": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_PROXY_HEADERS_USER_AGENT"])},
            },
        },
        "impersonate_user": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_IMPERSONATE_USER"])},
        "impersonate_groups": {
            "type": "list",
            "elements": "str",
            "fallback": (env_fallback, ["K8S_AUTH_IMPERSONATE_GROUPS"]),
        },
        "kubernetes_request_timeout": {"type": "int", "default": 30},
    }


def read_kubernetes_connection(params: Mapping[str, Any]) -> KubernetesConnection:
    """Return the Kubernetes part, with what makes no sense refused before any request.

    An empty text means the same as none: AWX sets the environment variables of fields that are left empty.
    """
    if params["kubernetes_request_timeout"] < 1:
        raise OptionError.of("kubernetes_request_timeout", "it must be at least 1 second.", "The default is 30.")
    groups = tuple(sorted({group for group in params["impersonate_groups"] or () if group}))
    _check_pairs(params)
    _check_host(params)
    if groups and not params["impersonate_user"]:
        raise OptionError.of(
            "impersonate_user", "it is not set.", "Kubernetes takes impersonate_groups only with it.", "missing_option"
        )
    headers = {name: value for name, value in (params["proxy_headers"] or {}).items() if value}
    return KubernetesConnection(
        kubeconfig=_read_kubeconfig(params["kubeconfig"]),
        context=params["context"] or None,
        host=(params["host"] or "").rstrip("/") or None,
        api_key=params["api_key"] or None,
        username=params["username"] or None,
        password=params["password"] or None,
        client_cert=params["client_cert"] or None,
        client_key=params["client_key"] or None,
        ca_cert=params["ca_cert"] or None,
        validate_certs=params["validate_certs"],
        tls_server_name=params["tls_server_name"] or None,
        proxy=params["proxy"] or None,
        no_proxy=params["no_proxy"] or None,
        proxy_headers=headers,
        impersonate_user=params["impersonate_user"] or None,
        impersonate_groups=groups,
        request_timeout=params["kubernetes_request_timeout"],
        force_conflicts=params.get("force_conflicts", False),
    )


def read_view_connection(params: Mapping[str, Any]) -> KubernetesConnection | None:
    """Return the way into the cluster that runs another platform's pods; ``None`` where no option names one.

    Only what was stated leads there: neither the usual file nor the account of the own pod says that it is meant.
    """
    if not any(params[option] for option in _MEANS_A_CLUSTER):
        return None
    return replace(read_kubernetes_connection(params), only_stated=True)


def kubeconfig_secrets(params: Mapping[str, Any]) -> list[str]:
    """Return the secret values inside a ``kubeconfig`` that was given as its content; ``no_log`` cannot reach them."""
    given = params.get("kubeconfig")
    if isinstance(given, str):
        given = _parsed(given) if kubeconfig_is_content(given) else None
    return sorted(set(_secrets_below(given)) - {""})


def kubeconfig_is_content(given: Any) -> bool:
    """Say whether the option ``kubeconfig`` holds a kubeconfig itself, as a dictionary or as text, and not a path."""
    return bool(_CONTENT.match(given.strip())) if isinstance(given, str) else given is not None


def _parsed(text: str) -> dict[str, Any] | None:
    """Return the dictionary that a kubeconfig's text (JSON or YAML) stands for, in JSON's types; ``None`` if none."""
    try:
        import yaml

        # A date of YAML becomes text; what contains itself is refused.
        parsed = json.loads(json.dumps(yaml.load(text, yaml.SafeLoader), default=str))
    except Exception:
        # Whatever it is, its words quote the text.
        return None
    return parsed if isinstance(parsed, dict) else None


def _secrets_below(value: Any) -> Iterator[str]:
    """Yield what stands behind a secret's key, and what a login program gets in variables and options of such names."""
    if isinstance(value, list):
        for entry in value:
            yield from _secrets_below(entry)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if isinstance(item, (str, int)) and not isinstance(item, bool) and _names_secret(key):
            yield str(item)
        elif key == "args" and isinstance(item, list):
            yield from _secrets_of_arguments([str(entry) for entry in item])
        else:
            yield from _secrets_below(item)
    if isinstance(value.get("value"), str) and looks_secret(str(value.get("name"))):
        yield value["value"]


def _names_secret(name: Any) -> bool:
    """Say whether a key (``client-secret``) or an option (``--client-secret``) of this name holds a secret."""
    return name == "client-key-data" or looks_secret(str(name).lstrip("-").replace("-", "_"))


def _secrets_of_arguments(arguments: list[str]) -> Iterator[str]:
    """Yield the values of secret options, ``--option=value`` and ``--option value``, in a shell's one word, too."""
    for words in (arguments, *(argument.split() for argument in arguments)):
        for word, following in zip(words, [*words[1:], ""], strict=True):
            option, equals, value = word.strip("\"'").partition("=")
            # The next option is no value: this one takes none.
            if _names_secret(_CAPITAL.sub("_", option)) and (equals or not following.startswith("--")):
                yield (value if equals else following).strip("\"'")


def _check_pairs(params: Mapping[str, Any]) -> None:
    """Refuse halves of what only works as a pair."""
    for first, second in (("client_cert", "client_key"), ("username", "password")):
        if bool(params[first]) != bool(params[second]):
            missing = second if params[first] else first
            raise OptionError.of(
                missing, "it is not set.", f"{first} and {second} only work together.", "missing_option"
            )


def _check_host(params: Mapping[str, Any]) -> None:
    """Refuse an address that is none, and one at which a secret could be read on the way."""
    host = params["host"]
    if not host:
        return
    if not host.startswith(("https://", "http://")):
        raise OptionError.of(
            "host", f"{host!r} is not an address.", "Write it like https://kubernetes.example.com:6443."
        )
    if host.startswith("http://") and (params["api_key"] or params["password"]):
        raise OptionError.of(
            "host",
            f"{host!r} is not an https:// address, so the credentials could be read on the way.",
            "Give the https:// address of the API server, or no credentials (as with kubectl proxy).",
        )


def _read_kubeconfig(kubeconfig: Any) -> str | Mapping[str, Any] | None:
    """Return the path with ``~`` and variables filled in, or the content; its text is never repeated in a message."""
    if not kubeconfig:
        return None
    if isinstance(kubeconfig, dict):
        return kubeconfig
    if not isinstance(kubeconfig, str):
        raise OptionError.of(
            "kubeconfig", f"{type(kubeconfig).__name__} found.", "Give the path of the file, or a dictionary."
        )
    if kubeconfig_is_content(kubeconfig):
        content = _parsed(kubeconfig)
        if content is None:
            found = "it is neither the path of a file nor the text of a kubeconfig (YAML or JSON)."
            raise OptionError.of("kubeconfig", found, "Give the path of the file, or its content as a dictionary.")
        return content
    return os.path.expanduser(os.path.expandvars(kubeconfig.strip()))
