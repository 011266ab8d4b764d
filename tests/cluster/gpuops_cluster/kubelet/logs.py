# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of a kubelet to ``/containerLogs/NAMESPACE/POD/CONTAINER``. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from gpuops_cluster.kubelet.pods import Pod


def refusal(pod: Pod, container: str, previous: bool) -> str | None:
    """Return why a kubelet has no log of this container, in its words (validateContainerLogStatus), or None."""
    statuses = [*pod.status.get("containerStatuses", []), *pod.status.get("initContainerStatuses", [])]
    status = next((entry for entry in statuses if entry["name"] == container), None)
    if status is None:
        return f'container "{container}" in pod "{pod.name}" is not available'
    last = status.get("lastState", {}).get("terminated")
    state = status.get("state", {})
    if previous:
        return None if last else f'previous terminated container "{container}" in pod "{pod.name}" not found'
    if "running" in state or "terminated" in state or last:
        return None
    reason = state.get("waiting", {}).get("reason", "")
    words = {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
    }.get(reason, reason)
    return f'container "{container}" in pod "{pod.name}" is waiting to start: {words}'


def is_running(pod: Pod, container: str) -> bool:
    """Say whether more could still be written."""
    for status in pod.status.get("containerStatuses", []):
        if status["name"] == container:
            return "running" in status.get("state", {})
    return False


def log_lines(pod: Pod, container: str, query: Mapping[str, str]) -> list[str]:
    """Return the lines that were asked for: sinceTime, sinceSeconds, tailLines, timestamps, limitBytes."""
    times = _times(_started(pod, container, query.get("previous") == "true"))
    lines = list(zip(times, pod.log(container), strict=False))
    since = _since(query)
    if since is not None:
        lines = [(time, line) for time, line in lines if time >= since]
    if query.get("tailLines", "").isdigit():
        lines = lines[len(lines) - min(int(query["tailLines"]), len(lines)) :]
    stamped = query.get("timestamps") == "true"
    texts = [f"{time.isoformat().replace('+00:00', 'Z')} {line}" if stamped else line for time, line in lines]
    return _limited(texts, query.get("limitBytes", ""))


def _limited(lines: list[str], limit: str) -> list[str]:
    if not limit.isdigit():
        return lines
    kept: list[str] = []
    left = int(limit)
    for line in lines:
        left -= len(line.encode()) + 1
        if left < 0:
            break
        kept.append(line)
    return kept


def _times(started: datetime.datetime) -> Iterator[datetime.datetime]:
    while True:
        started += datetime.timedelta(milliseconds=1)
        yield started


def _started(pod: Pod, container: str, previous: bool) -> datetime.datetime:
    for status in pod.status.get("containerStatuses", []):
        if status["name"] == container:
            states = (
                [status.get("lastState", {})] if previous else [status.get("state", {}), status.get("lastState", {})]
            )
            found = (state.get(kind, {}).get("startedAt") for state in states for kind in ("running", "terminated"))
            return _parse(next((time for time in found if time), pod.status.get("startTime", "")))
    return _parse("")


def _since(query: Mapping[str, str]) -> datetime.datetime | None:
    if "sinceTime" in query:
        return _parse(query["sinceTime"])
    if query.get("sinceSeconds", "").isdigit():
        ago = datetime.timedelta(seconds=int(query["sinceSeconds"]))
        return datetime.datetime.now(datetime.timezone.utc) - ago
    return None


def _parse(text: str) -> datetime.datetime:
    if not text:
        return datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    # Python 3.10 reads at most six digits after the second; the API writes nine.
    head, _dot, fraction = text.removesuffix("Z").partition(".")
    return datetime.datetime.fromisoformat(f"{head}.{(fraction or '0')[:6].ljust(6, '0')}+00:00")


def query_of(values: Mapping[str, list[Any]]) -> dict[str, str]:
    """Return the first value of each parameter."""
    return {name: str(entries[0]) for name, entries in values.items() if entries}
