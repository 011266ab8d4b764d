# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The volume claims of one project: the interface of ``_platforms.volumes``, by PVC data sources of project scope.

The API shows data sources and not the claims themselves. Where the user gives a way into the cluster, the claims are
looked at there; all writes go to the API.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable, Target
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.volumes import KubernetesVolumes
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import observe, source_checks
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import source_words as words
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import (
    DoubtfulAnswer,
    RunaiClient,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.cluster_view import (
    ClusterView,
    NotUsable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.expectation import verify_cluster
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import Place
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.refusals import ApiError
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import TRAITS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import (
    AVAILABLE,
    PENDING,
    UNKNOWN,
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

Record = Mapping[str, Any]
T = TypeVar("T")

# Seconds before each look for a data source whose creation got no clear answer.
_LOOKS_AFTER_DOUBT = (0.5, 1.0, 2.0, 4.0, 8.0)
# The answers to whoever may not read data sources, and of control planes that have none.
_NOT_SHOWN = (403, 404)
# For this many seconds after its creation, a data source without a state counts as being made.
_APPEARING_SECONDS = 30.0


class RunaiVolumes:
    """The claims of one project."""

    def __init__(
        self, connection: Connection, host: Host, client: RunaiClient, retry: Retry, view: ClusterView | None = None
    ) -> None:
        self._connection = connection
        self._host = host
        self._client = client
        self._retry = retry
        self._view = view
        self._place = Place(client, connection.project or "")
        self._obstacle: Finding | None = None
        self._refusal: ApiError | None = None
        self._sources: dict[str, Record] = {}
        self._in_cluster: LiveClaim | None = None
        self._created: dict[str, float] = {}

    @classmethod
    def connected(cls, connection: Connection, host: Host) -> RunaiVolumes:
        """Return the claims that a connection leads to."""
        if connection.runai is None:
            raise OptionError.of("runai_url", "the Run:ai control plane is not named.", "Set runai_url.")
        retry = Retry(host)
        client = RunaiClient(connection.runai, host, retry=retry)
        view = ClusterView(connection, host) if connection.kubernetes is not None else None
        return cls(connection, host, client, retry, view)

    def target(self) -> Target:
        """Return where this points, as far as it is known without a request."""
        address = self._connection.runai.url if self._connection.runai is not None else ""
        return Target(
            platform=TRAITS.name,
            address=address,
            cluster=self._connection.expect_cluster,
            project=self._connection.project,
        )

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bound what all requests inside may take together."""
        with self._retry.within(seconds):
            if self._view is None:
                yield
                return
            with self._view.within(seconds):
                yield

    def find(self, spec: ClaimSpec, must_know: bool = False) -> LiveClaim | None:
        """Return the claim by its data source, else as the cluster shows it. A claim that is to get a data source
        (``data_source``) and has none counts as not there. Data sources that may not be read are none where no claim
        and no data source would be made."""
        verify_cluster(self._connection, self._place, None)
        try:
            entry = self._source(spec)
        except ApiError as refused:
            if must_know or spec.size is not None or spec.data_source is not None or refused.status not in _NOT_SHOWN:
                raise
            self._refusal, entry = refused, None
        self._in_cluster = self._seen(lambda volumes: volumes.find(spec))
        if entry is not None:
            return self._live(spec.name, entry)
        return None if spec.data_source is not None else self._in_cluster

    def refuse_options(self, spec: ClaimSpec) -> None:
        """Refuse what a data source has no field for."""
        source_checks.refuse_options(spec)

    def missing(self, spec: ClaimSpec) -> Finding | None:
        """Return that nothing is known of a claim without a data source, or that the cluster has none."""
        if spec.size is not None or (spec.data_source is not None and self._may_be_there()):
            return None
        if not self._may_be_there():
            evidence = f"there is no volume claim {spec.name!r} in the namespace of project {self._connection.project}."
            return Finding(ERROR, "volume_claim_missing", evidence, "Set size to have it made.", "name")
        shown = f"project {self._connection.project} has no data source of the claim {spec.name}"
        if self._refusal is not None:
            shown = f"the data sources of project {self._connection.project} may not be read ({self._refusal.status})"
        evidence = f"{shown}, and the Run:ai API does not show claims: whether it is there is unknown."
        hint = "Give a kubeconfig of the cluster to have it looked at. A workload can mount it without a data source."
        return Finding(INFO, "volume_not_seen", evidence, hint, "name")

    def creation(self, spec: ClaimSpec) -> Mapping[str, Any]:
        """Return what is made: a data source, and its claim unless that is there."""
        claim = {} if self._is_existing(spec) else spec.for_creation()
        return {**claim, "data_source": spec.data_source or spec.name, "path": spec.path}

    def check(self, spec: ClaimSpec, live: LiveClaim | None) -> list[Finding]:
        """Return what stands against making the claim, as far as the storage classes tell."""
        if live is not None or self._is_existing(spec):
            return []
        return source_checks.of_new_claim(spec, self._client.storage_classes(self._place.project().cluster))

    def differences(self, spec: ClaimSpec, live: LiveClaim) -> list[ClaimChange]:
        """Return how the data source, and the claim as far as it is shown, differ from what is wanted."""
        entry = self._sources.get(live.handle)
        if self._refusal is not None:
            raise self._refusal
        if entry is None:
            found = f"the claim {live.name} has no data source, and only that can be taken over on Run:ai."
            raise OptionError.of("adopt", found, "Set data_source to have one made, or leave adopt out.")
        changes = differences(spec.stated(), live.described)
        path = mapping(entry.get("spec")).get("path")
        if path != spec.path:
            changes.append(ClaimChange("path", path, spec.path))
        if not words.is_ours(entry):
            changes.append(ClaimChange("description", mapping(entry.get("meta")).get("description"), words.MARK))
        return changes

    def rehearse(self, spec: ClaimSpec, live: LiveClaim | None) -> list[Finding]:
        """Say nothing: the API has no dry run."""
        return []

    def create(self, spec: ClaimSpec) -> LiveClaim:
        """Create the data source; sent once, and looked up by name where the answer is doubtful."""
        self._host.alive()
        body = words.creation_body(spec, self._place.project(), self._is_existing(spec))
        try:
            entry: Record | None = self._client.create_data_source(body)
        except DoubtfulAnswer as doubt:
            entry = self._after_doubt(spec, str(doubt))
        except ApiError as refused:
            if not refused.says_name_is_taken():
                raise
            entry = self._source(spec)
            if entry is None or not words.is_ours(entry):
                raise
        if not entry or not words.handle_of(entry):
            entry = self._source(spec) or {**body, "meta": {**body["meta"], "id": ""}}
        self._created[words.handle_of(entry)] = self._host.clock()
        return self._live(spec.name, entry)

    def change(self, spec: ClaimSpec, live: LiveClaim) -> LiveClaim:
        """Set description and path of the data source."""
        self._host.alive()
        self._client.update_data_source(live.handle, words.update_body(spec, self._sources[live.handle]))
        return self.now(live) or live

    def users(self, live: LiveClaim) -> Users:
        """Return the workloads that mount the claim: those that the data source lists, those of the project that name
        the claim themselves, and the pods where the cluster can be looked into."""
        entry = self._sources.get(live.handle, {})
        names = {*words.users_of(entry), *self._mounting(live.name)}
        pods = self._seen(lambda volumes: volumes.users(live))
        names |= set(pods.names) if pods is not None else set()
        if pods is not None:
            return Users(tuple(sorted(names)))
        evidence = f"whether pods that Run:ai does not manage mount {live.name} was not looked at."
        hint = "Give a kubeconfig of the cluster to have it looked at."
        return Users(tuple(sorted(names)), (Finding(INFO, "users_not_seen", evidence, hint, live.name),))

    def loses_data(self, live: LiveClaim) -> bool:
        """Say whether the claim goes with its data source: one that was there before stays."""
        return words.makes_its_claim(self._sources.get(live.handle, {}))

    def check_removal(self, live: LiveClaim) -> list[Finding]:
        """Return that a claim without a data source cannot be deleted."""
        if live.handle in self._sources:
            return []
        found = f"the claim {live.name} has no data source, and Run:ai deletes no other claims."
        return [Finding(ERROR, "name_in_use", found, "Delete it in the cluster, where it was made.", live.name)]

    def delete(self, live: LiveClaim) -> None:
        """Ask for the deletion of the data source."""
        self._host.alive()
        self._client.delete_data_source(live.handle)

    def now(self, live: LiveClaim) -> LiveClaim | None:
        """Return how the data source and its claim are now."""
        if live.handle not in self._sources:
            return self._seen(lambda volumes: volumes.now(live)) or live
        entry = next((one for one in self._entries() if words.handle_of(one) == live.handle), None)
        if entry is None:
            return None
        self._in_cluster = self._seen(lambda volumes: volumes.find(ClaimSpec(live.name)))
        return self._live(live.name, entry)

    def unknown(self, spec: ClaimSpec, live: LiveClaim | None) -> Sequence[Finding]:
        """Return why the cluster was not looked into, and which options nobody could compare."""
        told = [] if self._obstacle is None else [self._obstacle]
        unseen = [option for option in spec.stated() if live is not None and option not in live.described]
        if unseen:
            evidence = (
                f"the Run:ai API does not show the claim {spec.name} itself: whether {', '.join(unseen)} are as stated "
                "is unknown."
            )
            hint = "Give a kubeconfig of the cluster to have it looked at."
            told.append(Finding(INFO, "volume_not_seen", evidence, hint, spec.name))
        return told

    def _entries(self) -> list[Record]:
        project = self._place.project().handle
        found = self._client.data_sources(project, scope="project", statusInfo="true", usageInfo="true")
        return [entry for entry in found if words.is_living(entry)]

    def _source(self, spec: ClaimSpec) -> Record | None:
        """Return the data source that is meant: the one that is named, else one of the claim, ours first."""
        entries = self._entries()
        if spec.data_source is not None:
            named = [entry for entry in entries if words.source_name(entry) == spec.data_source]
            for entry in named:
                if spec.name not in words.claim_names(entry):
                    raise GpuopsError.from_finding(_name_in_use(spec, entry))
            return named[0] if named else None
        mounting = [entry for entry in entries if spec.name in words.claim_names(entry)]
        return min(
            mounting,
            key=lambda entry: (not words.is_ours(entry), words.source_name(entry) != spec.name),
            default=None,
        )

    def _live(self, name: str, entry: Record) -> LiveClaim:
        """Return the claim of a data source, with what the cluster shows of it."""
        live = words.live_claim(name, entry)
        self._sources[live.handle] = entry
        created = self._created.get(live.handle)
        if live.phase == UNKNOWN and created is not None and self._host.clock() - created < _APPEARING_SECONDS:
            live = replace(live, phase=PENDING)
        seen = self._in_cluster
        if seen is None or live.phase not in (AVAILABLE, UNKNOWN):
            return live
        return replace(seen, handle=live.handle, managed=live.managed, fixed=live.fixed)

    def _seen(self, ask: Callable[[KubernetesVolumes], T]) -> T | None:
        """Return what the cluster answers; ``None`` where it is not looked into."""
        if self._view is None:
            return None
        try:
            client = self._view.proven(self._place.project().namespace)
            with self._view.asking():
                answer = ask(KubernetesVolumes(client, self._host))
        except NotUsable as obstacle:
            self._obstacle = obstacle.finding
            return None
        self._obstacle = None
        return answer

    def _may_be_there(self) -> bool:
        """Say whether the claim is in the cluster, or may be: nobody looked."""
        return self._in_cluster is not None or self._view is None or self._obstacle is not None

    def _is_existing(self, spec: ClaimSpec) -> bool:
        """Say whether the data source is to be made for a claim that is there: seen, or without a size to make one."""
        return self._in_cluster is not None or spec.size is None

    def _mounting(self, claim: str) -> list[str]:
        """Return the project's workloads that name the claim themselves, without a data source."""
        names = []
        for entry in self._client.project_workloads(self._connection.project or ""):
            if observe.is_deleted(entry):
                continue
            for kind in observe.kinds_to_try(entry):
                definition = self._client.definition(kind, str(entry.get("id") or ""))
                if definition is not None:
                    names += [str(entry.get("name"))] if claim in words.mounted_claims(definition) else []
                    break
        return names

    def _after_doubt(self, spec: ClaimSpec, doubt: str) -> Record:
        """Look for the data source by name until one of ours is there or the looks are used up."""
        name = spec.data_source or spec.name
        for delay in _LOOKS_AFTER_DOUBT:
            self._host.progress.say(f"no clear answer to the creation of {name}: looking whether it exists")
            self._retry.pause(delay)
            entry = self._source(spec)
            if entry is not None and words.is_ours(entry):
                return entry
        evidence = (
            f"the control plane gave no clear answer to the creation ({doubt.rstrip('.')}), and lists none of ours."
        )
        hint = "Run again: should it appear after all, it is found and not doubled."
        raise PlatformUnreachable.from_finding(Finding(ERROR, "creation_unconfirmed", evidence, hint, name))


def _name_in_use(spec: ClaimSpec, entry: Record) -> Finding:
    other = ", ".join(words.claim_names(entry)) or "another claim"
    evidence = f"the data source {words.source_name(entry)} is there, of the claim {other} and not of {spec.name}."
    return Finding(ERROR, "name_in_use", evidence, "Choose another data_source, or correct name.", "data_source")
