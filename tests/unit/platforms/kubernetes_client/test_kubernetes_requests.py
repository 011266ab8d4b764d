# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client sends and repeats, against a scripted server that fails in every way."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time as real_time
from typing import Any

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    ACCESS_REVIEWS,
    ALL_PODS,
    DEPLOYMENTS,
    EVENTS,
    LEADERWORKERSETS,
    PODS,
    SERVICES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.watching import Feed, Subscription
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, InterruptedByParent
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor
from client_builders import SERVICES_PATH, event, listing, service, status
from client_fixture_types import MakeClient
from local_certificates import Certificates
from runai_examples import FakeTime
from scripted_server import Answer, Asked, Cut, Reaction, Reset, ScriptedServer, Silence, Trickle

ONE = f"{SERVICES_PATH}/my-llm"


def causes(error: GpuopsError) -> list[str]:
    return [finding.cause for finding in error.findings]


def test_paths() -> None:
    assert PODS.path("a", "b", "log") == "/api/v1/namespaces/a/pods/b/log"
    assert DEPLOYMENTS.path("a") == "/apis/apps/v1/namespaces/a/deployments"
    assert ALL_PODS.path("a") == "/api/v1/pods"
    assert SERVICES.path("a", "../b").endswith("/services/..%2Fb")


def test_an_apply_says_everything_that_the_server_needs(client: KubernetesClient, api: ScriptedServer) -> None:
    api.on("PATCH", ONE, Answer(200, service("my-llm")))
    client.apply(SERVICES, "my-llm", service("my-llm"), dry_run=True, force=True)
    (asked,) = api.asked
    assert asked.query == {
        "fieldManager": ["gpuops.inference"],
        "fieldValidation": ["Strict"],
        "force": ["true"],
        "dryRun": ["All"],
    }
    assert asked.headers["content-type"] == "application/apply-patch+yaml"
    assert asked.headers["authorization"] == "Bearer canary-token"
    assert asked.headers["user-agent"].startswith("gpuops.inference/")
    assert asked.json() == service("my-llm")


@pytest.mark.parametrize("trouble", [Answer(503, status(503)), Answer(429, status(429)), Reset(), Cut()])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_is_idempotent_is_repeated(
    client: KubernetesClient, api: ScriptedServer, method: str, trouble: Reaction
) -> None:
    api.on(method, ONE, trouble, trouble, Answer(200, service("my-llm")))
    {
        "GET": lambda: client.get(SERVICES, "my-llm"),
        "PATCH": lambda: client.apply(SERVICES, "my-llm", {}),
        "DELETE": lambda: client.delete(SERVICES, "my-llm"),
    }[method]()
    assert api.count(method, ONE) == 3


@pytest.mark.parametrize("trouble", [Answer(503, status(503)), Reset()])
def test_a_creation_is_sent_once(client: KubernetesClient, api: ScriptedServer, trouble: Reaction) -> None:
    path = "/api/v1/namespaces/my-project/pods"
    api.on("POST", path, trouble)
    with pytest.raises(PlatformUnreachable):
        client.create(PODS, {"metadata": {"name": "my-pod"}})
    assert api.count("POST", path) == 1


def test_dry_runs_and_questions_are_repeated(client: KubernetesClient, api: ScriptedServer) -> None:
    api.on("POST", "/api/v1/namespaces/my-project/pods", Reset(), Answer(201, {"kind": "Pod"}))
    client.create(PODS, {"metadata": {"name": "my-pod"}}, dry_run=True)
    api.on("POST", ACCESS_REVIEWS.path(None), Reset(), Answer(201, {"status": {"allowed": True}}))
    assert client.allowed("get", PODS, "log")
    assert api.asked[-1].json()["spec"]["resourceAttributes"] == {
        "namespace": "my-project",
        "verb": "get",
        "version": "v1",
        "resource": "pods",
        "subresource": "log",
    }


def test_the_server_says_how_long_to_wait(client: KubernetesClient, api: ScriptedServer, time: FakeTime) -> None:
    api.on("GET", ONE, Answer(429, status(429), {"Retry-After": "7"}), Answer(200, service("my-llm")))
    before = time.clock()
    client.get(SERVICES, "my-llm")
    assert time.clock() - before == 7


def test_patience_ends(client: KubernetesClient, api: ScriptedServer, time: FakeTime) -> None:
    api.on("GET", ONE, Answer(500, status(500, message="etcdserver: leader changed")))
    before = time.clock()
    with client.within(40), pytest.raises(PlatformUnreachable) as error:
        client.get(SERVICES, "my-llm")
    assert time.clock() - before <= 40
    assert causes(error.value) == ["api_server_failing"] and "leader changed" in error.value.message


def test_the_end_of_ansible_playbook_is_noticed(make_client: MakeClient, api: ScriptedServer) -> None:
    def gone() -> None:
        raise InterruptedByParent

    with pytest.raises(InterruptedByParent):
        make_client(alive=gone).apply(SERVICES, "my-llm", {})
    assert api.asked == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:1", "refused"),
        ("http://no-such-host.invalid:8080", "cannot be resolved"),
    ],
)
def test_an_address_where_nothing_answers(make_client: MakeClient, address: str, words: str) -> None:
    client = make_client(host_address=address)
    with client.within(1), pytest.raises(GpuopsError) as error:
        client.get(SERVICES, "my-llm")
    assert causes(error.value) == ["api_server_unreachable"]
    assert words in error.value.message and address in error.value.message


def test_silence_ends_with_the_time_limit(make_client: MakeClient, api: ScriptedServer) -> None:
    api.on("GET", ONE, Silence())
    client = make_client(request_timeout=0.2)
    with client.within(0.5), pytest.raises(PlatformUnreachable) as error:
        client.get(SERVICES, "my-llm")
    assert "no answer within" in error.value.message


def test_a_certificate_that_is_not_trusted_is_not_tried_again(
    make_client: MakeClient, tls_server: ScriptedServer, certificates: Certificates
) -> None:
    with pytest.raises(GpuopsError) as error:
        make_client(host_address=tls_server.url).get(SERVICES, "my-llm")
    assert causes(error.value) == ["tls_not_trusted"] and "ca_cert" in error.value.message
    assert not isinstance(error.value, PlatformUnreachable)
    tls_server.on("GET", ONE, Answer(200, service("my-llm")))
    for options in ({"ca_cert": certificates.ca_path}, {"validate_certs": False}):
        assert make_client(host_address=tls_server.url, **options).get(SERVICES, "my-llm")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>Login</html>", {"Content-Type": "text/html"}),
        Answer(302, None, {"Location": "/x"}),
        Answer(200, []),
    ],
)
def test_another_server_is_told_from_an_api_server(
    client: KubernetesClient, api: ScriptedServer, answer: Answer
) -> None:
    api.on("GET", ONE, answer)
    with pytest.raises(GpuopsError) as error:
        client.get(SERVICES, "my-llm")
    assert causes(error.value) == ["not_the_api"]


def test_a_404_of_a_gateway_does_not_mean_that_something_is_gone(client: KubernetesClient, api: ScriptedServer) -> None:
    api.on("GET", ".*", Answer(404, b"<html>no such site</html>", {"Content-Type": "text/html"}))
    api.on("DELETE", ".*", Answer(404, b"404 page not found"))
    for call in (
        lambda: client.get(SERVICES, "my-llm"),
        lambda: client.get(LEADERWORKERSETS, "my-llm"),
        lambda: client.list(SERVICES),
        lambda: client.serves(LEADERWORKERSETS),
        lambda: client.delete(SERVICES, "my-llm"),
    ):
        with pytest.raises(PlatformUnreachable) as error:
            call()
        assert causes(error.value) == ["not_the_api"]


def test_a_list_whose_version_is_forgotten_begins_anew(client: KubernetesClient, api: ScriptedServer) -> None:
    api.on(
        "GET",
        SERVICES_PATH,
        Answer(200, listing("a", "b", following="next")),
        Answer(410, status(410, reason="Expired")),
        Answer(200, listing("b", "c")),
    )
    assert [entry["metadata"]["name"] for entry in client.list(SERVICES).items] == ["b", "c"]
    assert [asked.query.get("limit") for asked in api.asked] == [["500"], ["500"], None]


def test_a_webhook_that_is_down_is_not_waited_for_long(client: KubernetesClient, api: ScriptedServer) -> None:
    message = 'Internal error occurred: failed calling webhook "m.kb.io": connection refused'
    api.on("PATCH", ONE, Answer(500, status(500, message=message)))
    with pytest.raises(Refused) as error:
        client.apply(SERVICES, "my-llm", {})
    assert causes(error.value) == ["webhook_failed"] and api.count("PATCH", ONE) == 3


def test_a_field_that_is_unknown_is_told_at_once(client: KubernetesClient, api: ScriptedServer) -> None:
    message = "failed to create typed patch object (/x; v1, Kind=Service): .spec.bogus: field not declared in schema"
    api.on("PATCH", ONE, Answer(500, status(500, message=message)))
    with pytest.raises(Refused):
        client.apply(SERVICES, "my-llm", {})
    assert api.count("PATCH", ONE) == 1


def test_no_secret_comes_back(make_client: MakeClient, api: ScriptedServer) -> None:
    def echo(asked: Asked) -> Answer:
        return Answer(400, status(400, message=f"bad header {asked.headers['authorization']}"))

    redactor = Redactor()
    api.on("GET", ONE, echo)
    with pytest.raises(Refused) as error:
        make_client(redactor=redactor, api_key="canary-of-a-token").get(SERVICES, "my-llm")
    assert "canary-of-a-token" not in error.value.message and "********" in error.value.message


def test_groups_are_impersonated_one_by_one(make_client: MakeClient, api: ScriptedServer) -> None:
    api.on("GET", ONE, Answer(200, service("my-llm")))
    make_client(impersonate_user="somebody", impersonate_groups=("a", "b")).get(SERVICES, "my-llm")
    assert api.asked[0].headers["impersonate-user"] == "somebody"
    assert api.asked[0].headers["impersonate-group"] == "b"


def followed(client: KubernetesClient) -> Feed:
    return Feed(client, (Subscription(SERVICES),))


def names(feed: Feed) -> list[str]:
    return sorted(entry["metadata"]["name"] for entry in feed.objects(SERVICES))


def heard(feed: Feed, wanted: list[str]) -> None:
    deadline = real_time.monotonic() + 20
    while names(feed) != wanted:
        assert real_time.monotonic() < deadline, f"{names(feed)} and not {wanted}; {feed.trouble} {feed.failure}"
        feed.wait(1)


def watched(api: ScriptedServer, lists: list[Any], watches: list[Reaction]) -> None:
    """Script what lists and watches of services answer in turn; a watch that is not scripted goes on without events."""

    def answer(asked: Asked) -> Reaction:
        script = watches if "watch" in asked.query else lists
        found = script.pop(0) if script else Trickle(pause=60)
        return Answer(200, found) if isinstance(found, dict) else found

    api.on("GET", SERVICES_PATH, answer)


def test_events_are_taken_over(client: KubernetesClient, api: ScriptedServer) -> None:
    stream = event("ADDED", "b", "6") + event("DELETED", "a", "7") + event("BOOKMARK", "", "9")
    watched(api, [listing("a")], [Answer(200, stream)])
    feed = followed(client)
    heard(feed, ["b"])
    deadline = real_time.monotonic() + 20
    while len(api.asked) < 3 and real_time.monotonic() < deadline:
        feed.wait(0.05)
    feed.close()
    versions = [asked.query.get("resourceVersion") for asked in api.asked]
    assert versions[:3] == [None, ["5"], ["9"]]


@pytest.mark.parametrize(
    "broken", [Reset(), Cut(), Answer(200, event("ADDED", "b", "6")[:-9]), Answer(503, status(503))]
)
def test_a_broken_watch_goes_on_from_where_it_was(
    client: KubernetesClient, api: ScriptedServer, broken: Reaction
) -> None:
    watched(api, [listing("a")], [broken, Answer(200, event("ADDED", "b", "6"))])
    feed = followed(client)
    heard(feed, ["a", "b"])
    feed.close()
    assert len([asked for asked in api.asked if "watch" not in asked.query]) == 1
    assert api.asked[2].query["resourceVersion"] == ["5"]


@pytest.mark.parametrize("gone", ["answer", "event"])
def test_a_forgotten_version_is_listed_anew(client: KubernetesClient, api: ScriptedServer, gone: str) -> None:
    by_event = Answer(200, b'{"type": "ERROR", "object": {"kind": "Status", "code": 410}}\n')
    first = by_event if gone == "event" else Answer(410, status(410))
    watched(api, [listing("a"), listing("b")], [first])
    feed = followed(client)
    heard(feed, ["b"])
    feed.close()
    assert feed.failure is None


def test_a_watch_that_ends_with_errors_is_begun_ever_later(client: KubernetesClient, api: ScriptedServer) -> None:
    error = {"kind": "Status", "status": "Failure", "code": 500, "message": "etcd event received with PrevKv=nil"}
    ended = Answer(200, json.dumps({"type": "ERROR", "object": error}).encode() + b"\n")
    watched(api, [listing("a")] * 1000, [ended] * 1000)
    feed = followed(client)
    deadline = real_time.monotonic() + 20
    while len(api.asked) < 8 and real_time.monotonic() < deadline:
        feed.wait(0.5)
    trouble = feed.trouble
    feed.close()
    assert isinstance(trouble, PlatformUnreachable) and feed.failure is None
    assert causes(trouble) == ["api_server_failing"] and "PrevKv" in trouble.message


def test_a_refusal_of_what_is_optional_ends_nothing(client: KubernetesClient, api: ScriptedServer) -> None:
    message = 'events is forbidden: User "me" cannot watch resource "events" in API group "" in the namespace "x"'
    watched(api, [listing("a")], [])
    api.on(
        "GET",
        EVENTS.path("my-project"),
        lambda asked: Answer(403, status(403, message=message)) if "watch" in asked.query else Answer(200, listing()),
    )
    feed = Feed(client, (Subscription(SERVICES), Subscription(EVENTS, optional=True)))
    deadline = real_time.monotonic() + 20
    while api.count("GET", EVENTS.path("my-project")) < 4 and real_time.monotonic() < deadline:
        feed.wait(0.1)
    assert names(feed) == ["a"] and feed.objects(EVENTS) == []
    assert feed.failure is None
    feed.close()


def test_a_lost_permission_ends_it_after_some_tries(client: KubernetesClient, api: ScriptedServer) -> None:
    message = 'services is forbidden: User "me" cannot list resource "services" in API group "" in the namespace "x"'
    watched(api, [Answer(403, status(403, message=message))] * 5, [])
    feed = followed(client)
    with pytest.raises(Refused) as error:
        feed.objects(SERVICES)
    feed.close()
    assert causes(error.value) == ["permission_denied"] and len(api.asked) == 3


def test_an_outage_is_no_failure(client: KubernetesClient, api: ScriptedServer) -> None:
    watched(api, [Answer(503, status(503))] * 4 + [listing("a")], [])
    feed = followed(client)
    assert names(feed) == ["a"]
    assert feed.failure is None
    feed.close()


def test_a_watch_that_is_cut_at_once_is_not_begun_in_a_rush(client: KubernetesClient, api: ScriptedServer) -> None:
    watched(api, [listing("a")], [Answer(200, b"")] * 1000)
    feed = followed(client)
    assert names(feed) == ["a"]
    while feed.wait(0.5):
        continue
    feed.close()
    assert len(api.asked) < 50 and feed.trouble is None


def test_a_defect_in_the_thread_is_handed_over(
    client: KubernetesClient, api: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("canary-token")

    monkeypatch.setattr(client, "list", broken)
    feed = followed(client)
    with pytest.raises(GpuopsError) as error:
        feed.objects(SERVICES)
    feed.close()
    assert causes(error.value) == ["internal_error"] and "canary" not in error.value.message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("code", "served"), [(403, True), (404, False)])
def test_what_is_served_is_known_without_the_right_to_read_it(
    client: KubernetesClient, api: ScriptedServer, code: int, served: bool
) -> None:
    message = 'x is forbidden: User "me" cannot get path "/apis/apps/v1"'
    group = LEADERWORKERSETS.group_path
    api.on("GET", group, Answer(403, status(403, message=message)))
    api.on("GET", f"{group}/namespaces/my-project/leaderworkersets/.*", Answer(code, status(code, message=message)))
    assert client.serves(LEADERWORKERSETS) is served


def test_a_silent_watch_is_closed_at_once(client: KubernetesClient, api: ScriptedServer) -> None:
    watched(api, [listing("a")], [])
    feed = followed(client)
    assert names(feed) == ["a"]
    feed.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("gpuops-watch")] == []


@pytest.mark.parametrize("last", ["", "Connection: close\r\n"])
def test_a_silent_watch_is_interrupted_whatever_the_server_says_of_it(make_client: MakeClient, last: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        watching = threading.Thread(target=_watch_for_ever, args=(make_client, server.getsockname()[1]), daemon=True)
        watching.start()
        connection, _address = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{last}\r\n".encode())
            watching.join(20)
    assert not watching.is_alive()


def _watch_for_ever(make_client: MakeClient, port: int) -> None:
    """Watch a server that says nothing, while another thread interrupts that."""
    watch = make_client(host_address=f"http://127.0.0.1:{port}").watch(SERVICES, "", "", "5", 600)
    threading.Timer(0.1, watch.interrupt).start()
    with contextlib.suppress(HttpError):
        list(watch)
    watch.close()
