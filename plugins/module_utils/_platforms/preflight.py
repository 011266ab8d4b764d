# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of a platform before anything is deployed there, and how it answers. Values only.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    ERROR,
    INFO,
    WARNING,
    Finding,
    most_severe_first,
)

PASSED = "passed"
FAILED = "failed"
DOUBTFUL = "warning"
UNKNOWN = "unknown"

_SEVERITY = {FAILED: ERROR, DOUBTFUL: WARNING, UNKNOWN: INFO}


@dataclass(frozen=True)
class PreflightNeeds:
    """What shall run there: ``replicas`` of ``pods`` pods (leader included) with ``gpus_per_pod`` whole GPUs each, that
    mount the volume claims ``claims``. ``gpus_per_pod`` is ``None`` where nothing is said about GPUs."""

    gpus_per_pod: int | None = None
    pods: int = 1
    replicas: int = 1
    claims: tuple[str, ...] = ()

    @property
    def gpus(self) -> int:
        """Return the GPUs of all pods together; 0 where nothing is said about them."""
        return (self.gpus_per_pod or 0) * self.pods * self.replicas

    @property
    def all_pods(self) -> int:
        """Return the pods of all replicas."""
        return self.pods * self.replicas


@dataclass(frozen=True)
class PreflightCheck:
    """One thing that was checked.

    ``name`` says what (``permissions``, ``quota``); ``status`` is ``passed``, ``warning`` (it works, with less),
    ``failed`` (a workload as asked for would not run) or ``unknown`` (it could not be seen). ``cause`` is the stable
    word of its finding, which every warning and failure has.
    """

    name: str
    status: str
    evidence: str
    hint: str = ""
    cause: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {"name": self.name, "status": self.status, "evidence": self.evidence, "hint": self.hint}

    def finding(self) -> Finding | None:
        """Return the check as a finding; ``None`` where it passed."""
        severity = _SEVERITY.get(self.status)
        if severity is None:
            return None
        # What is checked of several things has their names behind the first word: ``claim my-project-models``.
        cause = self.cause or f"{self.name.partition(' ')[0]}_unknown"
        return Finding(severity, cause, self.evidence, self.hint, self.name)


def from_findings(name: str, findings: Sequence[Finding], otherwise: str) -> PreflightCheck:
    """Return the check that some findings make: as grave as the gravest, with its hint; ``otherwise`` is the evidence
    where there is none."""
    if not findings:
        return PreflightCheck(name, PASSED, otherwise)
    first, *_rest = most_severe_first(list(findings))
    status = next(status for status, severity in _SEVERITY.items() if severity == first.severity)
    evidence = " ".join(dict.fromkeys(finding.evidence for finding in most_severe_first(list(findings))))
    return PreflightCheck(name, status, evidence, first.hint, first.cause)
