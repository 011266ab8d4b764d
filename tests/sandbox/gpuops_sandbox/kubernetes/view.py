# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a workload in the cluster, and what is remembered of its replicas."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from gpuops_sandbox.cluster.group import KEPT_DELETED_PODS
from gpuops_sandbox.cluster.objects import Kind, Pod, Workload
from gpuops_sandbox.cluster.phases import GroupState
from gpuops_sandbox.kubernetes.observe import ENDED, ObservedPod

NO_PODS = GroupState((), None, unplaced=True, complete=False, restarts=0, served_before=False)


@dataclass
class Memory:
    """What was seen of a replica: its leader (by uid), how often it was recreated, whether its pods were ready."""

    leader: str = ""
    restarts: int = 0
    served_before: bool = False


class View:
    """One workload in the cluster. ``lock``: whoever changes its objects holds it."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.lock = asyncio.Lock()
        self.made = False
        self._pods: dict[str, ObservedPod] = {}
        self._memories: dict[str, Memory] = {}

    @property
    def pods(self) -> list[ObservedPod]:
        """The pods that are there now: replica by replica, leaders first."""
        return sorted(self._pods.values(), key=lambda pod: (pod.group_index, pod.member_index, pod.name))

    def see(self, pod: ObservedPod) -> None:
        """Take what a pod looks like now."""
        self._pods[pod.id] = pod

    def lose(self, uid: str) -> None:
        """A pod is gone."""
        pod = self._pods.pop(uid, None)
        if pod is None:
            return
        now = time.time()
        phase = "Failed" if pod.exit_code else "Succeeded"
        gone: Pod = replace(
            pod, ready=False, kubernetes_phase=phase, deleted_at=now, completed_at=now, updated_at=now, address=None
        )
        self.workload.deleted_pods.append(gone)
        del self.workload.deleted_pods[:-KEPT_DELETED_PODS]

    def is_rolled_out(self, revision: int) -> bool:
        """Return whether the pods of a single-pod inference's revision are ready."""
        ready = [pod for pod in self.pods if pod.revision == revision and pod.ready]
        return len(ready) >= self.workload.replicas

    def states(self) -> list[GroupState]:
        """Return what the phase is computed from, for every replica that is wanted or still there."""
        if not self.made:
            return []
        if self.workload.kind is Kind.DISTRIBUTED:
            return self._replicas()
        return self._one_run() if self.workload.kind is Kind.TRAINING else self._single_pods()

    def _replicas(self) -> list[GroupState]:
        size = 1 + self.workload.followers
        wanted = [str(index) for index in range(self.workload.replicas)]
        # A replica that is wanted again later is a new one.
        self._memories = {key: memory for key, memory in self._memories.items() if key in wanted}
        return [self._state(key, [pod for pod in self.pods if str(pod.group_index) == key], size) for key in wanted]

    def _single_pods(self) -> list[GroupState]:
        current = [pod for pod in self.pods if pod.revision == self.workload.revision]
        missing = max(0, self.workload.replicas - len(current))
        return [*(self._state(pod.id, [pod], 1) for pod in self.pods), *([NO_PODS] * missing)]

    def _one_run(self) -> list[GroupState]:
        """Return the state of a training: of the pod that runs, or of those that have ended where none does."""
        living = [pod for pod in self.pods if pod.kubernetes_phase not in ENDED]
        return [self._state(pod.id, [pod], 1) for pod in living or self.pods] or [NO_PODS]

    def _state(self, key: str, pods: list[ObservedPod], size: int) -> GroupState:
        memory = self._memories.setdefault(key, Memory())
        leader = next((pod.id for pod in pods if pod.is_leader), "")
        if leader and memory.leader and leader != memory.leader:
            memory.restarts += 1
            memory.served_before = False
        memory.leader = leader or memory.leader
        # Followers that come when the leader is ready are not missed before; what a complete replica misses was lost.
        expected = 1 if self.workload.spec.get("startupPolicy") == "LeaderReady" else size
        missing = len(pods) < expected and not memory.served_before
        state = GroupState(
            pods=tuple(pods),
            waiting=next((pod.blocked for pod in pods if pod.blocked is not None), None),
            unplaced=missing or any(pod.machine is None for pod in pods),
            complete=len(pods) == size,
            restarts=memory.restarts,
            served_before=memory.served_before,
        )
        memory.served_before = memory.served_before or state.ready
        return state
