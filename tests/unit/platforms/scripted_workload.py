# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted control plane with the one workload that the tests of the platform are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.record import (
    write_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.platform import RunaiPlatform
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.record import (
    with_record,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import DISTRIBUTED, INFERENCE
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import (
    GpuopsError,
)
from runai_examples import (
    CANARY_SECRET,
    CANARY_TOKEN,
    NAME,
    WORKLOAD_ID,
    definition,
    listed,
    record_of,
    rendered,
    with_nulls,
)
from scripted_server import Answer, ScriptedServer

LIST = "/api/v1/workloads"
CREATE = f"{LIST}/{DISTRIBUTED}"
ONE = f"{CREATE}/{WORKLOAD_ID}"
SINGLE = f"{LIST}/{INFERENCE}/{WORKLOAD_ID}"
STATUS = f"{LIST}/{WORKLOAD_ID}"
PROJECTS = "/api/v1/org-unit/projects"
CLUSTERS = "/api/v1/clusters"

WORKLOAD = rendered()
RECORD = record_of(WORKLOAD)
CREATED_SPEC = with_record(WORKLOAD.body["spec"], write_record(RECORD))
ACCEPTED = Answer(202, definition(CREATED_SPEC))
FOREIGN_SPEC = {"workers": 1, "leader": {"image": "x"}, "worker": {"image": "x"}}

OTHER_SETTINGS_SPEC = with_record(WORKLOAD.body["spec"], write_record(replace(RECORD, inputs={"a": 1})))

MakePlatform = Callable[..., RunaiPlatform]


def exists(server: ScriptedServer, spec: Any = CREATED_SPEC, **changes: Any) -> None:
    """Make the workload exist on the scripted control plane."""
    server.on("GET", LIST, Answer(200, {"workloads": [listed(**changes)]}))
    server.on("GET", ONE, Answer(200, definition(with_nulls(spec))))
    server.on("GET", STATUS, Answer(200, listed(**changes)))
    server.on("GET", f"{STATUS}/pods", Answer(200, {"pods": [{"name": f"{NAME}-0", "k8sPhase": "Running"}]}))
    server.on("GET", f"{STATUS}/events", Answer(200, {"events": []}))


def failure(action: Callable[[], object]) -> GpuopsError:
    with pytest.raises(GpuopsError) as caught:
        action()
    text = f"{caught.value.message} {caught.value.findings} {caught.value.__cause__!r}"
    assert CANARY_SECRET not in text
    assert CANARY_TOKEN not in text
    return caught.value


def cause(error: GpuopsError) -> str:
    return error.findings[0].cause
