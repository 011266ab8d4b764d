# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the cluster's pods and events to the control plane's own values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone

from gpuops_sandbox.cluster.objects import Event, Machine, Pod, Workload
from gpuops_sandbox.cluster.scheduler import Blocked
from gpuops_sandbox.cluster.training import COMPLETED, FAILED
from gpuops_sandbox.kubernetes.vocabulary import GPU_RESOURCE, GROUP_LABEL, MEMBER_LABEL, REVISION_LABEL, Object

# Phases of pods whose containers have ended for good.
ENDED = ("Succeeded", "Failed")
# What every container waits for at its beginning.
ORDINARY_WAITING = ("ContainerCreating", "PodInitializing")


@dataclass
class ObservedPod(Pod):
    """A pod of the cluster."""

    container_runs: bool = False
    revision: int = 1
    blocked: Blocked | None = None

    @property
    def running(self) -> bool:
        """Whether its container runs now."""
        return self.container_runs and self.deleted_at is None


def observed_pod(workload: Workload, content: Object) -> ObservedPod:
    """Return a pod of a workload as the API shows it."""
    metadata, spec, status = content["metadata"], content["spec"], content.get("status") or {}
    labels = metadata.get("labels") or {}
    member = int(labels.get(MEMBER_LABEL, "0"))
    container: Object = next(iter(status.get("containerStatuses") or []), {})
    state, last = container.get("state") or {}, container.get("lastState") or {}
    waiting, runs = state.get("waiting") or {}, state.get("running")
    ended = state.get("terminated") or last.get("terminated") or {}
    phase = status.get("phase") or "Pending"
    plan = workload.pod_plan(member)
    # A pod of an earlier revision may run another image than the workload's body names now; one that has ended holds no
    # devices.
    plan = replace(
        plan,
        spec=plan.spec | {"image": spec["containers"][0]["image"]},
        gpus=0 if phase in ENDED else plan.gpus,
    )
    pod = ObservedPod(
        name=metadata["name"],
        workload_id=workload.id,
        namespace=metadata["namespace"],
        group_index=int(labels.get(GROUP_LABEL, "0")),
        member_index=member,
        plan=plan,
        id=metadata["uid"],
        created_at=seconds_of(metadata["creationTimestamp"]),
        machine=spec.get("nodeName"),
        address=status.get("podIP"),
        kubernetes_phase=phase,
        started_at=seconds_of(runs["startedAt"]) if runs and runs.get("startedAt") else None,
        exit_code=ended.get("exitCode"),
        restarts=int(container.get("restartCount") or 0),
        ready=_condition(status, "Ready").get("status") == "True" and "deletionTimestamp" not in metadata,
        container_runs=runs is not None,
        revision=int(labels.get(REVISION_LABEL, "1")),
        blocked=_blocked(status),
    )
    if waiting.get("reason") and waiting["reason"] not in ORDINARY_WAITING:
        pod.waiting_reason, pod.waiting_message = waiting["reason"], waiting.get("message") or ""
    return pod


def observed_event(content: Object) -> Event:
    """Return an event as the API shows it; one that was counted up has the time of its last repeat."""
    involved, metadata = content["involvedObject"], content["metadata"]
    series = content.get("series") or {}
    times = (series.get("lastObservedTime"), content.get("lastTimestamp"), content.get("eventTime"))
    time = next((text for text in times if text), metadata["creationTimestamp"])
    source = (content.get("source") or {}).get("component") or content.get("reportingComponent") or ""
    return Event(
        id=metadata["uid"],
        created_at=seconds_of(time),
        type=content.get("type") or "Normal",
        reason=content.get("reason") or "",
        message=content.get("message") or "",
        source=source,
        kind=involved.get("kind") or "",
        name=involved.get("name") or "",
        uid=involved.get("uid") or "",
        namespace=involved.get("namespace") or metadata["namespace"],
    )


def outcome_of(content: Object) -> str | None:
    """Return the phase of a training whose Job has ended, or None."""
    status = content.get("status") or {}
    if _condition(status, "Complete").get("status") == "True":
        return COMPLETED
    return FAILED if _condition(status, "Failed").get("status") == "True" else None


def observed_machine(content: Object) -> Machine:
    """Return a machine with the GPUs that pods can have of it."""
    allocatable = (content.get("status") or {}).get("allocatable") or {}
    return Machine(content["metadata"]["name"], int(allocatable.get(GPU_RESOURCE, "0")))


def seconds_of(text: str) -> float:
    """Return a time of the API as seconds since the epoch."""
    whole, _point, fraction = text.rstrip("Z").partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return moment.timestamp() + float(f"0.{fraction or 0}")


def _condition(status: Object, kind: str) -> Object:
    found: Object = next((entry for entry in status.get("conditions") or [] if entry["type"] == kind), {})
    return found


def _blocked(status: Object) -> Blocked | None:
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    return Blocked(scheduled.get("message") or scheduled.get("reason") or "")
