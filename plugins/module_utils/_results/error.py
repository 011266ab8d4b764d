# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The one exception family. Entry points turn it into a failed task; nobody sees a traceback.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding


class GpuopsError(Exception):
    """A failed operation: a message for the person and the findings behind it.

    ``result`` holds what the task returns besides (what was seen last, what was already changed).
    """

    def __init__(
        self, message: str, findings: list[Finding] | None = None, result: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.findings: list[Finding] = list(findings or [])
        self.result: dict[str, Any] = dict(result or {})

    @classmethod
    def from_finding(cls, finding: Finding, result: dict[str, Any] | None = None) -> GpuopsError:
        """Make the error whose cause is ``finding``; its sentence is the message."""
        return cls(finding.sentence(), [finding], result)

    @classmethod
    def from_findings(cls, findings: list[Finding], result: dict[str, Any] | None = None) -> GpuopsError:
        """Make the error of several findings; the message joins the sentences of those that are errors."""
        stopping = [finding.sentence() for finding in findings if finding.severity == ERROR]
        return cls(" ".join(stopping), findings, result)


class OptionError(GpuopsError):
    """An option, or several together, that cannot be carried out. Nothing was changed."""

    @classmethod
    def of(cls, option: str, found: str, hint: str, cause: str = "invalid_option") -> OptionError:
        """Make the error for ``option``: what was found there and what to do."""
        finding = Finding(ERROR, cause, found, hint, option)
        return cls(finding.sentence(), [finding])


class InterruptedByParent(Exception):
    """ansible-playbook, which started this work, is gone: nothing more is written.

    No ``GpuopsError``, so that nobody who handles a failed operation goes on after it.
    """
