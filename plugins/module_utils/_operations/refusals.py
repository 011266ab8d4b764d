# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the reconciler refuses, and how it says what happened to a workload that it had to take away.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._operations.comparison import OUTAGE, Comparison
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LiveWorkload, Target
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding

# Paths named in a sentence; the result lists all of them.
_PATHS_NAMED = 5


def refuse_foreign(live: LiveWorkload, target: Target, adopt: bool) -> None:
    """Refuse a workload that the collection did not make, unless the user wants to take it over and it is possible."""
    if live.managed:
        return
    found = f"a workload of this name exists in {target.sentence()}, and this collection did not make it"
    if not live.supported:
        found = f"{found}: it is a {live.kind}, which cannot be taken over."
        hint = "Choose another name, or delete that workload with the tool that made it."
    elif not adopt:
        found, hint = f"{found}.", "Choose another name, delete that workload, or set adopt: true to take it over."
    else:
        return
    raise GpuopsError.from_finding(Finding(ERROR, "name_in_use", found, hint, live.name))


def refuse_disruption(name: str, comparison: Comparison, check_mode: bool, findings: list[Finding]) -> None:
    """Refuse to take an endpoint away without permission; in check mode add the finding that says so instead."""
    paths = ", ".join(change.path for change in comparison.changes[:_PATHS_NAMED])
    more = len(comparison.changes) - _PATHS_NAMED
    found = f"changing {paths}{f' and {more} more' if more > 0 else ''} means {_what_it_takes(comparison)}."
    if check_mode:
        hint = "It will be refused unless you set on_disruption: allow."
        findings.append(Finding(WARNING, "disruption_needs_permission", found, hint, name))
        return
    hint = "Set on_disruption: allow to do it. Nothing was changed."
    raise GpuopsError.from_finding(Finding(ERROR, "disruption_refused", found, hint, name))


def say_restored(refused: GpuopsError, name: str) -> None:
    """Tell in the error about the new workload that the old one was put back."""
    found = "the workload that ran before was put back; it starts anew."
    refused.findings.append(Finding(WARNING, "restored", found, "", name))
    refused.message = f"{refused.message} The new workload was refused: {found}"


def say_not_restored(refused: GpuopsError, name: str, failed: GpuopsError) -> None:
    """Tell in the error about the new workload that the old one could not be put back either."""
    found = f"the workload that ran before was deleted and could not be put back: {failed.message}"
    refused.findings.append(Finding(ERROR, "not_restored", found, "Run again to create it.", name))
    refused.message = f"{refused.message} The new workload was refused, and {found} Run again to create it."


def say_half_way(stuck: GpuopsError, name: str) -> None:
    """Tell in the error about a deletion that takes too long that the workload was to be created anew afterwards."""
    found = "the workload is being deleted, to be created anew."
    stuck.findings.append(Finding(WARNING, "recreation_half_way", found, "Run again to go on.", name))
    stuck.message = f"{stuck.message} {name}: {found} Run again to go on."


def _what_it_takes(comparison: Comparison) -> str:
    """Return the disruption in words."""
    if comparison.disruption == OUTAGE and not comparison.recreate:
        return "starting all its pods anew: the endpoint is away until the model is loaded"
    if comparison.disruption == OUTAGE:
        return "deleting the workload and creating it again: the endpoint is away until the model is loaded"
    return "a rolling replacement of its pods"
