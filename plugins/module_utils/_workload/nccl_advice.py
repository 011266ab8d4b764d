# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What NCCL really does with the values people set. Source: NVIDIA/nccl 2.30.7, docs/userguide/source/env.rst.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding

# Variables that only mean something with an RDMA device in the pod.
_DEVICE_PREFIXES = ("NCCL_IB_", "NCCL_NET_GDR_", "UCX_NET_DEVICES", "NVSHMEM_HCA_", "NVSHMEM_IB_")


@dataclass(frozen=True)
class _Advice:
    """One value that does not do what its author thinks."""

    name: str
    applies: Callable[[str], bool]
    severity: str
    cause: str
    evidence: str
    hint: str


_ADVICE = (
    _Advice(
        "NCCL_IB_DISABLE",
        lambda value: value == "1",
        INFO,
        "nccl_ib_disabled",
        "It forces sockets, and takes RoCE away as well as InfiniBand; without RDMA devices NCCL uses sockets anyway.",
        "Needed only to keep NCCL off a broken fabric.",
    ),
    _Advice(
        "NCCL_IB_DISABLE",
        lambda value: value == "0",
        INFO,
        "nccl_default_value",
        "0 is NCCL's default: it has no effect.",
        "Leave it out.",
    ),
    _Advice(
        "NCCL_P2P_DISABLE",
        lambda value: value == "0",
        INFO,
        "nccl_default_value",
        "0 is NCCL's default: it has no effect (NVLink is used anyway).",
        "Leave it out.",
    ),
    _Advice(
        "NCCL_NET_GDR_LEVEL",
        lambda value: value.isascii() and value.isdigit(),
        INFO,
        "nccl_legacy_level",
        "Integers are the old form; above 4 means SYS: GPUDirect RDMA even across CPU sockets, which can be slower.",
        "Leave it out, or say LOC, PIX, PXB, PHB or SYS.",
    ),
    _Advice(
        "NCCL_IB_HCA",
        lambda value: bool(value) and value[0] not in "=^",
        INFO,
        "nccl_hca_prefix",
        "The entries are prefixes: mlx5_1 also selects mlx5_10 to mlx5_19.",
        "Write =mlx5_0:1 for exactly one device and port.",
    ),
    _Advice(
        "NCCL_SOCKET_IFNAME",
        lambda value: "mlx" in value,
        WARNING,
        "nccl_socket_interface",
        "It names the network interface for NCCL's bootstrap and sockets; RDMA devices such as mlx5_0 are none.",
        "Name the pod's interface (=eth0); RDMA devices are chosen by NCCL_IB_HCA.",
    ),
    _Advice(
        "NCCL_SOCKET_IFNAME",
        lambda value: value.lstrip("=").startswith("net"),
        INFO,
        "nccl_socket_interface",
        "It chooses only the interface for NCCL's bootstrap and sockets, not the RDMA device; a secondary interface "
        "breaks the start where it has no routable address on some pod.",
        "Name the pod's interface (=eth0); RDMA devices are chosen by NCCL_IB_HCA.",
    ),
)


def advise(texts: Mapping[str, str], of_user: Iterable[str], has_device: bool) -> list[Finding]:
    """Return what is to be said about the clear values ``texts``.

    ``of_user`` are the names the user set himself; ``has_device`` says whether the fabric brings an RDMA resource.
    """
    own = set(of_user)
    findings = []
    for advice in _ADVICE:
        value = texts.get(advice.name)
        if value is not None and advice.applies(value):
            where = "env" if advice.name in own else "fabric.variables"
            findings.append(
                Finding(advice.severity, advice.cause, advice.evidence, advice.hint, f"{where}.{advice.name}")
            )
    idle = [] if has_device else sorted(name for name in own if name in texts and _needs_device(name, texts[name]))
    if idle:
        findings.append(
            Finding(
                WARNING,
                "rdma_without_resource",
                f"{', '.join(idle)} only mean something with an RDMA device in the pod, and nothing brings one: NCCL "
                "falls back to TCP or fails.",
                "Give fabric with the resource (and network annotation) that the machines offer, or leave them out.",
                "env",
            )
        )
    return findings


def _needs_device(name: str, value: str) -> bool:
    if name == "NCCL_IB_DISABLE":
        return False
    if name == "NCCL_NET":
        return value.upper() == "IB"
    if name == "UCX_TLS":
        return bool(re.search(r"(^|,)\^?(rc|ud|dc|ib)", value)) and not value.startswith("^")
    if name == "FI_PROVIDER":
        return value == "efa"
    return name.startswith(_DEVICE_PREFIXES)
