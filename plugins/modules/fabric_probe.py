#!/usr/bin/python
# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: fabric_probe
short_description: Let pods find out whether the serving user can use the fabric, and decide on the NCCL variables
version_added: 0.1.0
author:
  - The gpuops.inference authors (@gpuops)
description:
  - Does what M(gpuops.inference.fabric_info) does, and starts short-lived pods on machines with GPUs, as the serving
    user and in the image of the workload. They ask for the network devices of the workload and for no GPU.
  - Each pod looks at the RDMA devices that it is given, opens them, and registers 256 MiB with each through
    libibverbs. It reads and tries how much memory it may lock, and which capabilities it really has.
  - The pods connect to each other on random ports. A port that a network policy blocks shows here. NCCL, Gloo and
    vLLM use such ports between pods.
  - With O(proof=nccl) two pods with one GPU each carry out an all_reduce over the decided transport.
  - Pods that are not scheduled in time, and those that are refused, leave what they were to see unknown. That is a
    finding, and no failure.
  - Nothing is changed. The jobs end by their own limits and are removed by the server, also if the play is cancelled.
  - On Run:ai the pods run in the project's cluster, to which connection options of Kubernetes lead.
  - Without them a training workload tries what you state by O(expect), V(infiniband) or V(roce), with O(resources).
    Run:ai's API tells only whether it succeeded. So the decision is V(usable) or V(unusable), or stays V(stated) if
    that is not certain, and it names no devices. O(machines), O(spread), O(ports), O(priority_class) and O(proof) do
    nothing there. If you state less, no pod looks, and a finding says so.
options:
  name:
    description:
      - What the job and its pods are called after. With the name of a workload its network policy holds for them, too.
    type: str
    default: fabric-probe
  image:
    description:
      - The image of the pods. Take the workload's own, since its libraries are what is tried.
    type: str
    required: true
  image_pull_secrets:
    description:
      - Secrets of the namespace that hold credentials for the image's registry.
    type: list
    elements: str
    default: []
  machines:
    description:
      - How many pods look, from 1 to 16.
    type: int
    default: 2
  spread:
    description:
      - Whether the pods keep to machines of their own.
    type: str
    choices:
      preferred: As far as there are enough. If there are not, a finding says so.
      required: Always. Pods that find no machine see nothing.
      none: They do not.
    default: preferred
  capabilities:
    description:
      - Capabilities that are added to the pods, such as V(IPC_LOCK). Note that Linux gives an added capability to no
        process of a user other than root.
    type: list
    elements: str
    default: []
  priority_class:
    description:
      - The priority class of the pods. A low one lets them give way.
    type: str
  ports:
    description:
      - The ports on which the pods meet. Two random ones from 32768 to 60998 if none is given.
    type: list
    elements: int
    default: []
  proof:
    description:
      - What else is proven.
    type: str
    choices:
      none: Nothing.
      nccl: >-
        Two pods with one GPU each carry out an all_reduce with torch and NCCL. The transport is pinned, so that it
        fails rather than fall back to sockets.
    default: none
  start_timeout:
    description:
      - How long pods may take until they run, in seconds. The others wait for one that is late. An image that is not
        on the machine yet takes minutes.
    type: int
    default: 600
  time_limit:
    description:
      - How long pods may work once they have met, in seconds.
    type: int
    default: 300
  looks_in_check_mode:
    description:
      - Whether the pods are started in check mode, too.
    type: bool
    default: false
extends_documentation_fragment:
  - gpuops.inference._fabric
  - gpuops.inference._pods
  - gpuops.inference._connection
  - gpuops.inference._attributes
attributes:
  check_mode:
    support: partial
    details:
      - Pods are started with O(looks_in_check_mode) only.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: gpuops.inference.fabric_info
  - module: gpuops.inference.vllm_workload
"""

EXAMPLES = r"""
- name: See whether the serving user can use the fabric
  gpuops.inference.fabric_probe:
    platform: kubernetes
    namespace: my-project
    image: registry.example.com/vllm-openai:v0.33.0
    pods: 2
    gpus_per_pod: 2
    tolerations:
      - key: nvidia.com/gpu
        effect: NoSchedule
  register: fabric

- name: See it in a project of Run:ai, whose cluster K8S_AUTH_KUBECONFIG leads to
  gpuops.inference.fabric_probe:
    platform: runai
    project: my-project
    image: registry.example.com/vllm-openai:v0.33.0
  register: fabric

- name: Let a training confirm what you know, in a project of Run:ai without a kubeconfig of its cluster
  gpuops.inference.fabric_probe:
    platform: runai
    project: my-project
    image: registry.example.com/vllm-openai:v0.33.0
    expect: infiniband
    resources:
      rdma/rdma_shared_device_a: 1
  register: fabric

- name: Prove it with a collective, which needs a free GPU on two machines
  gpuops.inference.fabric_probe:
    platform: kubernetes
    namespace: my-project
    image: registry.example.com/vllm-openai:v0.33.0
    spread: required
    proof: nccl
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
      description: >-
        How far that was proven. V(seen) is what an API can show, V(usable) what the serving user could use, V(proven)
        what carried a collective, V(stated) is your own word.
      type: str
      returned: always
      sample: usable
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
  returned: when the platform was reached
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
      description: What each pod saw that looked.
      type: list
      elements: dict
      returned: always
      contains:
        machine:
          description: The machine it ran on.
          type: str
          returned: always
          sample: gpu-1
        ports:
          description: >-
            The ports of the RDMA devices that it sees, with V(link_layer), V(state), V(rate) in Gbit/s, V(lid),
            V(driver), whether the device is a virtual function, V(numa_node) and V(gids).
          type: list
          elements: dict
          returned: always
          sample:
            - {device: mlx5_0, port: 1, link_layer: InfiniBand, state: ACTIVE, rate: 400.0, lid: 17}
        uses:
          description: >-
            What the serving user can do with each device. Whether there is a character device for it, whether it can be
            opened, and whether 256 MiB could be registered with it.
          type: list
          elements: dict
          returned: always
          sample:
            - {device: mlx5_0, is_visible: true, can_open: true, can_register: true, error: ""}
        memlock:
          description: The limit of locked memory in bytes. Null if there is none.
          type: int
          returned: always
          sample: 8388608
        locked:
          description: How many of 256 MiB could really be locked, in bytes.
          type: int
          returned: always
          sample: 8388608
        effective_capabilities:
          description: The capabilities that the process has, without C(CAP_).
          type: list
          elements: str
          returned: always
          sample: []
        bounding_capabilities:
          description: The capabilities that no process of the pod can exceed.
          type: list
          elements: str
          returned: always
          sample: [IPC_LOCK]
        gpudirect:
          description: The kernel module for RDMA to GPU memory. V(unknown) if none is seen, since dma-buf needs none.
          type: str
          returned: always
          sample: nvidia_peermem
        interfaces:
          description: The network interfaces with addresses, MTU, and whether they have a default route.
          type: list
          elements: dict
          returned: always
          sample:
            - {name: eth0, addresses: [10.0.0.7], has_default_route: true, mtu: 1450}
        reaches:
          description: >-
            Whether it reached each port of each other pod. The bandwidth in Gbit/s is a lower bound.
          type: list
          elements: dict
          returned: always
          sample:
            - {machine: gpu-2, port: 41234, is_reached: true, bandwidth: 9.4, error: ""}
        requested_resources:
          description: The extended resources that it asked for.
          type: dict
          returned: always
          sample:
            rdma/ib: 1
    proof:
      description: What a collective between two pods showed. Null without O(proof=nccl).
      type: dict
      returned: always
      contains:
        network:
          description: The network that NCCL says it used, such as V(IB) or V(Socket). Null if it did not say.
          type: str
          returned: always
          sample: IB
        bandwidth:
          description: The bus bandwidth in GB/s.
          type: float
          returned: always
          sample: 46.1
        lines:
          description: NCCL's own lines.
          type: list
          elements: str
          returned: always
          sample: ["NCCL INFO Using network IB"]
        error:
          description: Why it failed, or nothing.
          type: str
          returned: always
          sample: ""
    not_looked:
      description: Why no pod has looked, or nothing.
      type: str
      returned: always
      sample: ""
    confirmed:
      description: >-
        On Run:ai without a way to the cluster, whether a pod could use what you state. Null if nobody asked, or the
        answer is not certain.
      type: bool
      returned: always
looks:
  description: How many jobs were started. Each is gone again.
  returned: when the platform was reached
  type: int
  sample: 1
not_looked_at:
  description: What check mode left out.
  returned: when the platform was reached
  type: list
  elements: str
  sample: []
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
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric_probe import probe_fabric
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import run_module
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_probe import fabric_probe_arguments


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**fabric_probe_arguments().keywords(), supports_check_mode=True, no_log=True)
    run_module(module, probe_fabric)


if __name__ == "__main__":
    main()
