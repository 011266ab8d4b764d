# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The PVC data sources of a project: what people see of a claim in Run:ai's user interface has another name there.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import RunaiClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import Project
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.refusals import ApiError
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings

_NOT_SHOWN = (400, 403, 404)


class DataSources:
    """Explains claims that are not there by the project's data sources, which are read once, and only if needed."""

    def __init__(self, client: RunaiClient, project: Project) -> None:
        self._client = client
        self._project = project
        self._entries: list[dict[str, Any]] | None = None

    def hint(self, claim: str) -> str | None:
        """Return what to write instead of ``claim``, where that is a data source of another claim."""
        if self._entries is None:
            self._entries = self._visible()
        real = next((name for entry in self._entries for name in _claims(entry, claim)), None)
        if real is None:
            return None
        return f"{claim} is a data source of Run:ai, and its claim is called {real} in the namespace: use that name."

    def _visible(self) -> list[dict[str, Any]]:
        """Return the data sources: none where they may not be seen, or where the control plane has none."""
        try:
            return self._client.data_sources(self._project.handle)
        except ApiError as refused:
            if refused.status not in _NOT_SHOWN:
                raise
            return []


def _claims(entry: Mapping[str, Any], name: str) -> list[str]:
    """Return what the claim of a data source called ``name`` is called in the cluster, if that is something else.

    Which of the fields tells it is not promised; a field that repeats the name tells nothing.
    """
    spec = mapping(entry.get("spec"))
    if name not in (mapping(entry.get("meta")).get("name"), spec.get("claimName")):
        return []
    made = [resource.get("name") for resource in mappings(mapping(entry.get("clusterInfo")).get("resources"))]
    return [str(claim) for claim in (*made, spec.get("claimName")) if claim and claim != name]
