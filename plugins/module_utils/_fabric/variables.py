# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The environment variables that follow, each with its reason and where that is known from.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.clouds import Cloud, variables_of
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Evidence, PodEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import (
    REQUIRE_RDMA,
    TCP_ONLY,
    FabricInputs,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.interfaces import socket_variables
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import (
    EFA,
    GKE,
    RDMA,
    TITLES,
    UNUSABLE,
    VERBS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.meanings import as_you_set_it
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import Needs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sight import NCCL_IB, NCCL_SOCKET
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sighting import Sighting
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricVariable

_NCCL = "NCCL env.rst"
# With these NCCL says which network it took, and not much besides.
DEBUG_LEVEL, DEBUG_SUBSYSTEMS = "INFO", "INIT,NET"
# NCCL writes its lines about networks from this level on.
_TELLING_LEVELS = ("INFO", "TRACE")
# What only pods can see.
_SEEN_BY_PODS = ("NCCL_IB_HCA", "NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME")


def decide_variables(
    inputs: FabricInputs,
    sighting: Sighting,
    cloud: Cloud | None,
    pods: Sequence[PodEvidence],
    devices: FabricVariable | None,
) -> tuple[FabricVariable, ...]:
    """Return what the pods get: what follows from the fabric, and the user's own variables, which win.

    ``devices`` is the list of RDMA devices, where one is needed. A single pod gets the user's only.
    """
    ours: dict[str, FabricVariable] = {}
    if inputs.pods > 1:
        followings = (
            *variables_of(cloud, sighting.kind),
            *_transport(inputs, sighting, cloud),
            *((devices,) if devices else ()),
            *socket_variables(pods),
            *_debug(inputs),
        )
        # What pods saw comes after what holds for a platform in general, and counts.
        ours = {variable.name: variable for variable in followings}
    kept = [variable for name, variable in ours.items() if name not in inputs.variables]
    return (*kept, *_of_user(inputs))


def carried_over(
    variables: tuple[FabricVariable, ...], evidence: Evidence, kind: str, needs: Needs
) -> tuple[FabricVariable, ...]:
    """Return the variables, with what pods saw when the workload was deployed where none could look now: the workload
    itself may hold the devices. Only where the fabric, and what the pods ask for, is still the same."""
    applied = evidence.applied
    if applied is None or evidence.pods or applied.kind != kind:
        return variables
    if (dict(applied.resources), dict(applied.annotations)) != (dict(needs.resources), dict(needs.annotations)):
        return variables
    known = {variable.name for variable in variables}
    reason = "pods saw it when the workload was deployed, and none could look now"
    kept = [name for name in _SEEN_BY_PODS if name in applied.variables and name not in known]
    return (*(FabricVariable(name, applied.variables[name], reason, "what was applied") for name in kept), *variables)


def network_of(sighting: Sighting, cloud: Cloud | None) -> str | None:
    """Return NCCL's own name for the network of a fabric, ``None`` where it is not known for certain."""
    if sighting.kind in VERBS:
        return NCCL_IB
    if sighting.kind in (EFA, GKE) and sighting.network:
        return sighting.network
    return cloud.network if sighting.kind == GKE and cloud is not None else None


def shows_network(variables: dict[str, str]) -> bool:
    """Say whether NCCL will write into the log which network it took."""
    subsystems = variables.get("NCCL_DEBUG_SUBSYS", "NET").upper()
    return variables.get("NCCL_DEBUG", "").upper() in _TELLING_LEVELS and ("NET" in subsystems or "ALL" in subsystems)


def _transport(inputs: FabricInputs, sighting: Sighting, cloud: Cloud | None) -> list[FabricVariable]:
    """Return what keeps NCCL on the decided network, or off a broken one."""
    if inputs.mode == TCP_ONLY:
        reason = "mode tcp_only: sockets, whatever else is there"
        return [FabricVariable("NCCL_NET", NCCL_SOCKET, reason, f"mode; {_NCCL}, NCCL_NET")]
    network = network_of(sighting, cloud)
    if inputs.mode == REQUIRE_RDMA and sighting.kind in RDMA and network:
        reason = f"mode require_rdma: without {TITLES[sighting.kind]} NCCL shall fail and not crawl over TCP"
        return [FabricVariable("NCCL_NET", network, reason, f"mode; {_NCCL}, NCCL_NET")]
    if sighting.kind == UNUSABLE and sighting.by_pods and sighting.hardware in VERBS:
        reason = f"sockets, since NCCL would try what these pods cannot use: {sighting.reasons[0]}"
        return [FabricVariable("NCCL_IB_DISABLE", "1", reason, f"the looks from pods; {_NCCL}, NCCL_IB_DISABLE")]
    return []


def _debug(inputs: FabricInputs) -> list[FabricVariable]:
    if not inputs.nccl_debug:
        return []
    level = inputs.variables.get("NCCL_DEBUG", DEBUG_LEVEL).upper()
    variables = [
        FabricVariable(
            "NCCL_DEBUG",
            DEBUG_LEVEL,
            "only so NCCL says which network it took; a fallback to TCP is silent otherwise",
            f"{_NCCL}, NCCL_DEBUG",
        )
    ]
    if level in _TELLING_LEVELS:
        reason = "only about its start and its networks, which is short"
        variables.append(FabricVariable("NCCL_DEBUG_SUBSYS", DEBUG_SUBSYSTEMS, reason, f"{_NCCL}, NCCL_DEBUG_SUBSYS"))
    return variables


def _of_user(inputs: FabricInputs) -> list[FabricVariable]:
    return [
        FabricVariable(name, inputs.variables[name], as_you_set_it(name), "your variables")
        for name in sorted(inputs.variables)
    ]
