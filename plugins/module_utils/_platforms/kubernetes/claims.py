# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Whether volume claims can serve the pods that mount them. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.cluster_facts import is_ending
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding

Object = Mapping[str, Any]

# Access modes with which several machines can mount a volume; the last two let one machine, or one pod, have it.
_SHARED = frozenset({"ReadWriteMany", "ReadOnlyMany"})
_WRITABLE = frozenset({"ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"})
_ONE_POD = frozenset({"ReadWriteOncePod"})
_LATER = "WaitForFirstConsumer"

CLAIM_MISSING = "volume_claim_missing"


@dataclass(frozen=True)
class ClaimUse:
    """How a claim is used: by ``pods`` pods, ``apart`` where they have to be on different machines. ``option`` is what
    findings name."""

    claim: str
    pods: int
    apart: bool
    read_only: bool
    option: str


def waits_for_first_pod(found: Object, binding_mode: Callable[[str], str | None]) -> bool:
    """Say whether a claim has no volume yet and gets one with the first pod that mounts it, where that runs."""
    storage_class = str(mapping(found.get("spec")).get("storageClassName") or "")
    is_pending = mapping(found.get("status")).get("phase") == "Pending"
    return is_pending and bool(storage_class) and binding_mode(storage_class) == _LATER


def claim_findings(use: ClaimUse, found: Object | None, binding_mode: Callable[[str], str | None]) -> list[Finding]:
    """Return what stands against using a claim so; ``found`` is the claim, ``binding_mode`` that of a storage class
    (``None``: not known)."""
    if found is None:
        evidence = f"there is no volume claim {use.claim!r} in the namespace."
        return [_error(CLAIM_MISSING, evidence, "Create it, or correct the name.", use)]
    if is_ending(found):
        evidence = f"the claim {use.claim} is being deleted; it ends with the last pod that uses it."
        return [_error("volume_claim_ending", evidence, "Use another claim.", use)]
    spec, status = mapping(found.get("spec")), mapping(found.get("status"))
    if spec.get("volumeMode") == "Block":
        evidence = (
            f"the claim {use.claim} is a raw block device (volumeMode Block), which cannot be mounted as a folder."
        )
        return [_error("volume_claim_is_block", evidence, "Use a claim with volumeMode Filesystem.", use)]
    return _of_phase(use, spec, status, binding_mode) + _of_access(use, spec, status)


def _of_phase(use: ClaimUse, spec: Object, status: Object, binding_mode: Callable[[str], str | None]) -> list[Finding]:
    phase = status.get("phase")
    if phase == "Lost":
        evidence = f"the claim {use.claim} has lost its volume."
        return [_error("volume_claim_lost", evidence, "Its data are gone or elsewhere: make a new claim.", use)]
    if phase != "Pending":
        return []
    storage_class = str(spec.get("storageClassName") or "")
    if storage_class and binding_mode(storage_class) == _LATER:
        return []
    evidence = f"the claim {use.claim} has no volume yet (storage class {storage_class or 'none'})."
    hint = "The pods wait for it. Look at the claim's events: its class may be missing, full, or not offer its mode."
    return [Finding(WARNING, "volume_claim_unbound", evidence, hint, use.option)]


def _of_access(use: ClaimUse, spec: Object, status: Object) -> list[Finding]:
    """Judge the access modes: those that the volume has, else those that were asked for."""
    modes = frozenset(str(mode) for mode in status.get("accessModes") or spec.get("accessModes") or ())
    if not modes:
        return []
    words = ", ".join(sorted(modes))
    if use.pods > 1 and not modes & _SHARED:
        evidence = f"the claim {use.claim} is {words}, and {use.pods} pods mount it"
        hint = "Use a claim with ReadWriteMany or ReadOnlyMany on storage that several machines can mount."
        if use.apart or modes <= _ONE_POD:
            return [_error("volume_claim_not_shared", f"{evidence}: only one can.", hint, use)]
        evidence += ": all of them have to be on one machine."
        return [Finding(WARNING, "volume_claim_not_shared", evidence, hint, use.option)]
    if not modes & _WRITABLE and not use.read_only:
        evidence = f"the claim {use.claim} is {words}, and it is mounted for writing."
        hint = "Set read_only: true for it."
        return [Finding(WARNING, "volume_claim_read_only", evidence, hint, use.option)]
    return []


def _error(cause: str, evidence: str, hint: str, use: ClaimUse) -> Finding:
    return Finding(ERROR, cause, evidence, hint, use.option)
