# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say what is asked of the fabric."""

from __future__ import annotations


class ModuleDocFragment:
    """What is asked of the fabric, and on which machines."""

    DOCUMENTATION = r"""
options:
  workload:
    description:
      - The workload that is meant, by name. If it runs with a decision that was taken for the same options, that one is
        the result, and nobody looks again.
    type: str
  replan:
    description:
      - Whether to decide anew although O(workload) runs.
    type: bool
    default: false
  mode:
    description:
      - How much is asked of the fabric.
    type: str
    choices:
      auto: The best fabric that the evidence allows is taken.
      require_rdma: >-
        The fabric is pinned, so that NCCL fails instead of falling back to sockets. The task fails where no RDMA is
        known, or where the serving user cannot use it.
      tcp_only: NCCL uses sockets, whatever is there.
    default: auto
  pods:
    description:
      - The number of pods of one replica, B(the leader included).
    type: int
    default: 2
  gpus_per_pod:
    description:
      - The number of GPUs of each pod.
    type: int
    default: 1
  variables:
    description:
      - Your own environment variables for NCCL and what lies under it, such as C(NCCL_SOCKET_IFNAME). They win over
        what would be decided. One that contradicts the evidence is a finding.
    type: dict
    default: {}
  resources:
    description:
      - The extended resources that each pod needs, by name with their number. If they are given, they are taken
        instead of what would be decided.
    type: dict
    default: {}
  annotations:
    description:
      - The annotations that each pod needs, such as C(k8s.v1.cni.cncf.io/networks). If they are given, they are taken
        instead of what would be decided.
    type: dict
    default: {}
  expect:
    description:
      - The fabric that you know is there, for platforms that do not show it.
    type: str
    choices: [infiniband, roce, efa, gke, tcp]
  nccl_debug:
    description:
      - Whether NCCL says in the logs of several pods which network it took (C(NCCL_DEBUG=INFO) for C(INIT,NET)).
        Without it the smoke test cannot tell what carries NCCL.
    type: bool
    default: true
  node_selector:
    description:
      - Labels that a machine has to have to count. One with taints that are not tolerated does not count either.
    type: dict
    default: {}
"""
