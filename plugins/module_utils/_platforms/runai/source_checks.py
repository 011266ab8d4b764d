# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What Run:ai cannot do of a claim, and whether its storage classes can make one. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import (
    READ_WRITE_MANY,
    READ_WRITE_ONCE_POD,
    ClaimSpec,
)

# ``claimName`` of a data source (facts 5.4).
_LONGEST_NAME = 63
_NAMES_SHOWN = 5
_NO_FIELD = "a PVC data source of Run:ai has no field for it."


def refuse_options(spec: ClaimSpec) -> None:
    """Refuse (``OptionError``) what a data source has no field for."""
    if len(spec.name) > _LONGEST_NAME:
        found = f"{spec.name!r} has {len(spec.name)} characters."
        raise OptionError.of("name", found, f"Run:ai takes claims with at most {_LONGEST_NAME}.")
    given = {
        "volume_name": spec.volume_name,
        "selector": spec.selector,
        "labels": spec.labels,
        "annotations": spec.annotations,
    }
    for option, value in given.items():
        if value:
            hint = "Make the claim with platform: kubernetes, or kubectl, and leave this option out."
            raise OptionError.of(option, _NO_FIELD, hint)
    if spec.storage_class == "":
        raise OptionError.of("storage_class", f"it is empty, and {_NO_FIELD}", "Name a class, or leave it out.")
    if READ_WRITE_ONCE_POD in (spec.access_modes or ()):
        raise OptionError.of("access_modes", f"{READ_WRITE_ONCE_POD}: {_NO_FIELD}", "Use read_write_many for a model.")


def of_new_claim(spec: ClaimSpec, classes: Sequence[Mapping[str, Any]] | None) -> list[Finding]:
    """Return what stands against making a claim; classes that are not shown (``None``, none) are not judged."""
    if not classes:
        return []
    wanted = [one for one in classes if _name(one) == spec.storage_class]
    if spec.storage_class is None:
        wanted = [one for one in classes if mapping(one.get("spec")).get("isDefault") is True]
    if not wanted and spec.storage_class is None:
        # Run:ai takes the only class where there is just one.
        wanted = list(classes) if len(classes) == 1 else []
    if not wanted:
        return [_missing(spec.storage_class, [_name(one) for one in classes])]
    return _of_class(spec, wanted[0])


def _of_class(spec: ClaimSpec, storage_class: Mapping[str, Any]) -> list[Finding]:
    name = _name(storage_class)
    if mapping(storage_class.get("permissions")).get("allowedForAssets") is False:
        evidence = f"data sources may not be made with the storage class {name}, as its settings in Run:ai say."
        return [
            Finding(ERROR, "storage_class_not_allowed", evidence, "Use another class, or ask for it.", "storage_class")
        ]
    supported = mapping(mapping(mapping(storage_class.get("customization")).get("accessMode")).get("supportedValues"))
    if supported.get("readWriteMany") is False and READ_WRITE_MANY in spec.for_creation()["access_modes"]:
        evidence = f"the storage class {name} does not offer {READ_WRITE_MANY}, as its settings in Run:ai say."
        hint = "Use a class of shared storage, such as NFS or CephFS."
        return [Finding(WARNING, "storage_not_shared", evidence, hint, "storage_class")]
    return []


def _missing(name: str | None, names: Sequence[str]) -> Finding:
    shown = ", ".join(sorted(names)[:_NAMES_SHOWN])
    if name is None:
        evidence = "the cluster has no default storage class, so nothing would make a volume for the claim."
        return Finding(ERROR, "storage_class_missing", evidence, f"Set storage_class ({shown}).", "storage_class")
    alike = difflib.get_close_matches(name, names, 1)
    hint = f"Is {alike[0]} meant? " if alike else ""
    evidence = f"the cluster has no storage class {name!r}."
    return Finding(ERROR, "storage_class_missing", evidence, f"{hint}It has: {shown}.", "storage_class")


def _name(storage_class: Mapping[str, Any]) -> str:
    return str(storage_class.get("storageClassName") or "")
