# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Sees to model files by questions, where a job tells nothing but yes or no: look, repair, look again.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import Looks, NotLooked
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import said
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookMount
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._storage import questions
from ansible_collections.gpuops.inference.plugins.module_utils._storage.manifest_answers import ManifestAnswer
from ansible_collections.gpuops.inference.plugins.module_utils._storage.manifest_report import DIFFERS, SAME, WRITTEN
from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import OwnershipSpec
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import NO_MANIFEST, OWNED, READABLE

# Seconds that a training gets beyond the walker's own limit.
_MARGIN = 30.0
_ROOT = 0
# What a proof tells beside its verdict, and an answer does not.
_UNKNOWN = ("files", "directories", "unreadable", "unlisted", "examples")
# Why nothing is known of a manifest. "No" may mean any of these.
_NOT_WRITTEN = (
    "root could not write a manifest of them (a read-only or squashed volume, a single file, more files than a model "
    "has, an image without python3, or its time was up)"
)
_NOT_RIGHT = "not all of them are as wanted"
_NOT_COMPARED = (
    "there is no manifest of them yet, or files were added, or it could not be compared; none is known to be changed "
    "or removed"
)
_WOULD_WRITE = "there is no manifest of them yet, or they differ from it; a run without check mode writes it"


@dataclass
class Answers:
    """What was answered: what is known of the ``manifest``, whether all files were as wanted ``before`` and ``after`` a
    repair, and, where they are not, whether everything ``is_readable`` all the same and whether the paths ``are_there``
    (``None``: nobody asked). ``has_repaired``: a repair ran, so it changed something, or tried to."""

    manifest: ManifestAnswer
    before: bool | None = None
    after: bool | None = None
    is_readable: bool | None = None
    are_there: bool | None = None
    has_repaired: bool = False
    findings: list[Finding] = field(default_factory=list)

    @property
    def needs_repair(self) -> bool:
        """Say whether a repair is what the answers so far ask for."""
        return self.before is False and self.after is None and self.are_there is not False

    @property
    def is_as_wanted(self) -> bool:
        """Say whether the last answer was yes."""
        return bool(self.before if self.after is None else self.after)

    def as_dict(self) -> dict[str, bool | None]:
        """Return the plain dictionary that results carry."""
        return {"before": self.before, "after": self.after}

    def as_proof(self) -> dict[str, Any] | None:
        """Return what results carry of a proof: nothing where the last answer was no, which says not why."""
        is_readable = self.is_as_wanted or self.is_readable
        return {"readable": True, **dict.fromkeys(_UNKNOWN)} if is_readable else None


class Questions:
    """The questions about the files of one claim. ``look`` is one as they run: its name, place and limit to start;
    ``seconds`` is the limit of each."""

    def __init__(self, looks: Looks, spec: OwnershipSpec, look: Look, seconds: float) -> None:
        self._looks = looks
        self._spec = spec
        self._look = dataclasses.replace(look, as_root=(), time_limit=seconds + _MARGIN)
        self._seconds = seconds
        self._said: list[str] = []
        self.answers = Answers(ManifestAnswer(spec.manifest))

    def carry_out(self, may_repair: bool, is_served: bool) -> None:
        """Look; repair and look again if the first look says no and that is allowed. Where files are right and their
        manifest is not, write that. ``is_served``: nothing is changed since a workload serves from the paths.

        Raises ``NotLooked`` where something could not be asked; ``answers`` is then as far as it came.
        """
        self.answers.before = self._ask_for_all()
        self.answers.findings.append(self._unknown())
        if may_repair and not self.answers.before:
            self._repair()
            self.answers.after = self._ask_for_all()
            # The repair writes it, too.
            if self._manifest.state == SAME:
                self._manifest.state = WRITTEN
        elif self._spec.manifest != NO_MANIFEST and self._manifest.state != SAME:
            self._see_to_manifest(may_repair, is_served)

    def judge(self, severity: str) -> None:
        """Where the last answer was no, ask what can be asked of why, and tell it as a finding of this severity: as a
        warning where everything can be read all the same, so that it can be served."""
        if self.answers.is_as_wanted or self.answers.before is None:
            return
        # One that cannot be asked leaves the reason unknown, and nothing else.
        with contextlib.suppress(NotLooked):
            self._ask_why()
        is_missing = self.answers.are_there is False
        self.answers.findings.append(self._missing() if is_missing else self._not_as_wanted(severity))

    def _ask_why(self) -> None:
        """Ask whether everything can be read all the same and, if not, whether the paths are there."""
        if self._spec.ensure == OWNED:
            as_it_is = dataclasses.replace(self._spec, ensure=READABLE)
            look = self._asking(questions.is_as_wanted(as_it_is, self._seconds))
            self.answers.is_readable = self._looks.ask(look, f"whether the files of {self._spec.claim} can be read")
        if not self.answers.is_readable:
            look = self._asking(questions.are_there(self._spec), as_root=True)
            self.answers.are_there = self._looks.ask(look, f"whether the paths are on {self._spec.claim}")

    @property
    def _manifest(self) -> ManifestAnswer:
        return self.answers.manifest

    def _ask_for_all(self) -> bool:
        """Ask, as the serving identity, whether all files are as wanted. What is right with its manifest costs one
        question; after a no that of the files alone is asked."""
        if self._spec.manifest == NO_MANIFEST:
            return self._ask_for_files(with_manifest=False)
        if self._ask_for_files(with_manifest=True):
            self._manifest.state = SAME
            return True
        answer = self._ask_for_files(with_manifest=False)
        self._manifest.why_unknown = _NOT_WRITTEN if answer else _NOT_RIGHT
        return answer

    def _ask_for_files(self, with_manifest: bool) -> bool:
        look = self._asking(questions.is_as_wanted(self._spec, self._seconds, with_manifest))
        answer = self._looks.ask(look, f"the files of {self._spec.claim}")
        self._said = said(self._looks.last.status) if self._looks.last is not None else []
        return answer

    def _repair(self) -> None:
        """Repair as root. How it ends is of no interest: the next look tells what came of it."""
        look = self._asking(questions.repaired(self._spec, self._seconds), as_root=True, read_only=False)
        try:
            self._looks.ask(look, f"the files of {self._spec.claim}, to repair them")
        finally:
            self.answers.has_repaired = self._looks.ran
            if self._looks.ran:
                self.answers.findings.append(self._rights_of_root("the repair"))

    def _see_to_manifest(self, may_write: bool, is_served: bool) -> None:
        """Find out what is wrong with a manifest, or write it. That this cannot be done leaves it unknown."""
        with contextlib.suppress(NotLooked):
            if may_write:
                self._write_manifest()
            elif is_served:
                self._compare_served_files()
            elif self.answers.before:
                self._manifest.would_write = True
                self._manifest.why_unknown = _WOULD_WRITE

    def _write_manifest(self) -> None:
        """Write the manifest as root: its yes is that something was written. After no end it may have been."""
        look = self._asking(questions.is_written(self._spec, self._seconds), as_root=True, read_only=False)
        is_written: bool | None = None
        try:
            is_written = self._looks.ask(look, f"the files of {self._spec.claim}, to write their manifest")
        finally:
            self._manifest.has_written = self._looks.ran if is_written is None else is_written
            if self._looks.ran:
                self.answers.findings.append(self._rights_of_root("what writes the manifest"))
        if is_written:
            self._manifest.state = WRITTEN

    def _compare_served_files(self) -> None:
        """Ask whether files that a workload serves from were changed: only a yes is taken for an answer."""
        if self.answers.before:
            self._manifest.why_unknown = _NOT_COMPARED
        look = self._asking(questions.is_another(self._spec, self._seconds))
        if self._looks.ask(look, f"whether files of {self._spec.claim} were changed"):
            self._manifest.state = DIFFERS

    def _asking(self, command: tuple[str, ...], as_root: bool = False, read_only: bool = True) -> Look:
        place = self._look.place
        if as_root:
            # With the workload's group: Linux takes the set-group-ID bit off what is given a mode from outside of it.
            place = dataclasses.replace(place, run_as=dataclasses.replace(place.run_as, uid=_ROOT))
        mount = LookMount(self._spec.claim, self._spec.mount_path, read_only)
        return dataclasses.replace(self._look, place=place, command=command, mounts=(mount,))

    def _unknown(self) -> Finding:
        evidence = (
            "Run:ai's API tells only whether a training succeeded, so how many files were wrong, and which, is unknown."
        )
        hint = "Name the project's cluster by kubeconfig, or another option of Kubernetes, to have them counted."
        return Finding(INFO, "counts_unknown", evidence, hint, self._spec.claim)

    def _rights_of_root(self, what: str) -> Finding:
        evidence = (
            f"{what} ran as root with all capabilities that containers have by default: Run:ai's API cannot take "
            "them away."
        )
        hint = "With a kubeconfig it has CHOWN, DAC_OVERRIDE and FOWNER only."
        return Finding(INFO, "default_capabilities", evidence, hint, self._spec.claim)

    def _missing(self) -> Finding:
        names = ", ".join(path or "/" for path in self._spec.paths)
        evidence = (
            f"not all of these are on the claim {self._spec.claim}, or one leads through a link out of it: {names}."
        )
        return Finding(ERROR, "path_missing", evidence, "Correct the path, or put the model there.", "paths")

    def _not_as_wanted(self, severity: str) -> Finding:
        wanted = (
            f"belongs to {self._spec.identity} with the wanted modes, and can be read by it"
            if self._spec.ensure == OWNED
            else f"can be read by {self._spec.identity}"
        )
        when = "after the repair" if self.answers.has_repaired else "now"
        if self.answers.is_readable:
            evidence = f"{when} not everything {wanted}, but all of it can be read by {self._spec.identity} as it is."
            return Finding(
                WARNING, "not_as_wanted", evidence, "Set ensure: readable if that is enough.", self._spec.claim
            )
        told = f" Run:ai says: {'; '.join(self._said)}" if self._said else ""
        evidence = f"{when} not everything {wanted}, or it did not get through in {self._seconds:.0f} s.{told}"
        hint = (
            "Storage that refuses root to change owners (NFS with root_squash), files of other users "
            "(take_over_from), names outside of the paths and an image without python3 do so. Name the project's "
            "cluster by kubeconfig to be told which, set time_limit higher, or download the model again as UID "
            f"{self._spec.uid}."
        )
        return Finding(severity, "not_as_wanted", evidence, hint, self._spec.claim)
