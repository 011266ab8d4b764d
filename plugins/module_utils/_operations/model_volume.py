# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The operation behind ``model_volume``: a claim that is there, and has its volume, or is gone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations import volume_refusals
from ansible_collections.gpuops.inference.plugins.module_utils._operations.volume_waiting import VolumeWaiter
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.model_volume import (
    ABSENT,
    VolumeOptions,
    read_claim,
    read_volume_options,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_volumes
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.volumes import DELETING, LiveClaim, Volumes
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    Finding,
    errors_of,
    most_severe_first,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._results.paths import flatten
from ansible_collections.gpuops.inference.plugins.module_utils._workload.claim import ClaimChange, ClaimSpec

# The phase of a claim that is not there, or not seen.
_ABSENT = "absent"
_UNKNOWN = "unknown"


@dataclass
class _Outcome:
    """What was found and done. ``changed`` is set with the first write that was not refused, in check mode with the
    first one that would be made. ``is_new``: there was no such claim."""

    phase: str = _ABSENT
    changed: bool = False
    live: LiveClaim | None = None
    is_new: bool = False
    changes: list[ClaimChange] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)


def apply_volume(params: dict[str, Any], host: Host) -> dict[str, Any]:
    """Bring a claim into the wanted state and return the module's result."""
    options, spec = read_volume_options(params), read_claim(params)
    volumes = make_volumes(read_connection(params), host)
    volumes.refuse_options(spec)
    work = _Work(volumes, host, options, spec)
    try:
        if options.state == ABSENT:
            work.remove()
        else:
            work.ensure()
    except GpuopsError as error:
        error.findings += work.outcome.findings
        error.result = {**_result(spec, volumes, work.outcome), **error.result}
        raise
    return _result(spec, volumes, work.outcome)


class _Work:
    """Brings one claim into its state."""

    def __init__(self, volumes: Volumes, host: Host, options: VolumeOptions, spec: ClaimSpec) -> None:
        self._volumes = volumes
        self._host = host
        self._options = options
        self._spec = spec
        self._waiter = VolumeWaiter(volumes, host)
        self.outcome = _Outcome()

    def ensure(self) -> None:
        """See to it that the claim is there, as stated, and has its volume."""
        live = self._volumes.find(self._spec)
        self._take(live)
        if live is None:
            self._create()
        elif live.phase == DELETING:
            raise GpuopsError.from_finding(volume_refusals.of_ending(live))
        elif live.managed or self._options.adopt:
            self._bring_in_line(live)
        else:
            self._stop_for(volume_refusals.of_foreign(self._spec, live))
        if self._options.wait and not (self._host.check_mode and self.outcome.changed):
            self._wait()
        self._add(self._volumes.unknown(self._spec, self.outcome.live))

    def remove(self) -> None:
        """See to it that there is no such claim, if its data may go."""
        live = self._volumes.find(self._spec, must_know=True)
        self._take(live)
        if live is None:
            self._add(self._volumes.unknown(self._spec, None))
            return
        if live.phase != DELETING:
            users = self._volumes.users(live)
            self._add(users.unseen)
            loses_data = self._volumes.loses_data(live)
            self._stop_for(volume_refusals.of_removal(live, self._options, users, loses_data))
            self._stop_for(self._volumes.check_removal(live))
            with self._noting([ClaimChange("state", "present", ABSENT)]):
                if not self._host.check_mode:
                    self._volumes.delete(live)
            if self._host.check_mode:
                return
        if self._options.wait:
            self.outcome.timings["delete"] = self._waiter.until_gone(live, self._options.delete_timeout)
            self.outcome.live, self.outcome.phase = None, _ABSENT
        else:
            self.outcome.phase = DELETING

    def _create(self) -> None:
        missing = self._volumes.missing(self._spec)
        if missing is not None:
            self._stop_for([missing])
            self.outcome.phase = _UNKNOWN
            return
        self._stop_for(self._volumes.check(self._spec, None))
        self._stop_for(self._volumes.rehearse(self._spec, None))
        self.outcome.is_new = True
        wanted = self._volumes.creation(self._spec)
        with self._noting([ClaimChange(option, None, value) for option, value in wanted.items()]):
            if not self._host.check_mode:
                self._take(self._volumes.create(self._spec))

    def _bring_in_line(self, live: LiveClaim) -> None:
        """Change what differs of a claim of ours, or of one that is taken over."""
        changes = self._volumes.differences(self._spec, live)
        self._stop_for(volume_refusals.of_changes(self._spec, live, changes))
        if not changes:
            return
        self._stop_for(self._volumes.check(self._spec, live))
        self._stop_for(self._volumes.rehearse(self._spec, live))
        with self._noting(changes):
            if not self._host.check_mode:
                self._take(self._volumes.change(self._spec, live))

    @contextmanager
    def _noting(self, changes: list[ClaimChange]) -> Iterator[None]:
        """Note the changes of the write inside, unless it was refused. One that got no answer may have been done."""
        try:
            yield
        except PlatformUnreachable:
            self.outcome.changed, self.outcome.changes = True, changes
            raise
        self.outcome.changed, self.outcome.changes = True, changes

    def _wait(self) -> None:
        live = self.outcome.live
        if live is None:
            return
        ended, seconds = self._waiter.until_bound(live, self._options.bind_timeout)
        self._take(ended)
        self._add(ended.remarks)
        self.outcome.timings["bind"] = seconds

    def _take(self, live: LiveClaim | None) -> None:
        self.outcome.live = live
        self.outcome.phase = _ABSENT if live is None else live.phase

    def _add(self, findings: Any) -> None:
        self.outcome.findings += findings

    def _stop_for(self, findings: list[Finding]) -> None:
        """Stop where there is an error among the findings; keep the others."""
        errors = errors_of(findings)
        if errors:
            raise GpuopsError.from_findings(findings)
        self._add(findings)


def _result(spec: ClaimSpec, volumes: Volumes, outcome: _Outcome) -> dict[str, Any]:
    """Return the outcome in the words of the module's RETURN documentation."""
    live = outcome.live
    result: dict[str, Any] = {
        "changed": outcome.changed,
        "target": volumes.target().sentence(),
        "volume": {
            "name": spec.name,
            "phase": outcome.phase,
            "managed": live.managed if live is not None else None,
            "capacity": live.capacity if live is not None else None,
            **{option: live.described.get(option) for option in _SHOWN if live is not None},
        },
        "changes": [change.as_dict() for change in outcome.changes],
        "findings": [finding.as_dict() for finding in most_severe_first(outcome.findings)],
        "timings": outcome.timings,
    }
    if outcome.changed:
        result["diff"] = _diff(spec.name, volumes.target().sentence(), outcome)
    return result


# What of a claim is shown in results besides its phase.
_SHOWN = ("size", "access_modes", "volume_mode", "storage_class", "volume_name")


def _diff(name: str, target: str, outcome: _Outcome) -> dict[str, str]:
    """Return the difference as ``--diff`` prints it; a new claim with where it goes."""
    heading = f"# target: {target}\n" if outcome.is_new else ""
    return {
        "before_header": f"{name} (live)",
        "after_header": f"{name} (wanted)",
        "before": _lines({change.option: change.before for change in outcome.changes}),
        "after": heading + _lines({change.option: change.after for change in outcome.changes}),
    }


def _lines(values: dict[str, Any]) -> str:
    leaves = flatten(values)
    return "".join(f"{path}: {json.dumps(leaf)}\n" for path, leaf in sorted(leaves.items()) if leaf is not None)
