# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Whether a cluster and a namespace are ready for workloads: reads only, each answer a check of its own.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.authentication import (
    unchecked_by,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.checks import (
    binding_mode,
    namespace_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.claims import (
    ClaimUse,
    claim_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.cluster_facts import (
    ClusterFacts,
    enforced_level,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.machines import (
    Machine,
    in_words,
    machines_of,
    room_for,
    used_gpus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permission_review import (
    in_words as permissions_in_words,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permission_review import (
    missing_permissions,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import ROLE_PAGE
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.quotas import (
    quota_findings,
    quotas_in_words,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    FABRIC_KINDS,
    LEADERWORKERSETS,
    NETWORKS,
    SELF_REVIEWS,
    SERVICE_MONITORS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.storage_classes import (
    describe_storage,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    DOUBTFUL,
    FAILED,
    PASSED,
    UNKNOWN,
    PreflightCheck,
    PreflightNeeds,
    from_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, whole_number

# What the collection renders needs no newer one: server-side apply and the dry run are older, Service and probe fields
# too; 1.29 is the oldest version that anybody still maintains when this was written.
_OLDEST = (1, 29)
_NAMES_SHOWN = 8
_ROLE_HINT = f"{ROLE_PAGE} has the Role and the ClusterRole."


class Preflight:
    """Checks one namespace of one cluster."""

    def __init__(self, client: KubernetesClient, connection: Connection) -> None:
        self._client = client
        self._connection = connection
        self._facts = ClusterFacts(client)

    def checks(self, needs: PreflightNeeds) -> list[PreflightCheck]:
        """Return all checks, those that others rest on first. Raises where the API server cannot be reached."""
        checks = [self._api(), self.trust(), self._credentials(), *self._namespace()]
        is_there = not any(check.status == FAILED for check in checks)
        checks += [self._permissions(needs), self._controller(needs), self._service_monitors()]
        if is_there:
            checks += [self._quota(needs), *(self.claim(claim, needs) for claim in needs.claims)]
        return [*checks, self._storage(needs), self._gpus(needs), self._priority_classes()]

    def _api(self) -> PreflightCheck:
        version = self._client.version()
        text = str(version.get("gitVersion") or "of unknown version")
        evidence = f"Kubernetes {text} at {self._client.address}."
        if _numbers(version) < _OLDEST:
            hint = f"The collection is made for {_OLDEST[0]}.{_OLDEST[1]} and newer: upgrade the cluster."
            return PreflightCheck("api", DOUBTFUL, evidence, hint, "version_too_old")
        return PreflightCheck("api", PASSED, evidence)

    def trust(self) -> PreflightCheck:
        """Judge what the options and the kubeconfig say of the API server's certificate."""
        kubernetes = self._connection.kubernetes
        if not self._client.address.startswith("https://"):
            evidence = "the connection to the API server is not encrypted."
            return PreflightCheck("tls", DOUBTFUL, evidence, "Give its https:// address.", "tls_not_verified")
        option = unchecked_by(kubernetes) if kubernetes is not None else ""
        if option:
            evidence = (
                f"the API server's certificate is not checked ({option} says so), so anybody on the way could read the "
                "token."
            )
            return PreflightCheck("tls", DOUBTFUL, evidence, "Set ca_cert instead.", "tls_not_verified")
        return PreflightCheck("tls", PASSED, "the API server's certificate is checked.")

    def _credentials(self) -> PreflightCheck:
        """Ask who the API server takes us for."""
        review = {"apiVersion": SELF_REVIEWS.api_version, "kind": SELF_REVIEWS.kind}
        try:
            answer = self._client.create(SELF_REVIEWS, review, dry_run=True)
        except Refused as refused:
            if refused.code == 401:
                raise
            evidence = "the API server lets us in, and does not say as whom (Kubernetes before 1.28)."
            return PreflightCheck("credentials", PASSED, evidence)
        user = mapping(mapping(answer.get("status")).get("userInfo"))
        groups = ", ".join(str(group) for group in user.get("groups") or ())
        evidence = f"user {user.get('username')}" + (f" (groups {groups})." if groups else ".")
        return PreflightCheck("credentials", PASSED, evidence)

    def _namespace(self) -> list[PreflightCheck]:
        """Look at the namespace, and at the Pod Security level that its label enforces."""
        name = self._client.namespace
        answer = self._facts.namespace()
        if not answer.permitted:
            evidence = f"these credentials may not see the namespace {name} itself."
            return [PreflightCheck("namespace", UNKNOWN, evidence, _ROLE_HINT)]
        findings = namespace_findings(name, answer.content, answer.permitted)
        found = [from_findings("namespace", findings, f"{name} is there.")]
        if answer.content is not None:
            level = enforced_level(answer.content)
            evidence = (
                f"{name} enforces Pod Security {level}." if level else f"{name} has no label that enforces a level."
            )
            found.append(PreflightCheck("pod_security", PASSED, evidence))
        return found

    def _permissions(self, needs: PreflightNeeds) -> PreflightCheck:
        """Ask for every right of the table of permissions."""
        kinds = (LEADERWORKERSETS, SERVICE_MONITORS, NETWORKS, *FABRIC_KINDS)
        unserved = [kind for kind in kinds if not self._client.serves(kind)]
        # Where LeaderWorkerSets are served, workloads of several pods are made of them.
        wanted = (LEADERWORKERSETS,) if needs.pods > 1 else ()
        needed, optional = missing_permissions(self._client, unserved, wanted)
        if needed:
            evidence = f"not permitted: {'; '.join(permissions_in_words(needed))}."
            return PreflightCheck("permissions", FAILED, evidence, _ROLE_HINT, "permission_denied")
        if optional:
            purposes = {row.purpose: [one for one in optional if one.purpose == row.purpose] for row in optional}
            lost = "; ".join(
                f"to {purpose} ({'; '.join(permissions_in_words(rows))})" for purpose, rows in purposes.items()
            )
            evidence = f"everything that is needed is permitted. Optional, and not permitted: {lost}."
            return PreflightCheck("permissions", DOUBTFUL, evidence, _ROLE_HINT, "permission_optional_missing")
        return PreflightCheck("permissions", PASSED, "everything that the collection does is permitted.")

    def _controller(self, needs: PreflightNeeds) -> PreflightCheck:
        if self._client.serves(LEADERWORKERSETS):
            return PreflightCheck("controller", PASSED, "LeaderWorkerSets are served.")
        evidence = "the cluster serves no LeaderWorkerSets; pods of a replica become Deployments, one for each."
        hint = "Have LeaderWorkerSet installed: it starts and restarts the pods of a replica as a group."
        if needs.pods == 1:
            return PreflightCheck("controller", PASSED, "LeaderWorkerSets are not served; one pod needs none.")
        if needs.replicas > 1:
            evidence += f" Deployments cannot run {needs.replicas} replicas of several pods."
            return PreflightCheck("controller", FAILED, evidence, hint, "lws_missing")
        return PreflightCheck("controller", DOUBTFUL, evidence, hint, "lws_missing")

    def _service_monitors(self) -> PreflightCheck:
        served = self._client.serves(SERVICE_MONITORS)
        evidence = "ServiceMonitors are served." if served else "not served: the option service_monitor is of no use."
        return PreflightCheck("service_monitors", PASSED, evidence)

    def _quota(self, needs: PreflightNeeds) -> PreflightCheck:
        answer = self._facts.quotas()
        if not answer.permitted:
            return _unseen("quota", "the namespace's quotas")
        quotas = answer.content or []
        words = quotas_in_words(quotas)
        return from_findings("quota", quota_findings(quotas, needs), f"{words}." if words else "none on GPUs.")

    def _storage(self, needs: PreflightNeeds) -> PreflightCheck:
        answer = self._facts.storage_classes()
        if not answer.permitted:
            return _unseen("storage", "the storage classes")
        return describe_storage(answer.content or [], is_shared=needs.all_pods > 1 and not needs.claims)

    def claim(self, claim: str, needs: PreflightNeeds) -> PreflightCheck:
        """Judge whether a claim can serve all the pods."""
        name = f"claim {claim}"
        answer = self._facts.claim(claim)
        if not answer.permitted:
            return _unseen(name, "volume claims")
        # Whether it is mounted for writing is not known here, so that is not judged.
        use = ClaimUse(claim, needs.all_pods, apart=False, read_only=True, option="claims")
        findings = claim_findings(use, answer.content, binding_mode(self._facts))
        status = mapping(mapping(answer.content).get("status"))
        modes = ", ".join(str(mode) for mode in status.get("accessModes") or ())
        size = mapping(status.get("capacity")).get("storage")
        words = ", ".join(str(part) for part in (status.get("phase"), modes, size) if part)
        return from_findings(name, findings, f"{words}.")

    def _gpus(self, needs: PreflightNeeds) -> PreflightCheck:
        """Count the machines' GPUs, and the free ones where the pods of everybody may be seen."""
        answer = self._facts.machines()
        if not answer.permitted:
            return _unseen("gpus", "nodes")
        machines = machines_of(answer.content or ())
        usable = [machine for machine in machines if machine.is_open]
        if not usable:
            evidence = f"no open machine has GPUs ({len(answer.content or ())} machines seen)."
            if not needs.gpus_per_pod:
                return PreflightCheck("gpus", PASSED, evidence)
            hint = "Have the GPU operator or device plugin installed; an autoscaler may still add such machines."
            return PreflightCheck("gpus", DOUBTFUL, evidence, hint, "machines_too_few")
        everybody = self._facts.all_pods()
        used = used_gpus(everybody.content or ()) if everybody.permitted else None
        return _room(usable, used, needs)

    def _priority_classes(self) -> PreflightCheck:
        answer = self._facts.priority_classes()
        if not answer.permitted:
            return _unseen("priority_classes", "PriorityClasses")
        names = sorted(str(mapping(one.get("metadata")).get("name")) for one in answer.content or ())
        own = [name for name in names if not name.startswith("system-")]
        shown = ", ".join(own[:_NAMES_SHOWN]) + (", ..." if len(own) > _NAMES_SHOWN else "")
        return PreflightCheck("priority_classes", PASSED, f"{shown}." if own else "none but Kubernetes' own.")


def _room(machines: Sequence[Machine], used: Mapping[str, int] | None, needs: PreflightNeeds) -> PreflightCheck:
    """Judge whether the pods have room: at all, and now."""
    total = sum(machine.gpus for machine in machines)
    evidence = f"{in_words(machines)}"
    if used is not None:
        taken = sum(used.get(machine.name, 0) for machine in machines)
        evidence += f"; {max(total - taken, 0)} of {total} GPUs are free"
    if not needs.gpus_per_pod:
        return PreflightCheck("gpus", PASSED, f"{evidence}.")
    room = room_for(machines, needs.gpus_per_pod)
    wanted = f"{needs.all_pods} pods of {needs.gpus_per_pod} GPUs"
    if room < needs.all_pods:
        hint = "Even empty, these machines have no room for all pods; an autoscaler may still add some."
        return PreflightCheck("gpus", DOUBTFUL, f"{evidence}; room for {room} of {wanted}.", hint, "machines_too_few")
    if used is not None and room_for(machines, needs.gpus_per_pod, used) < needs.all_pods:
        now = room_for(machines, needs.gpus_per_pod, used)
        hint = "The pods wait until others end, unless the GPUs are in use by this very workload."
        return PreflightCheck("gpus", DOUBTFUL, f"{evidence}; room for {now} of {wanted} now.", hint, "gpus_in_use")
    return PreflightCheck("gpus", PASSED, f"{evidence}; room for {wanted}.")


def _unseen(name: str, what: str) -> PreflightCheck:
    return PreflightCheck(name, UNKNOWN, f"these credentials may not see {what}.", _ROLE_HINT)


def _numbers(version: Mapping[str, Any]) -> tuple[int, int]:
    """Return major and minor; providers write the minor one as ``29+``. What cannot be read counts as current."""
    parts = [str(version.get(key) or "").rstrip("+") for key in ("major", "minor")]
    numbers = [whole_number(int(part) if part.isdecimal() else None, None) for part in parts]
    major, minor = numbers
    return _OLDEST if major is None or minor is None else (major, minor)
