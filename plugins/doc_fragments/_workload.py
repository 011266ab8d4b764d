# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that describe a workload."""

from __future__ import annotations


class ModuleDocFragment:
    """What runs, and where."""

    DOCUMENTATION = r"""
options:
  image:
    description:
      - The container image with vLLM, such as V(registry.example.com/vllm-openai:v0.33.0). Required with
        O(state=present).
    type: str
  image_pull_policy:
    description:
      - When the image is pulled. The platform decides if this is not set.
    type: str
    choices: [always, if_not_present, never]
  image_pull_secrets:
    description:
      - The names of the Secrets with the credentials of the registry, in the namespace of the workload.
    type: list
    elements: str
    default: []
  pods:
    description:
      - The number of pods of one replica, B(the leader included).
    type: int
    default: 1
  gpus_per_pod:
    description:
      - The number of GPUs of each pod.
    type: int
    default: 1
  replicas:
    description:
      - The number of complete engines. If it is not set, a new workload gets one and an existing one keeps what it
        has.
    type: int
  model:
    description:
      - The model that is served. Required with O(state=present).
    type: dict
    suboptions:
      path:
        description:
          - The folder of the model inside the pods, as an absolute path.
        type: str
        required: true
      served_names:
        description:
          - The names under which clients ask for the model. If empty, it is the path.
        type: list
        elements: str
        default: []
  volumes:
    description:
      - Existing claims (PVC) of the namespace that every pod mounts.
    type: list
    elements: dict
    default: []
    suboptions:
      claim:
        description:
          - The name of the claim.
        type: str
        required: true
      path:
        description:
          - Where it is mounted.
        type: str
        required: true
      read_only:
        description:
          - Whether it is mounted read-only.
        type: bool
        default: false
  serving:
    description:
      - How the endpoint is reached. Required with O(state=present).
    type: dict
    suboptions:
      access:
        description:
          - Who may use the endpoint. There is no default, because the platform's own default is everybody.
          - V(public) and those with users and groups are for Run:ai, which checks who calls.
        type: str
        required: true
        choices:
          public: Everybody who reaches it.
          authenticated_users: Every user of the platform.
          authorized_users: The users of O(serving.authorized_users).
          authorized_groups: The groups of O(serving.authorized_groups).
          cluster_internal: Everybody inside the cluster, as far as network policies let them. Kubernetes only.
          vllm_api_key: Who knows the key of O(serving.api_key_secret). vLLM asks for it on some paths only. Kubernetes
            only.
      port:
        description:
          - The port on which vLLM listens.
        type: int
        default: 8000
      external:
        description:
          - Whether the endpoint can be reached from outside the cluster. Run:ai only. On Kubernetes put an Ingress or
            an HTTPRoute of yours before the Service, which keeps its name, or set O(service.type).
        type: bool
        default: false
      authorized_users:
        description:
          - Users and service accounts, with O(serving.access=authorized_users).
        type: list
        elements: str
        default: []
      authorized_groups:
        description:
          - Groups, with O(serving.access=authorized_groups).
        type: list
        elements: str
        default: []
      api_key_secret:
        description:
          - The Secret with the key that vLLM asks of its callers, with O(serving.access=vllm_api_key). It is never
            read.
        type: dict
        suboptions:
          secret:
            description: The name of the Secret in the namespace.
            type: str
            required: true
          key:
            description: The entry of the Secret.
            type: str
            required: true
  fabric:
    description:
      - What carries NCCL between the pods, with the variables that follow from it and what the pods need for it.
      - Only a change in O(fabric.inputs) changes a running workload. A different judgement of the same inputs is a
        finding.
    type: dict
    suboptions:
      kind:
        description:
          - The fabric. V(unusable) means seen, but not usable by the serving user.
        type: str
        required: true
        choices: [infiniband, roce, efa, gke, tcp, unusable, unknown]
      confidence:
        description:
          - How far the judgement was proven. V(stated) means that you say so.
        type: str
        choices: [seen, usable, proven, stated, unknown]
        default: unknown
      inputs:
        description:
          - What you asked for, the mode and your own variables.
        type: dict
        default: {}
      variables:
        description:
          - The environment variables that are set in every pod.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: The variable.
            type: str
            required: true
          value:
            description: Its value.
            type: str
            required: true
          reason:
            description: Why it is set.
            type: str
            default: ""
          source:
            description: Where the reason comes from.
            type: str
            default: ""
      resources:
        description:
          - The extended resources that each pod needs, by name with their number, such as an RDMA device.
        type: dict
        default: {}
      annotations:
        description:
          - The annotations that each pod needs, such as the name of an additional network.
        type: dict
        default: {}
  tensor_parallel_size:
    description:
      - Over how many GPUs each layer is split. Default is O(gpus_per_pod).
    type: int
  pipeline_parallel_size:
    description:
      - Into how many stages the layers are divided. Default is O(pods).
    type: int
  data_parallel_size:
    description:
      - How many copies of the model one replica has. Default is 1.
    type: int
  allow_cross_pod_tp:
    description:
      - Whether tensor parallelism may go beyond one pod, which needs a very fast fabric.
    type: bool
    default: false
  distributed_executor_backend:
    description:
      - How vLLM starts its ranks.
    type: str
    choices:
      mp: vLLM's own way, with nothing besides.
      ray: With Ray, which has to be in the image.
    default: mp
  vllm_version:
    description:
      - The version of vLLM in the image, if its tag does not say it.
    type: str
  vllm_args:
    description:
      - Further arguments of C(vllm serve), one word per entry.
      - What the plan decides is refused here, because two places would then say different things.
    type: list
    elements: str
    default: []
  env:
    description:
      - Environment variables of every pod. A value is a text, or a dictionary with C(secret) and C(key) that names
        an entry of a
        Secret.
      - Secrets belong into a Secret. Values of variables whose name looks like a secret are masked in every output.
    type: dict
    default: {}
  preemptibility:
    description:
      - Whether the scheduler may take the GPUs away for others. Preemptible workloads may use more than the
        project's quota.
      - The platform decides by the priority if this is not set.
      - On Kubernetes without the scheduler of Run:ai or KAI (O(queue)) it needs O(priority_class), which decides there.
    type: str
    choices: [preemptible, non_preemptible]
  priority:
    description:
      - The priority inside the project. On Kubernetes only with the scheduler of Run:ai or KAI (O(queue)), else see
        O(priority_class).
    type: str
    choices: [very-low, low, medium-low, medium, medium-high, high, very-high]
  resources:
    description:
      - CPU and memory of each pod.
    type: dict
    suboptions:
      cpu_request:
        description:
          - Cores that are reserved.
        type: float
      cpu_limit:
        description:
          - Cores that may be used at most.
        type: float
      memory_request:
        description:
          - Memory that is reserved, as a Kubernetes quantity such as V(64Gi).
        type: str
      memory_limit:
        description:
          - Memory that may be used at most, as a Kubernetes quantity.
        type: str
  node_pools:
    description:
      - The node pools of Run:ai to use, the first one preferred. On Kubernetes see O(node_selector).
    type: list
    elements: str
    default: []
  node_type:
    description:
      - The node type, as Run:ai's label says it. On Kubernetes see O(node_selector).
    type: str
  spread:
    description:
      - Whether the pods of one replica go to different machines.
    type: str
    choices: [none, preferred, required]
    default: preferred
  exclude_machines:
    description:
      - Machines (Kubernetes nodes) on which no pod may run, by host name.
    type: list
    elements: str
    default: []
  labels:
    description:
      - Further labels of the pods.
    type: dict
    default: {}
  annotations:
    description:
      - Further annotations of the pods.
    type: dict
    default: {}
  restart_policy:
    description:
      - What happens if a pod of a replica ends. vLLM notices a lost follower only when a request has timed out.
    type: str
    choices:
      recreate_group: All pods of the replica are created anew together.
      recreate_group_after_start: The same, but a pod that ends before all pods have started is only started again.
        Needs LeaderWorkerSet 0.9 on Kubernetes.
      none: Only that pod is started again, which leaves a replica of several pods broken.
    default: recreate_group
  startup_policy:
    description:
      - When the followers start. With O(readiness_probe) and several pods V(leader_ready) is refused, since leader
        and followers would
        wait for each other.
    type: str
    choices: [leader_created, leader_ready]
    default: leader_created
  readiness_probe:
    description:
      - Whether a pod gets traffic only once the model is served.
    type: bool
    default: true
  single_pod_as:
    description:
      - What a workload with one pod becomes on Run:ai.
    type: str
    choices:
      inference: An inference workload, which can be changed in place but not stopped.
      distributed: A distributed inference of a leader alone.
    default: inference
"""
