# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which network interface of the pods carries NCCL's bootstrap, its sockets, and gloo.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Interface, PodEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricVariable

_SOURCE = "the looks from pods; NCCL env.rst, NCCL_SOCKET_IFNAME"
_REASON = (
    "the pods have several interfaces, and this one leads out and has their own address; NCCL would prefer one whose "
    "name begins with ib"
)
_REASON_GLOO = "the same interface for gloo, over which vLLM's processes meet"


def with_addresses(pod: PodEvidence) -> tuple[Interface, ...]:
    """Return the interfaces of a pod that lead somewhere."""
    return tuple(interface for interface in pod.interfaces if interface.addresses and interface.name != "lo")


def main_interface(pod: PodEvidence) -> str | None:
    """Return the name of the interface with the default route, ``None`` where there is none or more than one."""
    names = sorted({interface.name for interface in with_addresses(pod) if interface.has_default_route})
    return names[0] if len(names) == 1 else None


def socket_variables(pods: Sequence[PodEvidence]) -> tuple[FabricVariable, ...]:
    """Return the variables that name the interface: nothing where all pods have one only, or where they disagree."""
    if all(len(with_addresses(pod)) < 2 for pod in pods):
        return ()
    names = {main_interface(pod) for pod in pods}
    name = names.pop()
    if names or name is None:
        return ()
    return (
        FabricVariable("NCCL_SOCKET_IFNAME", f"={name}", _REASON, _SOURCE),
        FabricVariable("GLOO_SOCKET_IFNAME", name, _REASON_GLOO, "the looks from pods; torch.distributed"),
    )
