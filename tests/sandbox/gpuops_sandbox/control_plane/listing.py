# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists as Run:ai gives them: filters, search, order and pages (facts, section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, TypeVar

from gpuops_sandbox.control_plane.errors import ApiError

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500
FILTER = re.compile(r"([A-Za-z0-9]+)(==|!=|<=|>=|=@|!@|=\^|=\$)(.+)", re.DOTALL)
Item = TypeVar("Item")
Readers = dict[str, Callable[[Item], Any]]

LIST_PARAMETERS = {"offset", "limit", "sortBy", "sortOrder", "filterBy", "search"}


def timestamp(seconds: float | None) -> str | None:
    """Return a time as Run:ai writes it (ISO 8601, UTC, milliseconds)."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def check_parameters(given: Mapping[str, str], pairs: list[tuple[str, str]], known: set[str]) -> None:
    """Refuse unknown query parameters and repeated ones (``filterBy`` is one parameter, its parts joined by commas)."""
    unknown = sorted(set(given) - known)
    if unknown:
        raise ApiError(400, f"query parameter {unknown[0]!r} is not supported")
    names = [name for name, _value in pairs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ApiError(400, f"query parameter {repeated[0]!r} must be given once, with its values separated by commas")


def select(items: list[Item], parameters: Mapping[str, str], fields: Readers[Item]) -> list[Item]:
    """Return the items that all parts of ``filterBy`` and ``search`` let through, sorted by ``sortBy``."""
    chosen = items
    for part in _parts(parameters.get("filterBy", "")):
        match = FILTER.fullmatch(part)
        if match is None or match[1] not in fields:
            raise ApiError(400, f"filterBy: {part!r} does not match ^({'|'.join(sorted(fields))})(operator).+$")
        field, operator, wanted = fields[match[1]], match[2], match[3]
        chosen = [item for item in chosen if _holds(field(item), operator, wanted)]
    search = parameters.get("search", "").lower()
    if search:
        chosen = [item for item in chosen if any(search in str(read(item)).lower() for read in fields.values())]
    backwards = descending(parameters, "asc")
    sort = parameters.get("sortBy")
    if sort:
        if sort not in fields:
            raise ApiError(400, f"sortBy: {sort!r} is not one of {', '.join(sorted(fields))}")
        chosen = sorted(chosen, key=lambda item: str(fields[sort](item)), reverse=backwards)
    return chosen


def descending(parameters: Mapping[str, str], default: str) -> bool:
    """Return whether ``sortOrder`` asks for the newest (largest) first."""
    order = parameters.get("sortOrder", default)
    if order not in ("asc", "desc"):
        raise ApiError(400, "sortOrder: must be asc or desc")
    return order == "desc"


def page(
    name: str, items: list[Item], parameters: Mapping[str, str], show: Callable[[Item], dict[str, Any]]
) -> dict[str, Any]:
    """Return one page: ``{name: [...], next: <offset>}``, each item as ``show`` shows it; no ``next`` at the end."""
    offset = _whole(parameters, "offset", 0, 0, None)
    limit = _whole(parameters, "limit", DEFAULT_LIMIT, 1, LARGEST_LIMIT)
    body: dict[str, Any] = {name: [show(item) for item in items[offset : offset + limit]]}
    if offset + limit < len(items):
        body["next"] = offset + limit
    return body


def _whole(parameters: Mapping[str, str], name: str, default: int, least: int, most: int | None) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not text.isdigit() or int(text) < least or (most is not None and int(text) > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise ApiError(400, f"{name}: {text!r} is not a whole number of {bounds}")
    return int(text)


def _parts(text: str) -> Iterable[str]:
    return [part for part in text.split(",") if part]


def _holds(value: Any, operator: str, wanted: str) -> bool:
    if operator in ("<=", ">="):
        low, high = _comparable(value, wanted)
        return bool(low <= high) if operator == "<=" else bool(low >= high)
    text = "" if value is None else str(value)
    return {
        "==": text == wanted,
        "!=": text != wanted,
        "=@": wanted in text,
        "!@": wanted not in text,
        "=^": text.startswith(wanted),
        "=$": text.endswith(wanted),
    }[operator]


def _comparable(value: Any, wanted: str) -> tuple[Any, Any]:
    try:
        return float(value), float(wanted)
    except (TypeError, ValueError):
        return str(value), wanted
