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
    if not isinstance(told, dict) or type(told.get("seen")) is not int:
        return ""
    counts = {what: told[what] for what in ("wrong", "changed") if type(told.get(what)) is int}
    parts = [f"{told['seen']} entries", *(f"{number} {what}" for what, number in counts.items() if number)]
    again = type(told.get("pass")) is int and told["pass"] > 1
    return ", ".join(parts) + (f" (pass {told['pass']})" if again else "")
