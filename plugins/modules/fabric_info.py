#!/usr/bin/python
# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: fabric_info
short_description: Decide on the NCCL variables by what the platform's API shows of the fabric
version_added: 0.1.0
author:
  - The gpuops.inference authors (@gpuops)
description:
  - Reads what the API of the platform shows of what carries NCCL between pods. On Kubernetes these are labels and
    allocatable devices of the machines with GPUs that the workload may use, the policies and networks of NVIDIA's
    network operator, the policies and states of the SR-IOV operator, and the networks that Multus gives to pods.
  - Decides with it on the kind of fabric, on every variable with its reason, and on what the pods need besides. The
    decision is what O(gpuops.inference.vllm_workload#module:fabric) accepts.
  - Only reads, with the same number of requests for ten machines and for hundreds. The result is at most V(seen). Only
    pods can find out whether the serving user can use what is there.
  - What the credentials may not see, and what the cluster does not serve, is named in RV(evidence.cluster.unseen). It
    is never taken for something that is not there.
  - On Run:ai the machines are seen in the cluster itself, if a Kubernetes option such as O(kubeconfig) is set. Run:ai's
    own API shows nothing of them. Without a kubeconfig the fabric is what O(expect) and O(resources) say, or unknown.
  - A workload that exists keeps the decision that it was made with, until you change what you ask for.
extends_documentation_fragment:
  - gpuops.inference._fabric
  - gpuops.inference._pods
  - gpuops.inference._connection
  - gpuops.inference._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: gpuops.inference.vllm_workload
  - module: gpuops.inference.preflight_info
"""

EXAMPLES = r"""
- name: See what Run:ai and its cluster show of the fabric
  gpuops.inference.fabric_info:
    platform: runai
    project: my-project
    pods: 2
    gpus_per_pod: 2
  register: fabric

- name: See which fabric the machines of a node pool have
  gpuops.inference.fabric_info:
    platform: kubernetes
    namespace: inference
    pods: 2
    gpus_per_pod: 8
    tolerations:
      - key: nvidia.com/gpu
        effect: NoSchedule
  register: fabric

- name: Keep NCCL on sockets, with an own value for one variable
  gpuops.inference.fabric_info:
    platform: kubernetes
    namespace: inference
    mode: tcp_only
    variables:
      NCCL_SOCKET_IFNAME: =eth0
  register: fabric
"""

RETURN = r"""
target:
  description: Where was looked, as one line.
  returned: when the platform was reached
  type: str
  sample: kubernetes at https://cluster.example.com:6443 (namespace inference)
decision:
  description: What is decided, as O(gpuops.inference.vllm_workload#module:fabric) accepts it.
  returned: when the platform was reached
  type: dict
  contains:
    kind:
      description: >-
        The fabric, V(infiniband), V(roce), V(efa), V(gke) or V(tcp). V(unusable) is one that the serving user cannot
        use, V(unknown) says that too little was seen.
      type: str
      returned: always
      sample: infiniband
    confidence:
      description: How far that was proven. V(seen) is what an API can show, V(stated) is your own word.
      type: str
      returned: always
      sample: seen
    inputs:
      description: What you asked for. Only a change of this changes a workload.
      type: dict
      returned: always
      sample:
        mode: auto
    variables:
      description: The environment variables of every pod.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description: The variable.
          type: str
          returned: always
          sample: NCCL_SOCKET_IFNAME
        value:
          description: Its value.
          type: str
          returned: always
          sample: =eth0
        reason:
          description: Why it is set.
          type: str
          returned: always
          sample: you set it
        source:
          description: Where the reason comes from.
          type: str
          returned: always
          sample: variables
    resources:
      description: The extended resources that each pod needs, by name with their number.
      type: dict
      returned: always
      sample:
        rdma/ib: 1
    annotations:
      description: The annotations that each pod needs.
      type: dict
      returned: always
      sample: {}
reasons:
  description: What led to the kind of fabric, a sentence each.
  returned: success
  type: list
  elements: str
  sample:
    - all 4 machines offer rdma/ib
table:
  description: The evidence beside what follows from it, as lines that a person reads.
  returned: when the platform was reached
  type: list
  elements: str
  sample:
    - "4 machines with 8 GPUs | RDMA device rdma/ib"
evidence:
  description: What was seen.
  returned: when the platform was reached
  type: dict
  contains:
    cluster:
      description: What the API shows.
      type: dict
      returned: always
      contains:
        machines:
          description: >-
            The machines with GPUs that the workload may use, those that have the same GPUs and devices together. Null
            if machines could not be seen.
          type: list
          elements: dict
          returned: always
          contains:
            names:
              description: The names of the machines.
              type: list
              elements: str
              returned: always
              sample: [gpu-1, gpu-2]
            gpus:
              description: The number of GPUs of each.
              type: int
              returned: always
              sample: 8
            gpu_product:
              description: What the GPUs are.
              type: str
              returned: always
              sample: NVIDIA-H100-80GB-HBM3
            resources:
              description: Their allocatable devices that are no GPUs, by name with their number.
              type: dict
              returned: always
              sample:
                rdma/ib: 1000
            labels:
              description: The labels that say something of the fabric and are the same on all of them.
              type: dict
              returned: always
              sample:
                feature.node.kubernetes.io/pci-15b3.present: "true"
            differing_labels:
              description: The names of those that are not the same, such as places in the network.
              type: list
              elements: str
              returned: always
              sample: []
        resources:
          description: What custom resources say of extended resources.
          type: list
          elements: dict
          returned: always
          contains:
            resource:
              description: The name of the extended resource.
              type: str
              returned: always
              sample: rdma/rdma_shared_device_a
            link_layer:
              description: V(InfiniBand) or V(Ethernet). Null if nothing says it.
              type: str
              returned: always
              sample: InfiniBand
            sharing:
              description: >-
                V(shared), pods use the same device. V(virtual), each has an SR-IOV function. V(whole), each has a
                device of the machine. Null if nothing says it.
              type: str
              returned: always
              sample: shared
            is_rdma:
              description: Whether it is for RDMA. Null if nothing says it.
              type: bool
              returned: always
              sample: true
            networks:
              description: The networks that go with it, with their namespace.
              type: list
              elements: str
              returned: always
              sample: [default/rdma-net]
            source:
              description: The objects that say so.
              type: str
              returned: always
              sample: NicClusterPolicy/nic-cluster-policy
        networks:
          description: The networks that pods can be given beside their own, with their namespace.
          type: list
          elements: str
          returned: always
          sample: [default/rdma-net]
        unseen:
          description: The kinds of objects that could not be read, each with the reason.
          type: dict
          returned: always
          sample:
            SriovNetworkNodePolicy: the cluster does not serve this kind
        notes:
          description: What else was seen, such as a network operator that is not ready.
          type: list
          elements: str
          returned: always
          sample: []
    pods:
      description: What pods saw. This module starts none.
      type: list
      elements: dict
      returned: always
      sample: []
    proof:
      description: What a collective between two pods showed. This module starts none.
      type: dict
      returned: always
    not_looked:
      description: Why no pod has looked.
      type: str
      returned: always
      sample: fabric_info only reads the platform's API
    confirmed:
      description: Whether a pod could use what you state. This module starts none.
      type: bool
      returned: always
findings:
  description: What a person should know, most severe first. With O(mode=require_rdma) an error fails the task.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: How grave it is.
      type: str
      returned: always
      sample: warning
    cause:
      description: A stable word for the cause.
      type: str
      returned: always
      sample: rdma_without_resource
    evidence:
      description: What was seen.
      type: str
      returned: always
      sample: the machines have an RDMA device, and nothing brings it into pods.
    hint:
      description: What to do.
      type: str
      returned: always
      sample: Ask for the name of the resource, and give it as resources.
    object:
      description: What it is about.
      type: str
      returned: always
      sample: variables.NCCL_IB_HCA
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric import read_fabric
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import run_module
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import fabric_info_arguments


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**fabric_info_arguments().keywords(), supports_check_mode=True)
    run_module(module, read_fabric)


if __name__ == "__main__":
    main()
