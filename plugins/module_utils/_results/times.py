# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Times as APIs write them. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from datetime import datetime

_ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?$")


def seconds_of(time: str | None) -> float | None:
    """Return an ISO 8601 time as seconds since 1970, or ``None`` where it cannot be read. No zone means UTC."""
    found = _ISO_TIME.match(time or "")
    if not found:
        return None
    day, clock, zone = found.groups()
    # Read for each event at each look, which strptime is ten times too slow for.
    offset = "+00:00" if zone in (None, "Z") else f"{zone[:3]}:{zone[-2:]}"
    try:
        return datetime.fromisoformat(f"{day}T{clock}{offset}").timestamp()
    except (ValueError, OverflowError):
        return None
