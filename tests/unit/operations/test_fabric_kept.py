# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running workload keeps the decision that it was deployed with, and nobody looks again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.decide import asked_of
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ClusterEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._operations import fabric, fabric_probe
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import perform
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import (
    fabric_info_arguments,
    read_fabric_inputs,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_probe import fabric_probe_arguments
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    DEGRADED,
    DELETING,
    FAILED,
    INITIALIZING,
    PENDING,
    RUNNING,
    STOPPED,
    AppliedRecord,
    LiveWorkload,
    Target,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricPlacement
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision, FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

ASKED = {"platform": "kubernetes", "image": "example:v1", "workload": "my-llm", "variables": {"NCCL_IB_TC": "106"}}


class KeepingView:
    """A fabric in whose place a workload runs; ``asked`` counts how often the fabric itself was asked for."""

    platform = None
    answers_only = False
    looks_refused = None

    def __init__(self, live: LiveWorkload | None) -> None:
        self._live = live
        self.asked = 0

    def target(self) -> Target:
        return Target("kubernetes", "https://cluster.example.com")

    def workload(self, name: str) -> LiveWorkload | None:
        return self._live if name == "my-llm" else None

    def evidence(self, placement: FabricPlacement) -> ClusterEvidence:
        self.asked += 1
        return ClusterEvidence(machines=())


def parameters(**options: Any) -> dict[str, Any]:
    arguments = fabric_probe_arguments()
    given = {**ASKED, **options}
    return dict(ArgumentSpecValidator(**arguments.keywords()).validate(given).validated_parameters)


def applied() -> FabricDecision:
    inputs = asked_of(read_fabric_inputs(parameters()))
    variables = (FabricVariable("NCCL_IB_HCA", "=mlx5_0:1", "it was up", "the looks from pods"),)
    return FabricDecision("infiniband", "usable", inputs, variables, {"rdma/ib": 1})


def live(**changes: Any) -> LiveWorkload:
    record = AppliedRecord({}, {}, applied().as_dict())
    return replace(LiveWorkload("my-llm", "LeaderWorkerSet", "my-llm", RUNNING, True, {}, record), **changes)


def run(
    monkeypatch: pytest.MonkeyPatch, module: str, found: LiveWorkload | None, **options: Any
) -> tuple[dict[str, Any], int]:
    """Run a module's operation. Returns the result and how often the fabric itself was asked for."""
    view = KeepingView(found)
    params, host = parameters(**options), Host()
    if module == "fabric_info":
        monkeypatch.setattr(fabric, "make_fabric_view", lambda connection, host: view)
        result = perform(fabric.read_fabric, fabric_info_arguments().argument_spec, params, host)
    else:
        monkeypatch.setattr(fabric_probe, "make_fabric_view", lambda connection, host: view)
        result = perform(fabric_probe.probe_fabric, fabric_probe_arguments().argument_spec, params, host)
    return result, view.asked


@pytest.mark.parametrize("module", ["fabric_info", "fabric_probe"])
class TestKept:
    def test_a_running_workload_keeps_its_decision(self, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
        result, asked = run(monkeypatch, module, live())
        assert asked == 0
        assert result["decision"] == applied().as_dict()
        assert (result["changed"], result["findings"], result.get("looks", 0)) == (False, [], 0)
        assert any("NCCL_IB_HCA==mlx5_0:1" in line for line in result["table"])
        assert "nobody looked again" in " ".join(result["table"])

    @pytest.mark.parametrize("phase", [DEGRADED, PENDING, INITIALIZING, STOPPED])
    def test_one_that_starts_or_serves_in_part_keeps_it_too(
        self, monkeypatch: pytest.MonkeyPatch, module: str, phase: str
    ) -> None:
        """Its own pods may hold the devices that a look would wait for."""
        assert run(monkeypatch, module, live(phase=phase))[1] == 0

    def test_one_that_runs_without_a_decision_keeps_none(self, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
        """A newer collection starts no pod anew: it was deployed when nothing was decided."""
        result, asked = run(monkeypatch, module, live(record=AppliedRecord({}, {}, None)), variables={})
        assert (asked, result["decision"]) == (0, None)
        assert "replan" in " ".join(result["table"])

    def test_a_variable_that_looks_secret_is_refused(self, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
        result, asked = run(monkeypatch, module, None, variables={"RDMAV_SECRET": "abcdefgh1"})
        assert result["failed"] and "RDMAV_SECRET" in result["msg"] and "abcdefgh1" not in str(result) and asked == 0

    @pytest.mark.parametrize(
        "options",
        [{"replan": True}, {"mode": "tcp_only"}, {"variables": {}}, {"pods": 3}, {"workload": "another"}],
        ids=str,
    )
    def test_another_wish_is_decided_anew(
        self, monkeypatch: pytest.MonkeyPatch, module: str, options: dict[str, Any]
    ) -> None:
        assert run(monkeypatch, module, live(), **options)[1] == 1

    @pytest.mark.parametrize(
        "workload",
        [
            None,
            live(phase=FAILED),
            live(phase=DELETING),
            live(record=None),
            live(record=AppliedRecord({}, {}, None)),
            live(record=AppliedRecord({}, {}, FabricDecision("tcp", "stated", {"mode": "tcp"}).as_dict())),
        ],
        ids=["none", "failed", "ending", "not ours", "without a fabric", "stated by hand"],
    )
    def test_where_there_is_nothing_to_keep_it_is_decided(
        self, monkeypatch: pytest.MonkeyPatch, module: str, workload: LiveWorkload | None
    ) -> None:
        assert run(monkeypatch, module, workload)[1] == 1

    def test_a_name_that_no_workload_has_is_refused(self, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
        result, asked = run(monkeypatch, module, live(), workload="My LLM")
        assert result["failed"] and "workload" in result["msg"] and asked == 0
