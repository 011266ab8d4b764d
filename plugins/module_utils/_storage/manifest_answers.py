# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is known of manifests where looks tell nothing but yes or no, and what that means to a person. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._storage.manifest_report import (
    DIFFERS,
    HINT_TO_ALLOW,
    HINT_TO_GO_WITHOUT,
    SAME,
    UNKNOWN,
    WRITTEN,
)
from ansible_collections.gpuops.inference.plugins.module_utils._storage.report import DIFFERENCES


@dataclass
class ManifestAnswer:
    """What was answered about the manifests of the given folders. ``wanted``: ``sizes`` or ``hashes``; ``state`` is one
    of the words of ``manifest_report``; ``why_unknown`` is a part of a sentence. ``has_written``: one was written, or
    may have been; ``would_write``: a run without check mode would try to."""

    wanted: str
    state: str = UNKNOWN
    why_unknown: str = ""
    has_written: bool = False
    would_write: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry: how many files there are, and which differ, is not known."""
        return {
            "state": self.state,
            "compared": self.wanted if self.state == SAME else None,
            "files": None,
            **dict.fromkeys(DIFFERENCES),
            "examples": {},
        }

    def findings(self, claim: str, serving: Sequence[str]) -> list[Finding]:
        """Return what a person should know; ``serving`` are the workloads whose files were left alone."""
        if self.state == DIFFERS:
            evidence = (
                f"{', '.join(serving)} serves from there now, and since the files' manifest was written, some of them "
                "were changed or removed. Which ones is unknown."
            )
            return [Finding(ERROR, "served_files_changed", evidence, HINT_TO_ALLOW, claim)]
        if self.state == WRITTEN:
            evidence = (
                "the manifest is that of the files as they are now. Whether there was one before, and whether files "
                "differed from it, is unknown."
            )
            return [Finding(INFO, "manifest_written", evidence, "", claim)]
        if self.state == UNKNOWN and self.why_unknown:
            evidence = f"whether the files are those of an earlier run is unknown: {self.why_unknown}."
            return [Finding(INFO, "manifest_unknown", evidence, HINT_TO_GO_WITHOUT, claim)]
        return []
