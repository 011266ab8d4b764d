# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Run:ai project is ready, from the answers of a scripted control plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import runai_examples as examples
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    DOUBTFUL,
    FAILED,
    PASSED,
    UNKNOWN,
    PreflightCheck,
    PreflightNeeds,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from scripted_server import Answer, ScriptedServer

NEEDS = PreflightNeeds(gpus_per_pod=2, pods=2)


def checks(platform: RunaiPlatform, needs: PreflightNeeds = NEEDS) -> dict[str, PreflightCheck]:
    return {check.name: check for check in platform.preflight(needs)}


def with_quota(deserved: float | None, allocated: float, limit: float | None = None) -> dict[str, Any]:
    status = {**examples.project()["status"], "quotaStatus": {"allocated": {"gpu": allocated}}}
    return examples.project(
        status=status,
        totalResources={"gpuQuota": deserved},
        resources=[{"gpu": {"deserved": deserved, "limit": limit}}],
    )


def serve_project(server: ScriptedServer, project: dict[str, Any]) -> None:
    server.on("GET", "/api/v1/org-unit/projects", Answer(200, {"projects": [project]}))


def test_a_ready_project_passes(server: ScriptedServer, platform: RunaiPlatform) -> None:
    serve_project(server, with_quota(8, 2))
    found = checks(platform)
    assert {check.status for check in found.values()} == {PASSED}
    assert list(found) == ["api", "tls", "project", "cluster", "cluster_parts", "quota"]
    assert "2 of 8 GPUs" in found["quota"].evidence
    assert "prod, Run:ai 2.24: Connected" in found["cluster"].evidence
    assert not [asked for asked in server.asked if asked.method != "GET" and "/token" not in asked.path]


def test_an_unknown_project_fails_and_nothing_rests_on_it(server: ScriptedServer, platform: RunaiPlatform) -> None:
    server.on("GET", "/api/v1/org-unit/projects", Answer(200, {"projects": []}))
    found = checks(platform)
    assert list(found) == ["api", "tls", "project"]
    assert (found["project"].status, found["project"].cause) == (FAILED, "project_not_found")


@pytest.mark.parametrize(("phase", "status"), [("Deleting", FAILED), ("NotReady", DOUBTFUL), ("Ready", PASSED)])
def test_the_phase_of_the_project(server: ScriptedServer, platform: RunaiPlatform, phase: str, status: str) -> None:
    serve_project(server, examples.project(status={"namespace": "runai-x", "phase": phase}))
    assert checks(platform)["project"].status == status


@pytest.mark.parametrize(
    ("state", "status"), [("Disconnected", FAILED), ("WaitingToConnect", FAILED), ("Connected", PASSED)]
)
def test_the_state_of_the_cluster(server: ScriptedServer, platform: RunaiPlatform, state: str, status: str) -> None:
    cluster = examples.cluster(status={"state": state, "dependencies": {}})
    server.on("GET", "/api/v1/clusters", Answer(200, [cluster]))
    assert checks(platform)["cluster"].status == status


def test_an_old_cluster_cannot_run_several_pods(server: ScriptedServer, platform: RunaiPlatform) -> None:
    server.on("GET", "/api/v1/clusters", Answer(200, [examples.cluster("2.21.0")]))
    assert checks(platform)["cluster_parts"].status == FAILED
    assert checks(platform, PreflightNeeds(2))["cluster_parts"].status == PASSED


def test_parts_that_the_cluster_misses(server: ScriptedServer, platform: RunaiPlatform) -> None:
    dependencies = {"optional": {"LWS": {"available": False}}}
    cluster = examples.cluster(status={"state": "Connected", "dependencies": dependencies})
    server.on("GET", "/api/v1/clusters", Answer(200, [cluster]))
    check = checks(platform)["cluster_parts"]
    assert check.status == DOUBTFUL
    assert "LWS" in check.evidence


def test_clusters_that_may_not_be_seen_are_unknown(server: ScriptedServer, platform: RunaiPlatform) -> None:
    server.on("GET", "/api/v1/clusters", Answer(403, {"message": "forbidden"}))
    assert checks(platform)["cluster"].status == UNKNOWN


@pytest.mark.parametrize(
    ("deserved", "allocated", "limit", "status"),
    [
        (8, 0, None, PASSED),
        (4, 0, None, PASSED),
        (4, 1, None, DOUBTFUL),
        (2, 0, None, DOUBTFUL),
        (2, 0, 3, FAILED),
        (2, 0, -1, DOUBTFUL),
        (None, 0, None, UNKNOWN),
    ],
)
def test_quota(
    server: ScriptedServer,
    platform: RunaiPlatform,
    deserved: float | None,
    allocated: float,
    limit: float | None,
    status: str,
) -> None:
    serve_project(server, with_quota(deserved, allocated, limit))
    assert checks(platform)["quota"].status == status


def test_the_quota_is_shown_by_node_pool(server: ScriptedServer, platform: RunaiPlatform) -> None:
    pools = [
        {"nodePool": {"name": name}, "gpu": {"deserved": deserved, "limit": None}}
        for name, deserved in (("default", 8), ("a100", 4))
    ]
    serve_project(server, {**with_quota(12, 2), "resources": pools})
    assert "(node pools: default 8, a100 4)" in checks(platform)["quota"].evidence


def test_claims_are_not_shown_by_the_api(platform: RunaiPlatform) -> None:
    assert checks(platform, PreflightNeeds(claims=("models",)))["claim models"].status == UNKNOWN


def test_an_unchecked_certificate_is_told(make_platform: Callable[..., RunaiPlatform]) -> None:
    assert checks(make_platform(runai_validate_certs=False))["tls"].status == DOUBTFUL


def test_refused_credentials_are_an_error_and_no_check(server: ScriptedServer, platform: RunaiPlatform) -> None:
    for path in ("/api/v2/token", "/api/v1/token"):
        server.on("POST", path, Answer(401, {"code": 401, "message": "no"}))
    with pytest.raises(GpuopsError) as refused:
        checks(platform)
    assert "runai_client" in refused.value.message
