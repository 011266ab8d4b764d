# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""How a volume claim is, and why it has no volume or does not grow: judged from the claim and its events. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import volumes
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformEvent
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.claim_manifest import (
    described,
    fixed_options,
    is_ours,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.cluster_facts import is_ending
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import (
    AT_ONCE,
    CONTROLLER_GRACE,
    PROVISIONER_GRACE,
    LiveClaim,
    Trouble,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import amount

Object = Mapping[str, Any]

LATE_BINDING = "WaitForFirstConsumer"
_PHASES = {"Bound": volumes.BOUND, "Pending": volumes.PENDING, "Lost": volumes.LOST}
# The scheduler writes the machine of the first pod here: from then on a claim that binds late is being provisioned.
_SELECTED_MACHINE = "volume.kubernetes.io/selected-node"
# What a CSI driver answers that asking again does not change (codes of gRPC).
_FINAL = r"code = (InvalidArgument|OutOfRange|PermissionDenied|Unauthenticated|Unimplemented|FailedPrecondition)"
_ASK_PROVISIONER = "Look at the log of the storage's provisioner, or ask whoever runs the storage."


@dataclass(frozen=True)
class _Row:
    """A kind of event: ``text`` is a pattern of its message; ``hint`` says what to do."""

    reason: str
    text: str
    cause: str
    hint: str
    patience: float | None


# The first row that fits counts. Reasons: kubernetes pkg/controller/volume/{persistentvolume,expand},
# sig-storage-lib-external-provisioner and external-resizer.
_ROWS = (
    _Row(
        "ProvisioningFailed",
        r"storageclass\S* \"[^\"]*\" not found",
        "storage_class_missing",
        "Name a storage_class that the cluster has, or have it made.",
        AT_ONCE,
    ),
    _Row("ProvisioningFailed", _FINAL, "provisioning_failed", _ASK_PROVISIONER, AT_ONCE),
    _Row("ProvisioningFailed", "", "provisioning_failed", _ASK_PROVISIONER, PROVISIONER_GRACE),
    _Row(
        "FailedBinding",
        "already bound to a different claim",
        "volume_taken",
        "Name another volume_name, or release that volume.",
        AT_ONCE,
    ),
    _Row(
        "FailedBinding",
        "",
        "no_volume_fits",
        "Set storage_class to one that makes volumes, or have a volume made that fits in size, access modes and class.",
        CONTROLLER_GRACE,
    ),
    _Row(
        "VolumeMismatch",
        "",
        "volume_mismatch",
        "Correct volume_name, or size, access_modes, volume_mode and storage_class, which have to suit that volume.",
        AT_ONCE,
    ),
    _Row("ClaimMisbound", "", "volume_taken", "Name another volume_name, or release that volume.", AT_ONCE),
    _Row("VolumeResizeFailed", "", "resize_failed", _ASK_PROVISIONER, PROVISIONER_GRACE),
    _Row(
        "ExternalProvisioning",
        "",
        "provisioner_silent",
        "Check that the provisioner of the storage class runs in the cluster and is registered under that name.",
        None,
    ),
)


def live_claim(found: Object, events: Sequence[PlatformEvent], binding_mode: str | None) -> LiveClaim:
    """Return a claim as it is. ``events`` are those about it, oldest first; ``binding_mode`` is that of its class where
    it is known."""
    metadata, spec, status = (mapping(found.get(key)) for key in ("metadata", "spec", "status"))
    name = str(metadata.get("name"))
    known = described(found)
    phase = volumes.DELETING if is_ending(found) else _PHASES.get(str(status.get("phase")), volumes.PENDING)
    capacity = mapping(status.get("capacity")).get("storage")
    waits = phase == volumes.PENDING and _waits_for_pod(metadata, spec, events, binding_mode)
    is_smaller = phase == volumes.BOUND and _is_smaller(capacity, known["size"])
    needs_pod = _has_condition(status, "FileSystemResizePending")
    troubles = [] if phase == volumes.BOUND and not is_smaller else _told_by_events(name, events)
    return LiveClaim(
        name=name,
        handle=str(metadata.get("uid") or ""),
        phase=phase,
        managed=is_ours(found),
        described=known,
        fixed=fixed_options(found),
        capacity=None if capacity is None else str(capacity),
        waits_for_pod=waits,
        is_growing=is_smaller and not needs_pod,
        troubles=(*_told_by_status(name, phase, status), *troubles) if not waits else (),
        remarks=tuple(_remarks(name, waits, is_smaller and needs_pod)),
        message=_newest(events) if phase == volumes.PENDING or is_smaller else "",
    )


def _waits_for_pod(metadata: Object, spec: Object, events: Sequence[PlatformEvent], binding_mode: str | None) -> bool:
    """Say whether a claim gets its volume with its first pod, and no pod was placed yet."""
    if spec.get("volumeName") or _SELECTED_MACHINE in mapping(metadata.get("annotations")):
        return False
    told = bool(events) and events[-1].reason == LATE_BINDING
    return told if binding_mode is None else binding_mode == LATE_BINDING


def _is_smaller(capacity: Any, size: Any) -> bool:
    """Say whether a volume has less space than was asked for."""
    has, wanted = amount(capacity), amount(size)
    return has is not None and wanted is not None and has < wanted


def _told_by_status(name: str, phase: str, status: Object) -> list[Trouble]:
    troubles = []
    if phase == volumes.LOST:
        evidence = f"the claim {name} has lost its volume."
        hint = "Its data are gone or elsewhere: make a new claim, or give it its volume again."
        troubles.append(Trouble(Finding(ERROR, "volume_claim_lost", evidence, hint, name)))
    stuck = mapping(status.get("allocatedResourceStatuses")).get("storage")
    if str(stuck).endswith("ResizeInfeasible"):
        evidence = f"the storage says that the claim cannot have that size ({stuck})."
        troubles.append(Trouble(Finding(ERROR, "resize_failed", evidence, "Set size to what it can give.", name)))
    return troubles


def _told_by_events(name: str, events: Sequence[PlatformEvent]) -> list[Trouble]:
    """Return what the events mean, the newest first, each cause once."""
    found: dict[str, Trouble] = {}
    for event in reversed(events):
        row = next((row for row in _ROWS if _fits(row, event)), None)
        if row is not None and row.cause not in found:
            evidence = f"{event.reason}: {event.message}"
            ended = evidence if evidence.endswith(".") else f"{evidence}."
            found[row.cause] = Trouble(Finding(ERROR, row.cause, ended, row.hint, name), row.patience)
    # That something is still waited for says less than what failed.
    return sorted(found.values(), key=lambda trouble: trouble.patience is None)


def _fits(row: _Row, event: PlatformEvent) -> bool:
    return event.reason == row.reason and re.search(row.text, event.message) is not None


def _has_condition(status: Object, kind: str) -> bool:
    conditions = mappings(status.get("conditions"))
    return any(entry.get("type") == kind and entry.get("status") == "True" for entry in conditions)


def _remarks(name: str, waits: bool, grows_with_pod: bool) -> list[Finding]:
    remarks = []
    if waits:
        evidence = f"the claim {name} gets its volume with the first pod that mounts it (its class binds late)."
        remarks.append(Finding(INFO, "binds_with_first_pod", evidence, "", name))
    if grows_with_pod:
        evidence = f"the volume of {name} has grown; its file system grows when a pod mounts it next."
        remarks.append(Finding(INFO, "grows_with_next_pod", evidence, "Restart what mounts it.", name))
    return remarks


def _newest(events: Sequence[PlatformEvent]) -> str:
    """Return what was said last about the claim."""
    return f"{events[-1].reason}: {events[-1].message}" if events else ""
