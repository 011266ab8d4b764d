# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``fabric_probe`` on Run:ai without a kubeconfig: trainings that try what the user states.

The pods that are processes see this machine's own ``/sys``, which has no RDMA device: their answer is a real no. A real
yes takes hardware; here it comes from pods that are records only and end well, whatever they are asked. That the
program itself says yes where it should is tested in ``tests/unit/fabric_probe/test_probe_answer.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.modules import run_module
from support.needs import missing, need_pods
from support.sandbox import TRAININGS, SandboxHandle, until

IMAGE = "registry.example.com/stand-in:v1"
SECONDS = 60
RESOURCE = "openshift.io/mellanoxnics"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATED = {"expect": "infiniband", "resources": {RESOURCE: 1}, "annotations": {NETWORKS: "rdma-net"}}


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """A sandbox whose pods are processes, on a machine without RDMA."""
    need_pods()
    devices = Path("/sys/class/infiniband")
    if devices.is_dir() and any(devices.iterdir()):
        missing("a machine without RDMA devices, whose answer is known")
    handle = SandboxHandle(tmp_path_factory.mktemp("fabric") / "state", "--machines", "1")
    yield handle
    handle.end()


@pytest.fixture
def real_pods(real_server: SandboxHandle) -> SandboxHandle:
    """The same without workloads, faults and requests."""
    real_server.reset()
    return real_server


def probe(sandbox: SandboxHandle, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    given = {"image": IMAGE, "start_timeout": SECONDS, "time_limit": SECONDS, **STATED}
    return run_module("fabric_probe", {**sandbox.connection, **given, **options}, check_mode=check_mode)


def judged(result: dict[str, Any]) -> tuple[str, str]:
    return result["decision"]["kind"], result["decision"]["confidence"]


def causes(result: dict[str, Any]) -> list[str]:
    return [finding["cause"] for finding in result["findings"]]


def pods_of_the_run(sandbox: SandboxHandle) -> list[dict[str, Any]]:
    """Return all pods that there were since the sandbox began, page by page: other tests left some, too."""
    pods: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        _status, page = sandbox.api("GET", f"/api/v1/workloads/pods?deleted=true&limit=100&offset={offset}")
        pods += page["pods"]
        offset = page.get("next")
    return pods


def started(sandbox: SandboxHandle) -> int:
    """Return how many trainings were started since the requests were forgotten."""
    return sandbox.writes().count(f"POST {TRAININGS}")


@pytest.mark.parametrize("splitting", ["whitespace", "shell_words", "sh_c"])
def test_a_machine_without_rdma_says_no(real_pods: SandboxHandle, splitting: str) -> None:
    real_pods.switch(command_splitting=splitting)
    result = probe(real_pods)
    assert (result["rc"], judged(result), result["evidence"]["confirmed"]) == (0, ("unusable", "seen"), False), result
    assert (result["changed"], result["looks"], started(real_pods)) == (False, 2, 2)
    assert "fabric_not_confirmed" in causes(result)
    until(lambda: not real_pods.living(), "no training is left", SECONDS)


def test_what_is_required_and_not_confirmed_is_a_failure(real_pods: SandboxHandle) -> None:
    result = probe(real_pods, mode="require_rdma")
    assert (result["rc"], causes(result)[0], judged(result)) == (1, "rdma_required", ("unusable", "seen"))
    assert result["looks"] == 2


def test_an_image_that_is_not_there_leaves_what_is_stated(real_pods: SandboxHandle) -> None:
    result = probe(real_pods, image="registry.example.com/stand-in:missing")
    assert (result["rc"], judged(result), result["evidence"]["confirmed"]) == (0, ("infiniband", "stated"), None)
    assert "image" in causes(result)[0]
    until(lambda: not real_pods.living(), "no training is left", SECONDS)


def test_one_that_does_not_start_in_time_leaves_what_is_stated(real_pods: SandboxHandle) -> None:
    real_pods.switch(creation_seconds=SECONDS)
    result = probe(real_pods, start_timeout=2)
    assert (result["rc"], judged(result), causes(result)[0]) == (0, ("infiniband", "stated"), "look_not_started")


def test_yes_is_usable_and_the_training_asked_for_what_is_stated(sandbox: SandboxHandle) -> None:
    result = probe(sandbox)
    assert (result["rc"], judged(result)) == (0, ("infiniband", "usable")), result
    assert result["evidence"]["confirmed"] is True
    assert (result["changed"], result["looks"], started(sandbox)) == (False, 1, 1)
    assert "NCCL_IB_HCA" not in {variable["name"] for variable in result["decision"]["variables"]}
    ours = [pod for pod in pods_of_the_run(sandbox) if pod["name"].startswith("gpuops-fabric-")]
    asked = [pod["requestedResources"]["extendedResources"] for pod in ours]
    assert [{"resource": RESOURCE, "quantity": "1"}] in asked
    until(lambda: not sandbox.living(), "no training is left", SECONDS)


def test_check_mode_asks_only_where_it_may(sandbox: SandboxHandle) -> None:
    silent = probe(sandbox, check_mode=True)
    assert (silent["rc"], judged(silent), silent["not_looked_at"]) == (0, ("infiniband", "stated"), ["the fabric"])
    assert sandbox.writes() == []
    assert judged(probe(sandbox, check_mode=True, looks_in_check_mode=True)) == ("infiniband", "usable")


def test_who_may_not_start_trainings_keeps_what_is_stated(sandbox: SandboxHandle) -> None:
    refusal = {"code": 403, "message": "You do not have sufficient permissions."}
    sandbox.add_fault({"type": "status", "status": 403, "body": refusal}, "POST", TRAININGS)
    result = probe(sandbox)
    assert (result["rc"], judged(result), causes(result)[0]) == (0, ("infiniband", "stated"), "no_looks"), result


@pytest.mark.parametrize("options", [{"resources": {}}, {"expect": "efa"}, {"expect": "tcp"}], ids=str)
def test_what_no_pod_can_try_starts_nothing(sandbox: SandboxHandle, options: dict[str, Any]) -> None:
    result = probe(sandbox, **options)
    assert (result["rc"], result["looks"], sandbox.writes()) == (0, 0, [])
    assert "no_looks" in causes(result)
