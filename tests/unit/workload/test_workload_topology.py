# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TP, PP and DP: every GPU is used, or the sentence says what would idle and what fits."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.topology import decide_topology, fitting_sizes
from hypothesis import given, settings
from hypothesis import strategies as st
from workload_examples import plan_of, workload

LAYOUTS: list[tuple[dict[str, Any], tuple[int, int, int]]] = [
    ({"pods": 2, "gpus_per_pod": 2}, (2, 2, 1)),
    ({"pods": 4, "gpus_per_pod": 4}, (4, 4, 1)),
    ({"pods": 1, "gpus_per_pod": 2}, (2, 1, 1)),
    ({"pods": 1, "gpus_per_pod": 1}, (1, 1, 1)),
    ({"pods": 2, "gpus_per_pod": 2, "tensor_parallel_size": 2}, (2, 2, 1)),
    ({"pods": 2, "gpus_per_pod": 2, "pipeline_parallel_size": 4}, (1, 4, 1)),
    ({"pods": 2, "gpus_per_pod": 2, "pipeline_parallel_size": 2}, (2, 2, 1)),
    ({"pods": 2, "gpus_per_pod": 2, "data_parallel_size": 2}, (2, 1, 2)),
    ({"pods": 2, "gpus_per_pod": 2, "data_parallel_size": 4}, (1, 1, 4)),
    ({"pods": 4, "gpus_per_pod": 2, "data_parallel_size": 2}, (2, 2, 2)),
    ({"pods": 1, "gpus_per_pod": 4, "tensor_parallel_size": 2, "data_parallel_size": 2}, (2, 1, 2)),
    ({"pods": 1, "gpus_per_pod": 4, "tensor_parallel_size": 2, "pipeline_parallel_size": 2}, (2, 2, 1)),
    ({"pods": 2, "gpus_per_pod": 2, "tensor_parallel_size": 4, "allow_cross_pod_tp": True}, (4, 1, 1)),
    ({"pods": 2, "gpus_per_pod": 2, "pipeline_parallel_size": 1, "allow_cross_pod_tp": True}, (4, 1, 1)),
]


@pytest.mark.parametrize(("changes", "sizes"), LAYOUTS)
def test_layouts(changes: dict[str, Any], sizes: tuple[int, int, int]) -> None:
    topology, decisions = decide_topology(workload(**changes))
    found = (topology.tensor_parallel_size, topology.pipeline_parallel_size, topology.data_parallel_size)
    assert found == sizes
    assert {item.name for item in decisions if item.source == "user"} == set(changes) & {
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
    }


REFUSED: list[tuple[dict[str, Any], str, list[str]]] = [
    (
        {"pods": 2, "gpus_per_pod": 2, "tensor_parallel_size": 2, "pipeline_parallel_size": 1},
        "tensor_parallel_size",
        ["= 2, but pods 2 x gpus_per_pod 2 = 4 GPUs: 2 GPUs would idle", "pipeline_parallel_size 2"],
    ),
    (
        {"pods": 1, "gpus_per_pod": 4, "tensor_parallel_size": 1},
        "tensor_parallel_size",
        ["3 GPUs would idle", "data_parallel_size 4"],
    ),
    (
        {"pods": 1, "gpus_per_pod": 2, "tensor_parallel_size": 2, "pipeline_parallel_size": 2},
        "tensor_parallel_size",
        ["2 GPUs are missing", "tensor_parallel_size 2, pipeline_parallel_size 1"],
    ),
    (
        {"pods": 3, "gpus_per_pod": 1, "data_parallel_size": 2},
        "tensor_parallel_size",
        ["1 GPU would idle", "data_parallel_size 3"],
    ),
    (
        {"pods": 2, "gpus_per_pod": 2, "tensor_parallel_size": 4},
        "tensor_parallel_size",
        ["more than the 2 GPUs of one pod", "allow_cross_pod_tp", "pipeline_parallel_size 2"],
    ),
    (
        {
            "pods": 3,
            "gpus_per_pod": 4,
            "tensor_parallel_size": 6,
            "pipeline_parallel_size": 2,
            "allow_cross_pod_tp": True,
        },
        "tensor_parallel_size",
        ["middle of a pod"],
    ),
    (
        {"pods": 3, "gpus_per_pod": 4, "tensor_parallel_size": 2, "pipeline_parallel_size": 3, "data_parallel_size": 2},
        "data_parallel_size",
        ["6 GPUs", "middle of a pod"],
    ),
]


@pytest.mark.parametrize(("changes", "option", "parts"), REFUSED)
def test_refused_layouts_say_what_is_wrong_and_what_fits(
    changes: dict[str, Any], option: str, parts: list[str]
) -> None:
    with pytest.raises(OptionError) as caught:
        plan_of(**changes)
    assert caught.value.message.startswith(f"{option}: ")
    assert all(part in caught.value.message for part in [*parts, "What fits: "]), caught.value.message


@given(st.integers(1, 12), st.integers(1, 8))
@settings(max_examples=100)
def test_what_is_said_to_fit_is_accepted(pods: int, gpus_per_pod: int) -> None:
    for tensor, pipeline, data in fitting_sizes(pods, gpus_per_pod):
        spec = workload(
            pods=pods,
            gpus_per_pod=gpus_per_pod,
            tensor_parallel_size=tensor,
            pipeline_parallel_size=pipeline,
            data_parallel_size=data,
        )
        topology, _decisions = decide_topology(spec)
        assert topology.world_size == pods * gpus_per_pod


def test_more_of_each_fits_than_nothing() -> None:
    assert fitting_sizes(2, 2)[0] == (2, 2, 1)
    assert (2, 1, 2) in fitting_sizes(2, 2)
