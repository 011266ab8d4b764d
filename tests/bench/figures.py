# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure and the table of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Figure:
    """One measured value. ``aim`` says in words what is wanted of it, where something is; ``note`` explains it."""

    group: str
    name: str
    value: float
    unit: str
    aim: str = ""
    note: str = ""

    @property
    def text(self) -> str:
        """The value with its unit: whole numbers as such, others with as many digits as can be trusted."""
        if self.value == int(self.value):
            return f"{self.value:.0f} {self.unit}".strip()
        digits = 2 if abs(self.value) < 10 else 1 if abs(self.value) < 100 else 0
        return f"{self.value:.{digits}f} {self.unit}".strip()


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as Markdown, one table for each group, in the order in which they were measured."""
    parts = []
    for group, members in groupby(figures, key=lambda figure: figure.group):
        rows = [("figure", "value", "aim", "remark"), ("---", "---:", "---", "---")]
        rows += [(figure.name, figure.text, figure.aim, figure.note) for figure in members]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        parts.append(f"### {group}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)
