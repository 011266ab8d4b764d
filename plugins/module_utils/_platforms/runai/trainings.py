# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Training workloads: one pod that runs to its end. Its end phase is all that the API tells of what it found out.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import observe
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import (
    DoubtfulAnswer,
    RunaiClient,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import Place
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding

KIND = "trainings"
# End phases: its process ended with 0, or with something else (after ``backoffLimit`` retries).
COMPLETED = "Completed"
FAILED = "Failed"
# Seconds before each look for a training whose creation got no clear answer.
_LOOKS_AFTER_DOUBT = (0.5, 1.0, 2.0, 4.0)


class Trainings:
    """The trainings of one project. Names are the caller's, and should never come twice."""

    def __init__(self, client: RunaiClient, place: Place, retry: Retry) -> None:
        self._client = client
        self._place = place
        self._retry = retry

    def start(self, name: str, spec: Mapping[str, Any]) -> str:
        """Create a training and return its id. Sent once; after a doubtful answer it is looked up by name.

        Raises ``GpuopsError`` where it was refused, or is not there after doubt.
        """
        project = self._place.project()
        body = {"name": name, "projectId": project.handle, "clusterId": project.cluster, "spec": dict(spec)}
        try:
            made = self._client.create(KIND, body)
        except DoubtfulAnswer as doubt:
            return self._after_doubt(name, str(doubt))
        return str(made.get("workloadId") or "") or self._after_doubt(name, "no id was told")

    def now(self, handle: str) -> Mapping[str, Any] | None:
        """Return a training as the API lists it, ``None`` where there is none of this id any more."""
        entry = self._client.workload(handle)
        return None if entry is None or observe.is_deleted(entry) else entry

    def remove(self, handle: str) -> None:
        """Ask for the deletion; one that is gone already is as good."""
        self._client.delete(KIND, handle)

    def _after_doubt(self, name: str, doubt: str) -> str:
        for delay in _LOOKS_AFTER_DOUBT:
            self._retry.pause(delay)
            entries = self._client.workloads(name, self._place.project().name)
            living = [entry for entry in entries if entry.get("name") == name and not observe.is_deleted(entry)]
            if living:
                return str(living[0].get("id"))
        evidence = f"the control plane gave no clear answer to the creation ({doubt.rstrip('.')}) and does not list it."
        raise GpuopsError.from_finding(Finding(ERROR, "creation_unconfirmed", evidence, "Run again.", name))
