#!/usr/bin/python
# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_workload
short_description: Serve a model with distributed vLLM
version_added: 0.1.0
author:
  - The gpuops.inference authors (@gpuops)
description:
  - Creates, changes, scales, stops and removes one workload, which is one model served by vLLM.
  - Everything is decided before anything is changed, each decision with its reason. With C(--check --diff) the whole
    plan is
    shown and nothing is written.
  - One replica consists of O(pods) pods with O(gpus_per_pod) GPUs each, the leader included. Tensor parallelism
    stays inside a
    pod, pipeline parallelism goes across the pods, unless you decide otherwise.
  - What was applied last is recorded on the platform itself. What was decided then stays until you change an option
    or set
    O(replan), so that a newer version of the collection never restarts what runs.
options:
  name:
    description:
      - The name of the workload. Lower-case letters, digits and C(-), beginning with a letter, at most 45 characters.
    type: str
    required: true
  state:
    description:
      - The state that is wanted.
    type: str
    choices:
      present: The workload exists as described, and serves.
      absent: There is no workload of this name. Volumes are kept.
      stopped: The workload keeps its name and settings, and no pod runs. Run:ai can do this for distributed
        workloads only, Kubernetes for all.
    default: present
  adopt:
    description:
      - Whether a workload of this name that the collection did not make is taken over.
    type: bool
    default: false
  replan:
    description:
      - Whether everything is decided afresh although no option has changed.
    type: bool
    default: false
  on_disruption:
    description:
      - What happens if a change takes the endpoint away. Asking for V(absent), V(stopped) or fewer replicas is
        permission enough.
    type: str
    choices:
      refuse: The task fails, says what would change, and changes nothing.
      allow: The change is made.
    default: refuse
  wait:
    description:
      - Whether to wait until the workload serves, until no pod of it is left, or until its name is free.
    type: bool
    default: true
  schedule_timeout:
    description:
      - How long the pods may wait for their machines, in seconds.
    type: int
    default: 1800
  start_timeout:
    description:
      - How long the engine may take from then on until it serves, in seconds. The time limits of vLLM itself follow
        from it.
    type: int
    default: 3600
  delete_timeout:
    description:
      - How long the deletion of a workload may take, in seconds.
    type: int
    default: 300
extends_documentation_fragment:
  - gpuops.inference._workload
  - gpuops.inference._pods
  - gpuops.inference._kubernetes_workload
  - gpuops.inference._connection
  - gpuops.inference._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: gpuops.inference.vllm_workload_info
  - module: gpuops.inference.vllm_smoke_test
"""

EXAMPLES = r"""
- name: Serve Mistral Small 4 on two pods with two GPUs each
  gpuops.inference.vllm_workload:
    platform: runai
    project: my-project
    name: my-llm-inference
    image: registry.example.com/vllm-openai:v0.33.0
    pods: 2
    gpus_per_pod: 2
    model:
      path: /data/input/Models/Mistral-Small-4-119B-2603
      served_names: [mistral4]
    volumes:
      - claim: my-project-models
        path: /data
    serving:
      port: 8000
      access: authenticated_users
      external: true
    run_as:
      uid: 2000
      gid: 2000
    preemptibility: preemptible

- name: Serve it with two engines
  gpuops.inference.vllm_workload:
    platform: runai
    project: my-project
    name: my-llm-inference
    image: registry.example.com/vllm-openai:v0.33.0
    pods: 2
    gpus_per_pod: 2
    replicas: 2
    model:
      path: /data/input/Models/Mistral-Small-4-119B-2603
      served_names: [mistral4]
    volumes:
      - claim: my-project-models
        path: /data
    serving:
      access: authenticated_users
      external: true
    preemptibility: preemptible

- name: Serve it on a Kubernetes cluster, for callers inside the cluster
  gpuops.inference.vllm_workload:
    platform: kubernetes
    namespace: inference
    expect_cluster: gpu-cluster
    name: my-llm-inference
    image: registry.example.com/vllm-openai:v0.33.0
    pods: 2
    gpus_per_pod: 2
    model:
      path: /data/input/Models/Mistral-Small-4-119B-2603
      served_names: [mistral4]
    volumes:
      - claim: models
        path: /data
        read_only: true
    serving:
      access: cluster_internal
    preemptibility: preemptible
    priority_class: low-priority
    network_policy:
      clients:
        - namespace_labels:
            kubernetes.io/metadata.name: chat

- name: Remove the workload and keep the volume
  gpuops.inference.vllm_workload:
    platform: runai
    project: my-project
    name: my-llm-inference
    state: absent
"""

RETURN = r"""
target:
  description: Where the workload is, as one line.
  returned: when the platform was reached
  type: str
  sample: runai at https://tenant.run.ai (project my-project)
workload:
  description: The workload as it is now, as far as it was looked at.
  returned: when the task did not fail
  type: dict
  contains:
    name:
      description: The name.
      type: str
      returned: always
      sample: my-llm-inference
    phase:
      description: The phase, or V(absent).
      type: str
      returned: always
      sample: running
    replicas:
      description: The number of replicas.
      type: int
      returned: always
      sample: 1
    endpoint:
      description: Where the model answers.
      type: dict
      returned: always
      sample:
        url: https://my-llm-inference.inference.example.com
        external: true
    pods:
      description: The pods, if the task waited for them.
      type: list
      elements: dict
      returned: always
      sample:
        - name: my-llm-inference-0
          role: leader
          phase: running
          machine: gpu-1
plan:
  description: What was decided, each decision with its reason.
  returned: with O(state=present)
  type: dict
  contains:
    target:
      description: Where the plan goes.
      type: str
      returned: always
      sample: runai at https://tenant.run.ai (project my-project)
    topology:
      description: The layout of one replica.
      type: dict
      returned: always
      sample:
        pods: 2
        gpus_per_pod: 2
        tensor_parallel_size: 2
        pipeline_parallel_size: 2
        data_parallel_size: 1
    decisions:
      description: The decisions with name, value, reason and source.
      type: list
      elements: dict
      returned: always
      sample:
        - name: tensor_parallel_size
          value: 2
          reason: the GPUs of one pod, so that every layer is split inside a pod only
          source: plan
    leader_command:
      description: The words of the leader's command line.
      type: list
      elements: str
      returned: always
      sample: [vllm, serve, /data/model]
    follower_command:
      description: The words of the followers' command line. Empty for one pod.
      type: list
      elements: str
      returned: always
      sample: [vllm, serve, /data/model, --headless]
    kept:
      description: Whether what was decided earlier is kept, so that today's decisions are an opinion only.
      type: bool
      returned: always
      sample: false
    plan_hash:
      description: Identifies what is applied, apart from the number of replicas.
      type: str
      returned: always
      sample: 3f1c0de9a7b2
changes:
  description: What differs. A path that is not there has no value.
  returned: when the task did not fail
  type: list
  elements: dict
  contains:
    path:
      description: The path in the platform's own body.
      type: str
      returned: always
      sample: spec.leader.image
    before:
      description: The value that is live.
      type: raw
      returned: always
      sample: registry.example.com/vllm-openai:v0.32.0
    after:
      description: The value that is wanted.
      type: raw
      returned: always
      sample: registry.example.com/vllm-openai:v0.33.0
    origin:
      description: V(wanted) if you changed it, V(drift) if something else did.
      type: str
      returned: always
      sample: wanted
disruption:
  description: What making the changes takes away, V(none), V(rolling) or V(outage).
  returned: when the task did not fail
  type: str
  sample: none
timings:
  description: How long the phases of waiting took, in seconds.
  returned: when the task did not fail
  type: dict
  sample:
    queue: 1.2
    start: 64.0
findings:
  description: What a person should know, most severe first. Empty if there is nothing.
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
      sample: floating_image_tag
    evidence:
      description: What was seen.
      type: str
      returned: always
      sample: the tag latest may mean another vLLM tomorrow.
    hint:
      description: What to do.
      type: str
      returned: always
      sample: Name a version, such as v0.33.0.
    object:
      description: What it is about, such as an option, a pod or the workload.
      type: str
      returned: always
      sample: image
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import run_module
from ansible_collections.gpuops.inference.plugins.module_utils._operations.workload import apply_workload
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload import workload_arguments


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**workload_arguments().keywords(), supports_check_mode=True, no_log=True)
    run_module(module, apply_workload)


if __name__ == "__main__":
    main()
