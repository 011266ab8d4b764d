# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the walker reports, as values, and what that means to a person. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import REPAIR

# Counts of entries that are not as they should be and that a repair changes.
FAULTS = ("owner", "group", "mode")
# Counts of what the serving identity cannot read.
UNREADABLE = ("unreadable", "unsearchable", "unlisted")
# How files can differ from what was remembered of them.
DIFFERENCES = ("added", "removed", "changed")


@dataclass(frozen=True)
class WalkReport:
    """One run of the walker.

    ``found`` counts what its first pass saw, ``left`` what was still wrong at the end, ``done`` what it did and what
    failed; ``examples`` has some paths for each count. ``new_files_as`` is whose a new file is, where owners could not
    be changed. ``manifest`` counts what was found of manifests, and done with them. ``reduced``: the image has no
    Python, so less was seen.
    """

    mode: str
    finished: bool
    found: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    done: Mapping[str, int] = field(default_factory=dict)
    volume: Mapping[str, Any] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    passes: int = 1
    seconds: float = 0.0
    new_files_as: tuple[int, ...] = ()
    manifest: Mapping[str, int] = field(default_factory=dict)
    reduced: bool = False

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> WalkReport:
        """Return the report of its JSON object."""
        return cls(
            mode=str(content["mode"]),
            finished=bool(content["finished"]),
            found=_counts(content.get("found")),
            left=_counts(content.get("left")),
            done=_counts(content.get("done")),
            volume=dict(content.get("volume") or {}),
            examples={str(what): tuple(map(str, paths)) for what, paths in (content.get("examples") or {}).items()},
            passes=int(content.get("passes") or 1),
            seconds=float(content.get("seconds") or 0.0),
            new_files_as=tuple(content.get("new_files_as") or ()),
            manifest=_counts(content.get("manifest")),
            reduced=bool(content.get("reduced")),
        )

    @classmethod
    def of(cls, content: Mapping[str, Any] | None) -> WalkReport | None:
        """Return the report of what a pod left, or ``None`` where that is something else: a line of progress, or why it
        refused its task."""
        return None if content is None or not {"mode", "finished"} <= set(content) else cls.read(content)

    @property
    def changed(self) -> int:
        """Return how many entries were changed."""
        return self.done.get("changed", 0)

    @property
    def would_change(self) -> int:
        """Return how many changes a repair has to make, as far as was seen; none to what it leaves on purpose."""
        return sum(self.found.get(fault, 0) - self.found.get(f"kept {fault}", 0) for fault in FAULTS)

    @property
    def is_too_large(self) -> bool:
        """Say whether the walk stopped because there is so much to change that it is for several."""
        return self.found.get("too_many", 0) > 0

    def after(self, earlier: Sequence[WalkReport], at_once: Sequence[WalkReport] = ()) -> WalkReport:
        """Return this report of a last walk with what ``earlier`` ones have changed, of which some walked ``at_once``,
        and what this one found mended for that. What they could not do, this one has tried again."""
        done, found = dict(self.done), dict(self.found)
        for report in (*earlier, *at_once):
            done["changed"] = done.get("changed", 0) + report.changed
            for fault in (*FAULTS, *UNREADABLE[:2]):
                number = report.done.get(f"changed {fault}", 0)
                done[f"changed {fault}"] = done.get(f"changed {fault}", 0) + number
                found[fault] = found.get(fault, 0) + number
        seconds = sum(one.seconds for one in earlier) + max((one.seconds for one in at_once), default=0.0)
        return replace(self, done=done, found=found, seconds=self.seconds + seconds)

    def identities(self, what: str) -> list[int]:
        """Return the users (``owner``) whose files are not taken, or the groups (``group``) that could read."""
        prefix = f"{what} "
        return sorted(int(known[len(prefix) :]) for known in self.found if known.startswith(prefix))

    def such_as(self, *names: str) -> str:
        """Return some paths that were counted under one of these names, as the end of a sentence."""
        paths = list(dict.fromkeys(path for name in names for path in self.examples.get(name, ())))[:3]
        return f" (such as {', '.join(paths)})" if paths else ""

    def as_dict(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry."""
        return {
            "files": self.found.get("files", 0),
            "directories": self.found.get("directories", 0),
            "bytes": self.found.get("bytes"),
            "wrong": {what: self.found.get(what, 0) for what in (*FAULTS, *UNREADABLE[:2], "foreign")},
            "changed": {
                "entries": self.changed,
                **{what: self.done.get(f"changed {what}", 0) for what in FAULTS},
            },
            "left": {what: self.left.get(what, 0) for what in (*FAULTS, *UNREADABLE[:2], "foreign")},
            "links": {
                "all": self.found.get("links", 0),
                "dangling": self.found.get("dangling_links", 0),
                "leaving": self.found.get("leaving_links", 0),
                "leaving_hard_links": self.found.get("leaving_hard_links", 0),
            },
            "volume": {
                "file_system": self.volume.get("file_system"),
                # A look has it mounted read-only, and so cannot tell.
                "read_only": self.volume.get("read_only") if self.mode == REPAIR else None,
                "free_bytes": self.volume.get("free_bytes"),
            },
            "examples": {what: list(paths) for what, paths in self.examples.items() if what not in DIFFERENCES},
            "passes": self.passes,
            "seconds": self.seconds,
            "reduced": self.reduced,
        }

    def as_proof(self) -> dict[str, Any]:
        """Return the plain dictionary that results carry of a proof."""
        return {
            "readable": is_readable(self),
            "files": self.found.get("files", 0),
            "directories": self.found.get("directories", 0),
            "unreadable": self.found.get("unreadable", 0),
            "unlisted": self.found.get("unlisted", 0),
            "examples": {what: list(paths) for what, paths in self.examples.items()},
        }


def is_readable(proof: WalkReport) -> bool:
    """Say whether everything was read."""
    return proof.finished and not any(proof.found.get(what) for what in (*UNREADABLE, "missing", "given_links"))


def _counts(given: Any) -> dict[str, int]:
    return {str(what): int(number) for what, number in (given or {}).items()}
