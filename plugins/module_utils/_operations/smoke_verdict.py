# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the smoke test says.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations.gpu_figures import PodGpus
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import Endpoint, PodStatus
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import Finding, most_severe_first

PASSED = "passed"
FAILED = "failed"
UNKNOWN = "unknown"
SKIPPED = "skipped"
# From the best to the worst; a level that was skipped was asked for and proves nothing.
_BAD_FIRST = (FAILED, UNKNOWN, SKIPPED, PASSED)

LEVELS = {"L0": "pods and ranks", "L1": "model list", "L2": "completion", "L4": "GPU memory"}


@dataclass(frozen=True)
class LevelResult:
    """One level: ``status`` is ``passed``, ``failed``, ``unknown`` or ``skipped``; ``reason`` is a sentence."""

    level: str
    status: str
    reason: str
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {
            "level": self.level,
            "name": LEVELS[self.level],
            "status": self.status,
            "reason": self.reason,
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True)
class WorldSize:
    """The ranks that the engine itself reports, never what we planned. ``value`` is ``None`` where it does not say;
    ``source`` says where the value comes from, or why there is none."""

    value: int | None
    source: str


@dataclass(frozen=True)
class ServedModel:
    """One entry of the model list; ``max_model_len`` in tokens, ``None`` where the engine does not say."""

    name: str
    max_model_len: int | None


@dataclass(frozen=True)
class Answer:
    """A completion: its text (shortened), the seconds of the first and the second request, the path that was asked.

    ``repeatable``: the same request gave the same text again. It is information only.
    """

    text: str
    seconds: float
    second_seconds: float
    repeatable: bool
    path: str
    model: str

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {
            "text": self.text,
            "seconds": round(self.seconds, 2),
            "second_seconds": round(self.second_seconds, 2),
            "repeatable": self.repeatable,
            "path": self.path,
            "model": self.model,
        }


@dataclass(frozen=True)
class SmokeVerdict:
    """What the smoke test says. ``replicas_proven`` of ``replicas`` answered the last request that was sent.

    ``gpus`` are those that the pods see; ``looks`` were started inside the cluster, and ``not_looked_at`` is what check
    mode left out.
    """

    levels: tuple[LevelResult, ...]
    findings: list[Finding]
    world_size: WorldSize
    pods: tuple[PodStatus, ...]
    pods_expected: int
    replicas_proven: int
    replicas: int
    endpoint: Endpoint | None = None
    models: tuple[ServedModel, ...] = ()
    answer: Answer | None = None
    gpus: tuple[PodGpus, ...] = ()
    looks: int = 0
    not_looked_at: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Return the worst status of the levels; a skipped level counts as unknown, so ``passed`` means all of them."""
        worst = min((level.status for level in self.levels), key=_BAD_FIRST.index)
        return UNKNOWN if worst == SKIPPED else worst

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {
            "verdict": self.verdict,
            "levels": [level.as_dict() for level in self.levels],
            "findings": [finding.as_dict() for finding in most_severe_first(self.findings)],
            "world_size": {"value": self.world_size.value, "source": self.world_size.source},
            "pods_seen": [pod.as_dict() for pod in self.pods],
            "pods_expected": self.pods_expected,
            "replicas_proven": f"{self.replicas_proven} of {self.replicas}",
            "endpoint": self.endpoint.url if self.endpoint else None,
            "models": [{"name": model.name, "max_model_len": model.max_model_len} for model in self.models],
            "answer": self.answer.as_dict() if self.answer else None,
            "gpus": [row for figure in self.gpus for row in figure.rows()],
            "looks": self.looks,
            "not_looked_at": list(self.not_looked_at),
            "timings": {level.level: round(level.seconds, 2) for level in self.levels},
        }
