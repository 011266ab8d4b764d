# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Sends the smoke test's requests to the leaders: from here, and where no way leads there by looks inside the cluster.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._operations import leader_program
from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import Looks, NotLooked
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    NOT_REACHABLE_FROM_HERE,
    HttpAnswer,
    LeadersInside,
    LiveWorkload,
    Platform,
    Unreachable,
    WorkloadStatus,
    together,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import (
    REPORT_BYTES,
    REPORT_PATH,
    Look,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import errors_of
from ansible_collections.gpuops.inference.plugins.module_utils._results.joined import joined
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import SecretReference

# What came of a request to the leaders: of each that was asked, its answer or why there is none.
Outcomes = list[HttpAnswer | Unreachable]

_WHAT = "leaders"
# Leaders that one look asks: the report has room for two answers of each.
_LEADERS_OF_A_LOOK = 8
# Seconds in which Python starts and the report is written.
_PROGRAM_SECONDS = 10.0
# All that is judged of an answer in JSON: of model lists, completions and errors.
_KEPT = (
    *("data", "id", "max_model_len", "world_size", "choices", "message", "text", "content"),
    *("reasoning_content", "reasoning", "usage", "completion_tokens", "error", "detail"),
)
_OWN_KEY = "the workload's own API key"


@dataclass(frozen=True)
class LeaderRequest:
    """One request to every leader; ``time_limit`` in seconds."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    time_limit: float


class LeaderRequests:
    """Asks the leaders of one workload. ``looks`` ``None``: from here only.

    A look costs seconds, so it also sends the requests that will follow, whose answers are given when they are asked
    for.
    """

    def __init__(self, platform: Platform, live: LiveWorkload, looks: Looks | None) -> None:
        self._platform = platform
        self._live = live
        self._looks = looks
        self._closed: Unreachable | None = None
        self._known: list[tuple[LeaderRequest, Outcomes]] = []

    @property
    def is_inside(self) -> bool:
        """Say whether the leaders are asked by looks: asking again costs another one, and pods that are ready need no
        second chance."""
        return self._closed is not None

    def ask(self, status: WorkloadStatus, request: LeaderRequest, following: Sequence[LeaderRequest] = ()) -> Outcomes:
        """Send one request to the leaders; at least one answered. ``following`` are those that come next if this one is
        answered well. Raises ``Unreachable``."""
        if self._closed is None:
            try:
                return self._from_here(status, request)
            except Unreachable as error:
                if self._looks is None or error.cause != NOT_REACHABLE_FROM_HERE:
                    raise
                self._closed = error
        for index, (known, outcomes) in enumerate(self._known):
            if known == request:
                del self._known[index]
                return _answered(outcomes)
        self._known = self._inside(status, (request, *following), self._closed)
        return _answered(self._known.pop(0)[1])

    def _from_here(self, status: WorkloadStatus, request: LeaderRequest) -> Outcomes:
        """Send one request; a refusal of the collection itself (a token over http) is like no answer."""
        try:
            return list(
                self._platform.request_leaders(
                    self._live, status, request.method, request.path, request.body, request.time_limit
                )
            )
        except GpuopsError as error:
            wrong = errors_of(error.findings)
            raise Unreachable(error.message, wrong[0].cause if wrong else "endpoint_refused") from error

    def _inside(
        self, status: WorkloadStatus, requests: Sequence[LeaderRequest], closed: Unreachable
    ) -> list[tuple[LeaderRequest, Outcomes]]:
        """Return what looks inside the cluster found out: of each request, what came of it."""
        inside = self._platform.leaders_inside(self._live, status)
        if inside is None or self._looks is None:
            raise closed
        outcomes: list[Outcomes] = [list(inside.others) for _request in requests]
        pods = list(inside.addresses)
        for start in range(0, len(pods), _LEADERS_OF_A_LOOK):
            some = pods[start : start + _LEADERS_OF_A_LOOK]
            try:
                report = self._looks.run(
                    self._look(inside, some, requests), f"what the leaders of {self._live.name} answer"
                )
            except NotLooked as error:
                raise Unreachable(f"{closed.reason} {error.message}", NOT_REACHABLE_FROM_HERE) from error
            for position, found in enumerate(_read(report, some, len(requests), inside.key is not None)):
                outcomes[position] += found
        return list(zip(requests, outcomes, strict=True))

    def _look(self, inside: LeadersInside, pods: Sequence[str], requests: Sequence[LeaderRequest]) -> Look:
        task = {
            "addresses": [inside.addresses[pod] for pod in pods],
            "requests": [
                {
                    "method": request.method,
                    "path": request.path,
                    "body": request.body,
                    "seconds": request.time_limit,
                }
                for request in requests
            ],
            "keep": list(_KEPT),
            "report": {"path": REPORT_PATH, "bytes": REPORT_BYTES},
        }
        key: Mapping[str, str | SecretReference] = (
            {} if inside.key is None else {leader_program.KEY_VARIABLE: inside.key}
        )
        return Look(
            workload=self._live.name,
            what=_WHAT,
            place=inside.place,
            # Nothing of the image's own settings or of the working folder counts.
            command=("python3", "-I", "-B", "-c", program_text(), json.dumps(task)),
            time_limit=sum(request.time_limit for request in requests) + _PROGRAM_SECONDS,
            environment=key,
        )


def program_text() -> str:
    """Return the program that runs in the look's pod."""
    return joined((leader_program,))


def _read(report: Mapping[str, Any], pods: Sequence[str], requests: int, has_key: bool) -> Iterator[Outcomes]:
    """Yield for each request what came of it at each pod. After a request without an answer no other one was sent, so
    that its reason holds for those too."""
    told = report.get("answers")
    answers = told if isinstance(told, list) else []
    for position in range(requests):
        yield [_outcome(_entry(_entry(answers, index), position), pod, has_key) for index, pod in enumerate(pods)]


def _entry(found: Any, position: int) -> Any:
    """Return an entry of a list, the last one where it is shorter."""
    return found[min(position, len(found) - 1)] if isinstance(found, list) and found else None


def _outcome(told: Any, pod: str, has_key: bool) -> HttpAnswer | Unreachable:
    """Return one answer as the leader's."""
    entry: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    status, seconds, body = (entry.get(name) for name in ("status", "seconds", "body"))
    if not isinstance(status, int) or not isinstance(seconds, (int, float)):
        reason = str(entry.get("reason") or "the look could not report what it answered")
        cause = str(entry.get("cause") or NOT_REACHABLE_FROM_HERE)
        return Unreachable(f"pod {pod}, asked inside the cluster: {reason}.", cause, pod)
    text = body if isinstance(body, str) else json.dumps(body)
    return HttpAnswer(status, text, float(seconds), _OWN_KEY if has_key else "no token", pod)


def _answered(outcomes: Outcomes) -> Outcomes:
    """Return the outcomes of a request; raise where none is an answer."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, Unreachable)]
    if len(failures) == len(outcomes):
        raise together(failures)
    return outcomes
