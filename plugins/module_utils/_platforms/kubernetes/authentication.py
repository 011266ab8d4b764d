# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""How an API server is reached and as whom: options, else a kubeconfig, else the service account of the own pod.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.credential_ends import (
    end_of_certificate,
    end_of_token,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.kubeconfig import (
    DEFAULT_FILE,
    Kubeconfig,
    errors_logged,
    read_kubeconfig,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import looks_secret

# Where Kubernetes puts the name of the namespace that a pod is in.
POD_NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
# Lowest version of the package, as in meta/ee-requirements.txt.
LOWEST_PACKAGE = "28.1.0"
_PLUGIN_ENDED = re.compile(r"exec: process returned -?\d+")
_SECRETS_OF_A_USER = ("token", "password", "client-key-data")


@dataclass
class Access:
    """One loading of the connection. ``pool`` is the package's urllib3 pool, ``source`` says where the credentials come
    from, ``option`` is the option that the user would change for others."""

    address: str
    cluster: str | None
    namespace: str | None
    pool: Any
    impersonation: tuple[tuple[str, str], ...]
    source: str
    option: str
    configuration: Any
    host: Host

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers that say as whom a request is made. A token about to end is renewed by the package."""
        with self._lock, errors_logged():
            setting = self.configuration.auth_settings().get("BearerToken") or {}
        value = setting.get("value")
        if not value:
            return list(self.impersonation)
        self.host.redactor.learn(str(value), str(value).partition(" ")[2])
        return [("Authorization", str(value)), *self.impersonation]

    def not_taken(self) -> GpuopsError:
        """Return the error of credentials that the API server does not take (401)."""
        ended = self._ended()
        if ended is not None:
            found = f"the credentials ({self.source}) ended on {ended:%Y-%m-%d at %H:%M:%S} UTC."
            finding = Finding(ERROR, "credentials_expired", found, "Get new ones.", self.option)
            return GpuopsError.from_finding(finding)
        found = f"the API server {self.address} does not accept the credentials ({self.source}; 401)."
        hint = "Check that they belong to this cluster and that the user or service account still exists."
        return GpuopsError.from_finding(Finding(ERROR, "credentials_refused", found, hint, self.option))

    def _ended(self) -> datetime | None:
        """Return when the token or the client certificate ended, where it says so and that is past."""
        token = dict(self.headers()).get("Authorization", "").partition(" ")[2]
        end = end_of_token(token) if token else _end_of_file(self.configuration.cert_file)
        return end if end is not None and end <= datetime.now(timezone.utc) else None


def load_access(connection: KubernetesConnection, host: Host) -> Access:
    """Load how the API server is reached. Runs an exec plugin where the kubeconfig has one; sends no request.

    Raises ``OptionError`` for what cannot be used, and ``GpuopsError`` where the package is missing.
    """
    _need_package()
    from kubernetes.client import Configuration

    learn_secrets(connection, host)
    configuration = Configuration()
    kubeconfig = _chosen_kubeconfig(connection, host.temporary_directory)
    namespace = kubeconfig.namespace if kubeconfig else None
    if kubeconfig is not None:
        _learn_user(kubeconfig.user, host)
        errors = kubeconfig.fill(configuration)
        source, option = kubeconfig.source, "kubeconfig"
        if errors and not _states_credentials(connection):
            raise OptionError.of(
                "kubeconfig",
                f"the credential plugin of {source} failed: {host.redactor.text(_reason(errors))}.",
                "Run it by hand, or give api_key.",
                "credential_plugin_failed",
            )
    elif connection.host:
        source, option = "no credentials", "api_key"
    elif connection.only_stated:
        raise OptionError.of("kubeconfig", "no cluster is named.", "Set kubeconfig, or host and api_key.")
    else:
        namespace = _fill_from_pod(configuration)
        source, option = "the service account of this pod", "api_key"
    stated = _state(connection, configuration)
    if stated:
        source, option = f"option {stated}", stated
    impersonation = _impersonation(connection, kubeconfig)
    return Access(
        address=configuration.host,
        cluster=kubeconfig.cluster if kubeconfig else None,
        namespace=namespace,
        pool=_pool(connection, kubeconfig, configuration, host),
        impersonation=impersonation,
        source=source + (f", as {impersonation[0][1]}" if impersonation else ""),
        option=option,
        configuration=configuration,
        host=host,
    )


def unchecked_by(connection: KubernetesConnection) -> str:
    """Return the option that turns the check of the API server's certificate off; nothing where it is checked.

    Reads the kubeconfig, runs no plugin and sends no request. Raises ``OptionError`` for a kubeconfig of no use.
    """
    stated = _stated_check(connection)
    if stated is not None:
        return "" if stated else "validate_certs"
    kubeconfig = _chosen_kubeconfig(connection, None)
    off = kubeconfig is not None and kubeconfig.cluster_entry.get("insecure-skip-tls-verify")
    return "kubeconfig" if off else ""


def _stated_check(connection: KubernetesConnection) -> bool | None:
    """Return whether the options have the API server's certificate checked; ``None`` where they do not say."""
    if connection.validate_certs is not None:
        return connection.validate_certs
    return True if connection.ca_cert else None


def learn_secrets(connection: KubernetesConnection, host: Host) -> None:
    """Let the redactor know what of the options is secret."""
    host.redactor.learn(connection.api_key or "", connection.password or "")
    host.redactor.learn(*(str(value) for value in connection.proxy_headers.values() if ":" in str(value)))
    for address in (connection.host, connection.proxy):
        host.redactor.learn(unquote(_password_of(address or "")))


def _password_of(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return ""


def _need_package() -> None:
    try:
        import_module("kubernetes.client")
        import_module("kubernetes.config")
    except ImportError as missing:
        raise GpuopsError.from_finding(
            Finding(
                ERROR,
                "package_missing",
                f"the Python package kubernetes is needed and cannot be imported by {sys.executable} ({missing}).",
                f"Install it there: {sys.executable} -m pip install 'kubernetes>={LOWEST_PACKAGE}'.",
                "kubernetes",
            )
        ) from None


def _chosen_kubeconfig(connection: KubernetesConnection, temporary_directory: str | None) -> Kubeconfig | None:
    """Return the kubeconfig that the options name; the default one only where no host is given, so that nobody's token
    goes to another cluster's address; ``None`` where there is none."""
    content = connection.kubeconfig
    if not content and connection.only_stated:
        if connection.context:
            found = "it is the name of a context, and no kubeconfig is given that has it."
            raise OptionError.of("context", found, "Set kubeconfig: no usual file is read here.")
        return None
    if not content:
        content = os.environ.get("KUBECONFIG") or DEFAULT_FILE
        if connection.host and not connection.context:
            return None
        exists = any(os.path.exists(os.path.expanduser(path)) for path in content.split(os.pathsep) if path)
        if not exists and not connection.context:
            return None
    return read_kubeconfig(content, connection.context, temporary_directory)


def _fill_from_pod(configuration: Any) -> str | None:
    """Set what Kubernetes gives to the pod that this runs in; return the pod's namespace."""
    config = import_module("kubernetes.config")
    try:
        config.load_incluster_config(client_configuration=configuration)
    except (config.ConfigException, OSError):
        raise OptionError.of(
            "kubeconfig",
            f"no cluster is named: KUBECONFIG and {DEFAULT_FILE} are not there, and this is no pod.",
            "Set kubeconfig, or host and api_key.",
        ) from None
    try:
        with open(POD_NAMESPACE_FILE, encoding="utf-8") as file:
            return file.read().strip() or None
    except OSError:
        return None


def _check_address(address: str, option: str) -> None:
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise OptionError.of(option, f"{address!r} is no address of an API server.", "Write https://HOST:PORT.")


def _states_credentials(connection: KubernetesConnection) -> bool:
    return bool(connection.api_key or connection.username or connection.client_cert)


def _state(connection: KubernetesConnection, configuration: Any) -> str:
    """Set what the options state over what was loaded; return the option that states the credentials, or nothing.

    Stated credentials replace all others: an API server that gets two believes the certificate and not the token.
    """
    from urllib3.util import make_headers

    for option in ("ca_cert", "client_cert", "client_key"):
        path = getattr(connection, option)
        if path and not os.path.isfile(path):
            raise OptionError.of(option, f"{path} is no file.", "Give the path of a PEM file.")
    if connection.host:
        _check_address(connection.host, "host")
        configuration.host = connection.host.rstrip("/")
    _check_address(configuration.host, "kubeconfig")
    if connection.ca_cert:
        configuration.ssl_ca_cert = connection.ca_cert
    stated_check = _stated_check(connection)
    if stated_check is not None:
        configuration.verify_ssl = stated_check
    if connection.tls_server_name:
        configuration.tls_server_name = connection.tls_server_name
    if not _states_credentials(connection):
        return ""
    configuration.refresh_api_key_hook = None
    configuration.cert_file, configuration.key_file = connection.client_cert, connection.client_key
    configuration.api_key = {}
    if connection.api_key:
        configuration.api_key = {"authorization": f"Bearer {connection.api_key}"}
        return "api_key"
    if connection.username:
        basic = make_headers(basic_auth=f"{connection.username}:{connection.password or ''}")
        configuration.api_key = {"authorization": basic["authorization"]}
        return "username"
    return "client_cert"


def _impersonation(connection: KubernetesConnection, kubeconfig: Kubeconfig | None) -> tuple[tuple[str, str], ...]:
    """Return the headers of the user to act as; the package leaves out what a kubeconfig says about that."""
    user, groups = connection.impersonate_user, connection.impersonate_groups
    if not user and kubeconfig is not None and not _states_credentials(connection):
        user = kubeconfig.user.get("as")
        groups = groups or _texts(kubeconfig.user.get("as-groups"))
    if not user:
        return ()
    return (("Impersonate-User", str(user)), *(("Impersonate-Group", group) for group in groups))


def _pool(connection: KubernetesConnection, kubeconfig: Kubeconfig | None, configuration: Any, host: Host) -> Any:
    """Return the package's pool of connections, with its proxy: the option's, the kubeconfig's, the environment's."""
    from kubernetes.client.rest import RESTClientObject
    from urllib3.exceptions import InsecureRequestWarning

    environment = getproxies_environment()
    stated = connection.proxy or (mapping(kubeconfig.cluster_entry).get("proxy-url") if kubeconfig else None)
    proxy = stated or environment.get(urlsplit(configuration.host).scheme) or environment.get("all")
    configuration.proxy = proxy
    configuration.no_proxy = connection.no_proxy or environment.get("no")
    configuration.retries = False
    if not configuration.verify_ssl:
        # Preflight tells it; urllib3 would write it to stderr for every connection.
        warnings.simplefilter("ignore", InsecureRequestWarning)
    try:
        if proxy:
            configuration.proxy_headers = _proxy_headers(connection, str(proxy), host)
        return RESTClientObject(configuration).pool_manager
    except (ValueError, AssertionError, ImportError) as error:
        found = f"the proxy cannot be used ({host.redactor.text(str(error))})."
        raise OptionError.of("proxy", found, "Give http://HOST:PORT.") from None


def _proxy_headers(connection: KubernetesConnection, proxy: str, host: Host) -> Mapping[str, str]:
    """Return the headers for the proxy; the option's keys are kubernetes.core's, which are urllib3's."""
    from urllib3.util import make_headers

    options = {key: value for key, value in connection.proxy_headers.items() if value is not None}
    parts = urlsplit(proxy)
    if parts.username and "proxy_basic_auth" not in options:
        host.redactor.learn(unquote(parts.password or ""))
        options["proxy_basic_auth"] = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    try:
        headers: Mapping[str, str] = make_headers(**options)
    except TypeError:
        known = "proxy_basic_auth, basic_auth and user_agent"
        raise OptionError.of("proxy_headers", "a key is not known.", f"Known are {known}.") from None
    return headers


def _learn_user(user: Mapping[str, Any], host: Host) -> None:
    """Let the redactor know what of a kubeconfig's user is secret."""
    host.redactor.learn(*(str(user[key]) for key in _SECRETS_OF_A_USER if user.get(key)))
    provider = mapping(mapping(user.get("auth-provider")).get("config"))
    host.redactor.learn(*(str(value) for key, value in provider.items() if "token" in key or "secret" in key))
    plugin = mapping(user.get("exec"))
    for variable in mappings(plugin.get("env")):
        host.redactor.learn_guesses(str(variable.get("value") or ""))
    arguments = _texts(plugin.get("args"))
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if looks_secret(option.lstrip("-").replace("-", "_")):
            # `--client-secret=VALUE`, or the value as the next word.
            host.redactor.learn(value if equals else "".join(arguments[place + 1 : place + 2]))


def _reason(errors: list[str]) -> str:
    """Return why a plugin failed, without what it wrote itself: that may hold a token."""
    ended = _PLUGIN_ENDED.match(errors[0])
    return ended[0] if ended else errors[0]


def _texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a list; nothing where ``value`` is no list."""
    return tuple(str(entry) for entry in value) if isinstance(value, list) else ()


def _end_of_file(path: str | None) -> datetime | None:
    """Return when the client certificate in a file ends."""
    if not path:
        return None
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return end_of_certificate(file.read())
    except OSError:
        return None
