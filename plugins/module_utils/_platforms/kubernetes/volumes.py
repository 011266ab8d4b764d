# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The volume claims of one namespace: the interface of ``_platforms.volumes``, by server-side apply.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformEvent, Target
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import claim_checks
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.claim_manifest import (
    dropped,
    manifest,
    our_labels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.claim_states import live_claim
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.cluster_facts import ClusterFacts
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.events import events_about
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.expectation import verify_cluster
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.ownership import conflicts
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    CLAIMS,
    EVENTS,
    PODS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    TRAITS,
    object_key,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import (
    BOUND,
    DELETING,
    LiveClaim,
    Users,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import (
    ClaimChange,
    ClaimSpec,
    differences,
)

Object = Mapping[str, Any]

_CONFLICT = 409
# Pods of these phases have let their volumes go.
_ENDED = ("Succeeded", "Failed")


class KubernetesVolumes:
    """The claims of the namespace that ``client`` is for. ``force`` takes fields over that another manager holds."""

    def __init__(self, client: KubernetesClient, host: Host, force: bool = False) -> None:
        self._client = client
        self._host = host
        self._force = force
        self._facts = ClusterFacts(client)
        self._events_shown = True
        self._binding_modes: dict[str, str | None] = {}
        self._read: dict[str, Object] = {}

    @classmethod
    def connected(cls, connection: Connection, host: Host) -> KubernetesVolumes:
        """Return the claims that a connection leads to. Raises ``GpuopsError`` where it leads to another cluster than
        the one that is expected."""
        if connection.kubernetes is None:
            raise OptionError.of("kubeconfig", "the cluster is not named.", "Set kubeconfig, or host and api_key.")
        client = KubernetesClient(connection.kubernetes, connection.namespace, host)
        verify_cluster(connection, client)
        return cls(client, host, connection.kubernetes.force_conflicts)

    def target(self) -> Target:
        """Return where this points."""
        return Target(
            platform=TRAITS.name,
            address=self._client.address,
            cluster=self._client.cluster,
            namespace=self._client.namespace,
        )

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what all requests inside may take together."""
        return self._client.within(seconds)

    def find(self, spec: ClaimSpec, must_know: bool = False) -> LiveClaim | None:
        """Return the claim of this name: one request where it is bound."""
        found = self._client.get(CLAIMS, spec.name)
        return None if found is None else self._live(found)

    def refuse_options(self, spec: ClaimSpec) -> None:
        """Refuse a data source, which Kubernetes does not have."""
        if spec.data_source is not None:
            raise OptionError.of("data_source", "Kubernetes has no data sources.", "Leave it out: name is the claim.")

    def missing(self, spec: ClaimSpec) -> Finding | None:
        """Return that there is no such claim, where the size for a new one is not stated."""
        if spec.size is not None:
            return None
        evidence = f"there is no volume claim {spec.name!r} in namespace {self._client.namespace}."
        hint = "Set size to have it made, or correct name and namespace."
        return Finding(ERROR, "volume_claim_missing", evidence, hint, "name")

    def creation(self, spec: ClaimSpec) -> Mapping[str, Any]:
        """Return what a new claim is made with, by option."""
        return {**spec.for_creation(), "labels": our_labels(spec)}

    def check(self, spec: ClaimSpec, live: LiveClaim | None) -> list[Finding]:
        """Return what stands against making the claim, or against its growth."""
        if live is None:
            return claim_checks.of_new_claim(spec, self._facts)
        return claim_checks.of_growth(spec, live, self._facts)

    def differences(self, spec: ClaimSpec, live: LiveClaim) -> list[ClaimChange]:
        """Return how the claim differs from what is applied: also in labels and annotations that we applied once and
        nobody asks for any more."""
        found = self._read[live.handle]
        changes = {
            change.option: change
            for change in differences({**spec.stated(), "labels": our_labels(spec)}, live.described)
        }
        for option in ("labels", "annotations"):
            gone = dropped(spec, found, option)
            if gone:
                change = changes.get(option)
                wanted = our_labels(spec) if option == "labels" else dict(spec.annotations)
                before = {**gone, **(change.before or {})} if change is not None else gone
                after = wanted if change is not None else {}
                changes[option] = ClaimChange(option, before, after)
        return list(changes.values())

    def rehearse(self, spec: ClaimSpec, live: LiveClaim | None) -> list[Finding]:
        """Let the API server try the apply with ``dryRun=All``."""
        try:
            self._apply(spec, live, dry_run=True)
        except Refused as refused:
            return self._told(refused, spec, live)
        return []

    def create(self, spec: ClaimSpec) -> LiveClaim:
        """Apply a claim; doing it twice makes no second one."""
        return self._written(spec, None)

    def change(self, spec: ClaimSpec, live: LiveClaim) -> LiveClaim:
        """Apply the claim as it is wanted, with our label."""
        return self._written(spec, live)

    def users(self, live: LiveClaim) -> Users:
        """Return the pods of the namespace that mount the claim and have not ended."""
        pods = self._client.list(PODS).items
        return Users(tuple(sorted(_name(pod) for pod in pods if _mounts(pod, live.name))))

    def loses_data(self, live: LiveClaim) -> bool:
        """Say that data may be lost: whether the volume is kept is decided by the volume, which not everybody sees."""
        return True

    def check_removal(self, live: LiveClaim) -> list[Finding]:
        """Return nothing: every claim of the namespace can be deleted."""
        return []

    def delete(self, live: LiveClaim) -> None:
        """Ask for the deletion of the very claim that was seen."""
        self._host.alive()
        self._client.delete(CLAIMS, live.name, uid=live.handle)

    def now(self, live: LiveClaim) -> LiveClaim | None:
        """Return how the very same claim is now; ``None`` also where another one has its name."""
        found = self._client.get(CLAIMS, live.name)
        if found is None or mapping(found.get("metadata")).get("uid") != live.handle:
            return None
        return self._live(found)

    def unknown(self, spec: ClaimSpec, live: LiveClaim | None) -> Sequence[Finding]:
        """Return what could not be seen: the events, where these credentials may not list them."""
        if self._events_shown:
            return ()
        evidence = "these credentials may not list events, which say why a claim has no volume."
        return (Finding(INFO, "events_not_seen", evidence, "Permit `list events`.", spec.name),)

    def _live(self, found: Object) -> LiveClaim:
        """Return a claim with what its events and its class say of it; these are asked only where it is not well."""
        live = live_claim(found, (), None)
        if live.phase not in (BOUND, DELETING) or live.is_growing:
            live = live_claim(found, self._events(live), self._binding_mode(live.described["storage_class"]))
        self._read[live.handle] = found
        return live

    def _events(self, live: LiveClaim) -> Sequence[PlatformEvent]:
        """Return the events about a claim; none where they are not ours to see."""
        if not self._events_shown:
            return ()
        try:
            listed = self._client.list(EVENTS, fields=f"involvedObject.uid={live.handle}").items
        except Refused as refused:
            if not refused.is_permission:
                raise
            self._events_shown = False
            return ()
        return events_about(live.handle, listed)

    def _binding_mode(self, storage_class: str | None) -> str | None:
        """Return when a class binds its claims; ``None`` where that cannot be seen. Asked once for each class."""
        if not storage_class:
            return None
        if storage_class not in self._binding_modes:
            content = self._facts.storage_class(storage_class).content
            mode = None if content is None else str(content.get("volumeBindingMode") or "Immediate")
            self._binding_modes[storage_class] = mode
        return self._binding_modes[storage_class]

    def _written(self, spec: ClaimSpec, live: LiveClaim | None) -> LiveClaim:
        self._host.alive()
        try:
            return self._live(self._apply(spec, live))
        except Refused as refused:
            if refused.code == _CONFLICT:
                raise GpuopsError.from_findings(self._told(refused, spec, live)) from refused
            raise

    def _apply(self, spec: ClaimSpec, live: LiveClaim | None, dry_run: bool = False) -> Object:
        found = None if live is None else self._read[live.handle]
        return self._client.apply(CLAIMS, spec.name, manifest(spec, found), dry_run=dry_run, force=self._force)

    def _told(self, refused: Refused, spec: ClaimSpec, live: LiveClaim | None) -> list[Finding]:
        """Return why an apply was refused; a field that somebody else holds by its holder's name."""
        if refused.code != _CONFLICT:
            return refused.findings
        found = None if live is None else self._read[live.handle]
        return conflicts(refused, object_key(CLAIMS.kind, spec.name), manifest(spec, found), found)


def _mounts(pod: Object, claim: str) -> bool:
    """Say whether a pod that has not ended mounts a claim."""
    if mapping(pod.get("status")).get("phase") in _ENDED:
        return False
    volumes = mappings(mapping(pod.get("spec")).get("volumes"))
    return any(mapping(volume.get("persistentVolumeClaim")).get("claimName") == claim for volume in volumes)


def _name(found: Object) -> str:
    return str(mapping(found.get("metadata")).get("name"))
