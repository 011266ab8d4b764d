#!/usr/bin/python
# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: model_ownership
short_description: Repair owner, group and mode of model files, and prove that they can be read
version_added: 0.1.0
author:
  - The gpuops.inference authors (@gpuops)
description:
  - Looks at the files of a model on a volume claim, and changes owner, group and mode where they are wrong, and only
    there. Then it reads the first byte of every file and lists every folder as the serving user. Only what was read
    that way counts as readable.
  - The work is done by one short job in the namespace, and by several pods where very much is to be changed
    (O(copies)). Its first container runs as root with the capabilities CHOWN, DAC_OVERRIDE and FOWNER and no others,
    its second one as the serving user without any. The job ends by its own limit and is removed by the server, also if
    the play is cancelled.
  - Nothing outside of the paths is changed. No link in them is followed, a file with other names outside of the paths
    is left alone, and so is one that is swapped for something else meanwhile.
  - Where the storage refuses or ignores changes of owners, or is read-only, findings name what is left to do. They are
    warnings where the serving user can read everything all the same, and errors otherwise.
  - Where no jobs may be created, the finding C(no_looks) says that nobody looked.
  - A manifest beside the model says which files there were at the last run, and how large they were. What differs
    is told, and under a workload that serves from them it is an error.
  - In a namespace that allows no root (Pod Security level V(restricted)) files are read as the serving user only.
  - In an image without Python a shell script does a part of this. It knows the default modes and files of root only.
  - On Run:ai the job runs in the project's cluster, to which connection options of Kubernetes lead. Without them the
    same is done by training workloads, of which the API tells nothing but whether they succeeded. One asks as the
    serving user whether all is as wanted and as the manifest says. If it is not, others ask for the files alone,
    repair them or write the manifest as root, and ask again. How many files were wrong or differ, which, and why, is
    then unknown. What runs as root has all capabilities that containers have by default, since the API cannot take
    them away.
options:
  claim:
    description:
      - The name of the volume claim.
    type: str
    required: true
  workload:
    description:
      - The workload whose files they are. Runs for the same O(paths) remove each other's job as one that was left over,
        unless they name different workloads.
    type: str
  paths:
    description:
      - The files and folders to see to, with everything in them. Usually the folder of the model.
      - Absolute paths are those of the workload's pods and lie below O(mount_path). Others lie below the claim's root.
      - No name in them may begin with a hyphen.
      - A path may itself lead through links inside the volume (C(current) for C(v2)). What they lead to is then looked
        at and read, but never changed, and a finding says so. Give what they lead to, to have it repaired. One that
        leads out of the volume is an error. In an image without Python so is one that ends in a link.
    type: list
    elements: str
    default: []
  mount_path:
    description:
      - Where the workload mounts the claim. Links with an absolute target are judged by it.
    type: str
    default: /data
  allow_volume_root:
    description:
      - Whether the whole volume may be seen to, if O(paths) is empty or names its root.
    type: bool
    default: false
  pods:
    description:
      - How many pods of a replica are to mount the claim. One that they cannot share (C(ReadWriteOncePod), and
        C(ReadWriteOnce) with O(spread=required)) is refused before anything is changed; with C(ReadWriteOnce) alone a
        finding says that all of them have to be on one machine.
      - On Run:ai, without a way into the project's cluster, this is not known.
    type: int
    default: 1
  spread:
    description:
      - Whether these pods go to different machines, as in M(gpuops.inference.vllm_workload).
    type: str
    choices:
      none: It does not matter.
      preferred: As far as there are other machines.
      required: They do, or do not start.
    default: preferred
  ensure:
    description:
      - What is wanted.
    type: str
    choices:
      owned: Everything belongs to the serving user and group, with O(file_mode) and O(directory_mode).
      readable: >-
        The serving user can read everything. Nobody loses a right, and owners stay. What cannot be read gets the first
        of these that helps: the owner's bit if it is the serving user, the group's bit if it is one of its groups, the
        serving group with its bit if the present group has no right, or everybody's bit.
    default: owned
  file_mode:
    description:
      - The mode of files, in symbols (V(u=rwX,g=rX)) or as a number (V(0640)). C(X) gives the right to execute only
        where somebody has it.
      - A link is judged by what it leads to.
    type: str
    default: u+rwX,g+rX,o-w
  directory_mode:
    description:
      - The mode of folders, written likewise. C(X) is the right to enter. Set-group-ID bits stay as they are.
    type: str
    default: u+rwX,g+rX,o-w
  take_over_from:
    description:
      - Users whose files are changed, too. Without this files of users other than root and the serving one are left as
        they are.
    type: list
    elements: int
    default: []
  allow_serving:
    description:
      - Whether files are changed from which a workload of the collection serves now. Without this they are only looked
        at. If something is wrong with them, a finding says so, and the task fails if they cannot be read.
    type: bool
    default: false
  look_at_served:
    description:
      - Whether files are looked at from which a workload of the collection serves now. Without this no job is started
        if a workload of the same user and group, which has read its files, serves from all O(paths), and the result
        says so.
    type: bool
    default: true
  manifest:
    description:
      - What is remembered of the files, in the file C(.gpuops-manifest.json) at the top of each folder of O(paths), to
        tell a later run which of them were added, removed or changed.
      - It is written where files may be changed, and belongs to the serving user. Where it cannot be kept, a finding
        says that nothing is known. A single file and a folder with more than 10,000 entries have none.
    type: str
    choices:
      none: Nothing. A manifest that is there stays.
      sizes: Which files and links there are, and how large they are.
      hashes: >-
        Also the SHA-256 of each file. Every run reads all of them, which takes minutes for a large model and has to
        fit into half of O(time_limit).
    default: sizes
  image:
    description:
      - The image of the job. The workload's own is there already, and has Python.
    type: str
    required: true
  image_pull_secrets:
    description:
      - Secrets of the namespace that hold credentials for the image's registry.
    type: list
    elements: str
    default: []
  node_selector:
    description:
      - Labels that a machine has to have for the job to run there.
    type: dict
    default: {}
  start_timeout:
    description:
      - How long the job may take until it runs, in seconds. An image that is not on the machine yet takes minutes.
    type: int
    default: 900
  copies:
    description:
      - How many pods share a repair of very many entries, by an indexed job, on machines of their own as far as there
        are. Each takes entries by a hash of their path.
      - Once O(copies_from) entries were changed by one pod, these go on, and after them one pod sees to what is left,
        such as files with several names. V(1) leaves it all to one.
      - One pod walks with several processes, which have threads where the volume is a network's. More pods help where
        the server can do more than one machine asks for.
      - Not where only one machine may mount the claim, and not on Run:ai without a kubeconfig.
    type: int
    default: 4
  copies_from:
    description:
      - From how many changed entries on a repair that is not done yet is shared.
    type: int
    default: 1000000
  time_limit:
    description:
      - How long the work may take, in seconds, half of it for the repair and half for the proof. A run that was
        stopped by it is continued by the next one.
      - Each training workload may take half of it, and so may each of the pods that share a repair, and the repair
        before and after them.
    type: int
    default: 3600
  looks_in_check_mode:
    description:
      - Whether the job is started in check mode, to look and change nothing. Otherwise nobody knows what would be
        changed, and the result says so.
    type: bool
    default: false
extends_documentation_fragment:
  - gpuops.inference._pods
  - gpuops.inference._connection
  - gpuops.inference._attributes
attributes:
  check_mode:
    support: partial
    details:
      - With O(looks_in_check_mode) only.
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: gpuops.inference.model_volume
  - module: gpuops.inference.vllm_workload
"""

EXAMPLES = r"""
- name: See to it that the serving user owns the model
  gpuops.inference.model_ownership:
    platform: kubernetes
    namespace: my-project
    claim: my-project-models
    paths:
      - /data/input/Models/Mistral-Small-4-119B-2603
    image: registry.example.com/vllm-openai:v0.33.0

- name: See to it in a project of Run:ai, with a report if K8S_AUTH_KUBECONFIG leads to its cluster
  gpuops.inference.model_ownership:
    platform: runai
    project: my-project
    claim: my-project-models
    paths:
      - /data/input/Models/Mistral-Small-4-119B-2603
    image: registry.example.com/vllm-openai:v0.33.0

- name: Let the serving user read the model and change as little as possible
  gpuops.inference.model_ownership:
    platform: kubernetes
    namespace: my-project
    claim: my-project-models
    paths:
      - input/Models/Mistral-Small-4-119B-2603
    ensure: readable
    run_as:
      uid: 2000
      gid: 2000
      supplemental_groups: [5000]
    image: registry.example.com/vllm-openai:v0.33.0

- name: Find out whether somebody has changed the files since the last run, byte by byte
  gpuops.inference.model_ownership:
    platform: kubernetes
    namespace: my-project
    claim: my-project-models
    paths:
      - /data/input/Models/Mistral-Small-4-119B-2603
    manifest: hashes
    image: registry.example.com/vllm-openai:v0.33.0
"""

RETURN = r"""
target:
  description: Where the claim is, as one line.
  returned: when the platform was reached
  type: str
  sample: kubernetes at https://cluster.example.com:6443 (namespace my-project)
claim:
  description: The claim.
  returned: when the platform was reached
  type: str
  sample: my-project-models
paths:
  description: The paths, below the claim's root. The root itself is empty.
  returned: when the platform was reached
  type: list
  elements: str
  sample: [input/Models/Mistral-Small-4-119B-2603]
mode:
  description: >-
    V(repair), or V(look) where nothing was to be changed: in check mode, under a workload that serves, and where no pod
    may run as root.
  returned: when the platform was reached
  type: str
  sample: repair
ownership:
  description: What root saw and did. Not set if nobody looked.
  returned: when the platform was reached
  type: dict
  contains:
    files:
      description: How many files there are, links not counted.
      type: int
      returned: always
      sample: 62
    directories:
      description: How many folders there are.
      type: int
      returned: always
      sample: 3
    bytes:
      description: How large the files are together.
      type: int
      returned: always
      sample: 238000000000
    wrong:
      description: >-
        How many entries were wrong at first, by V(owner), V(group), V(mode), V(unreadable) files, V(unsearchable)
        folders, and V(foreign) ones of other users.
      type: dict
      returned: always
      sample: {owner: 62, group: 62, mode: 59, unreadable: 59, unsearchable: 0, foreign: 0}
    changed:
      description: How many V(entries) were changed, and of how many V(owner), V(group) and V(mode).
      type: dict
      returned: always
      sample: {entries: 62, owner: 62, group: 62, mode: 59}
    left:
      description: How many entries are wrong still, in the words of V(wrong).
      type: dict
      returned: always
      sample: {owner: 0, group: 0, mode: 0, unreadable: 0, unsearchable: 0, foreign: 0}
    links:
      description: >-
        How many symbolic links there are (V(all)), lead nowhere (V(dangling)) or out of the paths (V(leaving)), and how
        many files have other names outside (V(leaving_hard_links)).
      type: dict
      returned: always
      sample: {all: 0, dangling: 0, leaving: 0, leaving_hard_links: 0}
    volume:
      description: >-
        The volume's V(file_system), whether it is V(read_only) (V(null) of a look, which mounts it read-only itself),
        and its V(free_bytes).
      type: dict
      returned: always
      sample: {file_system: nfs4, read_only: false, free_bytes: 812000000000}
    examples:
      description: Some paths for each of the counts, as many as the report has room for.
      type: dict
      returned: always
      sample: {owner: [input/Models/Mistral-Small-4-119B-2603/config.json]}
    passes:
      description: How often everything was looked at, until nothing was wrong that could be changed.
      type: int
      returned: always
      sample: 2
    seconds:
      description: How long it took.
      type: float
      returned: always
      sample: 0.12
    reduced:
      description: Whether the image has no Python, so that a shell script did a part of this.
      type: bool
      returned: always
      sample: false
proof:
  description: >-
    What the serving user could read. Not set if nobody looked, or if a training workload did not succeed. If one did,
    only RV(proof.readable) is set.
  returned: when the platform was reached
  type: dict
  contains:
    readable:
      description: Whether every file was read and every folder listed.
      type: bool
      returned: always
      sample: true
    files:
      description: How many files were read.
      type: int
      returned: always
      sample: 62
    directories:
      description: How many folders were listed.
      type: int
      returned: always
      sample: 3
    unreadable:
      description: How many files could not be read.
      type: int
      returned: always
      sample: 0
    unlisted:
      description: How many folders could not be listed.
      type: int
      returned: always
      sample: 0
    examples:
      description: Some paths that could not be read or listed.
      type: dict
      returned: always
      sample: {}
manifest:
  description: What is known of the files by their manifests, of several folders the worst. Not set with V(none).
  returned: when the platform was reached
  type: dict
  contains:
    state:
      description: >-
        V(same) where the files are those of the manifest, V(written) where it is new, V(renewed) where they differed
        from it, V(differs) and V(missing) where it was left so, and V(unknown). By training workloads V(written) is
        all that is known of a manifest that one of them wrote, and V(differs) means that files were changed or removed.
      type: str
      returned: always
      sample: renewed
    compared:
      description: >-
        What was compared, V(sizes) or V(hashes). Not set where there was no manifest, or where that is not known.
      type: str
      returned: always
      sample: sizes
    files:
      description: How many files there are now. By training workloads this and the following counts are not set.
      type: int
      returned: always
      sample: 63
    added:
      description: How many files and links the manifest did not have.
      type: int
      returned: always
      sample: 1
    removed:
      description: How many are there no more.
      type: int
      returned: always
      sample: 0
    changed:
      description: How many have another size, hash, or target.
      type: int
      returned: always
      sample: 2
    examples:
      description: Some of these, by V(added), V(removed) and V(changed).
      type: dict
      returned: always
      sample: {changed: [input/Models/Mistral-Small-4-119B-2603/config.json]}
answers:
  description: Whether all files were as wanted, as the training workloads have answered it.
  returned: on Run:ai, without a way into the project's cluster
  type: dict
  contains:
    before:
      description: What the first look found. Not set if nobody looked.
      type: bool
      returned: always
      sample: false
    after:
      description: What the look after a repair found. Not set if there was none.
      type: bool
      returned: always
      sample: true
serving:
  description: The workloads of the collection that serve from these paths now.
  returned: when the platform was reached
  type: list
  elements: str
  sample: []
looks:
  description: How many jobs, or training workloads, were started. Each is gone again.
  returned: when the platform was reached
  type: int
  sample: 1
not_looked_at:
  description: What check mode left out, and what was left out since a workload serves from it.
  returned: when the platform was reached
  type: list
  elements: str
  sample: []
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
      sample: ownership_refused
    evidence:
      description: What was seen.
      type: str
      returned: always
      sample: "the storage refuses root to change owner, group or mode of files (EPERM): 62 entries stay as they are."
    hint:
      description: What to do.
      type: str
      returned: always
      sample: Have the export let root change owners (no_root_squash) for the repair, or download the model again.
    object:
      description: What it is about.
      type: str
      returned: always
      sample: my-project-models
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpuops.inference.plugins.module_utils._operations.model_ownership import apply_ownership
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import run_module
from ansible_collections.gpuops.inference.plugins.module_utils._options.model_ownership import (
    model_ownership_arguments,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(**model_ownership_arguments().keywords(), supports_check_mode=True, no_log=True)
    run_module(module, apply_ownership)


if __name__ == "__main__":
    main()
