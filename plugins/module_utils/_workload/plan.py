# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Everything decided before anything is changed, each decision with its reason. Values only; see ``planner``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    NO_RESTART,
    RECREATE_GROUP,
    SecretReference,
    VolumeSpec,
    WorkloadSpec,
)

LEADER = "leader"
FOLLOWER = "follower"


@dataclass(frozen=True)
class PlatformTraits:
    """What the planner has to know of a platform.

    ``leader_address`` and ``rank`` are what a pod's command line says for the leader's host name and the pod's index
    (the kubelet expands ``$(NAME)``); ``stop_grace_seconds`` is the time between SIGTERM and SIGKILL where the platform
    fixes it; ``access_modes`` are the values of ``serving.access`` it can enforce, ``restart_policies`` those of
    ``restart_policy`` it knows. ``single_string_commands`` says that it takes a command line as one string, so that
    words have to survive its splitting. ``foreign_options`` are the options (names as users write them) that mean
    nothing here, with what to use instead: given, they are refused.
    """

    name: str
    leader_address: str
    rank: str
    stop_grace_seconds: int
    access_modes: tuple[str, ...]
    restart_policies: tuple[str, ...] = (RECREATE_GROUP, NO_RESTART)
    single_string_commands: bool = True
    foreign_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """One decided value: ``source`` is ``user`` or ``plan``."""

    name: str
    value: Any
    reason: str
    source: str = "plan"

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {"name": self.name, "value": self.value, "reason": self.reason, "source": self.source}


@dataclass(frozen=True)
class Topology:
    """How one replica is laid out. Sizes count GPUs (ranks); ``world_size`` is tensor x pipeline x data parallel."""

    pods: int
    gpus_per_pod: int
    tensor_parallel_size: int
    pipeline_parallel_size: int
    data_parallel_size: int

    @property
    def world_size(self) -> int:
        """Return the number of ranks of one replica."""
        return self.tensor_parallel_size * self.pipeline_parallel_size * self.data_parallel_size


@dataclass(frozen=True)
class Timeouts:
    """Seconds. ``distributed`` and ``engine_ready`` are vLLM's own budgets and end before ``start``."""

    start: int
    distributed: int
    engine_ready: int


@dataclass(frozen=True)
class EnvironmentVariable:
    """One variable of a pod. ``value`` is a text, a reference to a Secret, or a field of the pod.

    A text is what the process shall see: the platform's renderer protects ``$`` from the kubelet's expansion unless
    ``expand`` is true (then the kubelet replaces ``$(NAME)``).
    """

    name: str
    value: str | SecretReference | PodField
    expand: bool = False


@dataclass(frozen=True)
class PodField:
    """A field of the pod itself by the downward API, such as ``status.podIP``."""

    path: str


@dataclass(frozen=True)
class HttpProbe:
    """An HTTP probe of the kubelet; seconds. It acts after ``failure_threshold`` failures in a row."""

    path: str
    port: int
    period: int
    timeout: int
    failure_threshold: int


@dataclass(frozen=True)
class PodTemplate:
    """One role of a replica. ``command`` and ``arguments`` are lists of words; ``$(LWS_...)`` in them is expanded by
    the kubelet. ``scratch`` is the private writable folder, ``volumes`` the claims. Platforms that know no startup or
    liveness probe leave these out."""

    role: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: tuple[EnvironmentVariable, ...]
    volumes: tuple[VolumeSpec, ...]
    scratch: str
    extended_resources: Mapping[str, int]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    startup_probe: HttpProbe | None = None
    readiness_probe: HttpProbe | None = None
    liveness_probe: HttpProbe | None = None


@dataclass(frozen=True)
class Plan:
    """What will run. ``follower`` is ``None`` for a replica of one pod; ``replicas`` is ``None`` where not stated."""

    spec: WorkloadSpec
    topology: Topology
    timeouts: Timeouts
    replicas: int | None
    leader: PodTemplate
    follower: PodTemplate | None
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]
