# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The interface of a platform's volume claims, apart from that of its workloads.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import Target
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import ClaimChange, ClaimSpec

# Phases of a claim, the same words on every platform. ``available``: the platform reports no issue and does not show
# whether there is a volume yet.
BOUND = "bound"
AVAILABLE = "available"
PENDING = "pending"
LOST = "lost"
DELETING = "deleting"
FAILED = "failed"
UNKNOWN = "unknown"

# How long a trouble may last (seconds) before waiting is given up: a controller tries again after some seconds, a
# provisioner for minutes.
AT_ONCE = 0.0
CONTROLLER_GRACE = 30.0
PROVISIONER_GRACE = 120.0


@dataclass(frozen=True)
class Trouble:
    """Why a claim has no volume, or does not grow. ``patience``: the seconds for which it may heal by itself; ``None``:
    only the caller's own limit ends the wait."""

    finding: Finding
    patience: float | None = AT_ONCE


@dataclass(frozen=True)
class LiveClaim:
    """A claim as the platform has it now.

    ``described`` is what is known of it, in the words of the options; what is missing in it is not shown. ``managed``:
    the collection made it. ``handle`` is the platform's own name of it (an id). ``fixed`` are the options that can
    never be changed, with what to do instead (empty: make another claim). ``waits_for_pod``: it gets its volume with
    its first pod. ``is_growing``: it was asked to be larger and is not yet. ``remarks`` are what a person should know
    of a claim that is well.
    """

    name: str
    handle: str
    phase: str
    managed: bool
    described: Mapping[str, Any]
    fixed: Mapping[str, str] = field(default_factory=dict)
    capacity: str | None = None
    waits_for_pod: bool = False
    is_growing: bool = False
    troubles: tuple[Trouble, ...] = ()
    remarks: tuple[Finding, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Users:
    """Who mounts a claim, as far as can be seen. ``unseen`` says what could not be looked at."""

    names: tuple[str, ...] = ()
    unseen: tuple[Finding, ...] = ()


class Volumes(Protocol):
    """What the operation on claims may ask. Every method may raise ``GpuopsError``. Reads are repeated as needed, and a
    write only where doing it twice is the same as doing it once."""

    def target(self) -> Target:
        """Return where this points (no request)."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what all requests sent inside may take together."""

    def find(self, spec: ClaimSpec, must_know: bool = False) -> LiveClaim | None:
        """Return the claim that is meant, or ``None`` where none is seen. ``must_know``: whoever may not see whether
        there is one fails, also where nothing is to be made."""

    def refuse_options(self, spec: ClaimSpec) -> None:
        """Refuse (``OptionError``) what the platform has no field for; no request."""

    def missing(self, spec: ClaimSpec) -> Finding | None:
        """Return what is to be said of a claim that is not seen and that ``spec`` says too little of to be made; an
        error stops. ``None``: it can be made."""

    def creation(self, spec: ClaimSpec) -> Mapping[str, Any]:
        """Return what is made where no claim is seen, by option (no request)."""

    def check(self, spec: ClaimSpec, live: LiveClaim | None) -> list[Finding]:
        """Return what stands against making the claim, or a claim that there is already as ``spec`` says."""

    def differences(self, spec: ClaimSpec, live: LiveClaim) -> list[ClaimChange]:
        """Return how a claim of ours, or to be ours, differs from what is wanted of it."""

    def rehearse(self, spec: ClaimSpec, live: LiveClaim | None) -> list[Finding]:
        """Let the platform try the creation, or change, without doing it; nothing where it has no dry run."""

    def create(self, spec: ClaimSpec) -> LiveClaim:
        """Create the claim. After a doubtful answer it is looked up by name, never created twice."""

    def change(self, spec: ClaimSpec, live: LiveClaim) -> LiveClaim:
        """Make the claim as wanted, and ours."""

    def users(self, live: LiveClaim) -> Users:
        """Return who mounts the claim."""

    def loses_data(self, live: LiveClaim) -> bool:
        """Say whether data may be lost with it."""

    def check_removal(self, live: LiveClaim) -> list[Finding]:
        """Return why the platform could not delete the claim at all (no request)."""

    def delete(self, live: LiveClaim) -> None:
        """Ask for the deletion; returns at once."""

    def now(self, live: LiveClaim) -> LiveClaim | None:
        """Return how the very same claim is now, or ``None`` where it is gone."""

    def unknown(self, spec: ClaimSpec, live: LiveClaim | None) -> Sequence[Finding]:
        """Return what of the wish nobody could see."""
