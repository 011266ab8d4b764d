# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The words for fabrics and for how well they are known.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ETHERNET, INFINIBAND

IB = "infiniband"
ROCE = "roce"
EFA = "efa"
GKE = "gke"
TCP = "tcp"
UNUSABLE = "unusable"
UNKNOWN = "unknown"

SEEN = "seen"
USABLE = "usable"
PROVEN = "proven"
STATED = "stated"

# Fabrics that NCCL's own transport "IB" carries, and all that are more than TCP; the preferred first.
VERBS = (IB, ROCE)
RDMA = (IB, ROCE, EFA, GKE)

TITLES = {
    IB: "InfiniBand",
    ROCE: "RoCE",
    EFA: "EFA",
    GKE: "GKE's own fabric",
    TCP: "TCP",
    UNUSABLE: "unusable RDMA",
    UNKNOWN: "an unknown fabric",
}

KIND_OF_LINK = {INFINIBAND: IB, ETHERNET: ROCE}


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names as the part of a sentence, the first ``most`` of them and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 machine``, ``2 machines``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
