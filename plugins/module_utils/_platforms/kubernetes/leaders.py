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
    LEADER_NOT_READY,
    NOT_REACHABLE_FROM_HERE,
    HttpAnswer,
    LeadersInside,
    Unreachable,
    WorkloadStatus,
    together,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.failures import (
    is_forbidden,
    no_answer,
    refused_by_kubelets_way,
    told,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.look_places import place_like
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
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError, HttpReply
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import LEADER
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import SecretReference

Object = Mapping[str, Any]

# How many leaders are asked at the same time: a hung one takes the whole time limit.
_AT_ONCE = 8
# vLLM's own default of --port.
_DEFAULT_PORT = 8000
# vLLM asks for a key where one of these is set.
_KEY_VARIABLE, _KEY_FLAG = "VLLM_API_KEY", "--api-key"
_NO_TOKEN, _ENDPOINT_TOKEN = "no token", "endpoint_token"


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
    """Asks the leaders of workloads. ``token`` is the model's API key, which goes to leaders that ask for one only;
    ``port`` is where they serve (``None``: the one that their container states).

    Remembers what it learns about the way: whether the proxy is closed, whether a key is asked for.
    """

    def __init__(self, client: KubernetesClient, token: str | None, port: int | None = None) -> None:
        self._client = client
        self._token = token
        self._port = port
        self._proxy_is_closed = False
        self._key_is_wanted = False

    def request(
        self, status: WorkloadStatus, method: str, path: str, body: Mapping[str, Any] | None, time_limit: float
    ) -> list[HttpAnswer | Unreachable]:
        """Send one request to every leader that is ready; return what came of each, in the order of ``status``.

        At least one answered: otherwise raises ``Unreachable`` with the most telling reason.
        """
        pods = _running_leaders(status)
        request = _Request(method, path, body, time_limit)
        with ThreadPoolExecutor(min(len(pods), _AT_ONCE)) as executor:
            outcomes = list(executor.map(lambda pod: self._outcome(pod, request), pods))
        failures = [outcome for outcome in outcomes if isinstance(outcome, Unreachable)]
        if len(failures) == len(outcomes):
            raise together(failures)
        return outcomes

    def inside(self, status: WorkloadStatus) -> LeadersInside:
        """Return how a look can ask the leaders that are ready. Raises ``Unreachable`` where none is."""
        ready: dict[str, Object] = {}
        others: list[Unreachable] = []
        for pod in _running_leaders(status):
            try:
                ready[pod] = self._ready(pod)
            except Unreachable as error:
                others.append(Unreachable(error.reason, error.cause, pod))
        if not ready:
            raise together(others)
        addresses = {name: self._address(pod) for name, pod in ready.items()}
        first = next(iter(ready.values()))
        engine = engine_of(first)
        return LeadersInside(addresses, tuple(others), place_like(first, engine), _key_of(engine))

    def _outcome(self, pod: str, request: _Request) -> HttpAnswer | Unreachable:
        """Ask one leader; what stands in the way is returned, not raised."""
        try:
            return self._ask(pod, request)
        except Unreachable as error:
            return Unreachable(error.reason, error.cause, pod)

    def _ask(self, pod: str, request: _Request) -> HttpAnswer:
        found = self._ready(pod)
        container, port = engine_of(found), self._port_at(found)
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

    def _ready(self, pod: str) -> Object:
        """Return a leader's pod as it is now. Raises ``Unreachable`` where it is not ready."""
        found = self._client.get(PODS, pod)
        if found is None:
            raise Unreachable(f"pod {pod} is gone.")
        if not is_ready(found):
            raise Unreachable(f"pod {pod} is not ready, so it was not asked.", LEADER_NOT_READY)
        return found

    def _address(self, pod: Object) -> str:
        """Return where a leader serves, inside the cluster."""
        address = str(mapping(pod.get("status")).get("podIP") or "")
        return f"[{address}]:{self._port_at(pod)}" if ":" in address else f"{address}:{self._port_at(pod)}"

    def _port_at(self, pod: Object) -> int:
        return self._port or _port_of(engine_of(pod))

    def _through_proxy(self, pod: str, port: int, request: _Request) -> HttpAnswer:
        try:
            reply = self._client.ask_pod(pod, port, request.method, request.path, request.body, request.time_limit)
        except Refused as refused:
            if _was_not_let_through(refused):
                raise _Closed(told(refused)) from None
            raise Unreachable(told(refused)) from None
        except HttpError as error:
            raise no_answer(pod, error) from None
        return _answer(pod, reply, _NO_TOKEN)

    def _through_kubelet(self, pod: str, port: int, request: _Request, token: str | None) -> HttpAnswer:
        try:
            reply = self._client.ask_pod_by_kubelet(
                pod, port, request.method, request.path, request.body, request.time_limit, token
            )
        except Refused as refused:
            raise refused_by_kubelets_way(refused) from None
        except HttpError as error:
            raise no_answer(pod, error) from None
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


def engine_of(pod: Object) -> Object:
    """Return the container that serves: the one that we call so, else the first."""
    containers = mappings(mapping(pod.get("spec")).get("containers"))
    named = [container for container in containers if container.get("name") == CONTAINER]
    return next(iter(named or containers), {})


def _running_leaders(status: WorkloadStatus) -> list[str]:
    """Return the names of the pods that lead a replica and run. Raises ``Unreachable`` where none does."""
    pods = [pod.name for pod in status.pods if pod.role == LEADER and pod.phase == "running"]
    if not pods:
        raise Unreachable("no leader runs.")
    return pods


def _key_of(container: Object) -> SecretReference | None:
    """Return where the key lies that vLLM asks for, where it comes from a Secret."""
    for variable in mappings(container.get("env")):
        reference = mapping(mapping(variable.get("valueFrom")).get("secretKeyRef"))
        if variable.get("name") == _KEY_VARIABLE and reference.get("name") and reference.get("key"):
            return SecretReference(str(reference["name"]), str(reference["key"]))
    return None


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
    said = refused.message
    if is_forbidden(refused) or "address not allowed" in said:
        return True
    return "error trying to reach service: dial" in said and "connection refused" not in said


def _answer(pod: str, reply: HttpReply, credential: str) -> HttpAnswer:
    return HttpAnswer(reply.status, reply.text(), reply.seconds, credential, pod)
