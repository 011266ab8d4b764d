# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result shows of a kubeconfig: its path, and never its content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import perform
from ansible_collections.gpuops.inference.plugins.module_utils._options.kubernetes_connection import (
    kubernetes_connection_argument_spec,
    read_kubernetes_connection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor

PLUGIN = {"command": "kubelogin", "args": ["get-token", "--client-secret", "canary-argument"]}
CONTENT = {"users": [{"name": "a", "user": {"token": "canary-token"}}, {"name": "b", "user": {"exec": PLUGIN}}]}
MASKED = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def shown(kubeconfig: Any) -> dict[str, Any]:
    """Return the result of an operation that repeats the secrets, given this kubeconfig."""
    spec = kubernetes_connection_argument_spec()
    params = {**{name: option.get("default") for name, option in spec.items()}, "kubeconfig": kubeconfig}

    def operation(params: dict[str, Any], host: Host) -> dict[str, Any]:
        connection = read_kubernetes_connection(params)
        return {"changed": False, "words": "canary-token canary-argument", "given": connection.kubeconfig}

    return perform(operation, spec, params, Host(redactor=Redactor()))


@pytest.mark.parametrize("content", [CONTENT, json.dumps(CONTENT), json.dumps(CONTENT, indent=1)])
def test_the_content_of_a_kubeconfig_is_masked_as_one(content: Any) -> None:
    result = shown(content)
    assert result["invocation"]["module_args"]["kubeconfig"] == MASKED
    assert result["words"] == "******** ********"
    assert "canary" not in json.dumps(result)


@pytest.mark.parametrize("content", ['{"token": "canary-token"', "token: {canary-token\n}}", ["canary-token"]])
def test_what_cannot_be_read_is_masked_too(content: Any) -> None:
    result = shown(content)
    assert result["failed"] and result["findings"][0]["object"] == "kubeconfig"
    assert result["invocation"]["module_args"]["kubeconfig"] == MASKED
    assert "canary" not in json.dumps(result)


def test_a_path_stays_visible() -> None:
    assert shown("/etc/kubeconfig")["invocation"]["module_args"]["kubeconfig"] == "/etc/kubeconfig"
    assert shown(None)["invocation"]["module_args"]["kubeconfig"] is None
