# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""All writes to the API server: rehearsed, applied server-side, scaled, deleted.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    AppliedRecord,
    LiveWorkload,
    Rehearsal,
    RenderedWorkload,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.comparable import (
    comparable,
    stripped,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.marks import (
    is_ours,
    main_object_key,
    with_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.objects import (
    Object,
    WorkloadObjects,
    resource_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.ownership import (
    conflicts,
    owned_part,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.render import dry_run_pods
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import PODS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import is_hashed, write_record
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import addresses, flatten

_CONFLICT = 409


class Writer:
    """Applies the objects of workloads. ``force`` takes fields over that another manager holds."""

    def __init__(self, client: KubernetesClient, objects: WorkloadObjects, host: Host, force: bool) -> None:
        self._client = client
        self._objects = objects
        self._host = host
        self._force = force

    def rehearse(
        self,
        live: LiveWorkload | None,
        before: Mapping[str, Object],
        rendered: RenderedWorkload,
        fields: Iterable[str],
    ) -> Rehearsal:
        """Let the API server try the write: every object, and one pod of each role, since quotas, pod security and
        webhooks act on pods. ``before`` are the workload's objects as they are."""
        findings = self._admission(rendered)
        is_recreated = live is not None and not fields
        keys = list(_objects_of(fields)) if live is not None and fields else list(rendered.body)
        held: list[Finding] = []
        after: dict[str, Object] = {}
        for key in keys:
            if key not in rendered.body or (is_recreated and key in before):
                continue
            existing = before.get(key) or self._objects.get(key)
            if existing is not None and is_recreated and _belongs_to(existing, before):
                continue
            if existing is not None and key not in before and not is_ours(existing, rendered.name):
                findings.append(_name_in_use(key))
                continue
            try:
                after[key] = self._apply(key, rendered.body[key], dry_run=True)
            except Refused as refused:
                if refused.code == _CONFLICT:
                    held += conflicts(refused, key, rendered.body[key])
                else:
                    findings += refused.findings
        if live is None or is_recreated or findings or held:
            return Rehearsal(tuple(findings), tuple(held))
        return Rehearsal((), (), _differing({key: before.get(key) for key in keys}, after))

    def create(self, rendered: RenderedWorkload, record: AppliedRecord) -> dict[str, Object]:
        """Apply all objects, the main one with the record last; return them as they are now. Where one is refused,
        those that were made before it go again."""
        made: dict[str, Object] = {}
        try:
            self._apply_all(rendered.body, rendered.kind, rendered.name, record, made)
        except Refused:
            for key in reversed(made):
                with contextlib.suppress(GpuopsError):
                    self._delete(key, made[key])
            raise
        return made

    def change(
        self,
        live: LiveWorkload,
        before: Mapping[str, Object],
        rendered: RenderedWorkload,
        fields: Iterable[str],
        record: AppliedRecord,
    ) -> None:
        """Apply the objects that ``fields`` lie in, and the record. What is wanted no more is deleted.

        Where the record stays, only drift is repaired: every value is as it was applied last, whatever would be
        rendered today. Without fields only the record is written.
        """
        manifests: dict[str, Any] = {}
        for key in _objects_of(fields):
            if live.record is not None and record == live.record:
                manifests[key] = _as_applied(key, record.body, before.get(key, {}), rendered)
            elif key in rendered.body:
                manifests[key] = rendered.body[key]
            elif key in before:
                self._delete(key, before[key])
        main = main_object_key(rendered.kind, rendered.name)
        if main not in manifests:
            manifests[main] = owned_part(before[main]) if main in before else rendered.body[main]
        self._apply_all(manifests, rendered.kind, rendered.name, record, {})

    def scale(self, before: Mapping[str, Object], paths: Iterable[str], replicas: int) -> None:
        """Apply what we own of the objects that ``paths`` lie in, with another number of replicas."""
        for path in paths:
            key = next(iter(_objects_of([path])))
            if key not in before:
                raise GpuopsError.from_finding(_gone_meanwhile(key))
            manifest = owned_part(before[key])
            manifest["spec"] = {**mapping(manifest.get("spec")), "replicas": replicas}
            self._write(key, manifest)

    def delete(self, name: str, mains: Mapping[str, Object]) -> None:
        """Delete the main objects, then everything else that carries the workload's label."""
        for key, found in mains.items():
            self._delete(key, found)
        for key, found in self._objects.labelled(name).items():
            if key not in mains:
                self._delete(key, found)

    def restore(self, before: Mapping[str, Object], kind: str, name: str) -> dict[str, Object]:
        """Apply a deleted workload's objects again, as they were."""
        main = main_object_key(kind, name)
        after: dict[str, Object] = {}
        for key in sorted(before, key=lambda key: key == main):
            owned = owned_part(before[key])
            after[key] = self._write(key, owned if "spec" in owned else stripped(before[key]))
        return after

    def _apply_all(
        self, manifests: Mapping[str, Any], kind: str, name: str, record: AppliedRecord, after: dict[str, Object]
    ) -> None:
        """Apply manifests, the main object with the record last; put what they are now into ``after``."""
        main = main_object_key(kind, name)
        for key in sorted(manifests, key=lambda key: key == main):
            manifest = manifests[key]
            after[key] = self._write(key, with_record(manifest, write_record(record)) if key == main else manifest)

    def _write(self, key: str, manifest: Mapping[str, Any]) -> Object:
        """Apply one object; a field that another manager holds is told by its name."""
        self._host.alive()
        try:
            return self._apply(key, manifest)
        except Refused as refused:
            if refused.code == _CONFLICT:
                raise GpuopsError.from_findings(conflicts(refused, key, manifest)) from refused
            raise

    def _apply(self, key: str, manifest: Mapping[str, Any], dry_run: bool = False) -> Object:
        resource, name = resource_of(key)
        return self._client.apply(resource, name, dict(manifest), dry_run=dry_run, force=self._force)

    def _delete(self, key: str, found: Object | None) -> None:
        """Delete an object of ours with what belongs to it; the very one that was seen, not a successor."""
        resource, name = resource_of(key)
        self._host.alive()
        uid = mapping((found or {}).get("metadata")).get("uid")
        self._client.delete(resource, name, uid=uid, propagation="Foreground")

    def _admission(self, rendered: RenderedWorkload) -> list[Finding]:
        """Return why the cluster would refuse the workload's pods."""
        findings: list[Finding] = []
        for pod in dry_run_pods(rendered):
            try:
                self._client.create(PODS, pod, dry_run=True)
            except Refused as refused:
                if not refused.is_permission:
                    findings += refused.findings
                    continue
                evidence = "creating pods is not permitted here, so pod security, quotas and webhooks were not asked."
                hint = "Permit creating pods (dry run) to see what they would refuse before anything is changed."
                return [Finding(INFO, "admission_not_checked", evidence, hint, rendered.name)]
        return list(dict.fromkeys(findings))


def _objects_of(fields: Iterable[str]) -> dict[str, None]:
    """Return the body keys that flattened paths lie in, each one once: a key has no dot in it."""
    return dict.fromkeys(field.partition(".")[0] for field in fields)


def _as_applied(key: str, recorded: Mapping[str, Any], live: Object, rendered: RenderedWorkload) -> dict[str, Any]:
    """Return an object as it was applied last, its number of replicas as it is now.

    The record has values in the form in which they are compared: what is live, or rendered today, in another form but
    with the same meaning is taken as it stands there.
    """
    sources = [stripped(live), rendered.body.get(key, {})]
    pairs = [(source, comparable({key: source})[key]) for source in sources]
    manifest: dict[str, Any] = _value_as_applied(recorded.get(key, {}), pairs, key)
    replicas = mapping(live.get("spec")).get("replicas")
    if replicas is not None and "spec" in manifest:
        manifest["spec"] = {**manifest["spec"], "replicas": replicas}
    return manifest


def _value_as_applied(recorded: Any, sources: list[tuple[Any, Any]], path: str) -> Any:
    """Return a recorded value, from the first source (as it stands, as it is compared) that has the same."""
    for raw, same in sources:
        if raw is not None and same == recorded:
            return raw
    if isinstance(recorded, Mapping):
        return {
            name: _value_as_applied(
                value, [(_at(raw, name), _at(same, name)) for raw, same in sources], f"{path}.{name}"
            )
            for name, value in recorded.items()
        }
    if isinstance(recorded, list) and any(isinstance(entry, Mapping) for entry in recorded):
        return [
            _value_as_applied(
                entry, [(_entry(raw, address), _entry(same, address)) for raw, same in sources], f"{path}[{address}]"
            )
            for address, entry in zip(addresses(recorded), recorded, strict=True)
        ]
    if is_hashed(recorded):
        raise GpuopsError.from_finding(_value_unknown(path))
    return recorded


def _at(value: Any, name: str) -> Any:
    """Return what a mapping has under a name; ``None`` where there is nothing."""
    return value.get(name) if isinstance(value, Mapping) else None


def _entry(value: Any, address: str) -> Any:
    """Return the entry of a list that has this address; ``None`` where there is none."""
    if not isinstance(value, (list, tuple)):
        return None
    return dict(zip(addresses(value), value, strict=True)).get(address)


def _differing(before: Mapping[str, Object | None], after: Mapping[str, Object]) -> frozenset[str]:
    """Return the flattened paths in which two sets of objects differ, in the form in which bodies are compared."""
    sides = [
        flatten(comparable({key: stripped(found) for key, found in side.items() if found is not None}))
        for side in (before, after)
    ]
    paths = set(sides[0]) | set(sides[1])
    return frozenset(path for path in paths if sides[0].get(path) != sides[1].get(path))


def _value_unknown(path: str) -> Finding:
    """Return the finding that a value cannot be put back, since only its hash was recorded."""
    return Finding(
        ERROR,
        "drift_not_repairable",
        "this value was changed, and today another one would be rendered: the one that was applied is not known.",
        "Set replan: true to apply today's plan.",
        path,
    )


def _belongs_to(found: Object, owners: Mapping[str, Object]) -> bool:
    """Say whether an object goes with one of the owners, as a Service that a controller made for a LeaderWorkerSet."""
    uids = {mapping(owner.get("metadata")).get("uid") for owner in owners.values()}
    references = mappings(mapping(found.get("metadata")).get("ownerReferences"))
    return any(reference.get("uid") in uids for reference in references)


def _gone_meanwhile(key: str) -> Finding:
    """Return the finding that an object of the workload has vanished since it was looked for."""
    return Finding(ERROR, "gone_meanwhile", "it is not there any more.", "Run again.", key)


def _name_in_use(key: str) -> Finding:
    """Return the finding that an object of ours would take over somebody else's."""
    kind, _slash, name = key.partition("/")
    return Finding(
        ERROR,
        "name_in_use",
        f"a {kind} of this name exists, and this collection did not make it.",
        "Choose another name for the workload, or delete that object with the tool that made it.",
        name,
    )
