# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Whether a cluster can make a claim, or let one grow, as far as its storage classes tell: a few reads before a write.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.cluster_facts import ClusterFacts
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.storage_classes import (
    is_default,
    offers_shared_volumes,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import BOUND, LiveClaim
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import (
    SHARED,
    ClaimSpec,
    amount,
)

Object = Mapping[str, Any]

_NAMES_SHOWN = 5


def of_new_claim(spec: ClaimSpec, facts: ClusterFacts) -> list[Finding]:
    """Return what stands against making a claim. Classes that may not be seen are not judged."""
    if spec.storage_class == "":
        return []
    classes = facts.storage_classes().content
    if classes is None:
        return []
    if spec.storage_class is not None:
        chosen = [one for one in classes if _name(one) == spec.storage_class]
        return [_class_missing(spec.storage_class, classes)] if not chosen else _of_class(spec, chosen[0])
    defaults = [one for one in classes if is_default(one)]
    if defaults:
        return _of_class(spec, defaults[0])
    if spec.volume_name is not None or spec.selector is not None:
        return []
    evidence = "the cluster has no default storage class, so nothing would make a volume for the claim."
    hint = f"Set storage_class ({_names(classes)}), or volume_name or selector for a volume that is there."
    return [Finding(ERROR, "storage_class_missing", evidence, hint, "storage_class")]


def of_growth(spec: ClaimSpec, live: LiveClaim, facts: ClusterFacts) -> list[Finding]:
    """Return what stands against giving a claim the size that is wanted, where that is more than it has."""
    has, wanted = amount(live.described["size"]), amount(spec.size)
    if has is None or wanted is None or wanted <= has:
        return []
    if live.phase != BOUND:
        evidence = f"{spec.name} has no volume yet (asked for: {live.described['size']}), and only a volume can grow."
        return [_cannot_grow(evidence, "Wait until it is bound, or delete the claim and make it anew.")]
    storage_class = live.described["storage_class"]
    if not storage_class:
        evidence = f"the volume of {spec.name} was made by hand (no storage class), so nothing can make it larger."
        return [_cannot_grow(evidence, "Use a larger volume, and move the data there.")]
    answer = facts.storage_class(storage_class)
    if answer.content is None or answer.content.get("allowVolumeExpansion") is True:
        return []
    evidence = f"{spec.name} has {live.described['size']}, and its storage class {storage_class} lets no volume grow."
    hint = f"Have allowVolumeExpansion set on it, or set size: {live.described['size']}."
    return [_cannot_grow(evidence, hint)]


def _of_class(spec: ClaimSpec, storage_class: Object) -> list[Finding]:
    """Return the warning about a class whose volumes one machine alone can mount, as far as its provisioner's name
    tells."""
    modes = set(spec.for_creation()["access_modes"])
    if not modes & SHARED or offers_shared_volumes(storage_class) is not False:
        return []
    evidence = (
        f"the storage class {_name(storage_class)} (by {storage_class.get('provisioner')}) makes volumes for one "
        f"machine, and {', '.join(sorted(modes))} is asked for."
    )
    hint = "Use a class of shared storage, such as NFS or CephFS."
    return [Finding(WARNING, "storage_not_shared", evidence, hint, "storage_class")]


def _class_missing(name: str, classes: Sequence[Object]) -> Finding:
    evidence = f"the cluster has no storage class {name!r}."
    alike = difflib.get_close_matches(name, [_name(one) for one in classes], 1)
    hint = f"Is {alike[0]} meant? " if alike else ""
    return Finding(ERROR, "storage_class_missing", evidence, f"{hint}It has: {_names(classes)}.", "storage_class")


def _cannot_grow(evidence: str, hint: str) -> Finding:
    return Finding(ERROR, "volume_cannot_grow", evidence, hint, "size")


def _names(classes: Sequence[Object]) -> str:
    names = sorted(_name(one) for one in classes)
    return ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "") or "none"


def _name(found: Object) -> str:
    return str(mapping(found.get("metadata")).get("name"))
