# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Looks in a project whose cluster cannot be looked into: each is a training that answers one question by its end.

The API shows no exit status, no log and no report: a look's end says yes (its command ended with 0) or no.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import math
import re
import secrets
import shlex
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    DELETING,
    RUNNING,
    LiveWorkload,
    LookStatus,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import observe
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.client import RunaiClient
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.project_workloads import (
    ProjectWorkloads,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.render import (
    extended_resources,
    named,
    security,
    toleration,
    without_nothing,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.trainings import (
    COMPLETED,
    FAILED,
    KIND,
    Trainings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.vocabulary import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._workload.command_line import protect_expansion

# Seconds for which one that has ended is kept, for who started it to see its end: a control plane may be away.
_KEPT = 600
# Seconds by which this machine's clock and a pod's may differ. A training that waited longer does nothing.
_CLOCKS_DIFFER = 600
# For this many seconds after its creation, one that the API does not show yet counts as being created.
_APPEARING_SECONDS = 30.0
_SUFFIX_BYTES = 4
# What a small program of Python's takes: a part of a core, and memory.
_COMPUTE = {"cpuCoreRequest": 0.1, "cpuMemoryRequest": "64Mi"}
_EXIT_STATUS = {COMPLETED: 0, FAILED: 1}
# The command line travels in a variable, which the kubelet puts in as one word whatever splits the command before.
# Where the whole is handed to `sh -c`, that shell reads `sh -c : && ...`: the leading `:` makes both readings equal.
_VARIABLE = "GPUOPS_QUESTION"
_COMMAND = f"sh -c $({_VARIABLE})"
# The API has no deadline, so it lies in the command. Not killed by its own process 1, which Linux would not let happen.
_LIMITED = (
    'if [ "`date +%s`" -gt "$0" ]; then exit 1; fi; limit=$1; shift; '
    'if command -v timeout >/dev/null 2>&1; then exec timeout -s KILL "$limit" "$@"; fi; exec "$@"'
)


def stem_of(look: Look) -> str:
    """Return what the names of all trainings of one kind of look begin with (pure)."""
    return f"gpuops-{look.what}"


def training_spec(look: Look, now: float) -> dict[str, Any]:
    """Return the training that carries a look out once, within its limits; ``now`` is the time in seconds since 1970.
    The API lets nobody take the capabilities away that a container's root has by default. It has no place for copies, a
    command as root before the other, GPUs, machines and variables: whoever asks for a training asks for none of them
    (pure)."""
    latest = math.ceil(now + look.start_limit + _CLOCKS_DIFFER)
    words = ("/bin/sh", "-c", _LIMITED, str(latest), str(math.ceil(look.time_limit)), *look.command)
    place = look.place
    return without_nothing(
        {
            "image": place.image,
            "imagePullSecrets": [{"name": name} for name in place.image_pull_secrets],
            "command": _COMMAND,
            "environmentVariables": [
                {"name": _VARIABLE, "value": protect_expansion(f": && exec {shlex.join(words)}")},
            ],
            "compute": {**_COMPUTE, "extendedResources": extended_resources(look.needs.resources)},
            "security": {**security(place.run_as), "capabilities": list(look.needs.capabilities)},
            "storage": {
                "pvc": [
                    {"path": mount.path, "existingPvc": True, "claimName": mount.claim, "readOnly": mount.read_only}
                    for mount in look.mounts
                ]
            },
            "labels": named({MANAGED_BY_LABEL: MANAGED_BY}),
            "annotations": named(look.needs.annotations),
            "nodeAffinityRequired": _machines_with(dict(place.node_selector)),
            "tolerations": [toleration(given) for given in place.tolerations],
            "backoffLimit": 0,
            "autoDeletionTimeAfterCompletionSeconds": _KEPT,
        }
    )


def _machines_with(labels: dict[str, str]) -> dict[str, Any] | None:
    if not labels:
        return None
    expressions = [{"key": key, "operator": "In", "values": [value]} for key, value in sorted(labels.items())]
    return {"nodeSelectorTerms": [{"matchExpressions": expressions}]}


class TrainingLooks:
    """Starts looks of one project as trainings. ``wall_clock`` returns the seconds since 1970."""

    def __init__(
        self,
        client: RunaiClient,
        trainings: Trainings,
        workloads: ProjectWorkloads,
        retry: Retry,
        host: Host,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._trainings = trainings
        self._workloads = workloads
        self._retry = retry
        self._host = host
        self._wall_clock = wall_clock

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what all requests inside may take together."""
        return self._retry.within(seconds)

    def start_look(self, look: Look) -> TrainingLook:
        """Start a look, after those of its kind that an earlier run left over are removed.

        Of two runs at the same moment the later one's look stays: nobody can tell a run that goes on from one that was
        killed.
        """
        stem = stem_of(look)
        name_of_one = re.compile(rf"{re.escape(stem)}-[0-9a-f]{{{2 * _SUFFIX_BYTES}}}")
        for entry in self._workloads.take(lambda entry: bool(name_of_one.fullmatch(str(entry.get("name"))))):
            self._host.alive()
            self._trainings.remove(str(entry.get("id") or ""))
        # A name that nobody has: a doubtful creation is recognised by it, and one that is being deleted holds it not.
        name = f"{stem}-{secrets.token_hex(_SUFFIX_BYTES)}"
        self._host.alive()
        handle = self._trainings.start(name, training_spec(look, self._wall_clock()))
        return TrainingLook(self._client, self._trainings, self._host, name, handle)


class TrainingLook:
    """A look that was started."""

    def __init__(self, client: RunaiClient, trainings: Trainings, host: Host, name: str, handle: str) -> None:
        self._client = client
        self._trainings = trainings
        self._host = host
        self._live = LiveWorkload(name, KIND, handle, CREATING, managed=True, body={})
        self._is_new = True
        self._created = host.clock()

    def status(self) -> LookStatus:
        """Return how it is now: one request once it runs, three before."""
        handle = self._live.handle
        entry = self._trainings.now(handle)
        if entry is None and self._is_new and self._host.clock() - self._created < _APPEARING_SECONDS:
            return LookStatus(WorkloadStatus(phase=CREATING))
        self._is_new = False
        exit_status = _EXIT_STATUS.get(str(entry.get("phase"))) if entry else None
        if entry is None or (exit_status is None and observe.phase_of(entry) == DELETING):
            return LookStatus(WorkloadStatus(phase=DELETING, deleted=True), is_over=True)
        is_starting = exit_status is None and observe.phase_of(entry) != RUNNING
        pods = self._client.pods(handle) if is_starting else []
        events = self._client.events(handle) if is_starting else []
        status = observe.workload_status(self._live, entry, pods, events, 1)
        return LookStatus(status, is_over=exit_status is not None, exit_status=exit_status)

    def remove(self) -> None:
        """Delete it with its pod."""
        self._trainings.remove(self._live.handle)
