# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Judges from the commands that the pods run whether they form one engine, and whether every GPU has a rank. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.gpuops.inference.plugins.module_utils._operations.engine_command import (
    NATIVE,
    NOTHING,
    OWN_ENGINE,
    RAY,
    EngineCommand,
    read_command,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import ReplicaLayout
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, Finding


@dataclass(frozen=True)
class EngineLayout:
    """One replica as its commands make it.

    ``gpus``: of all pods together (``None``: not stated as whole GPUs). The parallel sizes are ``None`` where they
    cannot be read (a configuration file, a shell variable). ``joined_by`` says how followers join the leader's engine:
    ``native`` (``--nnodes``), ``ray``, ``own_engine`` (they do not), ``nothing`` (no engine was recognised), or
    ``alone`` (there are no followers).
    """

    pods: int
    gpus: int | None
    tensor_parallel_size: int | None
    pipeline_parallel_size: int | None
    data_parallel_size: int | None
    joined_by: str
    served_names: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def ranks(self) -> int | None:
        """Return the ranks of the leader's engine: tensor x pipeline x data parallel, ``None`` where unknown."""
        sizes = (self.tensor_parallel_size, self.pipeline_parallel_size, self.data_parallel_size)
        if None in sizes:
            return None
        return (sizes[0] or 1) * (sizes[1] or 1) * (sizes[2] or 1)


ALONE = "alone"


def read_engine(layout: ReplicaLayout, name: str) -> EngineLayout:
    """Return how the pods of one replica of the workload ``name`` work together, with what is wrong about it."""
    leader = read_command(layout.leader, layout.pods, is_leader=True)
    follower = read_command(layout.follower, layout.pods, is_leader=False) if layout.follower else None
    engine = EngineLayout(
        pods=layout.pods,
        gpus=_gpus(layout),
        tensor_parallel_size=leader.tensor_parallel_size,
        pipeline_parallel_size=leader.pipeline_parallel_size,
        data_parallel_size=leader.data_parallel_size,
        joined_by=follower.joins if follower else ALONE,
        served_names=leader.served_names,
        findings=(),
    )
    findings = _Judge(layout, engine, leader, follower, name).findings()
    return replace(engine, findings=tuple(findings))


def _gpus(layout: ReplicaLayout) -> int | None:
    """Return the GPUs of one replica, or ``None`` where a role does not state whole GPUs."""
    roles = [role for role in (layout.leader, layout.follower) if role is not None]
    if any(role.gpus is None for role in roles):
        return None
    return sum(role.pods * (role.gpus or 0) for role in roles)


@dataclass(frozen=True)
class _Judge:
    """The judgement of one replica; every method returns what is wrong about one thing."""

    layout: ReplicaLayout
    engine: EngineLayout
    leader: EngineCommand
    follower: EngineCommand | None
    name: str

    def findings(self) -> list[Finding]:
        """Return everything that is wrong, the fundamental first."""
        if self.leader.joins == NOTHING:
            return [
                self._finding(
                    INFO,
                    "engine_not_recognised",
                    "no vLLM command was recognised in what the leader runs, so ranks cannot be judged from it.",
                    "Only levels L1 and L2 can say whether it serves.",
                )
            ]
        if self.follower is not None and self.follower.joins == NOTHING and self.leader.joins in (NATIVE, RAY):
            return [
                *self._rank_mismatch(),
                *self._idle_gpus(),
                self._finding(
                    INFO,
                    "engine_not_recognised",
                    "no vLLM command was recognised in what the followers run; whether they join the leader is "
                    "not judged.",
                    "Only levels L1 and L2 can say whether it serves.",
                ),
            ]
        fundamental = self._independent_engines() or self._followers_without_engine()
        return fundamental or [*self._rank_mismatch(), *self._idle_gpus()]

    def _independent_engines(self) -> list[Finding]:
        if self.follower is None or self.follower.joins != OWN_ENGINE:
            return []
        pods = self.layout.pods
        serving = f"{self.layout.leader.gpus} of {self.engine.gpus}" if self.engine.gpus else "only the leader's"
        return [
            self._finding(
                ERROR,
                "independent_engines",
                f"{pods} pods run {pods} separate engines{self._sizes_text()}; requests reach the leader's only, so "
                f"{serving} GPUs serve and nothing crosses between pods.",
                f"One engine over {pods} pods needs `--pipeline-parallel-size {pods} --nnodes {pods}`, its own "
                "`--node-rank` on every pod and `--headless` on the followers; `vllm_workload` with `pods` renders "
                "that. Mind that Run:ai's `workers` leaves the leader out.",
            )
        ]

    def _followers_without_engine(self) -> list[Finding]:
        if self.follower is None or self.follower.joins != NOTHING or self.leader.joins in (NATIVE, RAY):
            return []
        idle = (self.layout.follower.pods * (self.layout.follower.gpus or 0)) if self.layout.follower else 0
        return [
            self._finding(
                ERROR,
                "idle_gpus",
                f"the {self.layout.pods - 1} followers run nothing that joins the leader's engine: {idle} of "
                f"{self.engine.gpus} GPUs are idle.",
                "Followers run the leader's command with their own `--node-rank` and `--headless`, or start Ray "
                "against it.",
            )
        ]

    def _rank_mismatch(self) -> list[Finding]:
        found = []
        for role, command in (("leader", self.leader), ("followers", self.follower)):
            if command is not None and command.nodes is not None and command.nodes != self.layout.pods:
                more = command.nodes > self.layout.pods
                effect = "the engine waits for pods that never come" if more else "the other pods have no place in it"
                found.append(
                    self._finding(
                        ERROR,
                        "rank_mismatch",
                        f"the {role} count {command.nodes} pods in the engine, but a replica has "
                        f"{self.layout.pods}: {effect}.",
                        "`--nnodes` (with Ray: `--ray_cluster_size`) is the number of pods, leader included.",
                    )
                )
        if self.follower is not None and self.leader.joins == self.follower.joins == NATIVE and self.leader.nodes:
            found.extend(self._node_rank_mismatch(self.follower))
        ranks, gpus = self.engine.ranks, self.engine.gpus
        if ranks is not None and gpus and ranks > gpus:
            found.append(
                self._finding(
                    ERROR,
                    "rank_mismatch",
                    f"the engine wants {ranks} ranks{self._sizes_text()}, but the {self.layout.pods} pods have "
                    f"{gpus} GPUs.",
                    "Tensor x pipeline x data parallel must equal the number of GPUs.",
                )
            )
        return found

    def _node_rank_mismatch(self, follower: EngineCommand) -> list[Finding]:
        hint = "Every pod has its own `--node-rank`: `$(LWS_WORKER_INDEX)`, which is 0 on the leader."
        if self.leader.node_rank not in (None, 0):
            evidence = f"the leader has `--node-rank {self.leader.node_rank}`; only rank 0 serves."
        elif follower.node_rank is not None and follower.node_rank == self.leader.node_rank:
            evidence = f"followers have the same `--node-rank {follower.node_rank}` as the leader."
        elif follower.node_rank is not None and self.layout.pods > 2:
            evidence = f"all {self.layout.pods - 1} followers have the same `--node-rank {follower.node_rank}`."
        else:
            return []
        return [self._finding(ERROR, "rank_mismatch", evidence, hint)]

    def _idle_gpus(self) -> list[Finding]:
        ranks, gpus = self.engine.ranks, self.engine.gpus
        if ranks is None or not gpus or ranks >= gpus:
            return []
        return [
            self._finding(
                ERROR,
                "idle_gpus",
                f"the engine has {ranks} ranks{self._sizes_text()}, but the {self.layout.pods} pods hold {gpus} GPUs: "
                f"{gpus - ranks} are idle.",
                "Tensor x pipeline x data parallel must equal the number of GPUs.",
            )
        ]

    def _sizes_text(self) -> str:
        words = (
            ("TP", self.engine.tensor_parallel_size),
            ("PP", self.engine.pipeline_parallel_size),
            ("DP", self.engine.data_parallel_size),
        )
        stated = [f"{word}={size}" for word, size in words if size is not None and (size > 1 or word != "DP")]
        return f" ({', '.join(stated)})" if stated else ""

    def _finding(self, severity: str, cause: str, evidence: str, hint: str) -> Finding:
        return Finding(severity, cause, evidence, hint, self.name)
