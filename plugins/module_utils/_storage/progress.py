# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the walker prints while it walks, and what that says to a person. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json


def how_far(line: str) -> str:
    """Return what a line of the walker's says of how far it is (``120000 entries, 14 wrong``); nothing of other lines.

    Only numbers are taken from it: what a pod prints is nobody's word.
    """
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    numbers = {what: number for what, number in told.items() if _is_count(number)} if isinstance(told, dict) else {}
    if "seen" not in numbers:
        return ""
    parts = [f"{numbers[what]} {what}" for what in ("wrong", "changed") if numbers.get(what)]
    again = f" (pass {numbers['pass']})" if numbers.get("pass", 1) > 1 else ""
    return ", ".join([f"{numbers['seen']} entries", *parts]) + again


def _is_count(value: object) -> bool:
    """Say whether a value is a number of things: JSON's true and false are numbers to Python."""
    return isinstance(value, int) and not isinstance(value, bool)
