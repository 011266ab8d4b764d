# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What each variable of NCCL does that has to do with the fabric. docs/nccl.md explains the same; a test compares them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

# Source: NVIDIA/nccl 2.30.7, docs/userguide/source/env.rst, unless said otherwise.
MEANINGS = {
    "NCCL_NET": "the one network NCCL may use; where it is not there, NCCL fails",
    "NCCL_NET_PLUGIN": "the plugin that brings networks other than InfiniBand, RoCE and sockets",
    "NCCL_IB_DISABLE": "1 keeps NCCL off InfiniBand and RoCE",
    "NCCL_IB_HCA": "the RDMA devices NCCL may use",
    "NCCL_IB_GID_INDEX": "the entry of the port's GID table, for RoCE",
    "NCCL_IB_ADDR_FAMILY": "the address family of the GID, for RoCE",
    "NCCL_IB_TC": "the traffic class of packets, for RoCE",
    "NCCL_IB_SL": "the service level of packets",
    "NCCL_IB_TIMEOUT": "how long NCCL waits for the other side's answer",
    "NCCL_IB_RETRY_CNT": "how often NCCL tries again",
    "NCCL_SOCKET_IFNAME": "the interface for NCCL's bootstrap and sockets",
    "NCCL_NET_GDR_LEVEL": "how far apart a GPU and a network card may be for GPUDirect RDMA",
    "NCCL_P2P_DISABLE": "1 keeps the GPUs of a pod from talking directly",
    "NCCL_P2P_LEVEL": "how far apart GPUs of a pod may be to talk directly",
    "NCCL_CROSS_NIC": "whether a ring may use different cards on different machines",
    "NCCL_MNNVL_ENABLE": "NVLink between machines",
    "NCCL_TOPO_FILE": "a file that describes the machine's topology",
    "NCCL_DEBUG": "how much NCCL writes into the log",
    "NCCL_DEBUG_SUBSYS": "about what NCCL writes into the log",
    "GLOO_SOCKET_IFNAME": "the interface for gloo, over which vLLM's processes meet",
    "FI_PROVIDER": "the provider of libfabric, for EFA",
}


def as_you_set_it(name: str) -> str:
    """Return the reason of a variable that the user set."""
    meaning = MEANINGS.get(name)
    return f"as you set it: {meaning}" if meaning else "as you set it"
