# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What Kubernetes decides about a plan besides, and what is to be said about it. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_security import (
    needed_level,
    security_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pods import SHM_SIZE, stop_grace
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    DEPLOYMENT,
    DEPLOYMENTS,
    LEADERWORKERSET,
    PRE_STOP,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_names import memory_bytes
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Decision, HttpProbe, Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    LEADER_READY,
    NO_RESTART,
    NO_SPREAD,
    WorkloadSpec,
)

# Below it vLLM's own processes have been seen to fail (facts: floor of the sizes in public use).
_LEAST_SHM = 2 * 1024**3
# How LeaderWorkerSet (0.9, ``UniquePerReplica``) calls the headless Services of replicas; it takes one that is there
# already for its own, and then no follower finds its leader.
_OF_A_REPLICA = re.compile(r"(.+)-\d+")


def check_kind(plan: Plan, kind: str) -> None:
    """Refuse (``OptionError``) what the kind of controller cannot do."""
    spec = plan.spec
    if kind == DEPLOYMENT and spec.pods > 1:
        raise OptionError.of("pods", f"One Deployment cannot run {spec.pods} pods as a replica.", "Use pods: 1.")
    if kind == LEADERWORKERSET:
        return
    for option, given in (
        ("exclusive_topology", spec.kubernetes.exclusive_topology),
        ("subgroup_size", spec.kubernetes.subgroup_size),
    ):
        if given is not None:
            raise OptionError.of(
                option,
                "Only a LeaderWorkerSet places groups of pods, and the pods are run without one.",
                "Use controller: leaderworkerset (the cluster has to have it), or leave it out.",
                "needs_leaderworkerset",
            )
    if kind != DEPLOYMENTS:
        return
    if plan.replicas is not None and plan.replicas > 1:
        raise OptionError.of(
            "replicas",
            f"{plan.replicas} replicas of {spec.pods} pods cannot be run by Deployments: each pod has its fixed place "
            "in the one replica.",
            "Use controller: leaderworkerset, or workloads of different names.",
            "needs_leaderworkerset",
        )
    if spec.startup_policy == LEADER_READY:
        raise OptionError.of(
            "startup_policy",
            "Deployments start all pods at once.",
            "Use leader_created, or controller: leaderworkerset.",
            "needs_leaderworkerset",
        )


def decisions_of(plan: Plan, kind: str, namespace: str) -> tuple[Decision, ...]:
    """Return what Kubernetes decides besides the plan, or otherwise (by the same name)."""
    spec = plan.spec
    own = spec.kubernetes
    grace = stop_grace(spec)
    decisions = [
        Decision(
            "service",
            f"http://{spec.name}.{namespace}.svc:{spec.serving.port}",
            "one name for the leaders of all replicas, whatever runs them",
        ),
        Decision(
            "/dev/shm",
            own.shm_size or SHM_SIZE,
            "memory on /dev/shm at most; it counts against the pod's memory limit",
            "user" if own.shm_size else "plan",
        ),
        Decision("pod_security", needed_level(spec), "the strictest level of a namespace that takes these pods"),
        Decision(
            "stop",
            f"{grace} s",
            f"{PRE_STOP} s until no Service sends requests any more, then SIGTERM, and SIGKILL at the end",
        ),
    ]
    leader = plan.leader
    if leader.startup_probe is not None and leader.liveness_probe is not None:
        decisions += [
            Decision("startup_probe", _described(leader.startup_probe), "start_timeout; no other probe acts before"),
            Decision(
                "liveness_probe",
                _described(leader.liveness_probe),
                "restarts a server that hangs; generous, since that loads the whole model again",
            ),
        ]
    if kind == DEPLOYMENTS:
        decisions.append(Decision("restart_policy", NO_RESTART, "each Deployment restarts its own pod alone"))
    if spec.pods > 1 and spec.placement.spread != NO_SPREAD:
        reason = "pods of one replica on different machines, by pod anti-affinity"
        decisions.append(Decision("spread", spec.placement.spread, reason, "user"))
    return tuple(decisions)


def findings_of(plan: Plan, kind: str) -> tuple[Finding, ...]:
    """Return what is fragile or unusual about the plan on Kubernetes."""
    spec = plan.spec
    findings = [*_group_findings(spec, kind), *security_findings(spec)]
    shared = spec.kubernetes.shm_size
    if shared is not None and memory_bytes(shared, "shm_size") < _LEAST_SHM:
        found = f"{shared} on /dev/shm is little: vLLM and NCCL fail to start or hang where it does not suffice."
        findings.append(Finding(WARNING, "shm_small", found, f"2Gi is the least in use, {SHM_SIZE} usual.", "shm_size"))
    replica = _OF_A_REPLICA.fullmatch(spec.name)
    if replica is not None:
        found = f"a LeaderWorkerSet {replica[1]} would call the Service of one of its replicas {spec.name} too."
        hint = f"Use another ending, or never a workload called {replica[1]} beside it."
        findings.append(Finding(WARNING, "name_of_a_replica", found, hint, "name"))
    policy = spec.kubernetes.network_policy
    if policy is not None and not policy.clients:
        findings.append(
            Finding(
                WARNING,
                "network_policy_without_clients",
                "Nobody but the workload's own pods may call it.",
                "Name the clients, those that read /metrics and the control plane's machines (its proxy) among them.",
                "network_policy.clients",
            )
        )
    return tuple(findings)


def _described(probe: HttpProbe) -> str:
    return f"GET {probe.path} every {probe.period} s, {probe.failure_threshold} failures"


def _group_findings(spec: WorkloadSpec, kind: str) -> list[Finding]:
    """Say what holds the pods of a replica together, and what does not."""
    if spec.pods == 1:
        return []
    findings = []
    if kind == DEPLOYMENTS or spec.kubernetes.scheduler is None:
        findings.append(
            Finding(
                WARNING if kind == DEPLOYMENTS else INFO,
                "no_gang",
                "The pods of a replica are scheduled one by one: where machines are short, some hold their GPUs and "
                "wait for the others.",
                "A gang scheduler (scheduler: kai-scheduler) places all pods of a LeaderWorkerSet's replica or none.",
                spec.name,
            )
        )
    if kind == DEPLOYMENTS:
        findings.append(
            Finding(
                WARNING,
                "not_self_healing",
                "When one pod fails, nobody restarts the others: the leader does not notice a dead follower before a "
                "request times out (300 s), /health stays 200, and a restarted pod cannot join the running group.",
                "Use controller: leaderworkerset, or restart all pods together when the smoke test fails.",
                spec.name,
            )
        )
    return findings
