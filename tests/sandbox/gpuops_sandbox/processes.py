# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of started processes, in files that only this user can read. The test cluster uses them too."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def started_at(pid: int) -> str | None:
    """Return when a living process was started (its ``starttime``: a reused id is not taken for it), or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    words = text.rpartition(")")[2].split()
    return None if words[0] == "Z" else words[19]


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that only this user can read, all at once."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file, or None where there is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content
