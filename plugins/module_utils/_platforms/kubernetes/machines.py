# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Machines with GPUs, and how many pods have room on them. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import GPU_RESOURCE
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import PlacementSpec, TolerationSpec

Object = Mapping[str, Any]

# Written by NVIDIA's GPU feature discovery.
_PRODUCT_LABEL = "nvidia.com/gpu.product"
_KEEPS_OFF = ("NoSchedule", "NoExecute")
_ENDED = ("Succeeded", "Failed")
# Decimal and binary multiples of Kubernetes' quantities that counts are written with.
_MULTIPLES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_COUNT = re.compile(r"(\d+)(|k|M|G|Ki|Mi|Gi)")


@dataclass(frozen=True)
class Machine:
    """A machine as the API shows it. ``resources`` are the allocatable counts of whole things (GPUs, RDMA devices);
    ``is_open`` says that it is ready and takes new pods. ``labels`` are all that it has."""

    name: str
    product: str
    resources: Mapping[str, int]
    taints: tuple[Object, ...]
    is_open: bool
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def gpus(self) -> int:
        """Return the machine's allocatable GPUs."""
        return self.resources.get(GPU_RESOURCE, 0)


def count_of(quantity: Any) -> int:
    """Return a quantity that counts whole things; 0 for anything else."""
    found = _COUNT.fullmatch(str(quantity))
    return int(found.group(1)) * _MULTIPLES[found.group(2)] if found else 0


def machines_of(nodes: Iterable[Object]) -> list[Machine]:
    """Return the machines with at least one GPU."""
    machines = [_machine(node) for node in nodes]
    return [machine for machine in machines if machine.gpus > 0]


def usable(machines: Iterable[Machine], placement: PlacementSpec) -> list[Machine]:
    """Return the machines that pods with this placement may use, as far as names, taints and readiness say."""
    return [
        machine
        for machine in machines
        if machine.is_open
        and machine.name not in placement.exclude_machines
        and all(_is_tolerated(taint, placement.tolerations) for taint in machine.taints)
    ]


def used_gpus(pods: Iterable[Object]) -> Counter[str]:
    """Return the GPUs that pods have taken, by machine."""
    used: Counter[str] = Counter()
    for pod in pods:
        spec = mapping(pod.get("spec"))
        machine = spec.get("nodeName")
        if machine and mapping(pod.get("status")).get("phase") not in _ENDED:
            used[str(machine)] += sum(_gpus_of(container) for container in mappings(spec.get("containers")))
    return used


def room_for(machines: Iterable[Machine], gpus_per_pod: int, used: Mapping[str, int] | None = None) -> int:
    """Return how many pods of ``gpus_per_pod`` GPUs fit: beside what is ``used``, or with nothing else there."""
    taken = used or {}
    return sum(max(machine.gpus - taken.get(machine.name, 0), 0) // gpus_per_pod for machine in machines)


def in_words(machines: Sequence[Machine]) -> str:
    """Return the machines by product: ``4 with 8 x NVIDIA-H100-80GB-HBM3``."""
    kinds = Counter((machine.gpus, machine.product) for machine in machines)
    return ", ".join(f"{number} with {gpus} x {product}" for (gpus, product), number in sorted(kinds.items()))


def _machine(node: Object) -> Machine:
    meta, spec, status = mapping(node.get("metadata")), mapping(node.get("spec")), mapping(node.get("status"))
    labels = mapping(meta.get("labels"))
    conditions = mappings(status.get("conditions"))
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return Machine(
        name=str(meta.get("name") or ""),
        product=str(labels.get(_PRODUCT_LABEL) or "GPU of unknown product"),
        resources={str(name): count_of(value) for name, value in mapping(status.get("allocatable")).items()},
        taints=tuple(taint for taint in mappings(spec.get("taints")) if taint.get("effect") in _KEEPS_OFF),
        is_open=ready and spec.get("unschedulable") is not True,
        labels={str(name): str(value) for name, value in labels.items()},
    )


def _is_tolerated(taint: Object, tolerations: Iterable[TolerationSpec]) -> bool:
    # Clusters that taint their GPU machines with the resource's name add that toleration themselves
    # (admission plugin ExtendedResourceToleration).
    if taint.get("key") == GPU_RESOURCE:
        return True
    return any(_matches(toleration, taint) for toleration in tolerations)


def _matches(toleration: TolerationSpec, taint: Object) -> bool:
    if toleration.effect is not None and toleration.effect != taint.get("effect"):
        return False
    if toleration.operator == "Exists":
        return not toleration.key or toleration.key == taint.get("key")
    return toleration.key == taint.get("key") and (toleration.value or "") == str(taint.get("value") or "")


def _gpus_of(container: Object) -> int:
    resources = mapping(container.get("resources"))
    asked = mapping(resources.get("requests")).get(GPU_RESOURCE) or mapping(resources.get("limits")).get(GPU_RESOURCE)
    return count_of(asked) if asked is not None else 0
