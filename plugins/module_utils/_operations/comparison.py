# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What has to change so that the live workload becomes the wanted one. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations.drift import Change, differences
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    CREATING,
    FAILED,
    INITIALIZING,
    NONE,
    OUTAGE,
    PENDING,
    ROLLING,
    STOPPED,
    ChangeRules,
    LiveWorkload,
    Rehearsal,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten, is_below

# From the least to the most that a change takes away.
_DISRUPTIONS = (NONE, ROLLING, OUTAGE)

# With several replicas one may serve while another starts; such a workload is reported as degraded or running.
_NOT_SERVING = (CREATING, PENDING, INITIALIZING, STOPPED, FAILED)
# Where a change of the number of replicas stands, whatever the platform calls it.
REPLICAS = "replicas"
# Paths named in a sentence; the result lists all of them.
_PATHS_NAMED = 5


@dataclass(frozen=True)
class Wanted:
    """The wanted side. ``body`` is comparable (environment values hashed), ``replica_paths`` the paths in it that are
    compared apart; ``replicas`` is ``None`` where the user left them; ``replan`` gives up what was decided earlier."""

    inputs: Mapping[str, Any]
    body: Mapping[str, Any]
    replica_paths: tuple[str, ...] = ()
    replicas: int | None = None
    replan: bool = False


@dataclass(frozen=True)
class Comparison:
    """The outcome: ``changes`` have to be made, ``in_place`` are the fields (keys of ``ChangeRules.in_place``) that are
    replaced without recreating, ``replicas`` is the number to scale to (``None``: no scaling), ``disruption`` what
    making the changes takes away. ``replaces_pods`` says that the fields are read at the start of a pod only.
    ``is_kept`` says that the earlier decisions stand, whatever would be decided now."""

    changes: tuple[Change, ...] = ()
    in_place: tuple[str, ...] = ()
    replicas: int | None = None
    recreate: bool = False
    disruption: str = NONE
    findings: tuple[Finding, ...] = ()
    replaces_pods: bool = False
    is_kept: bool = False

    @property
    def is_needed(self) -> bool:
        """Say whether anything has to be done."""
        return bool(self.changes) or self.recreate


def compare(live: LiveWorkload, live_body: Mapping[str, Any], wanted: Wanted, rules: ChangeRules) -> Comparison:
    """Compare a live workload (``live_body`` is its comparable body) with what is wanted.

    Fields that can be changed in place are compared with the live object, all others with what was applied last: a
    difference there that the user did not make cannot have been made by anybody but the platform itself, and is
    reported instead of recreating the workload for it.
    """
    live_leaves = _without(flatten(live_body), wanted.replica_paths)
    wanted_leaves = _without(flatten(wanted.body), wanted.replica_paths)
    if live.record is None:
        changes, left_alone, is_kept = _two_way(live_leaves, wanted_leaves, "wanted"), [], False
    else:
        applied_leaves = _without(flatten(live.record.body), wanted.replica_paths)
        is_kept = not wanted.replan and wanted.inputs == live.record.inputs
        target = applied_leaves if is_kept else wanted_leaves
        changes = _three_way(applied_leaves, target, live_leaves)
        paths = {change.path for change in changes}
        drifted = [change for change in _two_way(live_leaves, target, "drift") if change.path not in paths]
        changes += [change for change in drifted if is_below(change.path, rules.in_place)]
        left_alone = [change for change in drifted if not is_below(change.path, rules.in_place)]
    comparison = _judge(live, live_leaves, wanted_leaves, changes, wanted, rules, left_alone, is_kept)
    if is_kept and applied_leaves != wanted_leaves:
        opinion = _another_opinion(live.name, differences(applied_leaves, wanted_leaves, "wanted"))
        comparison = dataclasses.replace(comparison, findings=(*comparison.findings, opinion))
    return dataclasses.replace(comparison, is_kept=is_kept)


def rehearsed(comparison: Comparison, rehearsal: Rehearsal) -> Comparison:
    """Return the comparison without what the platform says it would not change.

    Where somebody else holds a field, and only drift would be repaired, everything is left alone. Whoever wants a
    change that is held up so gets the error from the reconciler.
    """
    if comparison.recreate:
        return comparison
    if rehearsal.conflicts and comparison.is_kept:
        held = tuple(dataclasses.replace(conflict, severity=WARNING) for conflict in rehearsal.conflicts)
        return _only_replicas(comparison, held)
    if rehearsal.effective is None:
        return comparison
    effective = tuple(change for change in comparison.changes if change.path in (REPLICAS, *rehearsal.effective))
    if any(change.path != REPLICAS for change in effective):
        return dataclasses.replace(comparison, changes=effective)
    fields = [change for change in comparison.changes if change.path != REPLICAS]
    return _only_replicas(comparison, tuple(_changed_by_platform(change) for change in fields))


def _only_replicas(comparison: Comparison, findings: tuple[Finding, ...]) -> Comparison:
    """Return what is left of a comparison whose fields are left alone, with the findings that say why."""
    return Comparison(
        changes=tuple(change for change in comparison.changes if change.path == REPLICAS),
        replicas=comparison.replicas,
        findings=(*comparison.findings, *findings),
        is_kept=comparison.is_kept,
    )


def _two_way(live: Mapping[str, Any], target: Mapping[str, Any], origin: str) -> list[Change]:
    """Return what is live otherwise than in the target; what only the platform has is not looked at."""
    return [Change(path, live.get(path), leaf, origin) for path, leaf in target.items() if live.get(path) != leaf]


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
    live_leaves: Mapping[str, Any],
    wanted_leaves: Mapping[str, Any],
    changes: list[Change],
    wanted: Wanted,
    rules: ChangeRules,
    left_alone: list[Change],
    is_kept: bool,
) -> Comparison:
    """Decide how the changes are made and what that takes away."""
    findings = [_changed_by_platform(change) for change in left_alone]
    replicas = _replicas_to_set(live, wanted)
    parents = [_parent_of(change.path, rules.in_place) for change in changes]
    fields = tuple(parent for parent in rules.in_place if parent in parents)
    recreate = None in parents or (replicas is not None and not rules.can_scale)
    disruption = OUTAGE if recreate and _serves(live) else NONE
    if fields and not recreate:
        if rules.record_field is not None and rules.record_field not in fields:
            fields = (*fields, rules.record_field)
        if _serves(live):
            disruption = max((rules.in_place[parent] for parent in fields), key=_DISRUPTIONS.index)
        if not (is_kept and rules.record_apart):
            changes = _whole_fields(changes, fields, live_leaves, wanted_leaves)
    if replicas is not None:
        changes = [*changes, Change(REPLICAS, live.replicas, replicas, "wanted")]
    if live.phase == FAILED:
        recreate, disruption = True, NONE
        found = "it has failed and serves nothing, so it is created anew."
        findings.append(Finding(INFO, "failed_is_replaced", found, "", live.name))
    replaces_pods = any(rules.in_place.get(field, NONE) != NONE for field in fields)
    return Comparison(tuple(changes), fields, replicas, recreate, disruption, tuple(findings), replaces_pods)


def _parent_of(path: str, parents: Iterable[str]) -> str | None:
    """Return the longest of the parents that the path is or lies below; ``None`` where there is none."""
    return max((parent for parent in parents if is_below(path, (parent,))), key=len, default=None)


def _serves(live: LiveWorkload) -> bool:
    """Say whether there may be an endpoint to take away: not before the first start, stopped, or after a failure."""
    return live.phase not in _NOT_SERVING and live.replicas != 0


def _whole_fields(
    changes: list[Change], fields: tuple[str, ...], live: Mapping[str, Any], wanted: Mapping[str, Any]
) -> list[Change]:
    """Return the changes with all others that come along, since a field is replaced as a whole."""
    known = {change.path for change in changes}
    replaced = [change for change in _two_way(live, wanted, "wanted") if is_below(change.path, fields)]
    return [*changes, *(change for change in replaced if change.path not in known)]


def _another_opinion(name: str, changes: list[Change]) -> Finding:
    """Return the finding that today's plan would be another one than the one that was applied."""
    paths = ", ".join(change.path for change in changes[:_PATHS_NAMED])
    more = f" and {len(changes) - _PATHS_NAMED} more" if len(changes) > _PATHS_NAMED else ""
    return Finding(
        INFO,
        "plan_opinion_differs",
        f"what runs was decided earlier and is kept; today {paths}{more} would be decided otherwise.",
        "Set replan: true to apply today's plan.",
        name,
    )


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
