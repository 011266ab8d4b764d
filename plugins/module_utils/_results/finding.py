# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A finding: the one shape in which every check, failure and diagnosis speaks.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from dataclasses import dataclass

ERROR = "error"
WARNING = "warning"
INFO = "info"
_ORDER = {ERROR: 0, WARNING: 1, INFO: 2}


@dataclass(frozen=True)
class Finding:
    """Something a person should know.

    ``severity`` is ``error``, ``warning`` or ``info``; ``cause`` a stable word that can be tested for
    (``image_pull_failed``); ``evidence`` what was seen, in words; ``hint`` what to do; ``object`` what it is about
    (an option, a pod, a workload).
    """

    severity: str
    cause: str
    evidence: str
    hint: str = ""
    object: str = ""

    def sentence(self) -> str:
        """Return the finding as one line for messages and progress."""
        subject = f"{self.object}: " if self.object else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{subject}{self.evidence}{hint}"

    def as_dict(self) -> dict[str, str]:
        """Return the plain dictionary that results carry."""
        return {
            "severity": self.severity,
            "cause": self.cause,
            "evidence": self.evidence,
            "hint": self.hint,
            "object": self.object,
        }


def most_severe_first(findings: list[Finding] | tuple[Finding, ...]) -> list[Finding]:
    """Return the findings without repetitions, errors first, otherwise in the order they were made."""
    unique = list(dict.fromkeys(findings))
    return sorted(unique, key=lambda finding: _ORDER[finding.severity])


def errors_of(findings: list[Finding] | tuple[Finding, ...]) -> list[Finding]:
    """Return the findings that stop an operation."""
    return [finding for finding in findings if finding.severity == ERROR]
