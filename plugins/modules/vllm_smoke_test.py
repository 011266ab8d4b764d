#!/usr/bin/python
# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_smoke_test
short_description: Prove that a workload answers
version_added: 0.1.0
author:
  - The gpuops.inference authors (@gpuops)
description:
  - Tests a workload level by level and returns a verdict with its evidence.
  - That C(/health) answers is never taken for proof, since a broken engine answers there too.
  - On Run:ai the workload's endpoint is asked, which stands for all replicas. On plain Kubernetes the leader of every
    replica that is ready is asked through the API server, and all of them have to answer.
  - Where no way through the API server leads to them, they are asked by looks inside the cluster, short jobs in the
    workload's own image that delete themselves. The result counts them.
  - Nothing is changed.
options:
  name:
    description:
      - The name of the workload.
    type: str
    required: true
  up_to:
    description:
      - The highest level that is tested.
    type: str
    choices:
      L0: Pods and ranks. All pods run, and form one engine over all GPUs, judged from what the platform shows.
      L1: Also the list of models that the endpoint serves.
      L2: Also a completion, with a time limit.
      L4: >-
        Also the memory of the GPUs. Every pod sees as many GPUs as it was given, and a rank works on each. Asked by
        C(nvidia-smi) in the pods, on plain Kubernetes. L3, the transport between the pods, is not there yet.
    default: L2
  served_names:
    description:
      - The names that the endpoint must serve. If empty, they are read from the workload.
    type: list
    elements: str
    default: []
  prompt:
    description:
      - What the model is asked.
    type: str
    default: Say hello in one word.
  max_tokens:
    description:
      - The length of the answer at most, in tokens.
    type: int
    default: 16
  time_limit:
    description:
      - How long one answer may take, in seconds. An engine that lost a follower does not answer at all.
    type: int
    default: 60
  looks_in_check_mode:
    description:
      - Whether looks inside the cluster are started in check mode too. Otherwise the result names what was not looked
        at.
    type: bool
    default: false
  fail_on:
    description:
      - From which verdict on the task fails.
    type: str
    choices:
      failed: If a level failed.
      unknown: If a level failed, or could not be tested from here.
      never: Never. The verdict is returned.
    default: failed
extends_documentation_fragment:
  - gpuops.inference._connection
  - gpuops.inference._endpoint
  - gpuops.inference._attributes
attributes:
  check_mode:
    support: full
    details: The same requests are sent in check mode, since they change nothing. Looks inside the cluster are started
      with O(looks_in_check_mode) only.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: gpuops.inference.vllm_workload
  - module: gpuops.inference.vllm_workload_info
"""

EXAMPLES = r"""
- name: Prove that the model answers
  gpuops.inference.vllm_smoke_test:
    platform: runai
    project: my-project
    name: my-llm-inference

- name: Look at pods and ranks only
  gpuops.inference.vllm_smoke_test:
    platform: runai
    project: my-project
    name: my-llm-inference
    up_to: L0
    fail_on: unknown

- name: Look at the GPUs of every pod, too
  gpuops.inference.vllm_smoke_test:
    platform: kubernetes
    namespace: inference
    name: my-llm-inference
    up_to: L4

- name: Prove that every replica answers on a Kubernetes cluster
  gpuops.inference.vllm_smoke_test:
    platform: kubernetes
    namespace: inference
    name: my-llm-inference

- name: Prove it where vLLM asks for a key
  gpuops.inference.vllm_smoke_test:
    platform: kubernetes
    namespace: inference
    name: my-llm-inference
    endpoint_token: "{{ my_llm_api_key }}"
"""

RETURN = r"""
target:
  description: Where the workload is, as one line.
  returned: when the platform was reached
  type: str
  sample: runai at https://tenant.run.ai (project my-project)
verdict:
  description: The worst of the levels, V(passed), V(unknown) or V(failed).
  returned: when the workload was found
  type: str
  sample: passed
levels:
  description: The outcome of each level.
  returned: when the workload was found
  type: list
  elements: dict
  contains:
    level:
      description: The level.
      type: str
      returned: always
      sample: L2
    name:
      description: What is tested there.
      type: str
      returned: always
      sample: completion
    status:
      description: V(passed), V(failed), V(unknown) or V(skipped).
      type: str
      returned: always
      sample: passed
    reason:
      description: Why.
      type: str
      returned: always
      sample: answered in 0.4 s
    seconds:
      description: How long it took.
      type: float
      returned: always
      sample: 0.4
world_size:
  description: The number of ranks that the engine itself reports, and where that was seen. V(null) if it cannot be
    seen.
  returned: when the workload was found
  type: dict
  sample:
    value: 4
    source: GET /get_world_size
pods_seen:
  description: The pods that the platform shows.
  returned: when the workload was found
  type: list
  elements: dict
  sample:
    - name: my-llm-inference-0
      role: leader
      phase: running
      machine: gpu-1
pods_expected:
  description: How many pods the workload's own description asks for.
  returned: when the workload was found
  type: int
  sample: 2
endpoint:
  description: The address of the workload. V(null) if there is none. On plain Kubernetes the leaders are asked
    themselves, not this address.
  returned: when the workload was found
  type: str
  sample: https://my-llm-inference.inference.example.com
models:
  description: The models that the endpoint lists.
  returned: when the workload was found
  type: list
  elements: dict
  sample:
    - name: mistral4
      max_model_len: 32768
replicas_proven:
  description: How many replicas answered, of how many. On Run:ai never more than one, since one address stands for
    all of them.
  returned: when the workload was found
  type: str
  sample: 1 of 1
answer:
  description: The model's answer. V(null) if there is none.
  returned: when the workload was found
  type: dict
  contains:
    text:
      description: The text, shortened.
      type: str
      returned: always
      sample: Hello
    seconds:
      description: How long it took.
      type: float
      returned: always
      sample: 0.42
    second_seconds:
      description: How long the same request took the second time.
      type: float
      returned: always
      sample: 0.21
    repeatable:
      description: Whether the second answer was the same.
      type: bool
      returned: always
      sample: true
    path:
      description: The path that was asked.
      type: str
      returned: always
      sample: /v1/chat/completions
    model:
      description: The served name that was asked.
      type: str
      returned: always
      sample: mistral4
gpus:
  description: The GPUs as C(nvidia-smi) in each pod shows them. Empty below the level L4, and of pods that could not be
    asked.
  returned: when the workload was found
  type: list
  elements: dict
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
looks:
  description: How many looks inside the cluster were started. Each is gone again.
  returned: when the workload was found
  type: int
  sample: 0
not_looked_at:
  description: What only a look could have shown, and check mode left out.
  returned: when the workload was found
  type: list
  elements: str
  sample: []
timings:
  description: How long the levels took, in seconds.
  returned: when the workload was found
  type: dict
  sample:
    L0: 0.1
    L1: 0.1
    L2: 0.6
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
from ansible_collections.gpuops.inference.plugins.module_utils._operations.workload_smoke_test import prove_workload
from ansible_collections.gpuops.inference.plugins.module_utils._options.smoke_test import smoke_test_arguments


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**smoke_test_arguments().keywords(), supports_check_mode=True, no_log=True)
    run_module(module, prove_workload)


if __name__ == "__main__":
    main()
