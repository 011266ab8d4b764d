# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated cluster is made of: machines, projects, workloads, their groups and pods. Plain data.

Times are seconds since the epoch; sizes are bytes; GPU figures are whole devices.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from gpuops_sandbox.runtime.contract import RunningPod

CLUSTER_ID = "71f69d83-ba66-4822-adf5-55ce55efd210"
CLUSTER_NAME = "sandbox-cluster"
NODE_POOL = "default"
LONGEST_NAME = 63
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
# The Service of a distributed inference's serving port. Run:ai's name for it is not documented (facts, section 12,
# point 8); LeaderWorkerSet's headless Service has the workload's own name.
SERVING_SUFFIX = "-serving"


class Kind(str, Enum):
    """The workload types of the Run:ai API that this simulator carries."""

    DISTRIBUTED = "distributed"
    SINGLE = "single"
    TRAINING = "training"


@dataclass
class Machine:
    """A Kubernetes Node with fake GPUs."""

    name: str
    gpus: int


@dataclass
class Project:
    """A Run:ai project: its namespace, the GPUs that are its own, and how many it may use at most (None: no limit)."""

    id: str
    name: str
    namespace: str
    deserved_gpus: int
    gpu_limit: int | None = None
    created_at: float = field(default_factory=time.time)


@dataclass
class DataSource:
    """A PVC data source of a project: how it is described (``meta``, ``spec``, as sent) and how its claim is."""

    project: Project
    meta: dict[str, Any]
    spec: dict[str, Any]
    created_by: str
    status: str = "Creating"
    issues: tuple[str, ...] = ()
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)

    @property
    def claim(self) -> str:
        """What the claim is called in the namespace."""
        return str(self.spec.get("claimName") or f"{self.meta['name']}-{self.id[:5]}")


@dataclass(frozen=True)
class Event:
    """A Kubernetes event as Run:ai lists it."""

    id: str
    created_at: float
    type: str
    reason: str
    message: str
    source: str
    kind: str
    name: str
    uid: str
    namespace: str


@dataclass(frozen=True)
class PhaseUpdate:
    """One entry of a workload's history."""

    created_at: float
    phase: str
    message: str


@dataclass
class PodPlan:
    """What a pod will run, taken out of a Run:ai spec (``leader``, ``worker``, or a whole inference spec)."""

    spec: dict[str, Any]
    gpus: int
    serving_port: int | None

    @property
    def image(self) -> str:
        """The image name as it was sent."""
        return str(self.spec.get("image", ""))

    @property
    def readiness(self) -> dict[str, Any] | None:
        """The readiness probe as it was sent, or None."""
        probe = (self.spec.get("probes") or {}).get("readiness")
        return dict(probe) if probe else None


@dataclass
class Pod:
    """A Kubernetes Pod: its status and, while it runs, the process behind it."""

    name: str
    workload_id: str
    namespace: str
    group_index: int
    member_index: int
    plan: PodPlan
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: float = field(default_factory=time.time)
    machine: str | None = None
    address: str | None = None
    kubernetes_phase: str = "Pending"
    waiting_reason: str | None = None
    waiting_message: str | None = None
    started_at: float | None = None
    updated_at: float = field(default_factory=time.time)
    completed_at: float | None = None
    deleted_at: float | None = None
    exit_code: int | None = None
    restarts: int = 0
    ready: bool = False
    handle: RunningPod | None = None
    log_path: Path | None = None

    @property
    def is_leader(self) -> bool:
        """Whether this is the pod that serves."""
        return self.member_index == 0

    @property
    def running(self) -> bool:
        """Whether its container runs now."""
        return self.handle is not None and self.deleted_at is None


@dataclass
class Workload:
    """A Run:ai workload: what was asked for (``spec``, as sent) and what is shown (``phase``, history, events)."""

    kind: Kind
    name: str
    requested_name: str
    project: Project
    cluster_id: str
    spec: dict[str, Any]
    created_by: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)
    deleted_at: float | None = None
    deletion_requested_at: float | None = None
    desired_phase: str = "Running"
    phase: str = "Creating"
    phase_message: str = ""
    phase_reason: str | None = None
    phase_updated_at: float = field(default_factory=time.time)
    failure: str | None = None
    outcome: str | None = None
    revision: int = 1
    event_repeat_seconds: float = 0.0
    history: list[PhaseUpdate] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    deleted_pods: list[Pod] = field(default_factory=list)

    @property
    def replicas(self) -> int:
        """How many replicas (leader and followers each) are wanted."""
        if self.kind is Kind.DISTRIBUTED:
            return _number(self.spec.get("replicas"), 1)
        return _number((self.spec.get("autoscaling") or {}).get("minReplicas"), 1)

    @property
    def followers(self) -> int:
        """Pods of one replica beside its leader."""
        return _number(self.spec.get("workers"), 0) if self.kind is Kind.DISTRIBUTED else 0

    @property
    def priority_class(self) -> str:
        """Its priority class; an inference has ``very-high`` unless it says otherwise, a training ``low``."""
        return str(self.spec.get("priorityClass") or ("low" if self.kind is Kind.TRAINING else "very-high"))

    @property
    def preemptible(self) -> bool:
        """Whether the scheduler may evict it: an inference if it says so, a training unless it says not (facts 9)."""
        said = self.spec.get("preemptibility")
        return said == "preemptible" or (said is None and self.kind is Kind.TRAINING)

    @property
    def serving_port(self) -> dict[str, Any] | None:
        """The serving port as it was sent, or None."""
        port = self.spec.get("servingPort")
        return dict(port) if port else None

    @property
    def serving_port_number(self) -> int | None:
        """The container port behind the endpoint."""
        port = self.serving_port or {}
        number = port.get("port") if self.kind is Kind.DISTRIBUTED else port.get("container")
        return int(number) if number else None

    @property
    def service_name(self) -> str:
        """The Kubernetes Service that leads to the serving port; Knative's has the workload's name."""
        return f"{self.name}{SERVING_SUFFIX}" if self.kind is Kind.DISTRIBUTED else self.name

    @property
    def external(self) -> bool:
        """Whether the endpoint has an address outside of the cluster (Run:ai's default: yes)."""
        port = self.serving_port
        if port is None:
            return False
        if self.kind is Kind.DISTRIBUTED:
            return port.get("exposeExternally") is not False
        return not port.get("clusterLocalAccessOnly")

    def pod_plan(self, member_index: int) -> PodPlan:
        """Return what the pod of that index in its group runs (0: the leader)."""
        if self.kind is Kind.DISTRIBUTED:
            spec = self.spec["leader"] if member_index == 0 else self.spec["worker"]
        else:
            spec = self.spec
        gpus = _number((spec.get("compute") or {}).get("gpuDevicesRequest"), 0)
        return PodPlan(spec=spec, gpus=gpus, serving_port=self.serving_port_number if member_index == 0 else None)


def is_service_name(name: str) -> bool:
    """Return whether LeaderWorkerSet can name its headless service so: a DNS-1035 label of at most 63 characters."""
    return len(name) <= LONGEST_NAME and DNS_1035.fullmatch(name) is not None


def _number(value: Any, default: int) -> int:
    return default if value is None else int(value)
