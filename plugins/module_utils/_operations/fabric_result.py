# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Evidence of a fabric as results show it. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ClusterEvidence,
    Evidence,
    FabricMachine,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import to_plain


def evidence_as_dict(evidence: Evidence) -> dict[str, Any]:
    """Return the plain dictionary of everything that is known. Machines that are alike stand together."""
    return {
        "cluster": None if evidence.cluster is None else _cluster(evidence.cluster),
        "pods": [to_plain(asdict(pod)) for pod in evidence.pods],
        "proof": None if evidence.proof is None else to_plain(asdict(evidence.proof)),
        "not_looked": evidence.not_looked,
        "confirmed": evidence.confirmed,
    }


def _cluster(cluster: ClusterEvidence) -> dict[str, Any]:
    return {
        "machines": None if cluster.machines is None else _machines(cluster.machines),
        "resources": [to_plain(asdict(resource)) for resource in cluster.resources],
        "networks": list(cluster.networks),
        "unseen": dict(cluster.unseen),
        "notes": list(cluster.platform_notes),
    }


def _machines(machines: Sequence[FabricMachine]) -> list[dict[str, Any]]:
    """Return the machines by what they have: a thousand alike would be a thousand times the same."""
    alike: dict[tuple[Any, ...], list[FabricMachine]] = {}
    for machine in machines:
        key = (machine.gpu_product, machine.gpus, *sorted(machine.resources.items()))
        alike.setdefault(key, []).append(machine)
    return [_group(group) for group in alike.values()]


def _group(machines: Sequence[FabricMachine]) -> dict[str, Any]:
    first = machines[0]
    names = {name for machine in machines for name in machine.labels}
    values = {name: {machine.labels.get(name) for machine in machines} for name in sorted(names)}
    return {
        "names": [machine.name for machine in machines],
        "gpus": first.gpus,
        "gpu_product": first.gpu_product,
        "resources": dict(first.resources),
        "labels": {name: first.labels[name] for name, found in values.items() if len(found) == 1},
        "differing_labels": [name for name, found in values.items() if len(found) > 1],
    }
