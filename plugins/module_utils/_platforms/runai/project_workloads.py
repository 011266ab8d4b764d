# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The workloads of one project, read once: which of ours serve from a claim, as the API tells it.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import DEGRADED, RUNNING
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.model_files import Reader, paths_named
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import observe
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import RunaiClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import (
    mapping,
    mappings,
    whole_number,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import RAY_LEADER_VARIABLE

Record = Mapping[str, Any]

# While an inference is replaced in place, its earlier pods serve.
_UPDATING = "Updating"


class ProjectWorkloads:
    """The workloads of one project, by its name."""

    def __init__(self, client: RunaiClient, project: str) -> None:
        self._client = client
        self._project = project
        self._entries: list[dict[str, Any]] | None = None

    def readers(self, claim: str) -> list[Reader]:
        """Return the workloads of ours that serve from a claim: one request, and one for each workload that serves."""
        readers = []
        for entry in filter(_serves, self._living()):
            for kind in observe.kinds_to_try(entry):
                definition = self._client.definition(kind, str(entry.get("id") or ""))
                if definition is not None:
                    readers += reader_of(claim, kind, entry, definition)
                    break
        return readers

    def take(self, is_wanted: Callable[[Record], bool]) -> list[dict[str, Any]]:
        """Return the living workloads that are wanted, each of them once in all calls."""
        found = [entry for entry in self._living() if is_wanted(entry)]
        self._entries = [entry for entry in self._living() if not is_wanted(entry)]
        return found

    def _living(self) -> list[dict[str, Any]]:
        if self._entries is None:
            entries = self._client.project_workloads(self._project)
            self._entries = [entry for entry in entries if not observe.is_deleted(entry)]
        return self._entries


def reader_of(claim: str, kind: str, entry: Record, definition: Record) -> list[Reader]:
    """Return a workload as the one reader, where it is ours, has replicas and mounts the claim (pure)."""
    live = observe.live_workload(str(entry.get("name") or ""), kind, entry, definition)
    if not live.managed or live.replicas == 0:
        return []
    spec = mapping(definition.get("spec"))
    parts = [part for part in (spec, mapping(spec.get("leader")), mapping(spec.get("worker"))) if part]
    mounts = [(part, mount) for part in parts for mount in _mounts(claim, part)]
    if not mounts:
        return []
    paths = {path for part, mount in mounts for path in paths_named(_words(part), str(mount.get("path") or ""))}
    identities = {_identity(part, spec) for part, _mount in mounts}
    uid, gid = next(iter(identities)) if len(identities) == 1 else (None, None)
    return [Reader(live.name, tuple(sorted(paths)), uid, gid)]


def _identity(part: Record, spec: Record) -> tuple[int | None, int | None]:
    """Return as which user and group a role runs; ``None`` where that is left to its image."""
    security = mapping(part.get("security")) or mapping(spec.get("security"))
    return whole_number(security.get("runAsUid"), None), whole_number(security.get("runAsGid"), None)


def _serves(entry: Record) -> bool:
    return observe.phase_of(entry) in (RUNNING, DEGRADED) or entry.get("phase") == _UPDATING


def _mounts(claim: str, part: Record) -> Iterator[Record]:
    """Yield where a role mounts a claim."""
    for mount in mappings(mapping(part.get("storage")).get("pvc")):
        if mount.get("claimName") == claim:
            yield mount


def _words(part: Record) -> list[str]:
    """Return the command of a role: its line may stand in a variable of ours."""
    variables = mappings(part.get("environmentVariables"))
    lines = [variable.get("value") for variable in variables if variable.get("name") == RAY_LEADER_VARIABLE]
    return [str(text) for text in (part.get("command"), part.get("args"), *lines) if text]
