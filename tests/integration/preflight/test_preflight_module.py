# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``preflight_info`` against a real API server and the sandbox: what it finds, and that it only reads."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    cluster_role_manifest,
    role_manifest,
)
from support.cluster import CLAIM, NAMESPACE, ClusterHandle
from support.modules import run_module
from support.sandbox import SandboxHandle

MODULE = "preflight_info"
NEEDS = {"pods": 2, "gpus_per_pod": 2, "claims": [CLAIM]}
RULES = role_manifest(NAMESPACE)["rules"]


def statuses(result: dict[str, Any]) -> dict[str, str]:
    """Return the checks that did not pass."""
    return {check["name"]: check["status"] for check in result["checks"] if check["status"] != "passed"}


def evidence(result: dict[str, Any], name: str) -> str:
    return next(str(check["evidence"]) for check in result["checks"] if check["name"] == name)


def test_a_ready_cluster(cluster: ClusterHandle) -> None:
    result = run_module(MODULE, {**cluster.connection, **NEEDS})
    assert (result["rc"], result["ready"], result["changed"], result["findings"]) == (0, True, False, [])
    assert statuses(result) == {}
    assert "user gpuops-tests" in evidence(result, "credentials")
    assert "4 with 8 x NVIDIA-H100-80GB-HBM3; 32 of 32 GPUs are free" in evidence(result, "gpus")
    assert evidence(result, f"claim {CLAIM}").startswith("Bound, ReadWriteMany")
    assert cluster.writes() == []


def test_the_generated_roles_are_enough_for_everything(cluster: ClusterHandle) -> None:
    connection = cluster.user("gpuops-both", RULES, cluster_rules=cluster_role_manifest()["rules"])
    assert statuses(run_module(MODULE, {**connection, **NEEDS})) == {}


def test_with_the_role_alone_the_cluster_is_not_seen(cluster: ClusterHandle) -> None:
    connection = cluster.user("gpuops-least", RULES)
    result = run_module(MODULE, {**connection, **NEEDS})
    assert statuses(result) == {
        "permissions": "warning",
        "storage": "unknown",
        "gpus": "unknown",
        "priority_classes": "unknown",
    }
    assert "list nodes" in evidence(result, "permissions")
    assert result["ready"]


def test_without_rights_the_missing_ones_are_named_and_the_rest_is_unknown(cluster: ClusterHandle) -> None:
    result = run_module(MODULE, {**cluster.user("gpuops-nobody", []), **NEEDS, "fail_on": "failed"})
    assert result["failed"] and not result["ready"]
    assert result["findings"][0]["cause"] == "permission_denied"
    assert "get, list, watch, create, patch, delete deployments" in evidence(result, "permissions")
    assert statuses(result)["namespace"] == "unknown"
    assert "permissions" in result["msg"]


@pytest.mark.parametrize(("fail_on", "fails"), [("never", False), ("failed", True), ("warning", True)])
def test_what_is_missing_is_told(cluster: ClusterHandle, fail_on: str, fails: bool) -> None:
    wanted = {"pods": 2, "gpus_per_pod": 4, "replicas": 2, "claims": ["no-such-claim"], "fail_on": fail_on}
    result = run_module(MODULE, {**cluster.connection_in("my-project-quota"), **wanted})
    assert statuses(result) == {"quota": "failed", "claim no-such-claim": "failed"}
    assert bool(result.get("failed")) is fails
    assert {finding["cause"] for finding in result["findings"]} == {"quota_exceeded", "volume_claim_missing"}


def test_a_namespace_that_is_not_there(cluster: ClusterHandle) -> None:
    result = run_module(MODULE, {**cluster.connection_in("no-such-namespace"), **NEEDS})
    assert statuses(result) == {"namespace": "failed"}


def test_a_cluster_without_leaderworkersets(cluster: ClusterHandle) -> None:
    cluster.remove_leaderworkersets()
    assert statuses(run_module(MODULE, {**cluster.connection, **NEEDS})) == {"controller": "warning"}
    result = run_module(MODULE, {**cluster.connection, **NEEDS, "replicas": 2})
    assert statuses(result) == {"controller": "failed"}


def test_credentials_that_have_ended_fail_the_task(cluster: ClusterHandle) -> None:
    result = run_module(MODULE, {**cluster.expired_connection(), **NEEDS, "fail_on": "never"})
    assert result["failed"] and not result["ready"]
    assert [check["name"] for check in result["checks"]] == ["connection"]


def test_an_option_that_makes_no_sense_is_named(cluster: ClusterHandle) -> None:
    result = run_module(MODULE, {**cluster.connection, "pods": 0})
    assert result["failed"]
    assert [finding["object"] for finding in result["findings"]] == ["pods"]
    assert cluster.requests() == []


def test_a_ready_project(sandbox: SandboxHandle) -> None:
    result = run_module(MODULE, {**sandbox.connection, "pods": 2, "gpus_per_pod": 2})
    assert (result["rc"], result["ready"], result["changed"]) == (0, True, False)
    assert statuses(result) == {}
    assert sandbox.writes() == []


def test_a_project_that_is_not_there(sandbox: SandboxHandle) -> None:
    result = run_module(MODULE, {**sandbox.connection, "project": "no-such-project"})
    assert statuses(result) == {"project": "failed"}
    assert result["rc"] == 0 and not result["ready"]
