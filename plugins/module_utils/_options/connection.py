# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The connection options that every module of the collection accepts, and their way to a ``Connection``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import env_fallback
from ansible_collections.gpuops.inference.plugins.module_utils._options.arguments import ArgumentSpec
from ansible_collections.gpuops.inference.plugins.module_utils._options.kubernetes_connection import (
    kubernetes_connection_argument_spec,
    read_kubernetes_connection,
    read_view_connection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    EndpointConnection,
    RunaiConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

RUNAI = "runai"
KUBERNETES = "kubernetes"
PLATFORMS = (RUNAI, KUBERNETES)


def connection_argument_spec() -> ArgumentSpec:
    """Return the options documented in the fragment ``connection``.

    ``RUNAI_PROJECT`` and ``RUNAI_JOB_NAME`` are never read: Run:ai injects them into its own containers.
    """
    spec: ArgumentSpec = {
        "platform": {"type": "str", "required": True, "choices": list(PLATFORMS)},
        "project": {"type": "str"},
        "expect_cluster": {"type": "str"},
        "runai_url": {"type": "str", "fallback": (env_fallback, ["RUNAI_URL"])},
        "runai_auth": {
            "type": "str",
            "choices": ["credentials", "cli"],
            "default": "credentials",
            "fallback": (env_fallback, ["RUNAI_AUTH"]),
        },
        "runai_client_id": {"type": "str", "fallback": (env_fallback, ["RUNAI_CLIENT_ID"])},
        "runai_client_secret": {"type": "str", "no_log": True, "fallback": (env_fallback, ["RUNAI_CLIENT_SECRET"])},
        "runai_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["RUNAI_TOKEN"])},
        "runai_validate_certs": {
            "type": "bool",
            "default": True,
            "fallback": (env_fallback, ["RUNAI_VALIDATE_CERTS"]),
        },
        "runai_ca_path": {"type": "path", "fallback": (env_fallback, ["RUNAI_CA_PATH"])},
        "runai_client_cert": {"type": "path", "fallback": (env_fallback, ["RUNAI_CLIENT_CERT"])},
        "runai_client_key": {"type": "path", "no_log": False, "fallback": (env_fallback, ["RUNAI_CLIENT_KEY"])},
        "runai_request_timeout": {"type": "int", "default": 30},
        "progress": {
            "type": "str",
            "choices": ["changes", "interval", "none"],
            "default": "changes",
            "fallback": (env_fallback, ["GPUOPS_PROGRESS"]),
        },
    }
    spec.update(kubernetes_connection_argument_spec())
    return spec


def endpoint_argument_spec() -> ArgumentSpec:
    """Return the options documented in the fragment ``endpoint``: how the model's own endpoint is trusted."""
    return {
        "endpoint_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["GPUOPS_ENDPOINT_TOKEN"])},
        "endpoint_ca_path": {"type": "path", "fallback": (env_fallback, ["GPUOPS_ENDPOINT_CA_PATH"])},
        "endpoint_validate_certs": {"type": "bool", "default": True},
    }


def read_connection(params: Mapping[str, Any]) -> Connection:
    """Return the connection of validated, plain ``params``.

    With Kubernetes the options of Run:ai are not looked at: AWX may inject its credentials too. With Run:ai those of
    Kubernetes are the way into the cluster that runs the pods. Raises ``OptionError`` naming the option that is
    missing, or that says where the workload is in the other platform's words.
    """
    platform = params["platform"]
    _check_place(params)
    return Connection(
        platform=platform,
        project=params["project"] if platform == RUNAI else None,
        runai=_read_runai(params) if platform == RUNAI else None,
        kubernetes=read_kubernetes_connection(params) if platform == KUBERNETES else read_view_connection(params),
        endpoint=EndpointConnection(
            token=params.get("endpoint_token"),
            ca_path=params.get("endpoint_ca_path"),
            validate_certs=params.get("endpoint_validate_certs", True),
        ),
        expect_cluster=params["expect_cluster"],
        namespace=params["namespace"] or None,
    )


def _check_place(params: Mapping[str, Any]) -> None:
    """Refuse a place in the other platform's words, since nobody would notice that it does not count."""
    if params["platform"] == RUNAI and params["namespace"]:
        raise OptionError.of("namespace", "On Run:ai it follows from the project.", "Leave it out, and set project.")
    if params["platform"] == RUNAI and not params["project"]:
        raise OptionError.of("project", "it is not set.", "platform: runai needs it.", "missing_option")
    if params["platform"] == KUBERNETES and params["project"]:
        raise OptionError.of(
            "project",
            "Kubernetes has no projects.",
            "Set namespace instead, and queue where the scheduler of Run:ai or KAI places the pods.",
        )


def _read_runai(params: Mapping[str, Any]) -> RunaiConnection:
    """Return the Run:ai part, with what the control plane needs checked before any request."""
    url = params["runai_url"]
    if not url:
        raise OptionError.of(
            "runai_url",
            "the address of the Run:ai control plane is not set.",
            "Set runai_url or the environment variable RUNAI_URL, for example https://tenant.run.ai.",
            "missing_option",
        )
    if not url.startswith("https://"):
        raise OptionError.of(
            "runai_url",
            f"{url!r} is not an https:// address, so a token sent there could be read on the way.",
            "Give the https:// address of the control plane.",
        )
    if params["runai_request_timeout"] < 1:
        raise OptionError.of("runai_request_timeout", "it must be at least 1 second.", "The default is 30.")
    has_credentials = bool(params["runai_client_id"] and params["runai_client_secret"])
    if params["runai_auth"] == "credentials" and not params["runai_token"] and not has_credentials:
        raise OptionError.of(
            "runai_client_id",
            "there is nothing to log in with.",
            "Set runai_client_id and runai_client_secret (RUNAI_CLIENT_ID, RUNAI_CLIENT_SECRET), or runai_token"
            " (RUNAI_TOKEN), or runai_auth: cli to use the login of the Run:ai command line.",
            "missing_option",
        )
    if bool(params["runai_client_cert"]) != bool(params["runai_client_key"]):
        raise OptionError.of(
            "runai_client_cert", "a client certificate needs both parts.", "Set runai_client_cert and runai_client_key."
        )
    return RunaiConnection(
        url=url.rstrip("/"),
        client_id=params["runai_client_id"],
        client_secret=params["runai_client_secret"],
        token=params["runai_token"],
        authentication=params["runai_auth"],
        validate_certs=params["runai_validate_certs"],
        ca_path=params["runai_ca_path"],
        client_cert=params["runai_client_cert"],
        client_key=params["runai_client_key"],
        request_timeout=params["runai_request_timeout"],
    )
