# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of ``fabric_info``: what is asked of the fabric, as frozen plain values."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import (
    EXPECTED_KINDS,
    fabric_info_arguments,
    read_fabric_inputs,
    read_fabric_placement,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.fabric import FabricPlacement
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import to_plain
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import TolerationSpec


class TaggedText(str):
    """A text as ansible-core 2.19 and later hands it in: a subclass of ``str``."""


def validated(**options: Any) -> dict[str, Any]:
    """Return parameters that went through the argument parser and became plain."""
    result = ArgumentSpecValidator(**fabric_info_arguments().keywords()).validate({"platform": "kubernetes", **options})
    assert not result.error_messages, result.error_messages
    plain: dict[str, Any] = to_plain(result.validated_parameters)
    return plain


def test_without_options_the_defaults_are_those_of_the_values() -> None:
    assert read_fabric_inputs(validated()) == FabricInputs()
    assert read_fabric_placement(validated()) == FabricPlacement()


def test_everything_that_is_given_arrives() -> None:
    options = validated(
        mode="require_rdma",
        pods="4",
        gpus_per_pod=8,
        variables={TaggedText("NCCL_IB_HCA"): TaggedText("=mlx5_0:1"), "NCCL_IB_TC": 41, "NCCL_X": True},
        resources={"rdma/ib": "2"},
        annotations={"k8s.v1.cni.cncf.io/networks": "rdma-net"},
        expect="infiniband",
        nccl_debug=False,
        run_as={"uid": 3000},
    )
    assert read_fabric_inputs(options) == FabricInputs(
        mode="require_rdma",
        pods=4,
        gpus_per_pod=8,
        variables={"NCCL_IB_HCA": "=mlx5_0:1", "NCCL_IB_TC": "41", "NCCL_X": "true"},
        resources={"rdma/ib": 2},
        annotations={"k8s.v1.cni.cncf.io/networks": "rdma-net"},
        expect="infiniband",
        nccl_debug=False,
        uid=3000,
    )
    found = read_fabric_inputs(options)
    assert {type(text) for pair in found.variables.items() for text in pair} == {str}


def test_machines_are_chosen_by_labels_and_taints() -> None:
    options = validated(node_selector={"pool": 7}, tolerations=[{"key": "gpu", "effect": "NoSchedule"}])
    assert read_fabric_placement(options) == FabricPlacement(
        {"pool": "7"}, (TolerationSpec("gpu", effect="NoSchedule"),)
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"pods": 0}, "pods"),
        ({"gpus_per_pod": -1}, "gpus_per_pod"),
        ({"run_as": {"uid": 0}}, "run_as.uid"),
        ({"run_as": {"uid": 2**31}}, "run_as.uid"),
        ({"variables": {"NCCL IB": "1"}}, "variables"),
        ({"variables": {"": "1"}}, "variables"),
        ({"variables": {"NCCL_IB_HCA": ["mlx5_0"]}}, "variables.NCCL_IB_HCA"),
        ({"resources": {"rdma/ib": "many"}}, "resources.rdma/ib"),
        ({"resources": {"rdma/ib": 0}}, "resources.rdma/ib"),
        ({"annotations": {"a": {}}}, "annotations.a"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_fabric_inputs(validated(**options))
    assert [finding.object for finding in caught.value.findings] == [named]


def test_every_input_has_its_option() -> None:
    names = {field.name for field in dataclasses.fields(FabricInputs)} - {"uid"}
    assert names <= set(fabric_info_arguments().argument_spec)
    assert EXPECTED_KINDS == ("infiniband", "roce", "efa", "gke", "tcp")
