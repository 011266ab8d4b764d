# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/vllm-runtime.md names every finding of a plan, and no other."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCES = REPOSITORY / "plugins" / "module_utils" / "_workload"
PAGE = REPOSITORY / "docs" / "vllm-runtime.md"


def test_the_table_of_findings_is_complete() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in SOURCES.glob("*.py"))
    made = set(re.findall(r'(?:WARNING|INFO),\s+"([a-z_]+)"', sources))
    section = PAGE.read_text(encoding="utf-8").partition("## What a plan warns about")[2]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {cause for row in rows for cause in re.findall(r"`([a-z_]+)`", row)} == made
