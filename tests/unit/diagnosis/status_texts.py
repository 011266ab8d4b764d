# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes 1.36, LeaderWorkerSet 0.9, containerd and Run:ai write, and the cause that each text tells."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING

# Severity at the first look, cause, and an event (`Reason: message`) or a message of the platform.
TEXTS = [
    (ERROR, "lws_missing", 'Failed: no matches for kind "LeaderWorkerSet" in version "leaderworkerset.x-k8s.io/v1"'),
    (ERROR, "lws_missing", "the server said: leaderworkersets.leaderworkerset.x-k8s.io is not installed"),
    (
        ERROR,
        "pod_security_refused",
        'FailedCreate: Error creating: pods "w-0" is forbidden: violates PodSecurity "restricted:latest": '
        'allowPrivilegeEscalation != false (container "vllm" must set securityContext.allowPrivilegeEscalation=false)',
    ),
    (
        ERROR,
        "priority_class_missing",
        'FailedCreate: create Pod w-0 in StatefulSet w failed error: pods "w-0" is forbidden: no PriorityClass with '
        "name gold was found",
    ),
    (
        ERROR,
        "namespace_terminating",
        'FailedCreate: Error creating: pods "w-x" is forbidden: unable to create new content in namespace a because it '
        "is being terminated",
    ),
    (
        WARNING,
        "service_account_missing",
        'FailedCreate: Error creating: pods "w-x" is forbidden: error looking up service account a/serving: '
        'serviceaccount "serving" not found',
    ),
    (
        WARNING,
        "limit_range_exceeded",
        'FailedCreate: Error creating: pods "w-x" is forbidden: maximum memory usage per Container is 1Gi, but limit '
        "is 4Gi",
    ),
    (
        WARNING,
        "webhook_unreachable",
        'FailedCreate: Error creating: Internal error occurred: failed calling webhook "mpod.kb.io": failed to call '
        'webhook: Post "https://lws-webhook-service.lws-system.svc:443/mutate": dial tcp: connection refused',
    ),
    (WARNING, "admission_refused", 'FailedCreate: admission webhook "policy.example.com" denied the request: no'),
    (ERROR, "image_pull_failed", 'Failed: Failed to pull image "r/x:v1": rpc error: code = NotFound desc = not found'),
    (ERROR, "image_pull_failed", 'Failed: Failed to pull image "r/x:v1": manifest unknown'),
    (ERROR, "image_pull_failed", 'Failed: Failed to pull image "r/x:v1": 401 Unauthorized'),
    (
        ERROR,
        "image_pull_failed",
        'Failed: Failed to pull image "r/x:v1": failed to pull and unpack image "r/x:v1": failed to resolve reference '
        '"r/x:v1": unexpected status from HEAD request to https://r/v2/x/manifests/v1: 403 Forbidden',
    ),
    (
        ERROR,
        "image_pull_failed",
        'Failed: Failed to pull image "r/x:v1": failed to resolve reference "r/x:v1": pull access denied, repository '
        "does not exist or may require authorization: server message: insufficient_scope: authorization failed",
    ),
    (ERROR, "image_pull_failed", "ErrImageNeverPull: Container image r/x:v1 is not present with pull policy of Never"),
    (WARNING, "image_pull_failed", "RegistryUnavailable: image pull failed for r/x:v1 because the registry is down"),
    (ERROR, "image_pull_failed", 'InspectFailed: Failed to apply default image tag "R/x": invalid reference format'),
    (ERROR, "image_pull_failed", "pod w-0: ErrImagePull: pull access denied"),
    (WARNING, "image_pull_failed", 'Failed: Failed to pull image "r/x:v1": dial tcp 10.0.0.1:443: i/o timeout'),
    (WARNING, "image_pull_failed", 'BackOff: Back-off pulling image "r/x:v1"'),
    (WARNING, "image_pull_failed", "pod w-0: ImagePullBackOff: Back-off pulling image"),
    (
        WARNING,
        "image_pull_secret_missing",
        "FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets",
    ),
    (ERROR, "out_of_memory", "container vllm ended: OOMKilled (exit code 137)"),
    (ERROR, "out_of_memory", "container vllm ended: OOMKilled (exit code 1)"),
    (ERROR, "out_of_memory", "OOMKilling: Memory cgroup out of memory: Killed process 42 (vllm)"),
    (ERROR, "run_as_root_refused", "Failed: Error: container has runAsNonRoot and image will run as root"),
    (ERROR, "container_start_failed", 'Failed: Error: exec: "vllm": executable file not found in $PATH: unknown'),
    (ERROR, "container_start_failed", "Failed: Error: exec format error"),
    (
        ERROR,
        "container_start_failed",
        "container vllm ended: StartError (exit code 128): failed to create containerd task: failed to create shim "
        'task: OCI runtime create failed: exec: "vllm": executable file not found in $PATH: unknown',
    ),
    (WARNING, "container_create_failed", "CreateContainerError: context deadline exceeded"),
    (WARNING, "container_ended", "container vllm ended: Error (exit code 1)"),
    (WARNING, "container_killed", "container vllm ended: Error (exit code 137)"),
    (WARNING, "ended_without_error", "container vllm ended: Completed (exit code 0)"),
    (
        WARNING,
        "group_recreated",
        "RecreateGroup: Worker pod w-0-1 failed, deleted leader pod w-0 to recreate group 0",
    ),
    (WARNING, "probe_restarts", "Killing: Container vllm failed liveness probe, will be restarted"),
    (WARNING, "secret_or_configmap_missing", 'Failed: Error: secret "hf" not found'),
    (WARNING, "secret_or_configmap_missing", "Failed: Error: couldn't find key token in Secret ns/hf"),
    (WARNING, "secret_or_configmap_missing", "pod w-0: CreateContainerConfigError: no"),
    (WARNING, "volume_claim_missing", 'FailedScheduling: persistentvolumeclaim "models" not found'),
    (WARNING, "volume_claim_missing", 'FailedMount: persistentvolumeclaim "models" not found'),
    (WARNING, "volume_claim_unbound", "FailedScheduling: pod has unbound immediate PersistentVolumeClaims."),
    (WARNING, "volume_claim_lost", 'FailedScheduling: persistentvolumeclaim "models" is being deleted'),
    (
        WARNING,
        "volume_claim_lost",
        'FailedScheduling: persistentvolumeclaim "models" bound to non-existent persistentvolume "pv-1"',
    ),
    (
        WARNING,
        "machine_lost",
        "MachineNotReady: machine gpu-1 is not ready since 2026-11-23T10:00:00Z (NodeStatusUnknown: Kubelet stopped "
        "posting node status.)",
    ),
    (ERROR, "machine_lost", "MachineLost: machine gpu-1 is not ready since 2026-11-23T09:00:00Z"),
    (WARNING, "pod_not_ending", "PodNotEnding: was to end by 2026-11-23T10:00:00Z; finalizer example.com/hold."),
    (
        WARNING,
        "volume_mount_failed",
        'FailedMount: MountVolume.SetUp failed for volume "x": mount failed: exit status 32',
    ),
    (WARNING, "volume_mount_failed", 'FailedAttachVolume: Multi-Attach error for volume "x"'),
    (
        WARNING,
        "volume_mount_failed",
        "FailedMount: Unable to attach or mount volumes: unmounted volumes=[claim-0], unattached volumes=[], failed to "
        "process volumes=[]: context deadline exceeded",
    ),
    (
        WARNING,
        "volume_path_missing",
        'FailedMount: MountVolume.SetUp failed for volume "models" : hostPath type check failed: /srv/models is not a '
        "directory",
    ),
    (
        WARNING,
        "volume_path_missing",
        'FailedMount: MountVolume.NewMounter initialization failed for volume "models" : path "/srv/models" does not '
        "exist",
    ),
    (
        WARNING,
        "volume_path_missing",
        'FailedMount: MountVolume.SetUp failed for volume "models" : mount failed: exit status 32 Output: mount.nfs: '
        "mounting 10.0.0.1:/models failed, reason given by server: No such file or directory",
    ),
    (
        WARNING,
        "volume_path_missing",
        'CreateContainerConfigError: failed to prepare subPath for volumeMount "claim-0" of container "vllm"',
    ),
    (
        WARNING,
        "volume_access_denied",
        'FailedMount: MountVolume.SetUp failed for volume "models" : mount failed: exit status 32\n'
        "Mounting command: mount\nMounting arguments: -t nfs 10.0.0.1:/models /var/lib/kubelet/pods/1/volumes/x\n"
        "Output: mount.nfs: access denied by server while mounting 10.0.0.1:/models",
    ),
    (
        WARNING,
        "volume_read_only",
        'FailedMount: MountVolume.SetUp failed for volume "models" : mkdir /var/lib/kubelet/pods/1/volumes/x: '
        "read-only file system",
    ),
    (
        ERROR,
        "volume_read_only",
        "container vllm ended: StartError (exit code 128): failed to create containerd task: failed to create shim "
        "task: OCI runtime create failed: runc create failed: unable to start container process: error during "
        'container init: error mounting "/srv/x" to rootfs at "/data/x": mkdirat /data/x: read-only file system',
    ),
    (
        WARNING,
        "disk_full",
        'Failed: Failed to pull image "r/x:v1": failed to extract layer sha256:0: write /usr/lib/libcuda.so: no space '
        "left on device",
    ),
    (
        WARNING,
        "disk_full",
        "container vllm ended: StartError (exit code 128): failed to create containerd task: failed to create shim "
        "task: OCI runtime create failed: mkdir /run/containerd/1: no space left on device",
    ),
    (ERROR, "storage_limit_exceeded", 'Evicted: Usage of EmptyDir volume "scratch" exceeds the limit "10Gi". '),
    (
        ERROR,
        "storage_limit_exceeded",
        "Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. ",
    ),
    (
        ERROR,
        "storage_limit_exceeded",
        'TerminationByKubelet: Container vllm exceeded its local ephemeral storage limit "10Gi". ',
    ),
    (WARNING, "pod_network_failed", "FailedCreatePodSandBox: Failed to create pod sandbox: plugin type=multus failed"),
    (ERROR, "pod_network_failed", "FailedCreatePodSandBox: cannot find a network-attachment-definition (rdma-net)"),
    (
        WARNING,
        "gpu_allocation_failed",
        "OutOfnvidia.com/gpu: Pod was rejected: Node didn't have enough resource: nvidia.com/gpu, requested: 2, used: "
        "8, capacity: 8",
    ),
    (WARNING, "gpu_allocation_failed", "UnexpectedAdmissionError: Allocate failed due to requested number of devices"),
    (ERROR, "crash_loop", "BackOff: Back-off restarting failed container workload in pod w-0"),
    (ERROR, "crash_loop", "pod w-0: CrashLoopBackOff: back-off 10s restarting failed container"),
    (WARNING, "preempted", "Preempted: Preempted by a pod on node m1"),
    (
        WARNING,
        "disk_pressure",
        "Evicted: The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 9Gi. Container "
        "vllm was using 64Gi, request is 0, has larger consumption of ephemeral-storage. ",
    ),
    (WARNING, "disk_pressure", "Evicted: The node had condition: [DiskPressure]. "),
    (WARNING, "memory_pressure", "TerminationByKubelet: The node was low on resource: memory."),
    (WARNING, "preempted", "PreemptionByScheduler: default-scheduler: preempting to accommodate a higher priority pod"),
    (WARNING, "evicted", "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint"),
    (WARNING, "evicted", "EvictionByEvictionAPI: Eviction API: evicting"),
    (WARNING, "evicted", "TerminationByKubelet: Pod was terminated in response to imminent node shutdown."),
    (WARNING, "evicted", "NodeNotReady: Node is not ready"),
    (WARNING, "quota_exceeded", "NonPreemptibleOverQuota: You have reached the limit of non-preemptible resources"),
    (WARNING, "quota_exceeded", "OverLimit"),
    (WARNING, "quota_exceeded", 'FailedCreate: pods "w-0" is forbidden: exceeded quota: gpus, requested: 2, used: 8'),
    (WARNING, "unschedulable", "FailedScheduling: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
    (WARNING, "scheduling_gated", "SchedulingGated: Scheduling is blocked due to non-empty scheduling gates"),
    (
        WARNING,
        "unschedulable",
        "Unschedulable: 0/4 nodes are available: 4 Insufficient nvidia.com/gpu. preemption: 0/4 nodes are available: 4 "
        "No preemption victims found for incoming pod.",
    ),
    (WARNING, "unschedulable", "Resources were not found for 2 pods due to: GPUs"),
    (WARNING, "readiness_refused", "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404"),
    (WARNING, "readiness_refused", "Unhealthy: Startup probe failed: HTTP probe failed with statuscode: 401"),
    (INFO, "readiness_failing", "Unhealthy: Readiness probe failed: connect: connection refused"),
]
