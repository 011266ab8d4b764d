# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Why a workload does not start: one table row per cause, judged from status, events, ends of logs and history. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.history import StatusHistory
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_table import LASTING_CAUSES
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.signs import (
    Look,
    crash_loop_sign,
    failed_sign,
    no_pods_sign,
    sentence,
    text_sign,
    unseen_by_scheduler_sign,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import FAILED, RUNNING, WorkloadStatus
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING, Finding

AT_ONCE = 0.0
# How long a sign that may heal by itself has to stay before waiting is given up, in seconds. An object that somebody
# else creates (a claim, a Secret) may come a moment later; a kubelet retries a pull or a mount every 10 s up to 5 min,
# and after 2 minutes it has retried about four times.
OBJECT_GRACE = 30.0
RETRY_GRACE = 120.0
# vLLM opens its port only when it can answer: a refusing answer of the probe's path is the final one. One minute
# leaves room for a proxy in front of it.
PROBE_GRACE = 60.0
# Only the caller's own time limit ends the wait: room may become free.
NEVER = None

_POD_GOT_ON = ("Pulled", "Created", "Started")
# A controller that could not create a pod says so when it can again.
_POD_WAS_CREATED = ("SuccessfulCreate",)
# What only says that it ended, after all that may say why.
_TOLD_LAST = ("crash_loop", "container_ended", "platform_failed")


@dataclass(frozen=True)
class Rule:
    """One cause. ``seen`` and ``hint`` are for people; ``look`` finds the sign.

    ``fatal_after``: seconds for which the sign has to stay before the finding is an error (``AT_ONCE``, or ``NEVER``);
    a definitive sign is an error at once. Until then the finding has the severity ``meanwhile``.
    """

    cause: str
    seen: str
    hint: str
    look: Look
    fatal_after: float | None
    meanwhile: str = WARNING


RULES = (
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
        text_sign(r"violates PodSecurity", settled_by=_POD_WAS_CREATED),
        AT_ONCE,
    ),
    Rule(
        "priority_class_missing",
        "`no PriorityClass with name ... was found`",
        "Correct `priority_class`, or have the PriorityClass created (it belongs to the whole cluster).",
        text_sign(r"no PriorityClass with name", settled_by=_POD_WAS_CREATED),
        AT_ONCE,
    ),
    Rule(
        "namespace_terminating",
        "`unable to create new content in namespace ... because it is being terminated`",
        "The namespace is being deleted: use another one, or create it again once it is gone.",
        text_sign(r"because it is being terminated", settled_by=_POD_WAS_CREATED),
        AT_ONCE,
    ),
    Rule(
        "service_account_missing",
        "`error looking up service account`: the pods' ServiceAccount is not there",
        "Create the ServiceAccount in the workload's namespace, or correct `service_account`.",
        text_sign(r"error looking up service account", settled_by=_POD_WAS_CREATED),
        OBJECT_GRACE,
    ),
    Rule(
        "limit_range_exceeded",
        "a LimitRange of the namespace refuses the pods' resources",
        "The message names the limit: change `resources` or `gpus_per_pod`, or have the LimitRange changed.",
        text_sign(
            r"(maximum|minimum) \S+ usage per (Container|Pod)|limit to request ratio", settled_by=_POD_WAS_CREATED
        ),
        OBJECT_GRACE,
    ),
    Rule(
        "webhook_unreachable",
        "`failed calling webhook`: an admission webhook of the cluster does not answer",
        "Without it the cluster creates no pods: tell the cluster's administrator which webhook it is.",
        text_sign(r"failed calling webhook", settled_by=_POD_WAS_CREATED),
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
            settled_by=_POD_WAS_CREATED,
        ),
        OBJECT_GRACE,
    ),
    Rule(
        "image_pull_failed",
        "ErrImagePull, ImagePullBackOff, InvalidImageName; texts such as not found, unauthorized, manifest unknown and "
        "invalid reference never get better and end the wait at once",
        "Check `image` letter by letter (registry, repository, tag) and that `image_pull_secrets` names a Secret "
        "of the "
        "namespace that may read it.",
        text_sign(
            r"ErrImagePull|ImagePullBackOff|Failed to pull image|Back-off pulling image|InvalidImageName|"
            r"ErrImageNeverPull|Failed to inspect image|failed to apply default image tag",
            definitive=r"not ?found|manifest unknown|name unknown|unauthorized|authentication required|denied|"
            r"InvalidImageName|invalid reference|couldn't parse image|failed to apply default image tag|"
            r"ErrImageNeverPull|no match for platform|x509:",
            settled_by=_POD_GOT_ON,
        ),
        RETRY_GRACE,
    ),
    Rule(
        "image_pull_secret_missing",
        "an event FailedToRetrieveImagePullSecret",
        "Create the Secret in the workload's namespace, or correct `image_pull_secrets`.",
        text_sign(r"^FailedToRetrieveImagePullSecret: ", settled_by=_POD_GOT_ON),
        NEVER,
    ),
    Rule(
        "out_of_memory",
        "OOMKilled or OOMKilling: the container met its memory limit (not the GPU's memory)",
        "Raise `resources.memory_limit` (weights pass through it while they load, and /dev/shm counts too), or "
        "leave it unset.",
        text_sign(r"OOMKill|Memory cgroup out of memory|out of memory: kill", current_pods_only=False),
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
            r"OCI runtime create failed|runc create failed"
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
            unless=r"executable file not found|exec format error|exec: |OCI runtime create failed|runc create failed",
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
            unless=r"runAsNonRoot",
            settled_by=_POD_GOT_ON,
        ),
        OBJECT_GRACE,
    ),
    Rule(
        "volume_claim_missing",
        '`persistentvolumeclaim "..." not found`',
        "Create the claim in the workload's namespace, or correct `volumes[].claim`.",
        text_sign(
            r'persistentvolumeclaims? \\?"?[^ ]+ not found|claim .*(does not exist|not found)',
            settled_by=("Scheduled", *_POD_GOT_ON),
        ),
        OBJECT_GRACE,
    ),
    Rule(
        "volume_claim_unbound",
        "the pods wait for a claim that has no volume yet, or its volume cannot be made",
        "Look at the claim's own events: its storage class may be missing, full, or not offer ReadWriteMany.",
        text_sign(
            r"unbound immediate PersistentVolumeClaims|ProvisioningFailed", settled_by=("Scheduled", *_POD_GOT_ON)
        ),
        NEVER,
    ),
    Rule(
        "volume_mount_failed",
        "FailedMount or FailedAttachVolume: the volume exists, but the machine cannot mount it",
        "Check that the storage can be reached from that machine and that a claim used by several pods is "
        "ReadWriteMany.",
        text_sign(
            r"^Failed(Mount|AttachVolume): |MountVolume\.\w+ failed|Multi-Attach error|"
            r"Unable to attach or mount volumes",
            unless=r"(secret|configmap|persistentvolumeclaim)s? \S+ not found",
            settled_by=_POD_GOT_ON,
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
            settled_by=_POD_GOT_ON,
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
            settled_by=_POD_GOT_ON,
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
        "container_ended",
        "a container ended and is started again",
        "Read the log of that pod's previous container. Exit code 137 is SIGKILL, 139 a crash in native code, 143 an "
        "order to stop.",
        text_sign(r"^container \S+ ended: ", unless=r"OOMKill|StartError|ContainerCannotRun", not_while_running=True),
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
        "evicted",
        "a pod was evicted, or its machine is not ready",
        "The machine was short of memory or disk, drained or lost; the pods come back elsewhere if there is room.",
        text_sign(
            r"^Evict\w*: |node was low on resource|TaintManagerEviction|^NodeNotReady: |"
            r"^(DeletionByTaintManager|DeletionByPodGC|TerminationByKubelet): |imminent node shutdown",
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
            settled_by=_POD_WAS_CREATED,
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
        "tolerations and what else runs there.",
        text_sign(
            r"^FailedScheduling: |nodes are available|Resources were not found|^Unschedulable\b",
            unless=r"persistentvolumeclaim|scheduling gates|(quota|limit) is \d+|over[ -]?quota",
            settled_by=("Scheduled", *_POD_GOT_ON),
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


def diagnose(status: WorkloadStatus, history: StatusHistory) -> list[Finding]:
    """Return what the signs mean, the most telling first.

    An **error** is hopeless: waiting cannot help. A warning or information may heal by itself, or only somebody else
    can heal it; when a time limit is over they are the best explanation there is (``promoted``). ``history`` must have
    observed ``status``.
    """
    findings: list[Finding] = []
    for rule in RULES:
        sign = rule.look(status, history)
        if sign is None:
            continue
        seen_for = history.seconds_seen(rule.cause)
        can_be_fatal = rule.fatal_after is not None
        over = rule.fatal_after is not None and seen_for >= rule.fatal_after
        fatal = sign.definitive or over or (can_be_fatal and status.phase == FAILED)
        findings.append(
            Finding(ERROR if fatal else rule.meanwhile, rule.cause, sentence(sign.evidence), rule.hint, sign.object)
        )
    history.forget_all_but({finding.cause for finding in findings})
    findings += _from_last_words(status, history, "crash_loop" in {finding.cause for finding in findings})
    return sorted(findings, key=lambda finding: (finding.severity != ERROR, finding.cause in _TOLD_LAST))


def _from_last_words(status: WorkloadStatus, history: StatusHistory, is_crash_loop: bool) -> list[Finding]:
    """Return what the ends of logs say about containers that ended, the most telling first.

    A cause that the next start cannot escape is an error at once, any other one as soon as it is a crash loop; then
    the pods that were recreated since are judged too.
    """
    if status.phase == RUNNING:
        return []
    names = {pod.name for pod in status.pods if pod.last_words}
    found: dict[str, Finding] = {}
    ends = [end for end in history.last_words if is_crash_loop or end.pod in names]
    for end in sorted(ends, key=lambda end: end.role != "leader"):
        for finding in diagnose_log(end.text, end.role):
            is_error = finding.severity == ERROR and (is_crash_loop or finding.cause in LASTING_CAUSES)
            judged = replace(finding, severity=ERROR if is_error else WARNING, object=end.pod)
            found.setdefault(finding.cause, judged)
    return sorted(found.values(), key=lambda finding: finding.cause not in LASTING_CAUSES)


def promoted(findings: list[Finding]) -> list[Finding]:
    """Return the findings as the explanation of a wait that is over: warnings become errors, the order stays."""
    return [replace(finding, severity=ERROR) if finding.severity == WARNING else finding for finding in findings]
