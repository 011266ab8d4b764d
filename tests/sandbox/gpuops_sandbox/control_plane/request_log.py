# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was asked of the API: every request with its answer, and counters by method and path template."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

KEPT_REQUESTS = 20000
IDENTIFIER = re.compile(r"/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?=/|$)")


def template_of(path: str) -> str:
    """Return a path with its ids replaced: ``/api/v1/workloads/{id}/pods``."""
    return IDENTIFIER.sub("/{id}", path)


@dataclass(frozen=True)
class LoggedRequest:
    """One request. ``status`` is None where no answer was sent; ``fault`` names what was done to it."""

    method: str
    path: str
    query: str
    status: int | None
    at: float
    milliseconds: float
    fault: str | None


class RequestLog:
    """The newest requests, and counters of all."""

    def __init__(self) -> None:
        self._requests: deque[LoggedRequest] = deque(maxlen=KEPT_REQUESTS)
        self._counter: Counter[tuple[str, str]] = Counter()

    def add(self, method: str, path: str, query: str, status: int | None, began: float, fault: str | None) -> None:
        """Log a request that began at ``began`` (``time.time()``)."""
        taken = (time.time() - began) * 1000
        self._requests.append(LoggedRequest(method, path, query, status, began, round(taken, 3), fault))
        self._counter[(method, template_of(path))] += 1

    def clear(self) -> None:
        """Forget everything."""
        self._requests.clear()
        self._counter.clear()

    def as_json(self) -> dict[str, Any]:
        """Return the log: ``{total, counts: {"GET /api/v1/workloads": 3}, requests: [...]}``."""
        counts = {f"{method} {path}": number for (method, path), number in sorted(self._counter.items())}
        return {
            "total": sum(self._counter.values()),
            "counts": counts,
            "requests": [asdict(request) for request in self._requests],
        }
