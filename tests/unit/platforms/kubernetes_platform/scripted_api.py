# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server in memory, as the platform's client shows it: it keeps what is applied and remembers what was asked.

Real behaviour (defaults, conflicts, controllers) is tested against a real API server in tests/integration.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import (
    Connection,
    KubernetesConnection,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.ownership import FIELD_MANAGER
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.platform import KubernetesPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import NotServed, Refused
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import PODS, Resource
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

Object = dict[str, Any]


@dataclass
class Listed:
    """A list of objects."""

    items: list[Object]
    resource_version: str = "1"


@dataclass
class ScriptedApi:
    """Set ``refusals`` (by call, as ``apply Service/x``), ``unserved`` and ``printed`` (by container); ``calls`` lists
    what was asked, in order."""

    address: str = "https://api.example.com:6443"
    cluster: str = "gpu-cluster"
    namespace: str = "my-project"
    objects: dict[str, Object] = field(default_factory=dict)
    refusals: dict[str, Refused] = field(default_factory=dict)
    unserved: set[str] = field(default_factory=set)
    printed: dict[str, str] = field(default_factory=dict)
    host: Host = field(default_factory=Host)
    calls: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound nothing."""
        return nullcontext()

    def get(self, resource: Resource, name: str) -> Object | None:
        """Return an object."""
        self._ask(f"get {resource.kind}/{name}", resource)
        return copy.deepcopy(self.objects.get(f"{resource.kind}/{name}"))

    def list(self, resource: Resource, labels: str = "", fields: str = "") -> Listed:
        """Return the objects of a kind that a selector of labels takes: those it asks for, without those it does not
        want (``!label``)."""
        self._ask(f"list {resource.kind}", resource)
        found = [
            entry
            for key, entry in self.objects.items()
            if key.startswith(f"{resource.kind}/") and all(_has(entry, part) for part in labels.split(",") if part)
        ]
        return Listed(copy.deepcopy(found))

    def apply(
        self, resource: Resource, name: str, manifest: Mapping[str, Any], dry_run: bool = False, force: bool = False
    ) -> Object:
        """Keep what is applied, with the fields' owner."""
        key = f"{resource.kind}/{name}"
        self._ask(f"{'try' if dry_run else 'apply'} {key}", resource)
        applied = copy.deepcopy(dict(manifest))
        before = self.objects.get(key, {})
        applied["metadata"] = {
            **applied["metadata"],
            "uid": before.get("metadata", {}).get("uid") or f"uid-{next(self._numbers)}",
            "creationTimestamp": "2026-11-23T12:00:00Z",
            "managedFields": [{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields_of(manifest)}],
        }
        if "status" in before:
            applied["status"] = before["status"]
        if not dry_run:
            self.objects[key] = applied
        return copy.deepcopy(applied)

    def create(self, resource: Resource, manifest: Mapping[str, Any], dry_run: bool = False) -> Object:
        """Take a pod of the rehearsal."""
        role = labels_of(manifest).get("run.ai/role", "")
        self._ask(f"{'try' if dry_run else 'create'} {resource.kind} {role}", resource)
        return copy.deepcopy(dict(manifest))

    def delete(self, resource: Resource, name: str, uid: str | None = None, propagation: str = "Background") -> None:
        """Forget an object."""
        self._ask(f"delete {resource.kind}/{name}", resource)
        self.objects.pop(f"{resource.kind}/{name}", None)

    def logs(self, pod: str, container: str, tail_lines: int, limit_bytes: int) -> str:
        """Return the end of what a container printed."""
        self._ask(f"logs {pod}/{container}", PODS)
        lines = self.printed[container].splitlines(keepends=True)[-tail_lines:]
        return "".join(lines)[:limit_bytes]

    def serves(self, resource: Resource) -> bool:
        """Say whether a kind is served; everybody may ask."""
        self.calls.append(f"serves {resource.kind}")
        return resource.kind not in self.unserved

    def _ask(self, call: str, resource: Resource) -> None:
        self.calls.append(call)
        # As in a cluster: what is not permitted is refused before anybody looks whether it is there.
        if call in self.refusals:
            raise self.refusals[call]
        if resource.kind in self.unserved:
            raise NotServed([Finding(ERROR, "not_served", f"{resource.kind} is not served.")], 404)


def refused(code: int = 422, cause: str = "invalid_object", details: Mapping[str, Any] | None = None) -> Refused:
    """Return a refusal of the API server."""
    return Refused([Finding(ERROR, cause, "the API server says no.")], code, "", details)


def platform_over(api: ScriptedApi, **connection: Any) -> KubernetesPlatform:
    """Return a fresh platform object, as every task has one."""
    whole = {"platform": "kubernetes", "namespace": "my-project", "kubernetes": KubernetesConnection(), **connection}
    return KubernetesPlatform(Connection(**whole), Host(), client=cast(Any, api))


def _has(entry: Mapping[str, Any], requirement: str) -> bool:
    """Say whether an object meets one requirement of a selector."""
    name, _equals, value = requirement.partition("=")
    if name.startswith("!"):
        return name[1:] not in labels_of(entry)
    return labels_of(entry).get(name) == value


def labels_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return an object's labels."""
    labels: dict[str, str] = entry.get("metadata", {}).get("labels", {})
    return labels


def fields_of(value: Any) -> dict[str, Any]:
    """Return a manifest's fields in the format FieldsV1: lists of named entries are merged, others are one value."""
    fields: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            fields[f"f:{key}"] = fields_of(item)
        elif isinstance(item, list) and item and all(isinstance(entry, Mapping) and "name" in entry for entry in item):
            entries = {f"k:{json.dumps({'name': entry['name']})}": {".": {}, **fields_of(entry)} for entry in item}
            fields[f"f:{key}"] = entries
        else:
            fields[f"f:{key}"] = {}
    return fields
