# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/diagnosis.md shows the tables of rules as they are.

``GPUOPS_WRITE_DOCS=1 python -m pytest tests/unit/diagnosis/test_page.py`` writes the tables anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_table import LOG_RULES
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.rules import RULES, Rule

PAGE = Path(__file__).resolve().parents[3] / "docs" / "diagnosis.md"


def when_fatal(rule: Rule) -> str:
    """Return when a rule ends a wait, in words."""
    if rule.fatal_after is None:
        return "when the time limit is over"
    return "at once" if rule.fatal_after == 0 else f"after {rule.fatal_after:.0f} s"


def cell(text: str) -> str:
    """Return a text as a cell of a Markdown table."""
    return text.replace("|", "\\|")


def status_table() -> str:
    """Return the table of the rules on status and events."""
    rows = [f"| `{rule.cause}` | {cell(rule.seen)} | {when_fatal(rule)} | {cell(rule.hint)} |" for rule in RULES]
    return "\n".join(["| cause | what is seen | ends the wait | what to do |", "|---|---|---|---|", *rows])


def log_table() -> str:
    """Return the table of the rules on vLLM's log."""
    rows = [f"| `{rule.cause}` | {cell(rule.seen)} | {cell(rule.hint)} |" for rule in LOG_RULES]
    return "\n".join(["| cause | what the log says | what to do |", "|---|---|---|", *rows])


def with_tables(page: str) -> str:
    """Return the page with the present tables between their marks."""
    for name, table in (("status", status_table()), ("log", log_table())):
        begin, end = f"<!-- {name} rules: begin -->", f"<!-- {name} rules: end -->"
        pattern = re.compile(f"{begin}.*{end}", re.DOTALL)
        assert pattern.search(page), f"docs/diagnosis.md lost its marks {begin} ... {end}"
        page = pattern.sub(lambda _found, text=f"{begin}\n\n{table}\n\n{end}": text, page)
    return page


def test_the_page_shows_the_rules() -> None:
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("GPUOPS_WRITE_DOCS"):
        PAGE.write_text(with_tables(page), encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), "run with GPUOPS_WRITE_DOCS=1 to write the tables anew"
