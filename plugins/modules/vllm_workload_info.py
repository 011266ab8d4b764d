#!/usr/bin/python
# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_workload_info
short_description: Look at a workload
version_added: 0.1.0
author:
  - The gpuops.inference authors (@gpuops)
description:
  - Returns the status of a workload with its pods, its endpoint, its recent events and what differs from what was
    applied last.
options:
  name:
    description:
      - The name of the workload.
    type: str
    required: true
  query:
    description:
      - A JMESPath expression that is applied to the list of workloads. Needs the Python package C(jmespath).
    type: str
  logs:
    description:
      - Whether the end of each leader's log is read too, with the marks of a start that it shows. Kubernetes only,
        since Run:ai's control plane shows no logs.
    type: bool
    default: false
  gpus:
    description:
      - Whether the GPUs are looked at too, by C(nvidia-smi) in every running pod. Plain Kubernetes only.
    type: bool
    default: false
requirements:
  - jmespath (only with O(query))
extends_documentation_fragment:
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
  - module: gpuops.inference.vllm_smoke_test
"""

EXAMPLES = r"""
- name: Look at a workload
  gpuops.inference.vllm_workload_info:
    platform: runai
    project: my-project
    name: my-llm-inference
  register: looked

- name: Look at a workload on a Kubernetes cluster, with the end of its leader's log
  gpuops.inference.vllm_workload_info:
    platform: kubernetes
    namespace: inference
    name: my-llm-inference
    logs: true

- name: See how much memory the GPUs use
  gpuops.inference.vllm_workload_info:
    platform: kubernetes
    namespace: inference
    name: my-llm-inference
    gpus: true

- name: Get the addresses only
  gpuops.inference.vllm_workload_info:
    platform: runai
    project: my-project
    name: my-llm-inference
    query: "[].endpoint.url"
"""

RETURN = r"""
target:
  description: Where was looked, as one line.
  returned: when the platform was reached
  type: str
  sample: runai at https://tenant.run.ai (project my-project)
workloads:
  description: The workload, or an empty list if there is none of this name.
  returned: when the task did not fail
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      returned: always
      sample: my-llm-inference
    kind:
      description: What it is on the platform.
      type: str
      returned: always
      sample: distributed
    managed:
      description: Whether the collection made it.
      type: bool
      returned: always
      sample: true
    phase:
      description: The phase.
      type: str
      returned: always
      sample: running
    messages:
      description: What the platform itself says about it.
      type: list
      elements: str
      returned: always
      sample: []
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
      description: The pods.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description: The name.
          type: str
          returned: always
          sample: my-llm-inference-0
        role:
          description: V(leader), V(follower) or V(unknown).
          type: str
          returned: always
          sample: leader
        phase:
          description: The phase.
          type: str
          returned: always
          sample: running
        machine:
          description: The machine on which it runs.
          type: str
          returned: always
          sample: gpu-1
        address:
          description: Its address in the cluster.
          type: str
          returned: always
          sample: 10.42.0.17
        log:
          description: The end of its log. V(null) if it cannot be read.
          type: str
          returned: for leaders, with O(logs)
          sample: "INFO: Application startup complete."
        markers:
          description: The steps of the start that the log tells of, in their order, each with its line. The last one is
            C(server_ready).
          type: list
          elements: dict
          returned: for leaders, with O(logs)
          sample:
            - step: server_ready
              line: "INFO: Application startup complete."
    gpus:
      description: The GPUs as C(nvidia-smi) in each running pod shows them. Those of pods that could not be asked are
        missing, and RV(findings) says why.
      type: list
      elements: dict
      returned: with O(gpus)
      contains:
        pod:
          description: The pod that sees it.
          type: str
          returned: always
          sample: my-llm-inference-0
        role:
          description: The pod's role.
          type: str
          returned: always
          sample: leader
        machine:
          description: The machine on which the pod runs.
          type: str
          returned: always
          sample: gpu-1
        index:
          description: The number of the GPU inside the pod.
          type: int
          returned: always
          sample: 0
        uuid:
          description: The GPU's own name.
          type: str
          returned: always
          sample: GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c
        name:
          description: The model of the GPU.
          type: str
          returned: always
          sample: NVIDIA H100 80GB HBM3
        memory_used_mib:
          description: The memory in use, in MiB. V(null) if the driver does not tell, as inside a MIG slice.
          type: int
          returned: always
          sample: 74860
        memory_total_mib:
          description: The memory that there is, in MiB. V(null) likewise.
          type: int
          returned: always
          sample: 81559
    events:
      description: The most recent events, newest last.
      type: list
      elements: dict
      returned: always
      sample:
        - time: "2026-11-23T15:00:00Z"
          kind: Normal
          reason: Started
          message: Started container vllm
          object: my-llm-inference-0
    drift:
      description: What is different from what was applied last.
      type: list
      elements: dict
      returned: always
      sample: []
    applied_by:
      description: The version of the collection that applied it.
      type: str
      returned: always
      sample: 0.1.0
query_result:
  description: The result of O(query).
  returned: with O(query)
  type: raw
  sample: ["https://my-llm-inference.inference.example.com"]
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
from ansible_collections.gpuops.inference.plugins.module_utils._operations.workload_info import read_workload_info
from ansible_collections.gpuops.inference.plugins.module_utils._options.workload_info import workload_info_arguments


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**workload_info_arguments().keywords(), supports_check_mode=True, no_log=True)
    run_module(module, read_workload_info)


if __name__ == "__main__":
    main()
