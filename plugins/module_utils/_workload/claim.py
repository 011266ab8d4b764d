# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What a volume claim shall be, as the user says it, and how one that is there differs from that. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_names import memory_bytes

READ_WRITE_MANY = "read_write_many"
READ_ONLY_MANY = "read_only_many"
READ_WRITE_ONCE = "read_write_once"
READ_WRITE_ONCE_POD = "read_write_once_pod"
ACCESS_MODES = (READ_WRITE_MANY, READ_ONLY_MANY, READ_WRITE_ONCE, READ_WRITE_ONCE_POD)
# Those with which the pods of several machines can mount a volume.
SHARED = frozenset({READ_WRITE_MANY, READ_ONLY_MANY})

FILESYSTEM = "filesystem"
BLOCK = "block"
VOLUME_MODES = (FILESYSTEM, BLOCK)


@dataclass(frozen=True)
class ClaimSpec:
    """A claim called ``name``. What is ``None`` is not stated: an existing claim may have it as it likes.

    ``size`` is a quantity (``500Gi``). ``storage_class`` empty means none, so that only a volume that is there already
    fits. ``volume_name`` and the labels of ``selector`` say which one. ``data_source`` and ``path`` (where workloads
    mount it) are for platforms that describe claims to people by such.
    """

    name: str
    size: str | None = None
    access_modes: tuple[str, ...] | None = None
    volume_mode: str | None = None
    storage_class: str | None = None
    volume_name: str | None = None
    selector: Mapping[str, str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    data_source: str | None = None
    path: str = "/data"

    def stated(self) -> dict[str, Any]:
        """Return what is said of the claim itself, by option, with nothing in it that is not stated."""
        values: dict[str, Any] = {
            "size": self.size,
            "access_modes": None if self.access_modes is None else sorted(self.access_modes),
            "volume_mode": self.volume_mode,
            "storage_class": self.storage_class,
            "volume_name": self.volume_name,
            "selector": None if self.selector is None else dict(self.selector),
            "labels": dict(self.labels) or None,
            "annotations": dict(self.annotations) or None,
        }
        return {option: value for option, value in values.items() if value is not None}

    def for_creation(self) -> dict[str, Any]:
        """Return the same of a claim that is to be made, with what is taken where nothing is stated."""
        return {"access_modes": [READ_WRITE_MANY], "volume_mode": FILESYSTEM, **self.stated()}


@dataclass(frozen=True)
class ClaimChange:
    """One option in which a claim differs from what is wanted. ``before`` ``None``: nothing is there."""

    option: str
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {"path": self.option, "before": self.before, "after": self.after}

    @property
    def is_smaller(self) -> bool:
        """Say whether less space is wanted than there is."""
        if self.option != "size":
            return False
        before, after = amount(self.before), amount(self.after)
        return before is not None and after is not None and after < before


def amount(size: Any) -> Decimal | None:
    """Return the bytes of a quantity; ``None`` where it is none."""
    try:
        return memory_bytes(str(size), "size")
    except OptionError:
        return None


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[ClaimChange]:
    """Return in which options a claim differs from what is wanted, of those that are shown. Labels and annotations that
    nobody asks for are no difference, nor is another spelling of the same size."""
    changes = []
    for option, value in wanted.items():
        if option not in found:
            continue
        present = found[option]
        if isinstance(value, Mapping):
            present = {name: present[name] for name in value if name in present}
        same_size = option == "size" and amount(value) is not None and amount(value) == amount(present)
        if value != present and not same_size:
            changes.append(ClaimChange(option, present if present != {} else None, value))
    return changes


def shortcomings(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[ClaimChange]:
    """Return the differences that count where a claim is somebody else's: more space, and more ways to mount it, are as
    good."""
    return [
        change
        for change in differences(wanted, found)
        if not change.is_smaller
        and not (change.option == "access_modes" and set(change.after) <= set(change.before or ()))
    ]
