# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The model files of one namespace: who reads them, and whether a pod may work on them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import Target
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.checks import binding_mode
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.claims import (
    ClaimUse,
    claim_findings,
    waits_for_first_pod,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.cluster_facts import ClusterFacts
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.look_manifest import look_pod
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_states import is_ready
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import PODS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    LOOK_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    WORKLOAD_LABEL,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.model_files import Reader, paths_named
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import (
    mapping,
    mappings,
    whole_number,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

Object = Mapping[str, Any]


class KubernetesModelFiles:
    """The model files of the namespace that a connection is for."""

    def __init__(self, connection: Connection, host: Host, client: KubernetesClient | None = None) -> None:
        if connection.kubernetes is None:
            raise OptionError.of("kubeconfig", "the cluster is not named.", "Set kubeconfig, or host and api_key.")
        self._client = client or KubernetesClient(connection.kubernetes, connection.namespace, host)
        self._facts = ClusterFacts(self._client)
        self._platform = KubernetesPlatform(connection, host, self._client)

    @property
    def platform(self) -> KubernetesPlatform:
        """Return the platform that starts looks."""
        return self._platform

    @property
    def answers_only(self) -> bool:
        """Say that looks leave reports."""
        return False

    def target(self) -> Target:
        """Return where this points."""
        return self._platform.target()

    def check(self, claim: str, pods: int, apart: bool) -> list[Finding]:
        """Return what stands against mounting a claim into so many pods; nothing where it may not be seen."""
        answer = self._facts.claim(claim)
        if not answer.permitted:
            return []
        if answer.content is not None and waits_for_first_pod(answer.content, binding_mode(self._facts)):
            evidence = f"the claim {claim} has no volume yet, so no model lies on it."
            hint = "Put the model there first: the first pod that mounts the claim decides where its volume is."
            return [Finding(ERROR, "volume_claim_unbound", evidence, hint, "claim")]
        # One that all mount read-only can be looked at.
        use = ClaimUse(claim, pods, apart, read_only=True, option="claim")
        return claim_findings(use, answer.content, binding_mode(self._facts))

    def readers(self, claim: str) -> list[Reader]:
        """Return the workloads of ours of which a pod that mounts the claim is ready."""
        selector = f"{MANAGED_BY_LABEL}={MANAGED_BY},{WORKLOAD_LABEL},!{LOOK_LABEL}"
        return readers_of(claim, self._client.list(PODS, labels=selector).items)

    def rehearse(self, look: Look) -> list[Finding]:
        """Let the API server create the pod of a look in a dry run: pod security, quotas and webhooks act on pods."""
        try:
            self._client.create(PODS, look_pod(look), dry_run=True)
        except Refused as refused:
            if not refused.is_permission:
                return list(refused.findings)
            evidence = "creating pods is not permitted here, so pod security, quotas and webhooks were not asked."
            hint = "Permit creating pods (dry run) to see what they would refuse before anything is started."
            return [Finding(INFO, "admission_not_checked", evidence, hint, look.workload)]
        return []


def readers_of(claim: str, pods: Sequence[Object]) -> list[Reader]:
    """Return which workloads serve from a claim, of their pods (pure)."""
    known: dict[str, set[str]] = {}
    identities: dict[str, set[tuple[int | None, int | None]]] = {}
    unknown: set[str] = set()
    for pod in pods:
        workload = str(mapping(mapping(pod.get("metadata")).get("labels")).get(WORKLOAD_LABEL) or "")
        mounts = list(_mounts(claim, pod)) if is_ready(pod) else []
        if not mounts:
            continue
        paths = {path for container, mount in mounts for path in _paths(container, mount)}
        known.setdefault(workload, set()).update(paths)
        identities.setdefault(workload, set()).update(_identity(container, pod) for container, _mount in mounts)
        if not paths:
            unknown.add(workload)
    readers = []
    for name, found in sorted(known.items()):
        uid, gid = next(iter(identities[name])) if len(identities[name]) == 1 else (None, None)
        readers.append(Reader(name, () if name in unknown else tuple(sorted(found)), uid, gid))
    return readers


def _identity(container: Object, pod: Object) -> tuple[int | None, int | None]:
    """Return as which user and group a container runs; ``None`` where that is left to its image."""
    of_all = mapping(mapping(pod.get("spec")).get("securityContext"))
    stated = {**of_all, **mapping(container.get("securityContext"))}
    return whole_number(stated.get("runAsUser"), None), whole_number(stated.get("runAsGroup"), None)


def _mounts(claim: str, pod: Object) -> Iterator[tuple[Object, Object]]:
    """Yield the containers that mount a claim, with where they do."""
    spec = mapping(pod.get("spec"))
    volumes = {
        volume.get("name")
        for volume in mappings(spec.get("volumes"))
        if mapping(volume.get("persistentVolumeClaim")).get("claimName") == claim
    }
    for container in mappings(spec.get("containers")):
        for mount in mappings(container.get("volumeMounts")):
            if mount.get("name") in volumes:
                yield container, mount


def _paths(container: Object, mount: Object) -> Iterator[str]:
    """Yield what a container's command names below a mount, as paths below the claim's root."""
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    yield from paths_named(map(str, words), str(mount.get("mountPath") or ""), str(mount.get("subPath") or ""))
