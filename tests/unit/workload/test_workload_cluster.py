# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster would refuse after the platform accepted it is refused before anything is changed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_names import memory_bytes
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    PlacementSpec,
    ResourcesSpec,
    SecretReference,
    ServingSpec,
    TolerationSpec,
    VolumeSpec,
)
from workload_examples import plan_of


def tolerating(**parts: Any) -> dict[str, Any]:
    return {"placement": PlacementSpec(tolerations=(TolerationSpec(**{"key": "nvidia.com/gpu", **parts}),))}


def offering(resources: dict[str, int]) -> dict[str, Any]:
    return {"fabric": FabricDecision("infiniband", resources=resources)}


REFUSALS: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"labels": {"bad key!": "x"}}, "labels", ["'bad key!'"]),
    ({"labels": {"": "x"}}, "labels", ["''"]),
    ({"labels": {"/team": "x"}}, "labels", ["'/team'"]),
    ({"labels": {"Example.com/team": "x"}}, "labels", ["'Example.com/team'", "prefix"]),
    ({"labels": {"example.com/a/b": "x"}}, "labels", ["'example.com/a/b'"]),
    ({"labels": {"a" * 64: "x"}}, "labels", ["63"]),
    ({"labels": {"team": "a" * 64}}, "labels.team", ["63"]),
    ({"labels": {"team": "two words"}}, "labels.team", ["'two words'"]),
    ({"labels": {"team": "-x"}}, "labels.team", ["'-x'"]),
    ({"labels": {"team": "x\n"}}, "labels.team", ["'x\\n'"]),
    ({"annotations": {"a b": "x"}}, "annotations", ["'a b'"]),
    ({"fabric": FabricDecision("tcp", annotations={"a b": "x"})}, "fabric.annotations", ["'a b'"]),
    ({"volumes": (VolumeSpec("UPPER", "/data"),)}, "volumes[0].claim", ["'UPPER'", "lower-case"]),
    ({"volumes": (VolumeSpec("a/b", "/data"),)}, "volumes[0].claim", ["'a/b'"]),
    ({"volumes": (VolumeSpec("a" * 254, "/data"),)}, "volumes[0].claim", ["253"]),
    ({"volumes": (VolumeSpec("a", "/data:x"),)}, "volumes[0].path", ["':'"]),
    ({"image_pull_secrets": ("",)}, "image_pull_secrets", ["''"]),
    ({"image_pull_secrets": ("a_b",)}, "image_pull_secrets", ["'a_b'"]),
    ({"env": {"A": SecretReference("My_Secret", "key")}}, "env.A", ["'My_Secret'"]),
    ({"env": {"A": SecretReference("s", "a b")}}, "env.A", ["'a b'", "key of a Secret"]),
    ({"env": {"A": SecretReference("s", "..")}}, "env.A", ["'..'"]),
    ({"env": {"A": "x" * 140_000}}, "env.A", ["131072"]),
    ({"resources": ResourcesSpec(cpu_request=-1)}, "resources.cpu_request", ["-1"]),
    ({"resources": ResourcesSpec(cpu_limit=0)}, "resources.cpu_limit", ["0 is not"]),
    ({"resources": ResourcesSpec(cpu_request=float("nan"))}, "resources.cpu_request", ["nan"]),
    ({"resources": ResourcesSpec(cpu_request=float("inf"))}, "resources.cpu_request", ["inf"]),
    ({"resources": ResourcesSpec(cpu_request=8, cpu_limit=4)}, "resources.cpu_limit", ["below"]),
    ({"resources": ResourcesSpec(memory_request="lots")}, "resources.memory_request", ["'lots'", "64Gi"]),
    ({"resources": ResourcesSpec(memory_request="64 Gi")}, "resources.memory_request", ["'64 Gi'"]),
    ({"resources": ResourcesSpec(memory_request="64GB")}, "resources.memory_request", ["'64GB'"]),
    ({"resources": ResourcesSpec(memory_request="500m")}, "resources.memory_request", ["'500m'"]),
    ({"resources": ResourcesSpec(memory_limit="0")}, "resources.memory_limit", ["less than one byte"]),
    ({"resources": ResourcesSpec(memory_limit="-1Gi")}, "resources.memory_limit", ["'-1Gi'"]),
    (
        {"resources": ResourcesSpec(memory_request="64Gi", memory_limit="64G")},
        "resources.memory_limit",
        ["below resources.memory_request"],
    ),
    (tolerating(key="a b"), "tolerations[0].key", ["'a b'"]),
    (tolerating(key=""), "tolerations[0].key", ["''"]),
    (tolerating(operator="Equal"), "tolerations[0].value", ["Exists"]),
    (tolerating(operator="Exists", value="x"), "tolerations[0].value", ["Equal"]),
    (tolerating(operator="Equal", value="a b"), "tolerations[0].value", ["'a b'"]),
    (tolerating(seconds=5), "tolerations[0].seconds", ["NoExecute"]),
    (tolerating(seconds=5, effect="NoSchedule"), "tolerations[0].seconds", ["NoExecute"]),
    (tolerating(seconds=0, effect="NoExecute"), "tolerations[0].seconds", ["less than 1"]),
    ({"placement": PlacementSpec(node_pools=("a", ""))}, "node_pools", ["empty"]),
    ({"placement": PlacementSpec(node_pools=("a b",))}, "node_pools", ["'a b'"]),
    ({"placement": PlacementSpec(node_type="")}, "node_type", ["empty"]),
    ({"placement": PlacementSpec(exclude_machines=("gpu 1",))}, "exclude_machines", ["'gpu 1'"]),
    (offering({"": 1}), "fabric.resources", ["''"]),
    (offering({"hca": 1}), "fabric.resources", ["'hca'", "rdma/"]),
    (offering({"kubernetes.io/hca": 1}), "fabric.resources", ["'kubernetes.io/hca'"]),
    (offering({"rdma/h ca": 1}), "fabric.resources", ["'rdma/h ca'"]),
    (offering({"rdma/ib": 0}), "fabric.resources.rdma/ib", ["at least 1"]),
    (
        {"serving": ServingSpec("authorized_users", authorized_users=("a@example.com", " "))},
        "serving.authorized_users",
        ["empty"],
    ),
]


@pytest.mark.parametrize(("changes", "option", "parts"), REFUSALS, ids=[f"{i}-{r[1]}" for i, r in enumerate(REFUSALS)])
def test_what_the_cluster_refuses_is_refused_by_option(changes: dict[str, Any], option: str, parts: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        plan_of(**changes)
    assert caught.value.findings[0].object == option
    assert all(part in caught.value.message for part in parts), caught.value.message


def test_what_the_cluster_takes_passes() -> None:
    tolerations = (
        TolerationSpec("nvidia.com/gpu"),
        TolerationSpec("dedicated", "Equal", "llm", "NoSchedule"),
        TolerationSpec("node.kubernetes.io/not-ready", effect="NoExecute", seconds=30),
    )
    plan = plan_of(
        labels={"team": "ml.platform_1", "example.com/Cost-Center": "", "7": "7"},
        annotations={"Example.com/Note": "any text, even two lines\n"},
        volumes=(VolumeSpec("my-project.models-1", "/data"),),
        image_pull_secrets=("registry.example.com-pull",),
        env={"HF_TOKEN": SecretReference("hub", ".dockerconfigjson")},
        resources=ResourcesSpec(0.5, 8, "64Gi", "64Gi"),
        placement=PlacementSpec(("default", "h200_pool"), "gpu", "none", ("gpu-1.example.com",), tolerations),
        fabric=FabricDecision("infiniband", resources={"rdma/hca_shared_devices_a": 1, "openshift.io/nics": 2}),
    )
    assert plan.leader.labels["team"] == "ml.platform_1"


@pytest.mark.parametrize(
    ("quantity", "size"),
    [("1", 1), ("+1.5k", 1500), ("1.5Gi", 3 * 2**29), ("2e3", 2000), ("1E", 10**18), ("1E2", 100), (".5Ki", 512)],
)
def test_memory_is_read_as_kubernetes_does(quantity: str, size: int) -> None:
    assert memory_bytes(quantity, "resources.memory_request") == size
