# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What has to change so that the live workload becomes the wanted one. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations.drift import (
    Change,
    differences,
    flatten,
    is_below,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import FAILED, ChangeRules, LiveWorkload
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding

NONE = "none"
ROLLING = "rolling"
OUTAGE = "outage"


@dataclass(frozen=True)
class Wanted:
    """The wanted side. ``body`` is comparable (environment values hashed); ``replicas`` is ``None`` where the user left
    them; ``replan`` gives up what was decided earlier."""

    inputs: Mapping[str, Any]
    body: Mapping[str, Any]
    replicas: int | None
    replan: bool = False


@dataclass(frozen=True)
class Comparison:
    """The outcome: ``changes`` have to be made, ``in_place`` are the paths that can be changed without recreating,
    ``replicas`` is the number to scale to (``None``: no scaling), ``disruption`` what making the changes takes away."""

    changes: tuple[Change, ...] = ()
    in_place: tuple[str, ...] = ()
    replicas: int | None = None
    recreate: bool = False
    disruption: str = NONE
    findings: tuple[Finding, ...] = ()


def compare(live: LiveWorkload, live_body: Mapping[str, Any], wanted: Wanted, rules: ChangeRules) -> Comparison:
    """Compare a live workload (``live_body`` is its comparable body) with what is wanted.

    Fields that can be changed in place are compared with the live object, all others with what was applied last: a
    difference there that the user did not make cannot have been made by anybody but the platform itself, and is
    reported instead of recreating the workload for it.
    """
    live_leaves = _without(flatten(live_body), rules.replica_paths)
    wanted_leaves = _without(flatten(wanted.body), rules.replica_paths)
    if live.record is None:
        changes = [
            Change(path, live_leaves.get(path), leaf, "wanted")
            for path, leaf in wanted_leaves.items()
            if live_leaves.get(path) != leaf
        ]
        platform_changes: list[Change] = []
    else:
        applied_leaves = _without(flatten(live.record.body), rules.replica_paths)
        if not wanted.replan and wanted.inputs == live.record.inputs:
            wanted_leaves = applied_leaves
        changes = _three_way(applied_leaves, wanted_leaves, live_leaves)
        drifted = [
            Change(path, live_leaves.get(path), leaf, "drift")
            for path, leaf in wanted_leaves.items()
            if live_leaves.get(path) != leaf and path not in {change.path for change in changes}
        ]
        changes += [change for change in drifted if is_below(change.path, rules.in_place)]
        platform_changes = [change for change in drifted if not is_below(change.path, rules.in_place)]
    return _judge(live, changes, _replicas_to_set(live, wanted), rules, platform_changes)


def _three_way(applied: Mapping[str, Any], wanted: Mapping[str, Any], live: Mapping[str, Any]) -> list[Change]:
    """Return what the user changed since the last time and what is not so already."""
    return [
        Change(change.path, live.get(change.path), change.after, "wanted")
        for change in differences(applied, wanted, "wanted")
        if live.get(change.path) != change.after
    ]


def _replicas_to_set(live: LiveWorkload, wanted: Wanted) -> int | None:
    """Return the number of replicas to set, or ``None``: so already, or left to others by the user.

    A stopped workload (0 replicas) that is wanted present gets one replica where the user states none.
    """
    if wanted.replicas is None:
        return 1 if live.replicas == 0 else None
    return None if wanted.replicas == live.replicas else wanted.replicas


def _judge(
    live: LiveWorkload,
    changes: list[Change],
    replicas: int | None,
    rules: ChangeRules,
    platform_changes: list[Change],
) -> Comparison:
    """Decide how the changes are made and what that takes away."""
    findings = [_changed_by_platform(change) for change in platform_changes]
    in_place = tuple(change.path for change in changes if is_below(change.path, rules.in_place))
    recreate = len(in_place) < len(changes) or (replicas is not None and not rules.can_scale)
    disruption = OUTAGE if recreate else NONE
    if in_place and not recreate:
        disruption = ROLLING if ROLLING in {_disruption_of(path, rules) for path in in_place} else NONE
    if replicas is not None:
        changes = [*changes, Change("replicas", live.replicas, replicas, "wanted")]
    if live.phase == FAILED:
        recreate, disruption = True, NONE
        findings.append(
            Finding(
                INFO, "failed_is_replaced", "it has failed and serves nothing, so it is created anew.", "", live.name
            )
        )
    return Comparison(tuple(changes), in_place, replicas, recreate, disruption, tuple(findings))


def _disruption_of(path: str, rules: ChangeRules) -> str:
    """Return what changing ``path`` in place takes away."""
    return next(disruption for parent, disruption in rules.in_place.items() if is_below(path, (parent,)))


def _changed_by_platform(change: Change) -> Finding:
    """Return the finding about a field that nobody but the platform can have changed."""
    return Finding(
        WARNING,
        "changed_by_platform",
        f"{change.path} is {change.before!r} on the platform, {change.after!r} was applied.",
        "A policy or default of the platform may set it; it is left alone. Set replan: true to apply it again.",
        change.path,
    )


def _without(leaves: Mapping[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    """Return the leaves that are neither at nor below the given paths."""
    return {path: leaf for path, leaf in leaves.items() if not is_below(path, paths)}
