# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is known of a model's files by their manifests, and what that means to a person. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._storage.report import DIFFERENCES, WalkReport
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import HASHES, MANIFEST_NAME, SIZES

# What is known: the files are those of the manifest, it was written for the first time, it was renewed since they
# differ, they differ and it was left, there is none, or nobody knows.
SAME, WRITTEN, RENEWED, DIFFERS, MISSING, UNKNOWN = "same", "written", "renewed", "differs", "missing", "unknown"
# What to do where files differ under a workload that serves, and where nobody needs to know.
HINT_TO_ALLOW = (
    "Put the files back, or serve the new ones anew: stop the workload, or set allow_serving: true to take them."
)
HINT_TO_GO_WITHOUT = "Set manifest: none if nobody needs to know."
# What makes a manifest be written, in the words of the walker's report.
_NOT_RIGHT = ("absent", "invalid", "differs", "incomplete", "misowned")
# A path that is not there has a finding of its own.
_TOLD_ELSEWHERE = {"ENOENT"}
_WHY_UNKNOWN = {
    "too_many": "there are more files than a model has",
    "time_up": "its time was up",
    "changing": "files changed meanwhile",
    "vanished": "files vanished meanwhile",
    "not_given_away": "the storage gives no file to the serving user",
    "ELOOP": "a link is not followed",
    "ENOTDIR": "a single file has no folder for it",
    "EROFS": "the volume is read-only",
    "ENOSPC": "the volume is full",
    "EDQUOT": "the quota of the volume is used up",
}


@dataclass(frozen=True)
class ManifestReport:
    """What a run of the walker found of the manifests of the given folders, and did with them. ``wanted``: ``sizes`` or
    ``hashes``; ``counts`` is empty where nobody looked."""

    wanted: str
    counts: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, wanted: str, seen: WalkReport | None) -> ManifestReport:
        """Return what a report of root says of manifests."""
        if seen is None:
            return cls(wanted)
        return cls(wanted, seen.manifest, {what: seen.examples.get(what, ()) for what in DIFFERENCES})

    @property
    def state(self) -> str:
        """Return what is known, of several folders the worst."""
        written = bool(self.counts.get("written"))
        if not self.counts or self.counts.get("unknown") or (self.counts.get("invalid") and not written):
            return UNKNOWN
        if self.counts.get("differs") or self.counts.get("invalid"):
            return RENEWED if written else DIFFERS
        if self.counts.get("absent") and not written:
            return MISSING
        return WRITTEN if written else SAME

    @property
    def written(self) -> int:
        """Return how many manifests were written."""
        return self.counts.get("written", 0)

    @property
    def would_write(self) -> int:
        """Return how many manifests a repair would write, at most, as a look has seen it."""
        return sum(self.counts.get(what, 0) for what in _NOT_RIGHT)

    def differences(self) -> str:
        """Return how many files differ, with some of them, as a part of a sentence."""
        numbers = ", ".join(f"{what} {self.counts.get(what, 0)}" for what in DIFFERENCES)
        paths = [path for what in reversed(DIFFERENCES) for path in self.examples.get(what, ())][:3]
        return numbers + (f" (such as {', '.join(paths)})" if paths else "")

    def line_before(self) -> str:
        """Return how it was, as the difference of a run shows it; empty where nothing of it changes."""
        if not self._is_another:
            return ""
        kinds = [f"{what} {self.counts[what]}" for what in _NOT_RIGHT if self.counts.get(what)]
        return f"manifest: {', '.join(kinds)}{'; files ' + self.differences() if self.counts.get('differs') else ''}\n"

    def line_after(self) -> str:
        """Return how it is then."""
        return f"manifest: of {self.counts.get('files', 0)} files\n" if self._is_another else ""

    @property
    def _is_another(self) -> bool:
        return bool(self.written or (self.would_write and not self.counts.get("unknown")))

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        compared = None if self.state in (UNKNOWN, MISSING) or self.counts.get("absent") else self.wanted
        if compared == HASHES and self.counts.get("incomplete"):
            compared = SIZES
        return {
            "state": self.state,
            "compared": compared,
            "files": self.counts.get("files", 0),
            **{what: self.counts.get(what, 0) for what in DIFFERENCES},
            "examples": {what: list(paths) for what, paths in self.examples.items() if paths},
        }

    def reasons(self) -> list[str]:
        """Return why of some folders nothing is known, in the words of the walker's report."""
        return sorted(what[len("reason ") :] for what in self.counts if what.startswith("reason "))

    def why_unknown(self) -> str:
        """Return why nothing is known, as a part of a sentence."""
        if self.counts.get("invalid"):
            return f"{MANIFEST_NAME} is none that this collection has written"
        told = [_WHY_UNKNOWN.get(reason, f"the storage refuses it ({reason})") for reason in self.reasons()]
        return ", ".join(told) or "to read it takes a look as root that leaves a report, with python3"


def manifest_findings(report: ManifestReport, claim: str, serving: Sequence[str], may_write: bool) -> list[Finding]:
    """Return what a person should know of the files of a claim by their manifests.

    ``serving`` are the workloads that serve from them now, and whose files are left alone: what was changed under them
    is an error, since pods that start again, and other replicas, would read something else than those that run.
    ``may_write``: a manifest that is missing is written by this run, or by the one that check mode stands for.
    """
    findings = []
    if report.counts.get("differs"):
        findings.append(_differ(report, claim, serving))
    is_told = bool(report.reasons()) and set(report.reasons()) <= _TOLD_ELSEWHERE
    if (report.state == UNKNOWN and not is_told) or report.counts.get("invalid"):
        evidence = f"whether the files are those of an earlier run is unknown: {report.why_unknown()}."
        findings.append(Finding(INFO, "manifest_unknown", evidence, HINT_TO_GO_WITHOUT, claim))
    elif report.state == MISSING and not may_write:
        evidence = "whether the files are those of an earlier run is unknown: there is no manifest of them yet."
        hint = "It is written by a run while nobody serves from there, or with allow_serving: true."
        findings.append(Finding(INFO, "manifest_unknown", evidence, hint, claim))
    return findings


def _differ(report: ManifestReport, claim: str, serving: Sequence[str]) -> Finding:
    found = f"since their manifest was written, files are {report.differences()}"
    if not serving:
        evidence = f"{found}{'; it is renewed' if report.written else ''}."
        return Finding(INFO, "model_files_changed", evidence, "", claim)
    # What was added alone is read by nobody who runs, and is how a new revision comes into a cache.
    others = report.counts.get("changed") or report.counts.get("removed")
    evidence = f"{', '.join(serving)} serves from there now, and {found}."
    return Finding(ERROR if others else WARNING, "served_files_changed", evidence, HINT_TO_ALLOW, claim)
