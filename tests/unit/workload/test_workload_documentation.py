# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/vllm-runtime.md names every finding of a plan and of its rendering for Kubernetes, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE_UTILS = REPOSITORY / "plugins" / "module_utils"
OF_THE_PLAN = sorted((MODULE_UTILS / "_workload").glob("*.py"))
OF_KUBERNETES = [MODULE_UTILS / "_platforms" / "kubernetes" / name for name in ("remarks.py", "pod_security.py")]
PAGE = REPOSITORY / "docs" / "vllm-runtime.md"


@pytest.mark.parametrize(
    ("heading", "sources"),
    [("What plain Kubernetes adds to a plan", OF_KUBERNETES), ("What a plan warns about", OF_THE_PLAN)],
)
def test_the_table_of_findings_is_complete(heading: str, sources: list[Path]) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    made = set(re.findall(r'(?:WARNING|INFO)(?: if [^,]+)?,\s+"([a-z_]+)"', code))
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {cause for row in rows for cause in re.findall(r"`([a-z_]+)`", row)} == made
