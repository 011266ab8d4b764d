# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The table of causes, its second part: volumes, disks, machines, the way through the queue, and readiness. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rule import (
    AT_ONCE,
    NEVER,
    OBJECT_GRACE,
    POD_GOT_ON,
    POD_WAS_CREATED,
    PROBE_GRACE,
    RETRY_GRACE,
    Rule,
)
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import (
    crash_loop_sign,
    failed_sign,
    no_pods_sign,
    text_sign,
    unseen_by_scheduler_sign,
)
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.start_table import (
    DISK_IS_FULL,
    READ_ONLY,
    SUB_PATH,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO

# What the kubelet evicts a pod for that uses more than it asked for itself: the next one will, too.
_OWN_LIMIT = (
    r"Usage of EmptyDir volume|exceeds the total limit of containers|exceeded its local ephemeral storage limit"
)
_LOW_DISK = r"low on resource: (ephemeral-storage|inodes)|had condition: \[[^]]*DiskPressure"
_LOW_MEMORY = r"low on resource: memory|had condition: \[[^]]*MemoryPressure"
# What a mount fails for that says more than that it fails.
_NO_PATH = (
    r"hostPath type check failed|NewMounter initialization failed.* does not exist|"
    r"reason given by server: No such file or directory|special device \S+ does not exist"
)
_NOT_LET_IN = r"^Failed(Mount|AttachVolume): .*(access denied|permission denied|operation not permitted)"
# How a container's end reads that has a rule of its own.
_KILLED = r"ended: Error \(exit code 137\)"
_SUCCEEDED = r"ended: Completed \(exit code 0\)"
_NO_SUB_PATH = rf"(failed to (prepare|create)|unable to provision) {SUB_PATH}"

PLACE_RULES = (
    Rule(
        "machine_lost",
        "a pod's machine is not ready any more, so the pod can neither end nor be made anew; an error once that has "
        "lasted for 15 minutes",
        "Bring the machine back, and its pods end and start again by themselves. One that will not come back: switch "
        "it off and delete its Node object (its pods then go within a minute), or set `force_lost_machines: true`, "
        "which deletes just these pods.",
        text_sign(r"^Machine(NotReady|Lost): ", definitive=r"^MachineLost: "),
        NEVER,
    ),
    Rule(
        "pod_not_ending",
        "a pod is Terminating for longer than its grace, and its machine is ready (or may not be looked at)",
        "A finalizer waits for whoever set it. Without one the machine's kubelet or container runtime hangs: look at "
        "the machine (`kubectl describe node`), and permit `get nodes` to have it looked at here.",
        text_sign(r"^PodNotEnding: "),
        NEVER,
    ),
    Rule(
        "volume_claim_missing",
        '`persistentvolumeclaim "..." not found`',
        "Create the claim in the workload's namespace, or correct `volumes[].claim`.",
        text_sign(
            r'persistentvolumeclaims? \\?"?[^ ]+ not found|claim .*(does not exist|not found)',
            settled_by=("Scheduled", *POD_GOT_ON),
        ),
        OBJECT_GRACE,
    ),
    Rule(
        "volume_claim_lost",
        "the claim is being deleted, or its volume is not there any more",
        "Give the claim a volume again, or use another one in `volumes[].claim`.",
        text_sign(
            r"persistentvolumeclaims? \S+ (is being deleted|bound to non-existent)|bound to non-existent pv",
            settled_by=("Scheduled", *POD_GOT_ON),
        ),
        OBJECT_GRACE,
    ),
    Rule(
        "volume_claim_unbound",
        "the pods wait for a claim that has no volume yet, or its volume cannot be made",
        "Look at the claim's own events: its storage class may be missing, full, or not offer ReadWriteMany.",
        text_sign(
            r"unbound immediate PersistentVolumeClaims|ProvisioningFailed", settled_by=("Scheduled", *POD_GOT_ON)
        ),
        NEVER,
    ),
    Rule(
        "volume_path_missing",
        "FailedMount: the folder, the export or the device of the volume is not there on this machine",
        "Check the path in the PersistentVolume, and that this machine has what it names mounted (a parallel file "
        "system that is missing on one machine shows exactly like this).",
        text_sign(rf"{_NO_PATH}|{_NO_SUB_PATH}", unless=READ_ONLY, settled_by=POD_GOT_ON),
        RETRY_GRACE,
    ),
    Rule(
        "volume_access_denied",
        "FailedMount with `access denied by server`, `permission denied` or `operation not permitted`",
        "The storage does not let this machine in: its exports or access rules, or the Secret that the storage class "
        "names.",
        text_sign(_NOT_LET_IN, unless=rf"{_NO_PATH}|{READ_ONLY}", settled_by=POD_GOT_ON),
        RETRY_GRACE,
    ),
    Rule(
        "volume_read_only",
        "`read-only file system` while volumes are mounted or the container is made",
        "Something would have to be written there before the container starts (the folder of a mount inside another "
        "one, a subPath, a volume of a broken file system that fell back to read-only): mount it elsewhere, or repair "
        "the volume.",
        text_sign(READ_ONLY, definitive=r"OCI runtime|runc create failed", settled_by=POD_GOT_ON),
        RETRY_GRACE,
    ),
    Rule(
        "disk_full",
        "`no space left on device` from the kubelet or the container runtime: the machine's disk is full",
        "Free the machine's disk (old images, logs), or exclude the machine (`exclude_machines`).",
        text_sign(DISK_IS_FULL, settled_by=POD_GOT_ON),
        RETRY_GRACE,
    ),
    Rule(
        "storage_limit_exceeded",
        "evicted: the pod wrote more than its own limit (an emptyDir's size, `ephemeral-storage`)",
        "Raise the limit that the message names: `scratch_size` holds HOME and the caches, `shm_size` is /dev/shm; a "
        "limit on ephemeral-storage may come from a LimitRange of the namespace.",
        text_sign(_OWN_LIMIT, current_pods_only=False, watched_pods_only=True),
        AT_ONCE,
    ),
    Rule(
        "volume_mount_failed",
        "FailedMount or FailedAttachVolume: the volume exists, but the machine cannot mount it",
        "Check that the storage can be reached from that machine and that a claim used by several pods is "
        "ReadWriteMany.",
        text_sign(
            r"^Failed(Mount|AttachVolume): |MountVolume\.\w+ failed|Multi-Attach error|"
            r"Unable to attach or mount volumes",
            unless=r"(secret|configmap|persistentvolumeclaim)s? \S+ not found|"
            rf"{_NO_PATH}|{_NOT_LET_IN}|{READ_ONLY}|{DISK_IS_FULL}",
            settled_by=POD_GOT_ON,
        ),
        RETRY_GRACE,
    ),
    Rule(
        "pod_network_failed",
        "FailedCreatePodSandBox: the pod's network cannot be made",
        "If the fabric asks for a secondary network, check the name of the NetworkAttachmentDefinition and its "
        "namespace; otherwise the machine's network plugin is at fault.",
        text_sign(
            r"FailedCreatePodSandBox|failed to set up sandbox|network-attachment-definition",
            definitive=r"cannot find a network-attachment-definition|network-attachment-definition\S* .*not found",
            settled_by=POD_GOT_ON,
        ),
        RETRY_GRACE,
    ),
    Rule(
        "gpu_allocation_failed",
        "UnexpectedAdmissionError, `OutOfnvidia.com/gpu`: the machine could not hand out the GPUs or other devices it "
        "had promised",
        "The machine's device plugin and the scheduler disagree: exclude the machine "
        "(`exclude_machines`) and tell its administrator.",
        text_sign(
            r"UnexpectedAdmissionError|Allocate failed due to|^OutOf\S+: |Node didn't have enough resource",
            settled_by=POD_GOT_ON,
        ),
        RETRY_GRACE,
    ),
    Rule(
        "crash_loop",
        "the kubelet backs off restarting a container, or the pods were recreated twice before the workload ever ran",
        "The engine ends soon after it starts. Read the log of that pod's previous container: a wrong argument, files "
        "that the UID cannot read and too little memory are the commonest causes.",
        crash_loop_sign,
        AT_ONCE,
    ),
    Rule(
        "container_killed",
        "a container ended with exit code 137 (SIGKILL), and nobody says that it was for its memory limit",
        "Either the machine itself ran out of memory (its kernel's log tells; set `resources.memory_request`), or the "
        "kubelet killed what did not end in time, or somebody did.",
        text_sign(_KILLED, not_while_running=True),
        NEVER,
    ),
    Rule(
        "container_ended",
        "a container ended and is started again",
        "Read the log of that pod's previous container. Exit code 135 is a full /dev/shm, 139 a crash in native code, "
        "143 an order to stop.",
        text_sign(
            r"^container \S+ ended: ",
            unless=rf"OOMKill|StartError|ContainerCannotRun|{_KILLED}|{_SUCCEEDED}",
            not_while_running=True,
        ),
        NEVER,
    ),
    Rule(
        "ended_without_error",
        "a container ended with exit code 0, which a follower of vLLM does when its worker processes died or its "
        "leader is gone",
        "The cause stands before that in this pod's log, or in its leader's.",
        text_sign(_SUCCEEDED, not_while_running=True),
        NEVER,
    ),
    Rule(
        "group_recreated",
        "an event RecreateGroup: LeaderWorkerSet makes all pods of a replica anew, because one of them ended, was "
        "deleted or lost its machine",
        "That heals by itself, and takes as long as a start. What else is told of the pod that it names says why.",
        text_sign(r"^RecreateGroup\w*: ", not_while_running=True),
        NEVER,
    ),
    Rule(
        "probe_restarts",
        "an event Killing: a container failed its startup or liveness probe",
        "Loading took longer than `start_timeout`, or a serving engine hangs: look at the pod's log and at the "
        "storage's speed, and raise `start_timeout` if it was still loading.",
        text_sign(r"^Killing: .*failed (startup|liveness) probe"),
        NEVER,
    ),
    Rule(
        "preempted",
        "an event Preempted: another workload took the GPUs",
        "It is queued again. A workload that must stay needs `preemptibility: non_preemptible` (within the quota).",
        text_sign(r"^Preempt\w*: |\bpreempted\b", current_pods_only=False),
        NEVER,
    ),
    Rule(
        "disk_pressure",
        "evicted: the machine is short of disk (`low on resource: ephemeral-storage`, condition DiskPressure)",
        "The pods come back elsewhere if there is room. Free that machine's disk; what the pods write themselves is "
        "bounded by `scratch_size`.",
        text_sign(_LOW_DISK, unless=_OWN_LIMIT, settled_by=("Started",)),
        NEVER,
    ),
    Rule(
        "memory_pressure",
        "evicted: the machine is short of memory (`low on resource: memory`, condition MemoryPressure)",
        "Set `resources.memory_request` to what a pod needs, so that it is placed where that is free; what lies in "
        "/dev/shm counts.",
        text_sign(_LOW_MEMORY, settled_by=("Started",)),
        NEVER,
    ),
    Rule(
        "evicted",
        "a pod was evicted, or its machine is not ready",
        "The machine was drained or is lost; the pods come back elsewhere if there is room.",
        text_sign(
            r"^Evict\w*: |node was low on resource|TaintManagerEviction|^NodeNotReady: |"
            r"^(DeletionByTaintManager|DeletionByPodGC|TerminationByKubelet): |imminent node shutdown",
            unless=rf"{_OWN_LIMIT}|{_LOW_DISK}|{_LOW_MEMORY}",
            settled_by=("Started",),
        ),
        NEVER,
    ),
    Rule(
        "quota_exceeded",
        "NonPreemptibleOverQuota, OverLimit, exceeded quota: the project or namespace may not use so many GPUs now",
        "Wait for other workloads of the project or namespace to end, ask for quota, use fewer GPUs, or (with a "
        "project of Run:ai) say `preemptibility: preemptible` to go over the quota.",
        text_sign(
            r"NonPreemptibleOverQuota|OverLimit|over[ -]quota|exceeded quota|limit of non-preemptible|"
            r"(quota|limit) is \d+ GPU",
            settled_by=POD_WAS_CREATED,
        ),
        NEVER,
    ),
    Rule(
        "scheduling_gated",
        "SchedulingGated: something holds the pods back before they are scheduled (a queue such as Kueue)",
        "Whoever set the gate lets them go: look at the queue of the namespace.",
        text_sign(r"^SchedulingGated\b|scheduling gates"),
        NEVER,
    ),
    Rule(
        "scheduler_missing",
        "no scheduler has looked at the pods for a minute",
        "Check that the scheduler of that name runs in the cluster, or correct `scheduler`.",
        unseen_by_scheduler_sign,
        NEVER,
    ),
    Rule(
        "unschedulable",
        "FailedScheduling, `0/N nodes are available`: no machine has room for the pods (all pods of a replica "
        "are placed "
        "together)",
        "The message counts the machines by reason: check `gpus_per_pod` against the machines' GPUs, node pools, "
        "tolerations and what else runs there. Untolerated taints are also those of machines that are not ready, or "
        "short of disk or memory.",
        text_sign(
            r"^FailedScheduling: |nodes are available|Resources were not found|^Unschedulable\b",
            unless=r"persistentvolumeclaim|scheduling gates|(quota|limit) is \d+|over[ -]?quota",
            settled_by=("Scheduled", *POD_GOT_ON),
        ),
        NEVER,
    ),
    Rule(
        "pods_not_created",
        "accepted a minute ago, and there are still no pods and no message",
        "The controller that makes the pods (LeaderWorkerSet, or Knative for one pod) is missing or does not run: ask "
        "the cluster's administrator.",
        no_pods_sign,
        NEVER,
    ),
    Rule(
        "readiness_refused",
        "a probe is answered with 401, 403, 404 or 405 for a minute: something serves, but not this path",
        "The probe asks vLLM on `serving.port`: an API key in front of it, another program or another "
        "path on that port keeps the workload from ever being ready.",
        text_sign(
            r"(Readiness|Startup|Liveness) probe failed: .*statuscode: (401|403|404|405)", not_while_running=True
        ),
        PROBE_GRACE,
    ),
    Rule(
        "readiness_failing",
        "Unhealthy: the readiness probe fails; normal for as long as the model loads",
        "If it never ends: the engine hangs (followers that do not reach the leader, slow storage) or listens "
        "elsewhere.",
        text_sign(r"^Unhealthy: |Readiness probe failed", not_while_running=True),
        NEVER,
        meanwhile=INFO,
    ),
    Rule(
        "platform_failed",
        "the platform's own phase is failed",
        "The platform's message is all it tells; the pods' logs tell more.",
        failed_sign,
        AT_ONCE,
    ),
)
