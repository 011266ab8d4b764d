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
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._storage import questions
from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import OwnershipSpec
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import OWNED

# Seconds that a training gets beyond the walker's own limit.
_MARGIN = 30.0
_ROOT = 0
# What a proof tells beside its verdict, and an answer does not.
_UNKNOWN = ("files", "directories", "unreadable", "unlisted", "examples")


@dataclass
class Answers:
    """What was answered: whether all was as wanted ``before`` and ``after`` a repair, and whether the paths
    ``are_there`` (``None``: nobody asked). ``has_repaired``: a repair ran, so it changed something, or tried to."""

    before: bool | None = None
    after: bool | None = None
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
        return {"readable": True, **dict.fromkeys(_UNKNOWN)} if self.is_as_wanted else None


class Questions:
    """The questions about the files of one claim. ``look`` is one as they run: its name, place and limit to start;
    ``seconds`` is the limit of each."""

    def __init__(self, looks: Looks, spec: OwnershipSpec, look: Look, seconds: float) -> None:
        self._looks = looks
        self._spec = spec
        self._look = dataclasses.replace(look, as_root=(), time_limit=seconds + _MARGIN)
        self._seconds = seconds
        self._said: list[str] = []
        self.answers = Answers()

    def carry_out(self, may_repair: bool) -> None:
        """Look; repair and look again if the first look says no and that is allowed.

        Raises ``NotLooked`` where something could not be asked; ``answers`` is then as far as it came.
        """
        self.answers.before = self._ask_for_all()
        self.answers.findings.append(self._unknown())
        if self.answers.before or not may_repair:
            return
        self._repair()
        self.answers.after = self._ask_for_all()

    def judge(self, severity: str) -> None:
        """Where the last answer was no, ask what can be asked of why, and tell it as a finding of this severity."""
        if self.answers.is_as_wanted or self.answers.before is None:
            return
        look = self._asking(questions.are_there(self._spec), as_root=True)
        # One that cannot be asked leaves the reason unknown, and nothing else.
        with contextlib.suppress(NotLooked):
            self.answers.are_there = self._looks.ask(look, f"whether the paths are on {self._spec.claim}")
        is_missing = self.answers.are_there is False
        self.answers.findings.append(self._missing() if is_missing else self._not_as_wanted(severity))

    def _ask_for_all(self) -> bool:
        """Ask, as the serving identity, whether all is as wanted."""
        look = self._asking(questions.is_as_wanted(self._spec, self._seconds))
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
                self.answers.findings.append(self._rights_of_root())

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

    def _rights_of_root(self) -> Finding:
        evidence = (
            "the repair ran as root with all capabilities that containers have by default: Run:ai's API cannot take "
            "them away."
        )
        hint = "With a kubeconfig it has CHOWN, DAC_OVERRIDE and FOWNER only."
        return Finding(INFO, "default_capabilities", evidence, hint, self._spec.claim)

    def _missing(self) -> Finding:
        names = ", ".join(path or "/" for path in self._spec.paths)
        evidence = (
            f"not all of these are on the claim {self._spec.claim}, or one is a link, which is not followed: {names}."
        )
        return Finding(ERROR, "path_missing", evidence, "Correct the path, or put the model there.", "paths")

    def _not_as_wanted(self, severity: str) -> Finding:
        wanted = (
            f"belongs to {self._spec.identity} with the wanted modes, and can be read by it"
            if self._spec.ensure == OWNED
            else f"can be read by {self._spec.identity}"
        )
        when = "after the repair" if self.answers.has_repaired else "now"
        told = f" Run:ai says: {'; '.join(self._said)}" if self._said else ""
        evidence = f"{when} not everything {wanted}, or it did not get through in {self._seconds:.0f} s.{told}"
        hint = (
            "Storage that refuses root to change owners (NFS with root_squash), files of other users "
            "(take_over_from), names outside of the paths and an image without python3 do so. Name the project's "
            "cluster by kubeconfig to be told which, set time_limit higher, or download the model again as UID "
            f"{self._spec.uid}."
        )
        return Finding(severity, "not_as_wanted", evidence, hint, self._spec.claim)
