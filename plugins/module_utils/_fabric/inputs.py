# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the user asks of the fabric.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AUTO = "auto"
REQUIRE_RDMA = "require_rdma"
TCP_ONLY = "tcp_only"
MODES = (AUTO, REQUIRE_RDMA, TCP_ONLY)


@dataclass(frozen=True)
class FabricInputs:
    """What the user asks.

    ``variables`` are his own values, which always win. ``resources`` and ``annotations`` are what he states that the
    pods need; given, they are taken instead of what would be decided. ``expect`` is the kind of fabric he says is
    there, for platforms that show none. ``nccl_debug`` lets NCCL say which network it took. ``uid`` is the serving
    user.
    """

    mode: str = AUTO
    pods: int = 2
    gpus_per_pod: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, int] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    expect: str | None = None
    nccl_debug: bool = True
    uid: int = 2000
