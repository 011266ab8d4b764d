# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phase that Run:ai would show, computed from what the pods really do (facts 6.3). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gpuops_sandbox.cluster.objects import Pod, Workload
from gpuops_sandbox.cluster.scheduler import Blocked
from gpuops_sandbox.control_plane.switches import CrashLoopPhase, Switches


@dataclass(frozen=True)
class GroupState:
    """What the phase needs to know of one replica."""

    pods: tuple[Pod, ...]
    waiting: Blocked | None
    unplaced: bool
    complete: bool
    restarts: int
    served_before: bool

    @property
    def ready(self) -> bool:
        """Whether every pod of it is ready."""
        return self.complete and not self.unplaced and all(pod.ready for pod in self.pods)

    @property
    def crashes(self) -> int:
        """How often it was recreated, or one of its containers restarted."""
        return self.restarts + sum(pod.restarts for pod in self.pods)


@dataclass(frozen=True)
class PhaseView:
    """Phase, message and Run:ai's reason (None where it has no word)."""

    phase: str
    message: str
    reason: str | None = None


def phase_of(workload: Workload, groups: list[GroupState], switches: Switches) -> PhaseView:
    """Return the phase of a workload."""
    if workload.deletion_requested_at is not None:
        return PhaseView("Deleting", "")
    if workload.failure is not None:
        return PhaseView("Failed", workload.failure)
    if workload.outcome is not None:
        return PhaseView(workload.outcome, "")
    if not groups:
        phase = switches.phase_at_zero_replicas.value if workload.replicas == 0 else "Creating"
        return PhaseView(phase, "")
    if all(group.ready for group in groups):
        return PhaseView("Running", "")
    view = _not_ready(groups, switches)
    return view if switches.phase_messages else PhaseView(view.phase, "", view.reason)


def _not_ready(groups: list[GroupState], switches: Switches) -> PhaseView:
    serving = any(group.ready for group in groups)
    waiting = [group.waiting for group in groups if group.unplaced and group.waiting is not None]
    message = waiting[0].message if waiting else _waiting_message(groups)
    if any(group.unplaced for group in groups if group.pods or not group.restarts):
        reason = waiting[0].phase_reason if waiting else None
        return PhaseView("Degraded" if serving else "Pending", message, reason)
    crashing = [group for group in groups if group.crashes >= switches.crash_loop_restarts and not group.ready]
    if crashing and not serving:
        return PhaseView(switches.crash_loop_phase.value, message)
    lost = [group for group in groups if not group.ready and group.served_before]
    if lost and (serving or any(group.pods for group in lost)):
        return PhaseView(CrashLoopPhase.DEGRADED.value, message)
    return PhaseView("Initializing", message)


def _waiting_message(groups: list[GroupState]) -> str:
    for group in groups:
        for pod in group.pods:
            if pod.waiting_reason:
                return f"pod {pod.name}: {pod.waiting_reason}: {pod.waiting_message}"
    ended = [pod for group in groups for pod in group.pods if pod.exit_code is not None and not pod.ready]
    return f"pod {ended[0].name}: container ended with exit code {ended[0].exit_code}" if ended else ""
