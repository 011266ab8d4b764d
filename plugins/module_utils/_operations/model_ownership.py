# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The operation behind ``model_ownership``: files that the serving identity owns, or can read, and the proof.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import NO_LOOKS, Looks, NotLooked
from ansible_collections.gpuops.inference.plugins.module_utils._operations.ownership_questions import (
    Answers,
    Questions,
)
from ansible_collections.gpuops.inference.plugins.module_utils._options.connection import read_connection
from ansible_collections.gpuops.inference.plugins.module_utils._options.model_ownership import (
    OwnershipOptions,
    read_ownership,
    read_ownership_options,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import (
    REPORT_PATH,
    Look,
    LookCopies,
    LookMount,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.model_files import ModelFiles, Reader
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.select import make_model_files
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import (
    ERROR,
    INFO,
    WARNING,
    Finding,
    errors_of,
    most_severe_first,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible_collections.gpuops.inference.plugins.module_utils._storage.findings import findings_of
from ansible_collections.gpuops.inference.plugins.module_utils._storage.manifest_report import (
    ManifestReport,
    manifest_findings,
)
from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import (
    OwnershipSpec,
    command_of,
    nothing_to_report,
)
from ansible_collections.gpuops.inference.plugins.module_utils._storage.report import FAULTS, WalkReport, is_readable
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import (
    LOOK,
    NO_MANIFEST,
    PROVE,
    REPAIR,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import PREFERRED

# What the job is about: by it, with a digest of the claim, the paths and the workload, one that was left over is found.
# Runs on other paths of the claim, and for other workloads, have jobs of their own.
_WHAT = "files"
_DIGEST_LENGTH = 12
# Seconds that the job gets beyond the walker's own limits, to write its reports.
_MARGIN = 30
_REFUSED = "admission_denied"


@dataclass
class _Outcome:
    """What was seen and done. ``seen`` is the report of root, ``proof`` that of the serving identity; ``serving`` are
    the workloads that serve from the paths now. ``answers`` is all there is where looks leave no reports."""

    mode: str
    seen: WalkReport | None = None
    proof: WalkReport | None = None
    answers: Answers | None = None
    serving: list[Reader] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def apply_ownership(params: dict[str, Any], host: Host) -> dict[str, Any]:
    """See to it that the serving identity owns, or can read, files of a claim, and return the module's result."""
    options, spec = read_ownership_options(params), read_ownership(params)
    files = make_model_files(read_connection(params), host)
    work = _Work(files, host, options, spec)
    try:
        work.carry_out()
    except GpuopsError as error:
        error.findings += work.outcome.findings
        error.result = {**work.result(), **error.result}
        raise
    findings = most_severe_first(work.outcome.findings)
    # In check mode the repair is still to come: what it mends is no failure, and nobody knows what it does not.
    if errors_of(findings) and not host.check_mode:
        raise GpuopsError.from_findings(findings, work.result())
    return {**work.result(), "findings": [finding.as_dict() for finding in findings]}


class _Work:
    """Sees to the files of one claim."""

    def __init__(self, files: ModelFiles, host: Host, options: OwnershipOptions, spec: OwnershipSpec) -> None:
        self._files = files
        self._options = options
        self._spec = spec
        self._looks = Looks(files.platform, host, options.looks_in_check_mode)
        self._denied: Finding | None = None
        self.outcome = _Outcome(LOOK if host.check_mode else REPAIR)

    def carry_out(self) -> None:
        """Look, repair what may be repaired, and prove that it can be read."""
        self._spare_served_files()
        if self._are_all_served and not self._options.look_at_served:
            self._leave_served_files()
            return
        self._stop_for(self._files.check(self._spec.claim, self._options.pods, self._options.apart))
        if self._files.answers_only:
            self._ask()
            return
        look = self._permitted(self._look())
        try:
            self._read(look)
        except NotLooked as error:
            self.outcome.findings.append(self._not_looked(error))
            return
        self.outcome.findings += findings_of(self._spec, self.outcome.seen, self.outcome.proof)
        self._judge_manifest()
        self._judge_served_files()
        self._judge_missing_root()

    def _ask(self) -> None:
        """See to the files by questions, where a look tells nothing but yes or no."""
        questions = Questions(self._looks, self._spec, self._look(), self._options.time_limit / 2)
        self.outcome.answers = questions.answers
        try:
            questions.carry_out(may_repair=self.outcome.mode == REPAIR, is_served=self._spares)
            questions.judge(ERROR if self.outcome.mode == REPAIR else WARNING)
        except NotLooked as error:
            self.outcome.findings.append(self._not_looked(error))
        finally:
            self.outcome.findings += questions.answers.findings
        self.outcome.findings += questions.answers.manifest.findings(self._spec.claim, self._names_of_spared())
        if self._spares and questions.answers.needs_repair:
            self._refuse_to_change("not all is as wanted", bool(questions.answers.is_readable))

    def _not_looked(self, error: NotLooked) -> Finding:
        """Return that nobody looked, where that is no failure; otherwise raise what failed."""
        claim = self._spec.claim
        if self._looks.not_looked_at:
            evidence = "in check mode no job is started, so nobody knows what would be changed."
            return Finding(INFO, "not_looked_at", evidence, "Set looks_in_check_mode.", claim)
        if self._looks.started or not error.is_permission:
            raise error
        evidence = f"nobody looked at the files, so whether they can be read is unknown: {error.findings[0].evidence}"
        hint = error.findings[0].hint
        if self._files.answers_only:
            hint = "Let the service account create trainings, or name the project's cluster by kubeconfig."
        return Finding(WARNING, NO_LOOKS, evidence, hint, claim)

    def result(self) -> dict[str, Any]:
        """Return the outcome in the words of the module's RETURN documentation."""
        seen, proof, answers = self.outcome.seen, self.outcome.proof, self.outcome.answers
        changes = self._changes()
        result: dict[str, Any] = {
            "changed": changes > 0,
            "target": self._files.target().sentence(),
            "claim": self._spec.claim,
            "paths": list(self._spec.paths),
            "mode": self.outcome.mode,
            "ownership": None if seen is None else seen.as_dict(),
            "proof": answers.as_proof() if answers else None if proof is None else proof.as_proof(),
            "manifest": self._known_of_manifest(),
            "serving": [reader.workload for reader in self.outcome.serving],
            "looks": self._looks.started,
            "not_looked_at": list(self._looks.not_looked_at),
        }
        if answers is not None:
            result["answers"] = answers.as_dict()
        if changes and seen is not None:
            result["diff"] = _diff(self._spec, seen, self._manifest)
        return result

    def _changes(self) -> int:
        """Return how many entries and manifests were changed; of a look, how many a repair without check mode would
        change. What only answers tell of counts as one."""
        seen, answers = self.outcome.seen, self.outcome.answers
        if answers is not None:
            only_looks = self.outcome.mode == LOOK and not self._spares
            would_change = only_looks and (answers.needs_repair or answers.manifest.would_write)
            return int(answers.has_repaired or answers.manifest.has_written or would_change)
        if seen is None:
            return 0
        if self.outcome.mode == REPAIR:
            return seen.changed + self._manifest.written
        return 0 if self._spares else seen.would_change + self._manifest.would_write

    def _known_of_manifest(self) -> dict[str, Any] | None:
        """Return what results carry of the manifest."""
        if self._spec.manifest == NO_MANIFEST:
            return None
        answers = self.outcome.answers
        return self._manifest.as_dict() if answers is None else answers.manifest.as_dict()

    @property
    def _manifest(self) -> ManifestReport:
        return ManifestReport.of(self._spec.manifest, self.outcome.seen)

    @property
    def _spares(self) -> bool:
        """Say whether nothing is changed since a workload serves from the paths."""
        return bool(self.outcome.serving) and not self._options.allow_serving

    def _spare_served_files(self) -> None:
        """Only look at files that a workload serves from now, unless it is allowed to change them."""
        readers = self._files.readers(self._spec.claim)
        self.outcome.serving = [reader for reader in readers if any(reader.reads(path) for path in self._spec.paths)]
        if self._spares:
            self.outcome.mode = LOOK

    @property
    def _are_all_served(self) -> bool:
        """Say whether the serving user and group have read every one of the paths: a workload of theirs serves from
        it."""
        own = (self._spec.uid, self._spec.gid)
        readers = [reader for reader in self.outcome.serving if (reader.uid, reader.gid) == own]
        return all(any(reader.reads(path) for reader in readers) for path in self._spec.paths)

    def _leave_served_files(self) -> None:
        """Say that nobody looks, since what serves has read the files."""
        self.outcome.mode = LOOK
        self._looks.not_looked_at.append(f"the files of {self._spec.claim}")
        evidence = f"{self._names_of_serving()} serves from these files now, so they were not looked at."
        hint = "Run the playbook rechown, or set look_at_served: true, to have them looked at."
        self.outcome.findings.append(Finding(INFO, "not_looked_at", evidence, hint, self._spec.claim))

    def _names_of_serving(self) -> str:
        return ", ".join(reader.workload for reader in self.outcome.serving)

    def _judge_manifest(self) -> None:
        """Say which files are not those that were remembered, or that nobody knows."""
        if self._spec.manifest == NO_MANIFEST:
            return
        spared = self._names_of_spared()
        report = self._manifest
        self.outcome.findings += manifest_findings(report, self._spec.claim, spared, may_write=not self._spares)

    def _names_of_spared(self) -> list[str]:
        return [reader.workload for reader in self.outcome.serving if self._spares]

    def _judge_served_files(self) -> None:
        """Say that files were spared that are not as they should be."""
        seen = self.outcome.seen
        if not self._spares or seen is None or not seen.would_change:
            return
        numbers = ", ".join(f"{what}: {seen.found.get(what, 0)}" for what in FAULTS)
        proof = self.outcome.proof
        self._refuse_to_change(f"wrong are {numbers}", proof is not None and is_readable(proof))

    def _refuse_to_change(self, why: str, readable: bool) -> None:
        """Say that files that a workload serves from were spared, and ``why`` that matters: it is a failure unless they
        can be read all the same."""
        evidence = f"{self._names_of_serving()} serves from there now, so nothing was changed; {why}."
        hint = "Set allow_serving: true to repair them all the same, or stop the workload first."
        severity = WARNING if readable else ERROR
        self.outcome.findings.append(Finding(severity, "paths_are_served", evidence, hint, self._spec.claim))

    def _permitted(self, look: Look) -> Look:
        """Return the job as the namespace takes it: without root where that is refused."""
        refusals = self._files.rehearse(look)
        denied = [finding for finding in refusals if finding.cause == _REFUSED]
        if denied:
            look = dataclasses.replace(look, as_root=())
            refusals = self._files.rehearse(look)
        self._stop_for(refusals)
        if denied:
            self.outcome.mode = LOOK
            self._denied = denied[0]
        return look

    def _judge_missing_root(self) -> None:
        """Say that no pod may run as root: an error where something is to be repaired, as far as can be seen."""
        if self._denied is None or self.outcome.proof is None:
            return
        readable = is_readable(self.outcome.proof)
        found = "files were read" if readable else "files were read, and cannot be repaired"
        evidence = f"no pod may run as root here, so {found} as the serving user only: {self._denied.evidence}"
        hint = (
            "Repair them in a namespace with Pod Security level baseline that has the same volume, have this one's "
            "level changed (on OpenShift: a security context constraint with root, CHOWN, DAC_OVERRIDE and FOWNER), "
            f"or download the model again as UID {self._spec.uid}."
        )
        severity = WARNING if readable else ERROR
        self.outcome.findings.append(Finding(severity, "root_not_allowed", evidence, hint, "namespace"))

    def _look(self) -> Look:
        """Return the job: a container as root that looks, or repairs, then one as the serving identity that reads."""
        most = self._options.copies_from if self._options.copies > 1 and self.outcome.mode == REPAIR else 0
        return Look(
            workload=self._options.name,
            what=f"{_WHAT}-{_question(self._spec, self._options.workload)}",
            place=self._options.place,
            command=self._command(PROVE),
            as_root=self._command(self.outcome.mode, most=most),
            time_limit=self._options.time_limit + _MARGIN,
            start_limit=self._options.start_timeout,
            mounts=(LookMount(self._spec.claim, self._spec.mount_path, self.outcome.mode != REPAIR),),
        )

    def _command(self, mode: str, most: int = 0, shares: int = 1) -> tuple[str, ...]:
        """Return the command of one container, which may take half of the time."""
        return command_of(self._spec.task(mode, self._options.time_limit / 2, REPORT_PATH, most, shares))

    def _read(self, look: Look) -> None:
        """Carry the job out and take in its reports. Where there is too much to change for one, several go on, and then
        it is carried out again: what it finds mended costs it little, and only it sees all names of a file."""
        self._carry_out(look)
        first = self.outcome.seen
        if first is None or not first.is_too_large:
            return
        shares = self._share(look, first)
        so_far = self.outcome.seen = first.after([], shares)
        try:
            self._carry_out(dataclasses.replace(look, as_root=self._command(REPAIR)))
        finally:
            last = self.outcome.seen
            if last is not so_far:
                self.outcome.seen = last.after([first], shares)

    def _carry_out(self, look: Look) -> None:
        try:
            report = WalkReport.read(self._looks.run(look, f"the files of {self._spec.claim}"))
        finally:
            # What was changed is told also where the proof failed after it.
            seen = WalkReport.of(self._looks.root_report)
            if seen is not None:
                self.outcome.seen = seen
        # Where root did not get through, the proof never began.
        if report.mode == PROVE:
            self.outcome.proof = report

    def _share(self, look: Look, first: WalkReport) -> list[WalkReport]:
        """Let several pods repair one share of the files each, and return what they report. One that does not get
        through has left its files to the job that comes after them."""
        copies = self._options.copies
        refused = errors_of(self._files.check(self._spec.claim, copies, apart=True))
        if refused:
            return self._not_shared(first, refused[0])
        # The same kind of look as the job's, so that the next run also removes one that was left over.
        shares = dataclasses.replace(
            look,
            command=nothing_to_report(REPORT_PATH),
            as_root=self._command(REPAIR, shares=copies),
            copies=LookCopies(copies, PREFERRED, meet=False),
        )
        started = self._looks.started
        try:
            outcomes = self._looks.run_copies(shares, f"shares of the files of {self._spec.claim}")
        except NotLooked as error:
            return self._not_shared(first, error.findings[0], self._looks.started > started)
        reports = [report for report in (WalkReport.of(one.root_report) for one in outcomes) if report is not None]
        finished = sum(report.finished for report in reports)
        failures = [outcome.failure.evidence for outcome in outcomes if outcome.failure is not None]
        because = f": {failures[0]}" if failures else "."
        evidence = (
            f"after {first.changed} changed entries {copies} pods shared the rest, {finished} got through{because}"
        )
        self.outcome.findings.append(Finding(INFO, "shared_repair", evidence, "", self._spec.claim))
        return reports

    def _not_shared(self, first: WalkReport, refusal: Finding, have_begun: bool = False) -> list[WalkReport]:
        what = "the rest was left to one pod"
        if have_begun:
            what = "several pods began with the rest, and nobody knows how far they got"
        evidence = f"after {first.changed} changed entries {what}: {refusal.evidence}"
        self.outcome.findings.append(Finding(INFO, "not_shared", evidence, refusal.hint, self._spec.claim))
        return []

    def _stop_for(self, findings: list[Finding]) -> None:
        """Stop where there is an error among the findings; keep the others."""
        if errors_of(findings):
            raise GpuopsError.from_findings(findings)
        self.outcome.findings += findings


def _question(spec: OwnershipSpec, workload: str) -> str:
    """Return a short digest of which files it is about, and whose: workloads of one play may share them."""
    text = json.dumps([spec.claim, sorted(spec.paths), workload])
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def _diff(spec: OwnershipSpec, seen: WalkReport, manifest: ManifestReport) -> dict[str, str]:
    """Return the difference as ``--diff`` prints it: how many entries are wrong, before and after, and the manifest
    where it is another one then."""
    after: Mapping[str, int] = seen.left if seen.mode == REPAIR else {}
    where = f"{spec.claim}: {', '.join(path or '/' for path in spec.paths)}"
    return {
        "before_header": f"{where} (found)",
        "after_header": f"{where} (repaired)",
        "before": _lines(seen.found) + manifest.line_before(),
        "after": _lines(after) + manifest.line_after(),
    }


def _lines(counts: Mapping[str, int]) -> str:
    return "".join(f"wrong {what}: {counts.get(what, 0)}\n" for what in FAULTS)
