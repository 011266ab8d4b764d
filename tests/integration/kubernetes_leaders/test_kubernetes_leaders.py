# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to every replica's leader through a real API server: its pod proxy, and port-forward.

What stands in for the engine is a small HTTP server on this machine; nothing about vLLM is claimed from it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    ENDPOINT_UNREACHABLE,
    LEADER_NOT_READY,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    HttpAnswer,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import UNTRUSTED_ANSWER_BYTES
from served_workloads import CHAT, KEY, MODELS, QUESTION, WITH_KEY, ServedWorkloads, rules_without
from support.cluster import PODS
from support.leader_server import HANG, HANG_UP, LeaderServer
from support.sandbox import until
from support.tunnel_proxy import TunnelProxy

LOOPBACK = "127.0.0.1"


def refusal(served: ServedWorkloads, name: str, **options: Any) -> Unreachable:
    """Return why no leader of a workload answered."""
    with pytest.raises(Unreachable) as error:
        served.ask(served.platform(), name, **options)
    return error.value


def test_every_leader_is_asked(served: ServedWorkloads) -> None:
    name = served.make(replicas=2)
    answers = served.ask(served.platform(), name)
    assert [answer.leader for answer in answers] == served.leaders(name) == [f"{name}-0", f"{name}-1"]
    for answer in answers:
        assert isinstance(answer, HttpAnswer)
        assert (answer.status, answer.credential) == (200, "no token")
        assert json.loads(answer.body)["data"][0]["id"] == "mistral4"
    assert sorted(asked.pod for asked in served.server.asked) == served.leaders(name)


def test_a_question_arrives_as_it_was_sent_and_without_our_credentials(served: ServedWorkloads) -> None:
    name = served.make()
    account = served.cluster.service_account("my-account", rules_without())
    [answer] = served.ask(served.platform(account), name, CHAT, QUESTION)
    assert isinstance(answer, HttpAnswer) and answer.status == 200
    [asked] = served.server.asked
    assert (asked.method, asked.path, json.loads(asked.body)) == ("POST", CHAT, QUESTION)
    assert "authorization" not in asked.headers
    assert not [name for name in asked.headers if name.startswith(("x-remote", "impersonate"))]


@pytest.mark.parametrize("status", [200, 307, 400, 401, 403, 404, 429, 500, 502, 503])
def test_whatever_the_engine_answers_is_its_answer(served: ServedWorkloads, status: int) -> None:
    name = served.make()
    served.server.replies[(f"{name}-0", MODELS)] = (status, {"detail": "from the engine"})
    [answer] = served.ask(served.platform(), name)
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, json.loads(answer.body)) == (status, {"detail": "from the engine"})
    assert served.server.paths() == [MODELS]


def test_a_leader_at_which_nobody_listens(served: ServedWorkloads) -> None:
    name = served.make()
    served.server.end()
    error = refusal(served, name)
    assert error.cause == ENDPOINT_UNREACHABLE and "connection refused" in error.reason
    assert error.leader == f"{name}-0"


def test_a_leader_that_hangs_up_is_not_asked_again(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    name = served.make()
    served.server.replies[("", CHAT)] = HANG_UP
    assert refusal(served, name, path=CHAT, body=QUESTION).cause == ENDPOINT_UNREACHABLE
    assert served.server.paths() == [CHAT]
    assert forwarded.asked == []


def test_a_leader_that_says_nothing(served: ServedWorkloads) -> None:
    name = served.make(replicas=2)
    served.server.replies[(f"{name}-1", CHAT)] = HANG
    first, second = served.ask(served.platform(), name, CHAT, QUESTION, time_limit=1)
    assert isinstance(first, HttpAnswer) and first.status == 200
    assert isinstance(second, Unreachable)
    assert (second.cause, second.leader) == (NO_ANSWER_IN_TIME, f"{name}-1")
    assert "within 1 s" in second.reason


def test_an_answer_without_end_is_cut_off(served: ServedWorkloads) -> None:
    name = served.make()
    served.server.replies[("", MODELS)] = (200, "x" * UNTRUSTED_ANSWER_BYTES)
    [answer] = served.ask(served.platform(), name)
    assert isinstance(answer, HttpAnswer) and len(answer.body) == UNTRUSTED_ANSWER_BYTES
    served.server.replies[("", MODELS)] = (200, "x" * (UNTRUSTED_ANSWER_BYTES + 1))
    assert "larger than 1048576 bytes" in refusal(served, name).reason


def test_a_leader_that_is_not_ready_is_not_asked(served: ServedWorkloads) -> None:
    name = served.make(replicas=2)
    served.make_unready(f"{name}-0")
    first, second = served.ask(served.platform(), name)
    assert isinstance(first, Unreachable) and (first.cause, first.leader) == (LEADER_NOT_READY, f"{name}-0")
    assert isinstance(second, HttpAnswer)
    served.make_unready(f"{name}-1")
    error = refusal(served, name)
    assert error.cause == ENDPOINT_UNREACHABLE and f"pod {name}-1 is not ready" in error.reason


def test_a_leader_that_is_gone_meanwhile(served: ServedWorkloads) -> None:
    name = served.make()
    platform = served.platform()
    live = platform.find(name)
    assert live is not None
    status = platform.status(live)
    served.cluster.api("DELETE", f"/apis/leaderworkerset.x-k8s.io/v1/namespaces/my-project/leaderworkersets/{name}")
    until(lambda: not served.cluster.pods(name), "the pods are gone")
    with pytest.raises(Unreachable, match=f"pod {name}-0 is gone") as error:
        platform.request_leaders(live, status, "GET", MODELS, None, 10)
    assert error.value.cause == ENDPOINT_UNREACHABLE


def test_other_layouts_have_leaders_too(served: ServedWorkloads) -> None:
    for options in ({"controller": "deployments"}, {"pods": 1}):
        name = served.make(**options)
        [answer] = served.ask(served.platform(), name)
        assert isinstance(answer, HttpAnswer) and answer.status == 200
        assert [answer.leader] == served.leaders(name)


# With a key


def test_a_key_goes_through_the_kubelet(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    name = served.make(serving=WITH_KEY)
    [answer] = served.ask(served.platform(token=KEY), name, CHAT, QUESTION)
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.credential, answer.leader) == (200, "endpoint_token", f"{name}-0")
    [asked] = forwarded.asked
    assert (asked.method, asked.path, json.loads(asked.body)) == ("POST", CHAT, QUESTION)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert served.server.asked == []
    [request] = [entry for entry in served.cluster.requests() if "portforward" in entry["path"]]
    assert request["user_agent"].startswith("gpuops.inference/")


def test_a_key_that_only_the_engine_knows_of(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    name = served.make()
    served.server.replies[("", MODELS)] = (401, {"error": "Unauthorized"})
    platform = served.platform(token=KEY)
    for _turn in range(2):
        [answer] = served.ask(platform, name)
        assert isinstance(answer, HttpAnswer) and answer.status == 200
    assert served.server.paths() == [MODELS]
    assert forwarded.paths() == [MODELS, MODELS]


def test_a_key_goes_to_no_engine_that_asks_for_none(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    name = served.make()
    served.ask(served.platform(token=KEY), name)
    [asked] = served.server.asked
    assert "authorization" not in asked.headers
    assert forwarded.asked == []


def test_without_the_key_the_engine_refuses(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    name = served.make(serving=WITH_KEY)
    served.server.replies[("", MODELS)] = (401, {"error": "Unauthorized"})
    [answer] = served.ask(served.platform(), name)
    assert isinstance(answer, HttpAnswer) and (answer.status, answer.credential) == (401, "no token")
    [answer] = served.ask(served.platform(token="wrong-key-0123"), name)
    assert isinstance(answer, HttpAnswer) and (answer.status, answer.credential) == (401, "endpoint_token")
    assert len(forwarded.asked) == 1


def test_limits_hold_through_the_kubelet(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    name = served.make(serving=WITH_KEY)
    platform = served.platform(token=KEY)
    forwarded.replies[("", CHAT)] = HANG
    with pytest.raises(Unreachable, match="within 1 s") as error:
        served.ask(platform, name, CHAT, QUESTION, time_limit=1)
    assert error.value.cause == NO_ANSWER_IN_TIME
    forwarded.replies[("", MODELS)] = (200, "x" * UNTRUSTED_ANSWER_BYTES)
    [answer] = served.ask(platform, name)
    assert isinstance(answer, HttpAnswer) and len(answer.body) == UNTRUSTED_ANSWER_BYTES
    forwarded.replies[("", MODELS)] = (200, "x" * (UNTRUSTED_ANSWER_BYTES + 1))
    with pytest.raises(Unreachable, match="larger than 1048576 bytes"):
        served.ask(platform, name)


def test_a_pod_at_whose_port_nobody_listens_by_the_kubelet(served: ServedWorkloads) -> None:
    name = served.make(serving=WITH_KEY)
    with pytest.raises(Unreachable, match="refused") as error:
        served.ask(served.platform(token=KEY), name)
    assert error.value.cause == ENDPOINT_UNREACHABLE


def test_a_key_goes_the_way_of_all_requests_through_a_proxy(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    name = served.make(serving=WITH_KEY)
    proxy = TunnelProxy()
    try:
        [answer] = served.ask(served.platform(token=KEY, proxy=proxy.url), name)
    finally:
        proxy.close()
    assert isinstance(answer, HttpAnswer) and answer.status == 200
    # One for all that is asked of the API server, one for the kubelet.
    assert proxy.tunnels == 2


def test_a_key_goes_past_a_proxy_of_the_environment_that_the_options_name_an_exception_to(
    served: ServedWorkloads, forwarded: LeaderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = served.make(serving=WITH_KEY)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    [answer] = served.ask(served.platform(token=KEY, no_proxy="127.0.0.1"), name)
    assert isinstance(answer, HttpAnswer) and answer.status == 200


# Where a way is closed


def test_the_documented_role_is_enough(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    user = served.cluster.user("by-the-role", rules_without())
    for serving in ({}, WITH_KEY):
        name = served.make(serving=serving)
        platform = served.platform(user, token=KEY)
        for path, body in ((MODELS, None), (CHAT, QUESTION)):
            [answer] = served.ask(platform, name, path, body)
            assert isinstance(answer, HttpAnswer) and answer.status == 200


def test_without_permission_the_user_is_told_which(served: ServedWorkloads) -> None:
    name = served.make()
    user = served.cluster.user("no-way-in", rules_without("proxy", "portforward"))
    with pytest.raises(Unreachable) as error:
        served.ask(served.platform(user), name)
    assert error.value.cause == NOT_REACHABLE_FROM_HERE
    assert "user no-way-in may not get pods/proxy in namespace my-project" in error.value.reason
    assert "pods/portforward" in error.value.reason
    with pytest.raises(Unreachable) as error:
        served.ask(served.platform(user), name, CHAT, QUESTION)
    assert "may not create pods/proxy" in error.value.reason
    assert served.server.asked == []


def test_a_key_without_permission_for_its_way(served: ServedWorkloads) -> None:
    name = served.make(serving=WITH_KEY)
    user = served.cluster.user("no-port-forward", rules_without("portforward"))
    with pytest.raises(Unreachable) as error:
        served.ask(served.platform(user, token=KEY), name)
    assert error.value.cause == NOT_REACHABLE_FROM_HERE
    assert "user no-port-forward may not " in error.value.reason and "pods/portforward" in error.value.reason
    assert KEY not in error.value.reason
    assert served.server.asked == []


def test_the_kubelet_is_asked_where_the_proxy_is_not_permitted(
    served: ServedWorkloads, forwarded: LeaderServer
) -> None:
    name = served.make()
    platform = served.platform(served.cluster.user("no-proxy", rules_without("proxy")))
    for _turn in range(2):
        [answer] = served.ask(platform, name, "/version")
        assert isinstance(answer, HttpAnswer) and (answer.status, answer.credential) == (200, "no token")
    assert forwarded.paths() == ["/version"] * 2
    proxied = [entry for entry in served.cluster.requests() if "/proxy/" in entry["path"]]
    assert len(proxied) == 1, "what was refused once is not tried again"


def test_the_kubelet_is_asked_where_the_api_server_does_not_reach_the_pod(
    served: ServedWorkloads, forwarded: LeaderServer
) -> None:
    name = served.make()
    served.lead_to(f"{name}-0", LOOPBACK)
    [answer] = served.ask(served.platform(), name, "/version")
    assert isinstance(answer, HttpAnswer) and answer.status == 200
    user = served.cluster.user("no-port-forward", rules_without("portforward"))
    with pytest.raises(Unreachable, match="address not allowed") as error:
        served.ask(served.platform(user), name, "/version")
    assert error.value.cause == NOT_REACHABLE_FROM_HERE


def test_whom_we_act_as_counts_for_the_kubelets_way_too(served: ServedWorkloads, forwarded: LeaderServer) -> None:
    name = served.make(serving=WITH_KEY)
    served.cluster.user("no-port-forward", rules_without("portforward"))
    with pytest.raises(Unreachable, match="user no-port-forward may not") as error:
        served.ask(served.platform(token=KEY, impersonate_user="no-port-forward"), name)
    assert error.value.cause == NOT_REACHABLE_FROM_HERE
    assert forwarded.asked == []


def test_pods_are_asked_for_at_the_api_server_only(served: ServedWorkloads) -> None:
    name = served.make()
    served.cluster.forget_requests()
    served.ask(served.platform(), name)
    paths = [entry["path"] for entry in served.cluster.requests()]
    assert f"{PODS}/{name}-0%3A{served.server.port}/proxy{MODELS}" in paths
    assert not [path for path in paths if "/secrets" in path]
