# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which leaders are asked, on which port, by which way, with or without the key, and what their failures mean."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    ENDPOINT_UNREACHABLE,
    LEADER_NOT_READY,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    RUNNING,
    HttpAnswer,
    PodStatus,
    Unreachable,
    WorkloadStatus,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.leaders import Leaders
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import Call, refusal
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import PODS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    REFUSED,
    TIMED_OUT,
    HttpError,
    HttpReply,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor

KEY = "key-0123456789abcdef"
PROXY, KUBELET = "proxy", "kubelet"
FINE = HttpReply(200, {}, b"{}", 0.1)
Given = HttpReply | Exception


def said(code: int, message: str, reason: str = "", subresource: str = "proxy") -> Exception:
    """Return the API server's own refusal."""
    status = f'{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}","reason":"{reason}"}}'
    call = Call("get", PODS, "my-project", "w-0", subresource)
    return refusal(HttpReply(code, {}, status.encode()), call, Redactor())


def forbidden(what: str) -> Exception:
    """Return a refusal for want of a permission."""
    denied = f'pods \\"w-0\\" is forbidden: User \\"me\\" cannot get resource \\"pods/{what}\\" in API group \\"\\"'
    return said(403, f'{denied} in the namespace \\"my-project\\"', "Forbidden", what)


def dialled(problem: str) -> Exception:
    """Return a refusal of the proxy that could not connect."""
    return said(503, f"error trying to reach service: dial tcp 10.1.2.3:8000: {problem}", "ServiceUnavailable")


def pod(name: str, ready: bool = True, **container: Any) -> dict[str, Any]:
    """Return a Pod of one container."""
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    containers = [{"name": "vllm", "ports": [{"name": "http", "containerPort": 8000}], **container}]
    return {"metadata": {"name": name}, "spec": {"containers": containers}, "status": status}


class ScriptedClient:
    """A client whose pods and answers are given. ``sent`` has one entry for each request that went to a pod."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = {found["metadata"]["name"]: found for found in pods}
        self.answers: dict[str, Given | Callable[[str], Given]] = {PROXY: FINE, KUBELET: FINE}
        self.sent: list[tuple[str, str, int, str | None]] = []
        self._lock = threading.Lock()

    def get(self, resource: object, name: str) -> dict[str, Any] | None:
        """Return a pod."""
        assert resource is PODS
        return self.pods.get(name)

    def ask_pod(
        self, pod: str, port: int, method: str, path: str, body: Mapping[str, Any] | None, time_limit: float
    ) -> HttpReply:
        """Answer as the proxy does."""
        return self._answer(PROXY, pod, port, None)

    def ask_pod_by_kubelet(
        self,
        pod: str,
        port: int,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        time_limit: float,
        token: str | None,
    ) -> HttpReply:
        """Answer as port-forward does."""
        return self._answer(KUBELET, pod, port, token)

    @property
    def ways(self) -> list[str]:
        """Return by which way each request went."""
        return [way for way, _pod, _port, _token in self.sent]

    def _answer(self, way: str, pod: str, port: int, token: str | None) -> HttpReply:
        with self._lock:
            self.sent.append((way, pod, port, token))
        given = self.answers[way]
        answer = given(pod) if callable(given) else given
        if isinstance(answer, Exception):
            raise answer
        return answer


def status(*names: str, phase: str = "running", role: str = "leader") -> WorkloadStatus:
    return WorkloadStatus(RUNNING, pods=tuple(PodStatus(name, name, phase, role) for name in names))


def ask(leaders: Leaders, *names: str, body: dict[str, Any] | None = None) -> list[HttpAnswer | Unreachable]:
    return leaders.request(status(*(names or ("w-0",))), "POST" if body else "GET", "/v1/models", body, 5)


def failure(client: ScriptedClient, token: str | None = None) -> Unreachable:
    with pytest.raises(Unreachable) as error:
        ask(Leaders(client, token))
    return error.value


def test_only_leaders_that_run_are_asked() -> None:
    client = ScriptedClient(pod("w-0"), pod("w-1"))
    for others in (status("w-0", phase="pending"), status("w-0", phase="terminating"), status("w-0", role="follower")):
        with pytest.raises(Unreachable, match="no leader runs") as error:
            Leaders(client, None).request(others, "GET", "/v1/models", None, 5)
        assert error.value.cause == ENDPOINT_UNREACHABLE
    assert client.sent == []


def test_leaders_are_asked_in_their_order_however_many() -> None:
    names = [f"w-{index}" for index in range(30)]
    client = ScriptedClient(*(pod(name) for name in names))
    answers = ask(Leaders(client, None), *names)
    assert [answer.leader for answer in answers] == names
    assert sorted(name for _way, name, _port, _token in client.sent) == sorted(names)


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([{"name": "metrics", "containerPort": 9000}, {"name": "http", "containerPort": 8080}], 8080),
        ([{"containerPort": 9000}, {"containerPort": 9001}], 9000),
        ([], 8000),
        (None, 8000),
    ],
)
def test_the_port_that_serves_http(ports: Any, expected: int) -> None:
    client = ScriptedClient(pod("w-0", ports=ports))
    ask(Leaders(client, None))
    assert client.sent == [(PROXY, "w-0", expected, None)]


def test_the_engines_container_is_the_one_that_is_called_so() -> None:
    found = pod("w-0")
    found["spec"]["containers"].insert(0, {"name": "mesh", "ports": [{"name": "http", "containerPort": 15001}]})
    client = ScriptedClient(found)
    ask(Leaders(client, None))
    assert client.sent[0][2] == 8000


@pytest.mark.parametrize(
    "container",
    [
        {"env": [{"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        {"env": [{"name": "VLLM_API_KEY", "value": "clear"}]},
        {"args": ["serve", "/m", "--api-key", "clear"]},
        {"command": ["vllm", "serve", "/m", "--api-key=clear"]},
    ],
)
def test_a_key_goes_by_the_kubelet_to_engines_that_ask_for_one(container: dict[str, Any]) -> None:
    client = ScriptedClient(pod("w-0", **container))
    [answer] = ask(Leaders(client, KEY))
    assert isinstance(answer, HttpAnswer) and answer.credential == "endpoint_token"
    assert client.sent == [(KUBELET, "w-0", 8000, KEY)]
    client.sent.clear()
    [answer] = ask(Leaders(client, None))
    assert isinstance(answer, HttpAnswer) and answer.credential == "no token"
    assert client.sent == [(PROXY, "w-0", 8000, None)]


def test_a_401_tells_that_a_key_is_wanted_and_is_remembered() -> None:
    client = ScriptedClient(pod("w-0"))
    client.answers[PROXY] = HttpReply(401, {}, b"{}")
    leaders = Leaders(client, KEY)
    for _turn in range(2):
        [answer] = ask(leaders, body={"model": "m"})
        assert isinstance(answer, HttpAnswer) and (answer.status, answer.credential) == (200, "endpoint_token")
    assert client.ways == [PROXY, KUBELET, KUBELET]


@pytest.mark.parametrize("closed", [forbidden("proxy"), said(400, "address not allowed"), dialled("i/o timeout")])
def test_where_the_proxy_is_closed_the_kubelet_is_asked_without_a_key(closed: Exception) -> None:
    client = ScriptedClient(pod("w-0"))
    client.answers[PROXY] = closed
    leaders = Leaders(client, KEY)
    for _turn in range(2):
        [answer] = ask(leaders, body={"model": "m"})
        assert isinstance(answer, HttpAnswer) and answer.credential == "no token"
    assert client.sent == [
        (PROXY, "w-0", 8000, None),
        (KUBELET, "w-0", 8000, None),
        (KUBELET, "w-0", 8000, None),
    ]


@pytest.mark.parametrize(
    "problem",
    [
        dialled("connect: connection refused"),
        said(503, "error trying to reach service: EOF", "ServiceUnavailable"),
        said(503, "error trying to reach service: read tcp 10.0.0.1:1-\\u003e10.1.2.3:8000: connection reset by peer"),
        said(429, "too many requests", "TooManyRequests"),
        said(500, "etcdserver: leader changed", "InternalError"),
        HttpError(REFUSED, "the connection was refused", False, True),
        HttpError(TIMED_OUT, "no connection within 5 s", False, True),
    ],
)
def test_what_another_way_would_not_change_or_would_send_twice_is_left_so(problem: Exception) -> None:
    client = ScriptedClient(pod("w-0"))
    client.answers[PROXY] = problem
    error = failure(client)
    assert (error.cause, error.leader) == (ENDPOINT_UNREACHABLE, "w-0")
    assert client.ways == [PROXY]


def test_no_answer_in_time_is_told_apart() -> None:
    for way, token in ((PROXY, None), (KUBELET, KEY)):
        client = ScriptedClient(pod("w-0", args=["--api-key", "x"]))
        client.answers[way] = HttpError(TIMED_OUT, "no answer within 5 s", True, True)
        error = failure(client, token)
        assert (error.cause, error.reason) == (NO_ANSWER_IN_TIME, "pod w-0: no answer within 5 s.")


def test_both_ways_closed_names_both() -> None:
    client = ScriptedClient(pod("w-0"))
    client.answers = {PROXY: forbidden("proxy"), KUBELET: forbidden("portforward")}
    error = failure(client)
    assert error.cause == NOT_REACHABLE_FROM_HERE
    assert "user me may not get pods/proxy in namespace my-project" in error.reason
    assert "user me may not get pods/portforward in namespace my-project" in error.reason
    assert "docs/kubernetes.md" in error.reason


def test_what_the_kubelets_way_says_counts_where_the_proxy_is_closed() -> None:
    client = ScriptedClient(pod("w-0"))
    client.answers = {PROXY: forbidden("proxy"), KUBELET: HttpError("unreachable", "connection refused", True, True)}
    error = failure(client)
    assert (error.cause, error.reason) == (ENDPOINT_UNREACHABLE, "pod w-0: connection refused.")


def test_a_leader_that_is_gone_or_not_ready_is_not_asked() -> None:
    client = ScriptedClient(pod("w-0", ready=False), pod("w-2"))
    gone, unready, answer = ask(Leaders(client, None), "w-1", "w-0", "w-2")
    assert isinstance(gone, Unreachable) and (gone.cause, gone.leader) == (ENDPOINT_UNREACHABLE, "w-1")
    assert isinstance(unready, Unreachable) and (unready.cause, unready.leader) == (LEADER_NOT_READY, "w-0")
    assert isinstance(answer, HttpAnswer)
    assert client.ways == [PROXY]


def test_of_several_reasons_the_most_telling_counts() -> None:
    client = ScriptedClient(pod("w-0", ready=False), pod("w-1"), pod("w-2"))
    client.answers[PROXY] = lambda name: (
        HttpError(TIMED_OUT, "no answer within 5 s", True, True)
        if name == "w-2"
        else HttpError(REFUSED, "the connection was refused", False, True)
    )
    with pytest.raises(Unreachable) as error:
        ask(Leaders(client, None), "w-0", "w-1", "w-2")
    assert (error.value.cause, error.value.leader) == (NO_ANSWER_IN_TIME, "w-2")
    assert error.value.reason == "pod w-2: no answer within 5 s."


def test_the_key_is_in_no_reason() -> None:
    client = ScriptedClient(pod("w-0", args=["--api-key", "x"]))
    client.answers[KUBELET] = forbidden("portforward")
    assert KEY not in failure(client, KEY).reason
