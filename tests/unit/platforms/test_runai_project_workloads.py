# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which workloads serve from a claim, as the Run:ai API tells it."""

from __future__ import annotations

from typing import Any

import pytest
import runai_examples as examples
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.model_files import Reader
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import write_record
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import RunaiClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.project_workloads import (
    ProjectWorkloads,
    reader_of,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import with_record

CLAIM = "my-project-models"
MODEL = "input/Models/Mistral-Small-4-119B-2603"


def definition(changes: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """Return what the API says of a workload of ours."""
    workload = examples.rendered(**options)
    spec = with_record(workload.body["spec"], write_record(examples.record_of(workload)))
    return examples.definition({**spec, **(changes or {})})


def readers(definition: dict[str, Any], claim: str = CLAIM, kind: str = "distributed-inferences") -> list[Reader]:
    return reader_of(claim, kind, examples.listed(), definition)


def test_a_workload_reads_what_its_command_names() -> None:
    assert readers(definition()) == [Reader(examples.NAME, (MODEL,), 2000, 2000)]
    assert readers(definition(pods=1), kind="inferences") == [Reader(examples.NAME, (MODEL,), 2000, 2000)]


def test_a_command_in_a_variable_counts() -> None:
    found = readers(definition(distributed_executor_backend="ray", vllm_version="0.11.0"))
    assert found == [Reader(examples.NAME, (MODEL,), 2000, 2000)]


def test_others_read_nothing_that_counts() -> None:
    assert readers(definition(), claim="another") == []
    assert readers(definition({"replicas": 0})) == []
    foreign = examples.rendered().body["spec"]
    leader = {**foreign["leader"], "labels": []}
    assert readers(examples.definition({**foreign, "leader": leader})) == []


class Listing:
    """A project with workloads in several phases."""

    def __init__(self, *phases: str) -> None:
        self.entries = [examples.listed(id=phase, name=phase.lower(), phase=phase) for phase in phases]
        self.entries.append(examples.listed(id="t", name="t", type="Training"))
        self.entries.append(examples.listed(id="d", name="d", deletedAt="2026-01-01T00:00:00Z"))
        self.requests: list[str] = []

    def project_workloads(self, project: str) -> list[dict[str, Any]]:
        self.requests.append("list")
        return self.entries

    def definition(self, kind: str, handle: str) -> dict[str, Any]:
        self.requests.append(handle)
        return definition()


def test_only_what_serves_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing("Running", "Degraded", "Updating", "Failed", "Pending", "Initializing")
    monkeypatch.setattr(RunaiClient, "__init__", lambda self: None)
    client = RunaiClient.__new__(RunaiClient)
    monkeypatch.setattr(RunaiClient, "project_workloads", lambda self, project: listing.project_workloads(project))
    monkeypatch.setattr(RunaiClient, "definition", lambda self, kind, handle: listing.definition(kind, handle))
    workloads = ProjectWorkloads(client, "my-project")
    assert [reader.workload for reader in workloads.readers(CLAIM)] == ["running", "degraded", "updating"]
    assert workloads.take(lambda entry: False) == []
    assert listing.requests == ["list", "Running", "Degraded", "Updating"]
