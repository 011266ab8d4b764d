# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Evidence in one order and in plain letters, so that the same evidence always leads to the same decision and table.

Machines and pods come in any order, and a pod's report may hold anything.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ClusterEvidence,
    Evidence,
    FabricMachine,
)

_LONGEST_TEXT = 300


def in_order(evidence: Evidence) -> Evidence:
    """Return the same evidence, sorted, with the texts that come from pods made harmless."""
    pods = tuple(sorted((_cleaned(pod) for pod in evidence.pods), key=repr))
    cluster = evidence.cluster
    return replace(
        evidence,
        cluster=None if cluster is None else _sorted_cluster(cluster),
        pods=pods,
        proof=_cleaned(evidence.proof),
        not_looked=_cleaned(evidence.not_looked),
    )


def _sorted_cluster(cluster: ClusterEvidence) -> ClusterEvidence:
    machines = cluster.machines
    return replace(
        cluster,
        machines=None if machines is None else tuple(sorted(machines, key=_machine_order)),
        resources=tuple(sorted(cluster.resources, key=repr)),
        networks=tuple(sorted(cluster.networks)),
        unseen=dict(sorted(cluster.unseen.items())),
        platform_notes=tuple(sorted(cluster.platform_notes)),
    )


def _machine_order(machine: FabricMachine) -> tuple[Any, ...]:
    return (
        machine.name,
        machine.gpus,
        machine.gpu_product,
        sorted(machine.labels.items()),
        sorted(machine.resources.items()),
    )


def _cleaned(value: Any) -> Any:
    """Return a value of plain types and of our own dataclasses with printable, short texts and sorted mappings."""
    if isinstance(value, str):
        text = "".join(letter if letter.isprintable() else "?" for letter in value[: _LONGEST_TEXT + 1])
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
    if isinstance(value, tuple):
        return tuple(_cleaned(item) for item in value)
    if isinstance(value, Mapping):
        return {_cleaned(key): _cleaned(item) for key, item in sorted(value.items())}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: _cleaned(getattr(value, item.name)) for item in dataclasses.fields(value)})
    return value
