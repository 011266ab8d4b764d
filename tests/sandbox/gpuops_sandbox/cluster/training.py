# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A training workload: one pod that runs to its end, as a Kubernetes Job keeps it.

A pod that fails is made anew until ``backoffLimit`` retries are used up; then the workload is Failed. The API shows no
exit code anywhere (facts 5.3), so nothing here says one.
"""

from __future__ import annotations

import time
from typing import Protocol

from gpuops_sandbox.cluster.events import record_workload_event
from gpuops_sandbox.cluster.group import Control, Group
from gpuops_sandbox.cluster.objects import Pod, Workload

JOB_CONTROLLER = "job-controller"
COMPLETED, FAILED = "Completed", "Failed"
# What Kubernetes and Run:ai take where a Job says nothing.
DEFAULT_BACKOFF_LIMIT = 6


class TrainingControl(Control, Protocol):
    """What a training needs of the cluster around it."""

    def finished(self, workload: Workload, outcome: str) -> None:
        """A workload has come to its end."""


class TrainingRun(Group):
    """The run of one training: its pod, again and again, until one succeeds or the retries are used up."""

    def __init__(self, control: TrainingControl, workload: Workload) -> None:
        super().__init__(control, workload, 0)
        self._training_control = control
        limit = workload.spec.get("backoffLimit")
        self._retries_left = DEFAULT_BACKOFF_LIMIT if limit is None else int(limit)

    def _pod_name(self, member: int) -> str:
        return f"{self.workload.name}-0-{member}"

    def _container_ended(self, pod: Pod) -> bool:
        """Decide what becomes of the workload. The container never starts again in the same pod."""
        if self.terminating:
            return False
        if pod.exit_code == 0:
            self._finish(pod, COMPLETED)
        elif self._retries_left > 0:
            self._retries_left -= 1
            self.restarts += 1
            self._disturb()
        else:
            self._finish(pod, FAILED)
        return False

    def _finish(self, pod: Pod, outcome: str) -> None:
        pod.kubernetes_phase = "Succeeded" if outcome == COMPLETED else "Failed"
        pod.completed_at = time.time()
        # A pod that has ended holds no devices.
        pod.plan.gpus = self.planned_gpus = 0
        if outcome == COMPLETED:
            message = "Job completed"
            record_workload_event(self.workload, "Completed", message, warning=False, source=JOB_CONTROLLER)
        else:
            message = "Job has reached the specified backoff limit"
            record_workload_event(self.workload, "BackoffLimitExceeded", message, warning=True, source=JOB_CONTROLLER)
        self._training_control.finished(self.workload, outcome)
        self._control.reschedule()
