# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the user asked for, as frozen values of plain types. ``None`` means: not stated, the plan decides.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision

# The words of the options that decide something: their other places use these.
PUBLIC = "public"
AUTHENTICATED_USERS = "authenticated_users"
AUTHORIZED_USERS = "authorized_users"
AUTHORIZED_GROUPS = "authorized_groups"
ACCESS_MODES = (PUBLIC, AUTHENTICATED_USERS, AUTHORIZED_USERS, AUTHORIZED_GROUPS)

MULTIPROCESSING = "mp"
RAY = "ray"
BACKENDS = (MULTIPROCESSING, RAY)

RECREATE_GROUP = "recreate_group"
NO_RESTART = "none"
RESTART_POLICIES = (RECREATE_GROUP, NO_RESTART)

LEADER_CREATED = "leader_created"
LEADER_READY = "leader_ready"
STARTUP_POLICIES = (LEADER_CREATED, LEADER_READY)

NO_SPREAD = "none"
PREFERRED = "preferred"
REQUIRED = "required"
SPREADS = (NO_SPREAD, PREFERRED, REQUIRED)

AS_INFERENCE = "inference"
AS_DISTRIBUTED = "distributed"
SINGLE_POD_KINDS = (AS_INFERENCE, AS_DISTRIBUTED)


@dataclass(frozen=True)
class SecretReference:
    """A value that stays in a Secret of the namespace: never read, never shown."""

    secret: str
    key: str


@dataclass(frozen=True)
class ModelSpec:
    """The model: an absolute path inside the pods, and the names it is served under (empty: the path)."""

    path: str
    served_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class VolumeSpec:
    """An existing claim of the namespace, mounted at ``path``."""

    claim: str
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class ServingSpec:
    """How the endpoint is reached. ``access`` is a word of DESIGN section 3; ``external`` is always sent."""

    access: str
    port: int = 8000
    external: bool = False
    authorized_users: tuple[str, ...] = ()
    authorized_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunAsSpec:
    """The identity of the serving processes."""

    uid: int = 2000
    gid: int = 2000
    supplemental_groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class ResourcesSpec:
    """CPU and memory of one pod as Kubernetes quantities (``cpu`` in cores); ``None`` leaves it to the platform."""

    cpu_request: float | None = None
    cpu_limit: float | None = None
    memory_request: str | None = None
    memory_limit: str | None = None


@dataclass(frozen=True)
class TolerationSpec:
    """A Kubernetes toleration. ``effect`` ``None`` tolerates every effect; ``seconds`` only with ``NoExecute``."""

    key: str
    operator: str = "Exists"
    value: str | None = None
    effect: str | None = None
    seconds: int | None = None


@dataclass(frozen=True)
class PlacementSpec:
    """Where pods may run."""

    node_pools: tuple[str, ...] = ()
    node_type: str | None = None
    spread: str = PREFERRED
    exclude_machines: tuple[str, ...] = ()
    tolerations: tuple[TolerationSpec, ...] = ()


@dataclass(frozen=True)
class WorkloadSpec:
    """One workload as the user stated it."""

    name: str
    image: str
    model: ModelSpec
    serving: ServingSpec
    pods: int = 1
    gpus_per_pod: int = 1
    replicas: int | None = None
    volumes: tuple[VolumeSpec, ...] = ()
    fabric: FabricDecision | None = None
    run_as: RunAsSpec = field(default_factory=RunAsSpec)
    preemptibility: str | None = None
    priority: str | None = None
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    data_parallel_size: int | None = None
    allow_cross_pod_tp: bool = False
    distributed_executor_backend: str = MULTIPROCESSING
    vllm_version: str | None = None
    vllm_args: tuple[str, ...] = ()
    env: Mapping[str, str | SecretReference] = field(default_factory=dict)
    image_pull_policy: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    resources: ResourcesSpec = field(default_factory=ResourcesSpec)
    placement: PlacementSpec = field(default_factory=PlacementSpec)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    restart_policy: str = RECREATE_GROUP
    startup_policy: str = LEADER_CREATED
    readiness_probe: bool = True
    single_pod_as: str = AS_INFERENCE
    start_timeout: int = 3600
