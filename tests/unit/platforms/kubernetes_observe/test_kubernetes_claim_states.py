# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A claim's phase, and what its events mean: messages as Kubernetes and the sidecars of CSI write them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformEvent
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.claim_states import live_claim
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import (
    AT_ONCE,
    BOUND,
    CONTROLLER_GRACE,
    DELETING,
    LOST,
    PENDING,
    PROVISIONER_GRACE,
    LiveClaim,
)

LATE = "WaitForFirstConsumer"
REFUSED = "rpc error: code = InvalidArgument desc = no such pool"
SLOW = "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
NO_VOLUMES = "no persistent volumes available for this claim and no storage class is set"
WAITING = "Waiting for a volume to be created either by the external provisioner 'nfs.csi.k8s.io' or manually"


def claim(phase: str = "Pending", **fields: Any) -> dict[str, Any]:
    """Return a claim of 100Gi; ``spec``, ``status`` and ``metadata`` are put over."""
    metadata = {"name": "models", "uid": "uid-1", "labels": {}, **fields.get("metadata", {})}
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "100Gi"}}, **fields.get("spec", {})}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase, **fields.get("status", {})}}


def told(*events: tuple[str, str]) -> list[PlatformEvent]:
    """Return events with reason and message, oldest first."""
    return [
        PlatformEvent(f"2026-01-01T00:00:{at:02d}Z", "Warning", reason, message, "PersistentVolumeClaim/models")
        for at, (reason, message) in enumerate(events)
    ]


def pending(*events: tuple[str, str], binding_mode: str | None = None) -> LiveClaim:
    """Return a pending claim with these events."""
    return live_claim(claim(), told(*events), binding_mode)


@pytest.mark.parametrize(
    ("found", "phase"),
    [
        (claim("Bound", status={"capacity": {"storage": "100Gi"}}), BOUND),
        (claim("Pending"), PENDING),
        (claim("Lost"), LOST),
        (claim("Bound", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), DELETING),
        ({"metadata": {"name": "models"}}, PENDING),
    ],
)
def test_phases(found: dict[str, Any], phase: str) -> None:
    assert live_claim(found, [], None).phase == phase


@pytest.mark.parametrize(
    ("reason", "message", "cause", "patience"),
    [
        ("ProvisioningFailed", 'storageclass.storage.k8s.io "nsf" not found', "storage_class_missing", AT_ONCE),
        ("ProvisioningFailed", REFUSED, "provisioning_failed", AT_ONCE),
        ("ProvisioningFailed", SLOW, "provisioning_failed", PROVISIONER_GRACE),
        ("FailedBinding", NO_VOLUMES, "no_volume_fits", CONTROLLER_GRACE),
        ("FailedBinding", 'volume "pv-1" already bound to a different claim.', "volume_taken", AT_ONCE),
        ("VolumeMismatch", 'Cannot bind to requested volume "pv-1": requested PV is too small', "volume_mismatch", 0.0),
        ("ExternalProvisioning", WAITING, "provisioner_silent", None),
    ],
)
def test_what_an_event_means(reason: str, message: str, cause: str, patience: float | None) -> None:
    [trouble] = pending((reason, message)).troubles
    assert (trouble.finding.cause, trouble.patience) == (cause, patience)
    assert message in trouble.finding.evidence and trouble.finding.hint


def test_the_newest_event_of_a_cause_counts_and_what_failed_comes_first() -> None:
    live = pending(("ProvisioningFailed", SLOW), ("ProvisioningFailed", REFUSED), ("ExternalProvisioning", WAITING))
    assert [(trouble.finding.cause, trouble.patience) for trouble in live.troubles] == [
        ("provisioning_failed", AT_ONCE),
        ("provisioner_silent", None),
    ]
    assert live.message.startswith("ExternalProvisioning: ")


def test_events_of_a_bound_claim_are_past() -> None:
    found = claim("Bound", status={"capacity": {"storage": "100Gi"}})
    assert live_claim(found, told(("ProvisioningFailed", REFUSED)), None).troubles == ()


@pytest.mark.parametrize(
    ("found", "events", "binding_mode", "waits"),
    [
        (claim(), [], LATE, True),
        (claim(), [], "Immediate", False),
        (claim(), [(LATE, "waiting for first consumer to be created before binding")], None, True),
        (claim(), [(LATE, "waiting"), ("ExternalProvisioning", WAITING)], None, False),
        (claim(metadata={"annotations": {"volume.kubernetes.io/selected-node": "gpu-1"}}), [], LATE, False),
        (claim(spec={"volumeName": "pv-1"}), [], LATE, False),
        (claim("Bound"), [], LATE, False),
    ],
)
def test_which_claims_wait_for_their_first_pod(
    found: dict[str, Any], events: list[tuple[str, str]], binding_mode: str | None, waits: bool
) -> None:
    live = live_claim(found, told(*events), binding_mode)
    assert live.waits_for_pod is waits
    assert ("binds_with_first_pod" in {remark.cause for remark in live.remarks}) is waits


def test_growth() -> None:
    smaller: dict[str, Any] = {"capacity": {"storage": "50Gi"}}
    growing = live_claim(claim("Bound", status=smaller), told(("VolumeResizeFailed", SLOW)), None)
    assert growing.is_growing and [trouble.finding.cause for trouble in growing.troubles] == ["resize_failed"]
    condition = {"type": "FileSystemResizePending", "status": "True"}
    halfway = live_claim(claim("Bound", status={**smaller, "conditions": [condition]}), [], None)
    assert not halfway.is_growing and [remark.cause for remark in halfway.remarks] == ["grows_with_next_pod"]
    stuck = {**smaller, "allocatedResourceStatuses": {"storage": "NodeResizeInfeasible"}}
    [trouble] = live_claim(claim("Bound", status=stuck), [], None).troubles
    assert (trouble.finding.cause, trouble.patience) == ("resize_failed", AT_ONCE)


def test_a_class_of_old_clusters_is_seen_in_its_annotation() -> None:
    found = claim(metadata={"annotations": {"volume.beta.kubernetes.io/storage-class": "nfs"}})
    assert live_claim(found, [], None).described["storage_class"] == "nfs"
