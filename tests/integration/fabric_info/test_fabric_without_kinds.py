# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``fabric_info`` where the cluster serves none of the kinds that speak of fabrics, and its options."""

from __future__ import annotations

from typing import Any

from support.cluster import ClusterHandle
from support.fabric_objects import KINDS
from support.modules import run_module
from support.results import causes

MODULE = "fabric_info"


def look(connection: dict[str, Any], **options: Any) -> dict[str, Any]:
    return run_module(MODULE, {**connection, "pods": 2, "gpus_per_pod": 8, **options})


def test_kinds_that_are_not_served_are_named(cluster: ClusterHandle) -> None:
    shown = look(cluster.connection)["evidence"]["cluster"]
    assert shown["unseen"] == {kind.kind: "the cluster does not serve this kind" for kind in KINDS}
    assert [group["names"] for group in shown["machines"]] == [["gpu-1", "gpu-2", "gpu-3", "gpu-4"]]


def test_the_users_own_variables_win_and_secrets_are_not_shown(cluster: ClusterHandle) -> None:
    result = look(cluster.connection, variables={"NCCL_SOCKET_IFNAME": "=eth7"})
    assert result["rc"] == 0, result
    found = {variable["name"]: variable["value"] for variable in result["decision"]["variables"]}
    assert found["NCCL_SOCKET_IFNAME"] == "=eth7"
    refused = look(cluster.connection, variables={"MY_TOKEN": "canary-of-a-variable"})
    assert refused["failed"] and "MY_TOKEN" in refused["msg"]
    assert "canary-of-a-variable" not in str(refused)


def test_a_wrong_option_is_named_before_anything_is_asked(cluster: ClusterHandle) -> None:
    result = look(cluster.connection, pods=0)
    assert result["failed"] and [finding["object"] for finding in result["findings"]] == ["pods"]
    assert cluster.requests() == []


def test_credentials_that_have_ended_fail_the_task(cluster: ClusterHandle) -> None:
    result = look(cluster.expired_connection())
    assert result["failed"] and "evidence" not in result
    assert len(causes(result)) == 1
