# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the cluster cannot do of a plan, or would do only later: a few reads, made before a write.

Secrets are not looked for: the right to see that one is there is the right to read it. A missing one is told by the
pods' events.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.claims import (
    ClaimUse,
    claim_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.cluster_facts import (
    ClusterFacts,
    enforced_level,
    is_ending,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.machines import (
    in_words,
    machines_of,
    room_for,
    usable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_security import (
    BASELINE,
    PRIVILEGED,
    RESTRICTED,
    needed_level,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.quotas import quota_findings
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    LEADERWORKERSETS,
    SERVICE_MONITORS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import LEADERWORKERSET
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import PreflightNeeds
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import REQUIRED, WorkloadSpec

# From the strictest on.
_LEVELS = (RESTRICTED, BASELINE, PRIVILEGED)


def of_plan(plan: Plan, kind: str, client: KubernetesClient) -> list[Finding]:
    """Return what stands against running ``plan`` here as ``kind``; what may not be seen is not checked."""
    spec = plan.spec
    facts = ClusterFacts(client)
    needs = needs_of(plan)
    return [
        *_of_namespace(spec, client.namespace, facts),
        *of_claims(spec, needs, facts),
        *_of_names(spec, client.namespace, facts),
        *_of_kinds(spec, kind, client),
        *quota_findings(facts.quotas().content or (), needs),
        *_of_machines(spec, needs, facts),
    ]


def needs_of(plan: Plan) -> PreflightNeeds:
    """Return what the plan needs of a cluster; one replica where the number is not stated."""
    spec = plan.spec
    replicas = 1 if plan.replicas is None else plan.replicas
    claims = tuple(dict.fromkeys(volume.claim for volume in spec.volumes))
    return PreflightNeeds(plan.topology.gpus_per_pod, spec.pods, replicas, claims)


def namespace_findings(name: str, found: object, permitted: bool) -> list[Finding]:
    """Return what stands against using the namespace ``found`` (``None``: not there, or not ``permitted`` to see)."""
    if not permitted:
        return []
    if found is None:
        evidence = f"there is no namespace {name!r} in this cluster."
        return [Finding(ERROR, "namespace_not_found", evidence, "Create it, or correct namespace.", "namespace")]
    if is_ending(mapping(found)):
        evidence = f"the namespace {name} is being deleted."
        hint = "Use another one, or create it again once it is gone."
        return [Finding(ERROR, "namespace_terminating", evidence, hint, "namespace")]
    return []


def binding_mode(facts: ClusterFacts) -> Callable[[str], str | None]:
    """Return what tells when a storage class makes its volumes."""

    def ask(storage_class: str) -> str | None:
        mode = mapping(facts.storage_class(storage_class).content).get("volumeBindingMode")
        return str(mode) if mode else None

    return ask


def _of_namespace(spec: WorkloadSpec, name: str, facts: ClusterFacts) -> list[Finding]:
    """Judge the namespace and its Pod Security level; whether the pods pass is the dry run's to say."""
    answer = facts.namespace()
    findings = namespace_findings(name, answer.content, answer.permitted)
    level = enforced_level(mapping(answer.content))
    needed = needed_level(spec)
    if level in _LEVELS and _LEVELS.index(level) < _LEVELS.index(needed):
        evidence = f"the namespace {name} enforces Pod Security {level}, and the pods need {needed}."
        hint = "Leave out what needs more (capabilities, extra_volumes of the machine), or have the label changed."
        findings.append(Finding(WARNING, "pod_security_refused", evidence, hint, "namespace"))
    return findings


def of_claims(spec: WorkloadSpec, needs: PreflightNeeds, facts: ClusterFacts) -> list[Finding]:
    """Judge the claims of the option ``volumes``; a stopped workload mounts none now, and will later."""
    findings = []
    pods = max(needs.all_pods, spec.pods)
    apart = spec.pods > 1 and spec.placement.spread == REQUIRED
    for index, volume in enumerate(spec.volumes):
        answer = facts.claim(volume.claim)
        if answer.permitted:
            use = ClaimUse(volume.claim, pods, apart, volume.read_only, f"volumes[{index}].claim")
            findings += claim_findings(use, answer.content, binding_mode(facts))
    return findings


def _of_names(spec: WorkloadSpec, namespace: str, facts: ClusterFacts) -> list[Finding]:
    """Look up what the pods name: without it the cluster refuses them only after the workload was accepted."""
    findings = []
    own = spec.kubernetes
    if own.priority_class is not None:
        answer = facts.priority_class(own.priority_class)
        if answer.permitted and answer.content is None:
            evidence = f"there is no PriorityClass {own.priority_class!r} in this cluster."
            hint = "Correct priority_class, or have it created (`kubectl get priorityclasses` lists them)."
            findings.append(Finding(ERROR, "priority_class_missing", evidence, hint, "priority_class"))
    if own.service_account is not None:
        answer = facts.service_account(own.service_account)
        if answer.permitted and answer.content is None:
            evidence = f"there is no ServiceAccount {own.service_account!r} in the namespace {namespace}."
            hint = "Create it, or correct service_account."
            findings.append(Finding(ERROR, "service_account_missing", evidence, hint, "service_account"))
    return findings


def _of_kinds(spec: WorkloadSpec, kind: str, client: KubernetesClient) -> list[Finding]:
    """Ask whether the kinds of objects are served that not every cluster has."""
    findings = []
    if kind == LEADERWORKERSET and not client.serves(LEADERWORKERSETS):
        evidence = "the cluster does not serve LeaderWorkerSets (leaderworkerset.x-k8s.io/v1)."
        hint = "Have LeaderWorkerSet installed, or use controller: deployments."
        findings.append(Finding(ERROR, "lws_missing", evidence, hint, "controller"))
    if spec.kubernetes.service_monitor and not client.serves(SERVICE_MONITORS):
        evidence = "the cluster does not serve ServiceMonitors (monitoring.coreos.com/v1)."
        hint = "Have the Prometheus operator installed, or leave service_monitor away."
        findings.append(Finding(ERROR, "service_monitor_missing", evidence, hint, "service_monitor"))
    return findings


def _of_machines(spec: WorkloadSpec, needs: PreflightNeeds, facts: ClusterFacts) -> list[Finding]:
    """Ask whether machines with enough GPUs and devices exist, whatever runs on them now.

    Never an error: an autoscaler may add machines that nobody sees yet.
    """
    if not needs.gpus_per_pod:
        return []
    answer = facts.machines(spec.kubernetes.node_selector)
    if not answer.permitted:
        evidence = "these credentials may not list nodes, so nobody looked for machines with enough GPUs."
        hint = "The right is optional: docs/kubernetes.md has the ClusterRole."
        return [Finding(INFO, "machines_not_checked", evidence, hint, "gpus_per_pod")]
    machines = usable(machines_of(answer.content or ()), spec.placement)
    hint = "Check gpus_per_pod, node_selector, tolerations and exclude_machines; an autoscaler may still add machines."
    room = room_for(machines, needs.gpus_per_pod)
    if room < needs.all_pods:
        there = f"{in_words(machines)}" if machines else "no open machine with GPUs"
        evidence = f"the pods may use {there}: room for {room} pods of {needs.gpus_per_pod} GPUs of {needs.all_pods}."
        return [Finding(WARNING, "machines_too_few", evidence, hint, "gpus_per_pod")]
    missing = [
        name
        for name, count in (spec.fabric.resources if spec.fabric else {}).items()
        if not any(machine.resources.get(name, 0) >= count for machine in machines)
    ]
    return [
        Finding(WARNING, "fabric_resource_missing", f"no machine that the pods may use has {name}.", hint, "fabric")
        for name in missing
    ]
