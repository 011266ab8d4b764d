# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""All writes to the API server: rehearsed, applied server-side, scaled, deleted.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

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
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import write_record
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten

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
        keys = list(rendered.body) if live is None else list(_objects_of(fields))
        held: list[Finding] = []
        after: dict[str, Object] = {}
        for key in keys:
            if key not in rendered.body:
                continue
            existing = before.get(key) or self._objects.get(key)
            if existing is not None and live is None and not is_ours(existing, rendered.name):
                findings.append(_name_in_use(key))
                continue
            try:
                after[key] = self._apply(key, rendered.body[key], dry_run=True)
            except Refused as refused:
                if refused.code == _CONFLICT:
                    held += conflicts(refused, key, rendered.body[key])
                else:
                    findings += refused.findings
        if live is None or not keys or findings or held:
            return Rehearsal(tuple(findings), tuple(held))
        return Rehearsal((), (), _differing({key: before.get(key) for key in keys}, after))

    def create(self, rendered: RenderedWorkload, record: AppliedRecord) -> dict[str, Object]:
        """Apply all objects, the main one with the record last; return them as they are now."""
        return self._apply_all(rendered.body, rendered.kind, rendered.name, record)

    def change(
        self,
        live: LiveWorkload,
        before: Mapping[str, Object],
        rendered: RenderedWorkload,
        fields: Iterable[str],
        record: AppliedRecord,
    ) -> None:
        """Apply the objects that ``fields`` lie in, and the record. What is wanted no more is deleted.

        Where only drift is repaired, an object keeps what it has in all other fields, whatever would be rendered today.
        """
        fields = list(fields)
        applied = live.record.body if live.record is not None else {}
        manifests: dict[str, Any] = {}
        for key in _objects_of(fields):
            if key not in rendered.body:
                self._delete(key, before.get(key))
            elif key not in before or record.body.get(key) == comparable(rendered.body).get(key):
                manifests[key] = rendered.body[key]
            else:
                manifests[key] = _with_fields(owned_part(before[key]), rendered.body[key], key, fields)
        main = main_object_key(rendered.kind, rendered.name)
        if main not in manifests:
            whole = applied.get(main) == record.body.get(main) and main in before
            manifests[main] = owned_part(before[main]) if whole else rendered.body[main]
        self._apply_all(manifests, rendered.kind, rendered.name, record)

    def scale(self, before: Mapping[str, Object], paths: Iterable[str], replicas: int) -> None:
        """Apply what we own of the objects that ``paths`` lie in, with another number of replicas."""
        for path in paths:
            key = next(iter(_objects_of([path])))
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
        self, manifests: Mapping[str, Any], kind: str, name: str, record: AppliedRecord
    ) -> dict[str, Object]:
        """Apply manifests, the main object with the record last."""
        main = main_object_key(kind, name)
        after: dict[str, Object] = {}
        for key in sorted(manifests, key=lambda key: key == main):
            manifest = manifests[key]
            after[key] = self._write(key, with_record(manifest, write_record(record)) if key == main else manifest)
        return after

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


def _with_fields(
    manifest: dict[str, Any], source: Mapping[str, Any], key: str, fields: Iterable[str]
) -> dict[str, Any]:
    """Return a manifest with the named fields of its object as they are in ``source``."""
    for field in fields:
        if field == key:
            return dict(source)
        if field.startswith(f"{key}."):
            manifest = _with_path(manifest, source, field.removeprefix(f"{key}.").split("."))
    return manifest


def _with_path(target: Mapping[str, Any], source: Mapping[str, Any], path: list[str]) -> dict[str, Any]:
    """Return ``target`` with what ``source`` has at a path of keys, or without it where the source has nothing."""
    first, *rest = path
    if rest:
        return {**target, first: _with_path(mapping(target.get(first)), mapping(source.get(first)), rest)}
    kept = {name: value for name, value in target.items() if name != first}
    return {**kept, first: source[first]} if first in source else kept


def _differing(before: Mapping[str, Object | None], after: Mapping[str, Object]) -> frozenset[str]:
    """Return the flattened paths in which two sets of objects differ, in the form in which bodies are compared."""
    sides = [
        flatten(comparable({key: stripped(found) for key, found in side.items() if found is not None}))
        for side in (before, after)
    ]
    paths = set(sides[0]) | set(sides[1])
    return frozenset(path for path in paths if sides[0].get(path) != sides[1].get(path))


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
