#!/usr/bin/python
# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: model_volume
short_description: Make and check the volume claim of a model
version_added: 0.1.0
author:
  - The gpuops.inference authors (@gpuops)
description:
  - Sees to it that a persistent volume claim is there, is what you state, and has its volume.
  - A claim that the collection did not make is the normal case. It is compared with what you state and never changed.
    With O(adopt) it is taken over.
  - A claim of the collection grows if its storage class lets volumes grow. It never shrinks, and what Kubernetes lets
    nobody change is refused before anything is written.
  - On Kubernetes the claim is applied server-side, after a rehearsal by the API server. In check mode the rehearsal is
    all that is done.
  - On Run:ai claims are made by PVC data sources of the project. The API does not show the claims themselves, so what
    could not be compared is named in a finding. With the connection options of Kubernetes the claim is looked at in
    the cluster that runs the project.
options:
  name:
    description:
      - The name of the claim in the namespace.
    type: str
    required: true
  state:
    description:
      - The state that is wanted.
    type: str
    choices:
      present: The claim is there as described, and has its volume.
      absent: There is no such claim. It is deleted only with O(allow_data_loss), and only if no pod mounts it.
    default: present
  size:
    description:
      - How much space the claim asks for, such as V(500Gi). It is needed to make one.
      - For a claim that the collection did not make, it is the least that is needed.
    type: str
  access_modes:
    description:
      - How the volume is mounted. A new claim gets V(read_write_many), since the pods of a replica are on several
        machines.
      - For a claim that the collection did not make, these are the ones that are needed. If it is not set, a claim
        that only one machine can mount is a warning.
      - V(read_write_once_pod) is for Kubernetes only.
    type: list
    elements: str
    choices:
      - read_write_many
      - read_only_many
      - read_write_once
      - read_write_once_pod
  volume_mode:
    description:
      - Whether the volume is a file system or a raw device. A new claim is a file system, which a model needs.
    type: str
    choices:
      - filesystem
      - block
  storage_class:
    description:
      - The storage class that makes the volume. The cluster's default class if it is not set.
      - Empty for a volume that was made by hand. On Kubernetes only.
    type: str
  volume_name:
    description:
      - The name of the volume that the claim shall get. On Kubernetes only.
    type: str
  selector:
    description:
      - Labels that the volume has to have. On Kubernetes only.
    type: dict
  labels:
    description:
      - Labels of the claim. On Kubernetes only.
    type: dict
    default: {}
  annotations:
    description:
      - Annotations of the claim. On Kubernetes only.
    type: dict
    default: {}
  data_source:
    description:
      - The name of the PVC data source of Run:ai. On Run:ai only.
      - If it is set, a data source is made also for a claim that is there already. People see the claim in the web
        interface then. A workload mounts a claim without one.
      - If it is not set, a new claim gets a data source with its own name.
    type: str
  path:
    description:
      - Where workloads that use the data source mount the claim. On Kubernetes it does not count.
    type: path
    default: /data
  adopt:
    description:
      - Whether a claim, or data source, that the collection did not make is taken over.
    type: bool
    default: false
  allow_data_loss:
    description:
      - Whether the claim may be deleted with everything on its volume.
    type: bool
    default: false
  force_conflicts:
    description:
      - Whether fields of the claim are taken over that somebody else holds. On Kubernetes only.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the claim has its volume and size, or until it is gone.
      - A claim whose class binds it with its first pod is not waited for.
    type: bool
    default: true
  bind_timeout:
    description:
      - How long the claim may take to get its volume, or to grow, in seconds.
    type: int
    default: 300
  delete_timeout:
    description:
      - How long the deletion of a claim may take, in seconds.
    type: int
    default: 300
extends_documentation_fragment:
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
  - module: gpuops.inference.preflight_info
  - module: gpuops.inference.vllm_workload
"""

EXAMPLES = r"""
- name: See to it that the claim with the models is there, whoever made it
  gpuops.inference.model_volume:
    platform: runai
    project: my-project
    name: my-project-models

- name: Do the same on Kubernetes, where it can be compared
  gpuops.inference.model_volume:
    platform: kubernetes
    namespace: my-project
    name: my-project-models
    size: 500Gi
    access_modes:
      - read_write_many

- name: Make a claim of 500 GiB that all pods can mount
  gpuops.inference.model_volume:
    platform: kubernetes
    namespace: my-project
    name: more-models
    size: 500Gi
    storage_class: nfs

- name: Make a claim with a data source of Run:ai
  gpuops.inference.model_volume:
    platform: runai
    project: my-project
    name: more-models
    size: 500Gi
    storage_class: nfs
    path: /data

- name: Remove a claim with everything on it
  gpuops.inference.model_volume:
    platform: kubernetes
    namespace: my-project
    name: old-models
    state: absent
    allow_data_loss: true
"""

RETURN = r"""
target:
  description: Where the claim is, as one line.
  returned: when the platform was reached
  type: str
  sample: kubernetes at https://cluster.example.com:6443 (namespace my-project)
volume:
  description: The claim as it is now, as far as it is shown.
  returned: when the platform was reached
  type: dict
  contains:
    name:
      description: The name of the claim.
      type: str
      returned: always
      sample: my-project-models
    phase:
      description: >-
        V(bound), it has a volume; V(pending); V(lost), its volume is gone; V(deleting); V(absent); V(failed), as the
        data source says; V(available), the data source reports no issue; V(unknown), it is not shown.
      type: str
      returned: always
      sample: bound
    managed:
      description: Whether the collection made it, or took it over.
      type: bool
      returned: always
      sample: false
    capacity:
      description: How much space its volume has.
      type: str
      returned: always
      sample: 500Gi
    size:
      description: How much space it asks for.
      type: str
      returned: when the claim is shown
      sample: 500Gi
    access_modes:
      description: How it can be mounted.
      type: list
      elements: str
      returned: when the claim is shown
      sample: [read_write_many]
    volume_mode:
      description: Whether it is a file system or a raw device.
      type: str
      returned: when the claim is shown
      sample: filesystem
    storage_class:
      description: Its storage class.
      type: str
      returned: when the claim is shown
      sample: nfs
    volume_name:
      description: The name of its volume.
      type: str
      returned: when the claim is shown
      sample: pvc-0b1f5a0e
changes:
  description: What was changed, or would be in check mode, by option.
  returned: when the platform was reached
  type: list
  elements: dict
  contains:
    path:
      description: The option.
      type: str
      returned: always
      sample: size
    before:
      description: The value before.
      type: raw
      returned: always
      sample: 500Gi
    after:
      description: The value that is wanted.
      type: raw
      returned: always
      sample: 1Ti
findings:
  description: What a person should know, most severe first.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: How grave it is.
      type: str
      returned: always
      sample: error
    cause:
      description: A stable word for the cause.
      type: str
      returned: always
      sample: provisioning_failed
    evidence:
      description: What was seen.
      type: str
      returned: always
      sample: "ProvisioningFailed: rpc error: code = ResourceExhausted desc = no space left."
    hint:
      description: What to do.
      type: str
      returned: always
      sample: Look at the log of the storage's provisioner, or ask whoever runs the storage.
    object:
      description: What it is about.
      type: str
      returned: always
      sample: my-project-models
timings:
  description: How long was waited for what (V(bind), V(delete)), in seconds.
  returned: when the platform was reached
  type: dict
  sample:
    bind: 2.1
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpuops.inference.plugins.module_utils._operations.model_volume import apply_volume
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import run_module
from ansible_collections.gpuops.inference.plugins.module_utils._options.model_volume import model_volume_arguments


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**model_volume_arguments().keywords(), supports_check_mode=True, no_log=True)
    run_module(module, apply_volume)


if __name__ == "__main__":
    main()
