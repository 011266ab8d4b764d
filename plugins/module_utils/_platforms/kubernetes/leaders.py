# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Sends requests to the leader of every replica, by the API server's proxy or through the kubelet.

The proxy (``pods/proxy``) is asked first: it needs nothing in between. The API server takes the ``Authorization``
header for itself, so an API key goes through the kubelet (``pods/portforward``). That is also the way where the API
server may not or cannot reach pods, as with a network policy.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    ENDPOINT_UNREACHABLE,
    LEADER_NOT_READY,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    HttpAnswer,
    Unreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    NotServed,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pod_states import is_ready
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import PODS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    CONTAINER,
    HTTP_PORT,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import (
    mapping,
    mappings,
    whole_number,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    TIMED_OUT,
    HttpError,
    HttpReply,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import LEADER

Object = Mapping[str, Any]

# How many leaders are asked at the same time: a hung one takes the whole time limit.
_AT_ONCE = 8
# vLLM's own default of --port.
_DEFAULT_PORT = 8000
# vLLM asks for a key where one of these is set.
_KEY_VARIABLE, _KEY_FLAG = "VLLM_API_KEY", "--api-key"
_NO_TOKEN, _ENDPOINT_TOKEN = "no token", "endpoint_token"
# Why no leader answered, the most telling first.
_TELLING = (NO_ANSWER_IN_TIME, ENDPOINT_UNREACHABLE, NOT_REACHABLE_FROM_HERE, LEADER_NOT_READY)


@dataclass(frozen=True)
class _Request:
    """What every leader is asked; ``time_limit`` in seconds."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    time_limit: float


class _Closed(Exception):
    """The API server's proxy does not lead to the pod; nothing was sent to it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Leaders:
    """Asks the leaders of workloads. ``token`` is the model's API key, which goes to leaders that ask for one only.

    Remembers what it learns about the way: whether the proxy is closed, whether a key is asked for.
    """

    def __init__(self, client: KubernetesClient, token: str | None) -> None:
        self._client = client
        self._token = token
        self._proxy_is_closed = False
        self._key_is_wanted = False

    def request(
        self, status: WorkloadStatus, method: str, path: str, body: Mapping[str, Any] | None, time_limit: float
    ) -> list[HttpAnswer | Unreachable]:
        """Send one request to every leader that is ready; return what came of each, in the order of ``status``.

        At least one answered: otherwise raises ``Unreachable`` with the most telling reason.
        """
        pods = [pod.name for pod in status.pods if pod.role == LEADER and pod.phase == "running"]
        if not pods:
            raise Unreachable("no leader runs.")
        request = _Request(method, path, body, time_limit)
        with ThreadPoolExecutor(min(len(pods), _AT_ONCE)) as executor:
            outcomes = list(executor.map(lambda pod: self._outcome(pod, request), pods))
        failures = [outcome for outcome in outcomes if isinstance(outcome, Unreachable)]
        if len(failures) == len(outcomes):
            raise _together(failures)
        return outcomes

    def _outcome(self, pod: str, request: _Request) -> HttpAnswer | Unreachable:
        """Ask one leader; what stands in the way is returned, not raised."""
        try:
            return self._ask(pod, request)
        except Unreachable as error:
            return Unreachable(error.reason, error.cause, pod)

    def _ask(self, pod: str, request: _Request) -> HttpAnswer:
        found = self._client.get(PODS, pod)
        if found is None:
            raise Unreachable(f"pod {pod} is gone.")
        if not is_ready(found):
            raise Unreachable(f"pod {pod} is not ready, so it was not asked.", LEADER_NOT_READY)
        container = _engine_of(found)
        port = _port_of(container)
        if self._token and (self._key_is_wanted or _wants_key(container)):
            return self._through_kubelet(pod, port, request, self._token)
        if self._proxy_is_closed:
            return self._through_kubelet(pod, port, request, None)
        try:
            answer = self._through_proxy(pod, port, request)
        except _Closed as closed:
            return self._past_proxy(pod, port, request, closed)
        if answer.status == 401 and self._token:
            # The request was not carried out, so it can be sent again whatever it is.
            self._key_is_wanted = True
            return self._through_kubelet(pod, port, request, self._token)
        return answer

    def _through_proxy(self, pod: str, port: int, request: _Request) -> HttpAnswer:
        try:
            reply = self._client.ask_pod(pod, port, request.method, request.path, request.body, request.time_limit)
        except Refused as refused:
            if _was_not_let_through(refused):
                raise _Closed(_told(refused)) from None
            raise Unreachable(_told(refused)) from None
        except HttpError as error:
            raise _no_answer(pod, error) from None
        return _answer(pod, reply, _NO_TOKEN)

    def _through_kubelet(self, pod: str, port: int, request: _Request, token: str | None) -> HttpAnswer:
        try:
            reply = self._client.ask_pod_by_kubelet(
                pod, port, request.method, request.path, request.body, request.time_limit, token
            )
        except Refused as refused:
            cause = NOT_REACHABLE_FROM_HERE if _is_forbidden(refused) else ENDPOINT_UNREACHABLE
            raise Unreachable(_told(refused), cause) from None
        except HttpError as error:
            raise _no_answer(pod, error) from None
        return _answer(pod, reply, _ENDPOINT_TOKEN if token else _NO_TOKEN)

    def _past_proxy(self, pod: str, port: int, request: _Request, closed: _Closed) -> HttpAnswer:
        """Try the kubelet where the proxy is closed, and stay with it where that works."""
        try:
            token = self._token if self._key_is_wanted else None
            answer = self._through_kubelet(pod, port, request, token)
        except Unreachable as error:
            if error.cause != NOT_REACHABLE_FROM_HERE:
                raise
            raise Unreachable(f"{closed.reason} The other way is closed, too: {error.reason}", error.cause) from None
        self._proxy_is_closed = True
        return answer


def _engine_of(pod: Object) -> Object:
    """Return the container that serves: the one that we call so, else the first."""
    containers = mappings(mapping(pod.get("spec")).get("containers"))
    named = [container for container in containers if container.get("name") == CONTAINER]
    return next(iter(named or containers), {})


def _port_of(container: Object) -> int:
    """Return the port that serves HTTP: the one of that name, else the first that is stated."""
    ports = mappings(container.get("ports"))
    named = [port for port in ports if port.get("name") == HTTP_PORT]
    return whole_number(mapping(next(iter(named or ports), {})).get("containerPort"), _DEFAULT_PORT)


def _wants_key(container: Object) -> bool:
    """Say whether vLLM was given a key to ask for. One that it gets in another way shows by its 401."""
    if any(variable.get("name") == _KEY_VARIABLE for variable in mappings(container.get("env"))):
        return True
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    return any(str(word).partition("=")[0] == _KEY_FLAG for word in words)


def _was_not_let_through(refused: Refused) -> bool:
    """Say whether the API server did not reach the pod at all, or may not, so that another way may lead there.

    A pod at which nobody listens refuses on every way; one that ended a connection may have had the request.
    """
    told = refused.message
    if _is_forbidden(refused) or "address not allowed" in told:
        return True
    return "error trying to reach service: dial" in told and "connection refused" not in told


def _is_forbidden(refused: Refused) -> bool:
    """Say whether the user may not do this, or the cluster does not offer it."""
    return refused.code in (403, 405) or isinstance(refused, NotServed)


def _told(refused: Refused) -> str:
    return " ".join(f"{finding.evidence} {finding.hint}".strip() for finding in refused.findings)


def _no_answer(pod: str, error: HttpError) -> Unreachable:
    is_late = error.kind == TIMED_OUT and error.maybe_executed
    return Unreachable(f"pod {pod}: {error.reason}.", NO_ANSWER_IN_TIME if is_late else ENDPOINT_UNREACHABLE)


def _answer(pod: str, reply: HttpReply, credential: str) -> HttpAnswer:
    return HttpAnswer(reply.status, reply.text(), reply.seconds, credential, pod)


def _together(failures: list[Unreachable]) -> Unreachable:
    """Return why no leader answered: the most telling cause, and the reasons of all that have it."""
    cause = min((failure.cause for failure in failures), key=_TELLING.index)
    chosen = [failure for failure in failures if failure.cause == cause]
    reason = " ".join(dict.fromkeys(failure.reason for failure in chosen))
    leader = chosen[0].leader if len(chosen) == 1 else ""
    if cause == LEADER_NOT_READY:
        # Nothing is wrong with the way: it may be ready when it is asked again.
        cause = ENDPOINT_UNREACHABLE
    return Unreachable(reason, cause, leader)
