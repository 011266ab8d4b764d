#!/usr/bin/python
# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
short_description: Check whether a platform is ready for workloads
version_added: 0.1.0
author:
  - The gpuops.inference authors (@gpuops)
description:
  - Checks what a deployment would stumble over later. On Kubernetes these are the API server and its version, the
    credentials and every permission that the collection uses, the namespace with its Pod Security level and quotas,
    the controllers that are served, storage classes, volume claims, and GPUs of the machines.
    On Run:ai these are the control plane, the project with its quota, and the cluster with its parts.
  - Only reads. What the credentials may not see is V(unknown), and never a failure.
  - Secrets are not looked for, since the right to see that one is there is the right to read it.
  - If the platform cannot be reached or does not let you in, the task fails whatever O(fail_on) says.
options:
  gpus_per_pod:
    description:
      - How many whole GPUs each pod shall get. If it is not set, GPUs and quotas are shown and not judged.
    type: int
  pods:
    description:
      - How many pods one replica shall have, its leader included.
    type: int
    default: 1
  replicas:
    description:
      - How many replicas shall run.
    type: int
    default: 1
  claims:
    description:
      - The volume claims that the pods shall mount.
    type: list
    elements: str
    default: []
  fail_on:
    description:
      - Which checks fail the task.
    type: str
    choices:
      failed: Those with which a workload as described would not run.
      warning: These, and those with which it would run with less, or later.
      never: None. The result has the checks.
    default: never
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
"""

EXAMPLES = r"""
- name: Check whether a Run:ai project is ready for two pods with two GPUs each
  gpuops.inference.preflight_info:
    platform: runai
    project: my-project
    pods: 2
    gpus_per_pod: 2
  register: preflight

- name: Stop unless a namespace of a Kubernetes cluster is ready
  gpuops.inference.preflight_info:
    platform: kubernetes
    namespace: inference
    pods: 2
    gpus_per_pod: 2
    claims:
      - my-project-models
    fail_on: failed
"""

RETURN = r"""
target:
  description: Where was looked, as one line.
  returned: when the platform was reached
  type: str
  sample: kubernetes at https://cluster.example.com:6443 (namespace inference)
ready:
  description: Whether no check has failed.
  returned: when the options are valid
  type: bool
  sample: true
checks:
  description: What was checked, in the order in which one rests on the other.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    name:
      description: What was checked, such as V(permissions) or V(claim my-project-models).
      type: str
      returned: always
      sample: quota
    status:
      description: >-
        V(passed); V(warning), it works with less or later; V(failed), a workload as described would not run;
        or V(unknown), it could not be seen.
      type: str
      returned: always
      sample: warning
    evidence:
      description: What was seen.
      type: str
      returned: always
      sample: quota gpus allows 4 GPUs, 2 of them are in use, and 4 are needed.
    hint:
      description: What to do. Empty if there is nothing to do.
      type: str
      returned: always
      sample: Unless they are this workload's own, its pods wait until others end.
findings:
  description: The checks that did not pass, as findings, most severe first.
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
      sample: quota_exceeded
    evidence:
      description: What was seen.
      type: str
      returned: always
      sample: quota gpus allows 4 GPUs, 2 of them are in use, and 4 are needed.
    hint:
      description: What to do.
      type: str
      returned: always
      sample: Unless they are this workload's own, its pods wait until others end.
    object:
      description: The name of the check.
      type: str
      returned: always
      sample: quota
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import run_module
from ansible_collections.gpuops.inference.plugins.module_utils._operations.preflight import read_preflight
from ansible_collections.gpuops.inference.plugins.module_utils._options.preflight import preflight_arguments


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**preflight_arguments().keywords(), supports_check_mode=True)
    run_module(module, read_preflight)


if __name__ == "__main__":
    main()
