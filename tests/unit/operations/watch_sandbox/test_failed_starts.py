# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed starts and broken engines in the sandbox (a simulator, pods without processes): the right cause comes out.

Time runs faster for the watcher, so that times of grace pass within a second.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._operations.smoke_test import (
    SmokeTestOptions,
    run_smoke_test,
)
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import Watcher
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    AppliedRecord,
    LiveWorkload,
    Platform,
    RenderedWorkload,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection, RunaiConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_platform
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.planner import plan_workload
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    ModelSpec,
    SecretReference,
    ServingSpec,
    VolumeSpec,
    WorkloadSpec,
)

from gpuops_sandbox.testing import RunningSandbox, running_sandbox

TIMES_FASTER = 30.0
# A name is in use for a moment after its workload was deleted.
NAMES = (f"w{number}" for number in itertools.count())
MODELS = (VolumeSpec("my-project-models", "/data"),)
QUICK = {
    "creation_seconds": 0.02,
    "recreate_seconds": 0.2,
    "restart_backoff_seconds": 0.2,
    "image_backoff_seconds": 0.2,
}
DEFAULTS = {"crash_loop_phase": "Initializing", "lws_installed": True, "phase_messages": True}


class Bench:
    """A sandbox and a platform that points at it; every workload has a name of its own."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.host = Host(
            clock=lambda: time.monotonic() * TIMES_FASTER, sleep=lambda seconds: time.sleep(seconds / TIMES_FASTER)
        )
        state = sandbox.state
        runai = RunaiConnection(state["api_url"], state["client_id"], state["client_secret"], ca_path=state["ca_path"])
        self.platform: Platform = make_platform(Connection("runai", state["project"], runai), self.host)

    def create(self, **options: Any) -> LiveWorkload:
        """Create the recipe's topology (2 pods x 2 GPUs) on the stand-in image, with ``options`` over it."""
        stated = {
            "image": "registry.example.com/stand-in:v0.33.0",
            "pods": 2,
            "gpus_per_pod": 2,
            "volumes": MODELS,
            "preemptibility": "preemptible",
            **options,
        }
        serving = ServingSpec("authenticated_users", external=True)
        spec = WorkloadSpec(next(NAMES), model=ModelSpec("/data/m", ("mistral4",)), serving=serving, **stated)
        rendered = self.platform.render(plan_workload(spec, self.platform.traits))
        return self.platform.create(rendered, AppliedRecord({}, rendered.body))

    def create_body(self, **spec: Any) -> LiveWorkload:
        """Create a distributed workload from a body that somebody else wrote."""
        port = {"port": 8000, "authorizationType": "authenticatedUsers", "exposeExternally": True}
        body = {"spec": {"replicas": 1, "servingPort": port, **spec}}
        rendered = RenderedWorkload("distributed-inferences", next(NAMES), body)
        return self.platform.create(rendered, AppliedRecord({}, body))

    def watch(self, live: LiveWorkload, pods: int = 2, budget: float = 60.0) -> Any:
        """Wait for the workload; return what came out, the error included."""
        try:
            return Watcher(self.platform, self.host).wait_until_running(live, budget, budget, pods)
        except GpuopsError as error:
            return error

    def smoke(self, live: LiveWorkload, **options: Any) -> dict[str, Any]:
        """Return the smoke test's verdict."""
        asked = SmokeTestOptions(**{"time_limit": 5.0, "route_limit": 10.0, **options})
        return run_smoke_test(self.platform, self.host, live.name, asked).as_dict()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), switches=QUICK) as running:
        yield running


@pytest.fixture
def bench(sandbox: RunningSandbox) -> Iterator[Bench]:
    """A bench whose workloads are deleted at the end, and with the switches as they were."""
    bench = Bench(sandbox)
    yield bench
    sandbox.admin("PUT", "/switches", DEFAULTS)
    for workload in sandbox.admin("GET", "/state")["workloads"]:
        live = None if workload["deleted"] else bench.platform.find(workload["name"])
        if live is not None:
            bench.platform.delete(live)


FAILED_STARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "no such image": ("image_pull_failed", {"image": "registry.example.com/stand-in:missing"}),
    "engine ends": ("crash_loop", {"env": {"STAND_IN_EXIT_CODE": "2"}}),
    "follower ends": ("crash_loop", {"env": {"STAND_IN_EXIT_CODE": "2", "STAND_IN_ROLE": "follower"}}),
    "engine ends, pods stay": ("crash_loop", {"env": {"STAND_IN_EXIT_CODE": "2"}, "restart_policy": "none"}),
    "no such claim": ("volume_claim_missing", {"volumes": (VolumeSpec("nowhere", "/data"),)}),
    "no such Secret": ("secret_or_configmap_missing", {"env": {"HF_TOKEN": SecretReference("nowhere", "token")}}),
}


@pytest.mark.parametrize("case", FAILED_STARTS)
def test_the_cause_ends_the_wait_long_before_the_budget(bench: Bench, case: str) -> None:
    cause, options = FAILED_STARTS[case]
    error = bench.watch(bench.create(**options), budget=3600)
    assert isinstance(error, GpuopsError)
    assert error.findings[0].cause == cause
    assert "Last seen: " in error.message


@pytest.mark.parametrize("phase", ["Initializing", "Failed", "Degraded"])
@pytest.mark.parametrize("messages", [True, False])
def test_a_crash_loop_is_seen_whatever_the_platform_calls_it(bench: Bench, phase: str, messages: bool) -> None:
    bench.sandbox.admin("PUT", "/switches", {"crash_loop_phase": phase, "phase_messages": messages})
    error = bench.watch(bench.create(env={"STAND_IN_EXIT_CODE": "2"}), budget=3600)
    assert isinstance(error, GpuopsError)
    assert error.findings[0].cause == "crash_loop"


def test_a_cluster_without_leaderworkerset(bench: Bench) -> None:
    bench.sandbox.admin("PUT", "/switches", {"lws_installed": False})
    error = bench.watch(bench.create(), budget=3600)
    assert isinstance(error, GpuopsError)
    assert error.findings[0].cause == "lws_missing"


@pytest.mark.parametrize(
    ("preemptibility", "cause"), [("preemptible", "unschedulable"), ("non_preemptible", "quota_exceeded")]
)
def test_a_queue_without_end_is_explained(bench: Bench, preemptibility: str, cause: str) -> None:
    error = bench.watch(bench.create(gpus_per_pod=64, preemptibility=preemptibility), budget=20)
    assert isinstance(error, GpuopsError)
    assert [finding.cause for finding in error.findings[:2]] == ["schedule_timeout", cause]
    assert "GPUs" in error.message


def test_an_engine_that_never_gets_ready_is_explained(bench: Bench) -> None:
    error = bench.watch(bench.create(env={"STAND_IN_NEVER_READY": "1"}), budget=20)
    assert isinstance(error, GpuopsError)
    assert [finding.cause for finding in error.findings] == ["start_timeout", "readiness_failing"]


def test_a_healthy_workload_runs_and_passes(bench: Bench) -> None:
    live = bench.create()
    assert set(bench.watch(live).seconds) == {"queue", "start"}
    verdict = bench.smoke(live)
    assert verdict["verdict"] == "passed", verdict
    assert verdict["world_size"]["value"] == 4
    assert [pod["role"] for pod in verdict["pods_seen"]].count("leader") == 1
    bench.platform.delete(live)
    assert Watcher(bench.platform, bench.host).wait_until_gone(live, 600).status is None


def test_the_recipes_literal_command_fails_l0(bench: Bench) -> None:
    arguments = "--model /data/m --served-model-name mistral4 --tensor-parallel-size 2 --port 8000"
    role = {"image": "registry.example.com/stand-in:v1", "args": arguments, "compute": {"gpuDevicesRequest": 2}}
    live = bench.create_body(workers=2, leader=role, worker=role)
    bench.watch(live, pods=3)
    verdict = bench.smoke(live)
    assert [level["status"] for level in verdict["levels"]] == ["failed", "passed", "passed"]
    assert verdict["findings"][0]["cause"] == "independent_engines"
    assert "2 of 6 GPUs serve" in verdict["findings"][0]["evidence"]


@pytest.mark.parametrize(
    ("env", "options", "cause"),
    [
        ({"STAND_IN_CHAT_STATUS": "500"}, {}, "completion_failed"),
        ({"STAND_IN_CHAT_HANGS": "1"}, {"time_limit": 0.5}, "completion_timeout"),
        ({}, {"served_names": ("other",)}, "model_not_served"),
    ],
)
def test_engines_that_run_and_do_not_answer(
    bench: Bench, env: dict[str, str], options: dict[str, Any], cause: str
) -> None:
    live = bench.create(env=env)
    bench.watch(live)
    verdict = bench.smoke(live, **options)
    assert verdict["verdict"] == "failed"
    assert [finding["cause"] for finding in verdict["findings"]] == [cause]


def test_an_endpoint_inside_the_cluster_only_stays_unknown(bench: Bench) -> None:
    command = {"command": "vllm serve", "args": "/data/m --served-model-name mistral4 -tp 2"}
    role = {"image": "registry.example.com/stand-in:v1", **command, "compute": {"gpuDevicesRequest": 2}}
    port = {"port": 8000, "authorizationType": "authenticatedUsers", "exposeExternally": False}
    live = bench.create_body(workers=0, leader=role, servingPort=port)
    bench.watch(live, pods=1)
    verdict = bench.smoke(live)
    assert verdict["verdict"] == "unknown"
    assert [level["status"] for level in verdict["levels"]] == ["passed", "unknown", "unknown"]
    assert verdict["findings"][0]["cause"] == "not_reachable_from_here"
