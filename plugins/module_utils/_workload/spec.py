# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the user asked for, as frozen values of plain types. ``None`` means: not stated, the plan decides.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision

# The words of the options that decide something: their other places use these.
PUBLIC = "public"
AUTHENTICATED_USERS = "authenticated_users"
AUTHORIZED_USERS = "authorized_users"
AUTHORIZED_GROUPS = "authorized_groups"
CLUSTER_INTERNAL = "cluster_internal"
VLLM_API_KEY = "vllm_api_key"
ACCESS_MODES = (PUBLIC, AUTHENTICATED_USERS, AUTHORIZED_USERS, AUTHORIZED_GROUPS, CLUSTER_INTERNAL, VLLM_API_KEY)

MULTIPROCESSING = "mp"
RAY = "ray"
BACKENDS = (MULTIPROCESSING, RAY)

RECREATE_GROUP = "recreate_group"
RECREATE_GROUP_AFTER_START = "recreate_group_after_start"
NO_RESTART = "none"
RESTART_POLICIES = (RECREATE_GROUP, RECREATE_GROUP_AFTER_START, NO_RESTART)

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

AUTO = "auto"
LEADERWORKERSET = "leaderworkerset"
DEPLOYMENTS = "deployments"
CONTROLLERS = (AUTO, LEADERWORKERSET, DEPLOYMENTS)

CLUSTER_IP = "cluster_ip"
NODE_PORT = "node_port"
LOAD_BALANCER = "load_balancer"
SERVICE_TYPES = (CLUSTER_IP, NODE_PORT, LOAD_BALANCER)


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
    """How the endpoint is reached. ``access`` is a word of DESIGN section 3; ``external`` is always sent.

    ``api_key_secret`` holds the key that vLLM asks of its callers, with access ``vllm_api_key``.
    """

    access: str
    port: int = 8000
    external: bool = False
    authorized_users: tuple[str, ...] = ()
    authorized_groups: tuple[str, ...] = ()
    api_key_secret: SecretReference | None = None


# Kubernetes takes no larger numbers of users and groups.
HIGHEST_ID = 2**31 - 1


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
class ExtraVolume:
    """A volume of the user's own, mounted into every pod. ``source`` is Kubernetes' own description of a volume
    without its name: ``{"configMap": {"name": "ca"}}``."""

    name: str
    path: str
    source: Mapping[str, Any]
    read_only: bool = True


@dataclass(frozen=True)
class ServiceSpec:
    """The Kubernetes Service in front of the leaders."""

    type: str = CLUSTER_IP
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkClient:
    """Who may call the HTTP port: pods with these labels, in namespaces with these labels (empty: all of them), or the
    addresses of ``cidr`` alone. Without ``namespace_labels`` pods of the workload's own namespace are meant."""

    namespace_labels: Mapping[str, str] | None = None
    pod_labels: Mapping[str, str] | None = None
    cidr: str | None = None


@dataclass(frozen=True)
class NetworkPolicySpec:
    """Inside the group all ports are open; the HTTP port also to ``clients``, everything else is closed to others."""

    clients: tuple[NetworkClient, ...] = ()


@dataclass(frozen=True)
class DisruptionBudgetSpec:
    """How many leaders may be away because of drains at a time."""

    max_unavailable: int = 1


@dataclass(frozen=True)
class KubernetesSpec:
    """What only a Kubernetes cluster without Run:ai's control plane takes.

    ``controller`` is a word of ``CONTROLLERS``; ``scheduler`` the name of the pods' scheduler, ``queue`` the project or
    queue of Run:ai's or KAI's scheduler; ``shm_size`` and ``scratch_size`` are Kubernetes quantities (memory on
    /dev/shm, ephemeral storage of the private scratch); ``capabilities`` are Linux capabilities added to the container;
    ``exclusive_topology`` is the machine label whose values each hold one replica at most; ``subgroup_size`` the number
    of pods that are placed together within ``subgroup_topology``.
    """

    controller: str = AUTO
    priority_class: str | None = None
    scheduler: str | None = None
    queue: str | None = None
    service_account: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: Mapping[str, Any] = field(default_factory=dict)
    extra_volumes: tuple[ExtraVolume, ...] = ()
    capabilities: tuple[str, ...] = ()
    shm_size: str | None = None
    scratch_size: str | None = None
    exclusive_topology: str | None = None
    subgroup_size: int | None = None
    subgroup_topology: str | None = None
    service: ServiceSpec = field(default_factory=ServiceSpec)
    network_policy: NetworkPolicySpec | None = None
    disruption_budget: DisruptionBudgetSpec | None = None
    service_monitor: bool = False
    service_monitor_labels: Mapping[str, str] = field(default_factory=dict)


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
    kubernetes: KubernetesSpec = field(default_factory=KubernetesSpec)
