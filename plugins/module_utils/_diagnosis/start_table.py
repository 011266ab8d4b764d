# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The table of causes, its first part: pods that are not made, images, and containers that do not start. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rule import (
    AT_ONCE,
    NEVER,
    OBJECT_GRACE,
    POD_GOT_ON,
    POD_WAS_CREATED,
    RETRY_GRACE,
    Rule,
)
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import text_sign

# Texts that say more than where they stand: whose rules these are, see ``place_table``.
DISK_IS_FULL = r"no space left on device|disk quota exceeded"
READ_ONLY = r"read-only file system"
SUB_PATH = r"subPath"

START_RULES = (
    Rule(
        "lws_missing",
        "the platform or an event says that LeaderWorkerSet is not known",
        "Ask the cluster's administrator to install LeaderWorkerSet (chart 0.7.0 or newer): distributed inference is "
        "built on it.",
        text_sign(
            r'no matches for kind "?LeaderWorkerSet|leaderworkersets?\S* .*(not found|could not find)|'
            # Not within a name: workloads may be called lws-something.
            r"(?<![\w-])(LeaderWorkerSet|LWS)(?![\w-]).*(?<![\w-])(not installed|missing|is required)"
        ),
        AT_ONCE,
    ),
    Rule(
        "pod_security_refused",
        "`violates PodSecurity`: the namespace's Pod Security level refuses the pods",
        "The message names what is too much: leave that option away (`capabilities`, a run_as of root, extra volumes "
        "of the machine), or have the namespace's label pod-security.kubernetes.io/enforce changed.",
        text_sign(r"violates PodSecurity", settled_by=POD_WAS_CREATED),
        AT_ONCE,
    ),
    Rule(
        "priority_class_missing",
        "`no PriorityClass with name ... was found`",
        "Correct `priority_class`, or have the PriorityClass created (it belongs to the whole cluster).",
        text_sign(r"no PriorityClass with name", settled_by=POD_WAS_CREATED),
        AT_ONCE,
    ),
    Rule(
        "namespace_terminating",
        "`unable to create new content in namespace ... because it is being terminated`",
        "The namespace is being deleted: use another one, or create it again once it is gone.",
        text_sign(r"because it is being terminated", settled_by=POD_WAS_CREATED),
        AT_ONCE,
    ),
    Rule(
        "service_account_missing",
        "`error looking up service account`: the pods' ServiceAccount is not there",
        "Create the ServiceAccount in the workload's namespace, or correct `service_account`.",
        text_sign(r"error looking up service account", settled_by=POD_WAS_CREATED),
        OBJECT_GRACE,
    ),
    Rule(
        "limit_range_exceeded",
        "a LimitRange of the namespace refuses the pods' resources",
        "The message names the limit: change `resources` or `gpus_per_pod`, or have the LimitRange changed.",
        text_sign(
            r"(maximum|minimum) \S+ usage per (Container|Pod)|limit to request ratio", settled_by=POD_WAS_CREATED
        ),
        OBJECT_GRACE,
    ),
    Rule(
        "webhook_unreachable",
        "`failed calling webhook`: an admission webhook of the cluster does not answer",
        "Without it the cluster creates no pods: tell the cluster's administrator which webhook it is.",
        text_sign(r"failed calling webhook", settled_by=POD_WAS_CREATED),
        RETRY_GRACE,
    ),
    Rule(
        "admission_refused",
        "an event FailedCreate, an admission webhook or a policy refuses the pods",
        "The message names the rule: change the option it is about, or ask for an exception.",
        text_sign(
            r"admission webhook .*denied|^FailedCreate: .*(forbidden|denied|invalid)|"
            r"policy violation|violates? .*policy",
            unless=r"exceeded quota|violates PodSecurity|no PriorityClass with name|because it is being terminated|"
            r"error looking up service account|usage per (Container|Pod)|limit to request ratio|failed calling webhook",
            settled_by=POD_WAS_CREATED,
        ),
        OBJECT_GRACE,
    ),
    Rule(
        "image_pull_failed",
        "ErrImagePull, ImagePullBackOff, InvalidImageName; texts such as not found, unauthorized, forbidden, manifest "
        "unknown and invalid reference never get better and end the wait at once",
        "Check `image` letter by letter (registry, repository, tag) and that `image_pull_secrets` names a Secret "
        "of the "
        "namespace that may read it.",
        text_sign(
            r"ErrImagePull|ImagePullBackOff|Failed to pull image|Back-off pulling image|InvalidImageName|"
            r"ErrImageNeverPull|Failed to inspect image|ImageInspectError|failed to apply default image tag|"
            r"^(RegistryUnavailable|SignatureValidationFailed)\b",
            definitive=r"not ?found|manifest unknown|name unknown|unauthorized|authentication required|denied|"
            r"403 Forbidden|no basic auth credentials|SignatureValidationFailed|"
            r"InvalidImageName|invalid reference|couldn't parse image|failed to apply default image tag|"
            r"ErrImageNeverPull|no match for platform|x509:",
            unless=DISK_IS_FULL,
            settled_by=POD_GOT_ON,
        ),
        RETRY_GRACE,
    ),
    Rule(
        "image_pull_secret_missing",
        "an event FailedToRetrieveImagePullSecret",
        "Create the Secret in the workload's namespace, or correct `image_pull_secrets`.",
        text_sign(r"^FailedToRetrieveImagePullSecret: ", settled_by=POD_GOT_ON),
        NEVER,
    ),
    Rule(
        "out_of_memory",
        "OOMKilled or OOMKilling: the container met its memory limit (not the GPU's memory). With another exit code "
        "than 137 only a process of it was killed",
        "Raise `resources.memory_limit` (weights pass through it while they load, and what lies in /dev/shm counts "
        "too), or leave it unset.",
        text_sign(
            r"OOMKill|Memory cgroup out of memory|out of memory: kill", current_pods_only=False, watched_pods_only=True
        ),
        AT_ONCE,
    ),
    Rule(
        "run_as_root_refused",
        "the image's user is root (or has only a name) and the pod must not run as root",
        "Set `run_as.uid` to the UID that shall serve (2000 in the official image from vLLM 0.22 on).",
        text_sign(r"runAsNonRoot and image (will run as root|has non-numeric user)"),
        AT_ONCE,
    ),
    Rule(
        "container_start_failed",
        "the container's program cannot be executed: not in the image, or built for another processor",
        "Check that `image` is a vLLM image with `vllm` on its PATH, for this machine's processor.",
        text_sign(
            r"executable file not found|exec format error|exec: \"[^\"]+\": |\bStartError\b|ContainerCannotRun|"
            r"OCI runtime create failed|runc create failed",
            unless=rf"{READ_ONLY}|{DISK_IS_FULL}",
        ),
        AT_ONCE,
    ),
    Rule(
        "container_create_failed",
        "CreateContainerError or RunContainerError: the machine cannot make the container",
        "The message is the container runtime's: a busy or broken machine (exclude it with `exclude_machines`), or a "
        "volume or device that it cannot give to the container.",
        text_sign(
            r"^(CreateContainerError|RunContainerError)\b",
            unless=r"executable file not found|exec format error|exec: |OCI runtime create failed|runc create failed|"
            rf"{READ_ONLY}|{DISK_IS_FULL}",
        ),
        RETRY_GRACE,
    ),
    Rule(
        "secret_or_configmap_missing",
        "CreateContainerConfigError, or a Secret or ConfigMap (or a key of it) is not found",
        "Create it in the workload's namespace, or correct the reference `{secret, key}` in `env`.",
        text_sign(
            r'(secret|configmap)s? "[^"]*" not found|couldn\'t find key|CreateContainerConfigError|'
            r"references non-existent (secret|config) key",
            unless=rf"runAsNonRoot|{SUB_PATH}",
            settled_by=POD_GOT_ON,
        ),
        OBJECT_GRACE,
    ),
)
