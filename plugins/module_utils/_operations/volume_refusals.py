# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is refused, and remarked, about volume claims. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._options.model_volume import VolumeOptions
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import LiveClaim, Users
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import (
    BLOCK,
    SHARED,
    ClaimChange,
    ClaimSpec,
    shortcomings,
)

# Labels and annotations of somebody else's claim change nothing of what a workload can do with it.
_DECORATION = ("labels", "annotations")
# Pods named in a sentence.
_NAMES_SHOWN = 5


def of_ending(live: LiveClaim) -> Finding:
    """Return the finding about a claim that is being deleted."""
    evidence = f"the claim {live.name} is being deleted; it ends with the last pod that mounts it."
    return Finding(ERROR, "volume_claim_ending", evidence, "Run again when it is gone, or use another name.", live.name)


def of_foreign(spec: ClaimSpec, live: LiveClaim) -> list[Finding]:
    """Return in what a claim that the collection did not make is not what was stated. It is never changed."""
    found = {**live.described}
    if live.capacity is not None and "size" in found:
        # A volume may have more than the claim asked for.
        found["size"] = live.capacity
    findings = []
    for change in shortcomings(spec.stated(), found):
        evidence = f"the claim {live.name} has {_value(change.before)}, and {_value(change.after)} is stated."
        if change.option in _DECORATION:
            hint = "This collection did not make the claim, so it is left as it is; adopt: true takes it over."
            findings.append(Finding(WARNING, "volume_differs", evidence, hint, change.option))
            continue
        hint = (
            "This collection did not make the claim and leaves it as it is: correct the option, or use another claim."
        )
        if change.option == "size":
            hint = "This collection did not make the claim: with adopt: true it is taken over, and may grow."
        findings.append(Finding(ERROR, "volume_differs", evidence, hint, change.option))
    return findings + _of_what_is_not_stated(spec, live)


def of_changes(spec: ClaimSpec, live: LiveClaim, changes: Sequence[ClaimChange]) -> list[Finding]:
    """Return what can never be changed of a claim that is there."""
    findings = []
    for change in changes:
        found = f"the claim {live.name} has {_value(change.before)}, and {_value(change.after)} is stated"
        if change.is_smaller:
            evidence = f"{found}: a claim cannot shrink."
            hint = f"Set size: {change.before}. For less space make another claim and move the data."
            findings.append(Finding(ERROR, "volume_cannot_shrink", evidence, hint, change.option))
        elif change.option in live.fixed:
            instead = live.fixed[change.option] or "Make another claim and move the data."
            hint = f"State {change.option} as it is. {instead}"
            evidence = f"{found}: that cannot be changed."
            findings.append(Finding(ERROR, "volume_option_fixed", evidence, hint, change.option))
    return findings + _of_what_is_not_stated(spec, live)


def of_removal(live: LiveClaim, options: VolumeOptions, users: Users, loses_data: bool) -> list[Finding]:
    """Return what forbids to delete a claim."""
    findings = []
    if not live.managed and not options.adopt:
        evidence = f"this collection did not make the claim {live.name}."
        hint = "Delete it with the tool that made it, or set adopt: true."
        findings.append(Finding(ERROR, "name_in_use", evidence, hint, live.name))
    if users.names:
        shown = ", ".join(users.names[:_NAMES_SHOWN]) + (", ..." if len(users.names) > _NAMES_SHOWN else "")
        evidence = f"the claim {live.name} is mounted by {shown}."
        findings.append(Finding(ERROR, "volume_in_use", evidence, "Stop what mounts it first.", live.name))
    if loses_data and not options.allow_data_loss:
        size = live.capacity or live.described.get("size")
        evidence = f"deleting the claim {live.name}{f' ({size})' if size else ''} may delete all data on its volume."
        hint = "Set allow_data_loss: true if nothing on it is needed any more. Nothing was changed."
        findings.append(Finding(ERROR, "data_loss_refused", evidence, hint, "allow_data_loss"))
    return findings


def _of_what_is_not_stated(spec: ClaimSpec, live: LiveClaim) -> list[Finding]:
    """Return warnings about what a claim has that a model's volume should not have, where the user does not say so."""
    findings = []
    modes = live.described.get("access_modes")
    if spec.access_modes is None and modes and not set(modes) & SHARED:
        evidence = f"the claim {live.name} is {', '.join(modes)}: only the pods of one machine can mount it."
        hint = "Use a claim with read_write_many or read_only_many, or say access_modes to accept it."
        findings.append(Finding(WARNING, "volume_claim_not_shared", evidence, hint, "access_modes"))
    if spec.volume_mode is None and live.described.get("volume_mode") == BLOCK:
        evidence = f"the claim {live.name} is a raw block device, which cannot be mounted as a folder."
        hint = "Use a claim with volume_mode: filesystem for a model."
        findings.append(Finding(WARNING, "volume_claim_is_block", evidence, hint, "volume_mode"))
    return findings


def _value(value: Any) -> str:
    """Return a value as people read it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, list):
        return ", ".join(str(entry) for entry in value) or "none"
    return value if isinstance(value, str) else json.dumps(value)
