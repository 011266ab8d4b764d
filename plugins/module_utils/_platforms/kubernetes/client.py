# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The Kubernetes API as far as the collection uses it: one thin method per request, on known paths.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import CommandResult
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import KubernetesConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes import refusals
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.channels import NotOpened
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.commands import run_command
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.ownership import FIELD_MANAGER
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.port_forward import (
    open_port,
    send_through,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import (
    Call,
    NotServed,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    ACCESS_REVIEWS,
    PODS,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.sender import (
    JSON,
    USER_AGENT,
    HttpRequest,
    Sender,
    Stream,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import BUSY_STATUSES, Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    UNTRUSTED_ANSWER_BYTES,
    HttpError,
    HttpReply,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

Object = dict[str, Any]
# Objects per page, as kubectl asks for (--chunk-size).
PAGE_SIZE = 500
# The most of a log that is read: 4 MiB hold some 30,000 lines of vLLM's.
LOG_BYTES = 4 * 1024 * 1024
APPLY = "application/apply-patch+yaml"
# Their objects are questions: what is posted is answered and not kept.
_REVIEW_GROUPS = ("authorization.k8s.io", "authentication.k8s.io")
# The API server closes a watch by itself; this much later nothing can be expected of it any more.
_WATCH_MARGIN_SECONDS = 15.0
# A webhook that cannot be asked is tried this often: its controller may just be starting again.
_WEBHOOK_TRIES = 3


@dataclass(frozen=True)
class Listing:
    """The objects of a list and the version of it from which a watch goes on."""

    items: list[Object]
    resource_version: str


class Watch:
    """The changes after a list, each one as it comes: ``{"type": ..., "object": ...}``."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Object]:
        """Yield the events until the API server ends the watch. Raises ``HttpError`` when the connection breaks."""
        for line in self._stream.lines():
            try:
                event = json.loads(line)
            except ValueError:
                raise HttpError("interrupted", "an event is not complete", True, True) from None
            if isinstance(event, dict):
                yield event

    def interrupt(self) -> None:
        """End the watch from another thread."""
        self._stream.interrupt()

    def close(self) -> None:
        """Give the connection up."""
        self._stream.close()


class KubernetesClient:
    """Sends the requests. Reads and what is idempotent are repeated while the API server is busy or gone.

    ``namespace`` ``None`` means that of the kubeconfig's context, else that of the pod this runs in.
    """

    def __init__(
        self, connection: KubernetesConnection, namespace: str | None, host: Host, retry: Retry | None = None
    ) -> None:
        self.host = host
        self.request_timeout = connection.request_timeout
        self._retry = retry or Retry(host)
        self._sender = Sender(connection, host)
        self._served: dict[str, frozenset[str]] = {}
        access = self._sender.access
        self.address: str = access.address
        self.cluster: str | None = access.cluster
        self.namespace: str = namespace or access.namespace or ""
        if not self.namespace:
            raise OptionError.of(
                "namespace", "no namespace is named, and the kubeconfig's context names none.", "Set namespace."
            )

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what all requests sent inside may take together."""
        return self._retry.within(seconds)

    def get(self, resource: Resource, name: str) -> Object | None:
        """Return an object, or ``None`` where there is none. Raises ``NotServed`` where its kind is not served."""
        call = Call("get", resource, self.namespace, name)
        request = HttpRequest("GET", resource.path(self.namespace, name))
        try:
            return self._object(self._repeated(request, call), call)
        except NotServed:
            raise
        except Refused as refused:
            if refused.is_absent:
                return None
            raise

    def list(
        self,
        resource: Resource,
        labels: str = "",
        fields: str = "",
        namespace: str | None = None,
        patient: bool = True,
    ) -> Listing:
        """Return all objects that match the selectors, page by page. ``patient`` false: each request is sent once."""
        call = Call("list", resource, namespace or self.namespace)
        path = resource.path(call.namespace)
        query = {"labelSelector": labels, "fieldSelector": fields, "limit": str(PAGE_SIZE)}
        query = {key: value for key, value in query.items() if value}
        items: list[Object] = []
        following = ""
        while True:
            request = HttpRequest("GET", path, {**query, **({"continue": following} if following else {})})
            try:
                page = self._object(self._repeated(request, call, patient), call)
            except Refused as refused:
                if refused.code != 410 or not following:
                    raise
                # The list went on for longer than the server keeps a version: anew, and in one piece.
                query.pop("limit", None)
                items, following = [], ""
                continue
            # The entries of a list do not say what they are.
            about = {"apiVersion": resource.api_version, "kind": resource.kind}
            items += [{**about, **entry} for entry in mappings(page.get("items"))]
            metadata = mapping(page.get("metadata"))
            following = str(metadata.get("continue") or "")
            if not following:
                return Listing(items, str(metadata.get("resourceVersion") or ""))

    def apply(
        self,
        resource: Resource,
        name: str,
        manifest: Mapping[str, Any],
        dry_run: bool = False,
        force: bool = False,
    ) -> Object:
        """Apply a manifest server-side as our field manager and return the object as it is then.

        ``force`` takes fields that other managers hold. Applying the same twice is the same, so it is repeated.
        """
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "force": "true" if force else "false"}
        call = Call("patch", resource, self.namespace, name, manifest=manifest)
        path = resource.path(self.namespace, name)
        request = HttpRequest("PATCH", path, _dry(query, dry_run), dict(manifest), APPLY)
        return self._object(self._repeated(request, call), call)

    def create(self, resource: Resource, manifest: Mapping[str, Any], dry_run: bool = False) -> Object:
        """Create an object. Sent once, unless it is a dry run or a review, which creates nothing."""
        name = str(mapping(manifest.get("metadata")).get("name") or "")
        call = Call("create", resource, self.namespace, name, manifest=manifest)
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        request = HttpRequest("POST", resource.path(self.namespace), _dry(query, dry_run), dict(manifest))
        return self._object(self._repeated(request, call, dry_run or resource.group in _REVIEW_GROUPS), call)

    def delete(
        self,
        resource: Resource,
        name: str,
        uid: str | None = None,
        propagation: str = "Background",
        grace_seconds: int | None = None,
    ) -> None:
        """Ask for the deletion of an object; one that is gone already is as good.

        With ``uid`` only the very object that has it is deleted, never a successor of the same name. ``propagation`` is
        ``Background``, or ``Foreground``: the object stays until what it owns is gone. ``grace_seconds`` shortens what
        a pod has to end in; with 0 nobody is waited for.
        """
        call = Call("delete", resource, self.namespace, name)
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        request = HttpRequest("DELETE", resource.path(self.namespace, name), {}, body)
        try:
            self._object(self._repeated(request, call), call)
        except NotServed:
            return
        except Refused as refused:
            # 409: another object has the name by now, so the one that was meant is gone.
            if not refused.is_absent and not (refused.code == 409 and uid):
                raise

    def logs(
        self,
        pod: str,
        container: str | None = None,
        tail_lines: int | None = None,
        previous: bool = False,
        limit_bytes: int = LOG_BYTES,
    ) -> str:
        """Return a container's log, with ``previous`` that of the one before its last restart."""
        query = {"limitBytes": str(limit_bytes), **({"container": container} if container else {})}
        if tail_lines is not None:
            query["tailLines"] = str(tail_lines)
        if previous:
            query["previous"] = "true"
        call = Call("get", PODS, self.namespace, pod, "log")
        reply = self._repeated(HttpRequest("GET", PODS.path(self.namespace, pod, "log"), query), call)
        if reply.status != 200:
            raise refusals.refusal(reply, call, self.host.redactor)
        return reply.text()

    def ask_pod(
        self, pod: str, port: int, method: str, path: str, body: Mapping[str, Any] | None, time_limit: float
    ) -> HttpReply:
        """Send an HTTP request once to a port of a pod by way of the API server and return the pod's answer.

        No credentials reach the pod. ``time_limit`` is in seconds, for all of it. Raises ``HttpError`` where no
        answer came, ``Refused`` where the API server itself says no.
        """
        call = Call("create" if method == "POST" else "get", PODS, self.namespace, pod, "proxy")
        target = f"{PODS.path(self.namespace, f'{pod}:{port}', 'proxy')}{path}"
        request = HttpRequest(method, target, {}, None if body is None else dict(body))
        reply = self._sender.exchange(request, self._retry.time_limit(time_limit), UNTRUSTED_ANSWER_BYTES)
        if refusals.is_own(reply):
            raise refusals.refusal(reply, call, self.host.redactor)
        return reply

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
        """Do the same through the kubelet (port-forward), with a bearer token for the pod where one is given."""
        limit = self._retry.time_limit(time_limit)
        headers = {"Accept": JSON, "User-Agent": USER_AGENT, **({"Content-Type": JSON} if body is not None else {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = None if body is None else json.dumps(body).encode("utf-8")
        address = PODS.path(self.namespace, pod, "portforward")
        with self._opening(pod, "portforward"):
            opened = open_port(self._sender.access, address, port, limit, USER_AGENT)
        return send_through(opened, f"{pod}:{port}", method, path, headers, content, UNTRUSTED_ANSWER_BYTES)

    def execute(self, pod: str, container: str, command: Sequence[str], time_limit: float) -> CommandResult:
        """Run a command once in a container of a pod. ``time_limit`` is in seconds, for all of it.

        Raises ``HttpError`` where the command's end is not known, ``Refused`` where the API server says no, ``NotRun``
        where there is no such program.
        """
        limit = self._retry.time_limit(time_limit)
        address = PODS.path(self.namespace, pod, "exec")
        with self._opening(pod, "exec"):
            return run_command(
                self._sender.access, address, container, command, limit, USER_AGENT, UNTRUSTED_ANSWER_BYTES
            )

    @contextmanager
    def _opening(self, pod: str, subresource: str) -> Iterator[None]:
        """Turn what the API server says instead of opening a connection to a pod into its error."""
        try:
            yield
        except NotOpened as error:
            if error.reply.status == 401:
                raise self._sender.access.not_taken() from None
            call = Call("create", PODS, self.namespace, pod, subresource)
            raise refusals.refusal(error.reply, call, self.host.redactor) from None

    def serves(self, resource: Resource) -> bool:
        """Say whether the cluster serves a kind of object; asked once for each group."""
        path = resource.group_path
        if path not in self._served:
            call = Call("get", resource)
            reply = self._repeated(HttpRequest("GET", path), call)
            if reply.status == 403:
                return self._answers(resource)
            try:
                content = self._object(reply, call)
            except NotServed:
                content = {}
            names = {str(entry.get("name")) for entry in mappings(content.get("resources"))}
            self._served[path] = frozenset(names)
        return resource.plural in self._served[path]

    def _answers(self, resource: Resource) -> bool:
        """Say whether a kind is served where the user may not read what is: by asking for an object of it."""
        try:
            self.get(resource, "gpuops-inference")
        except NotServed:
            return False
        except Refused as refused:
            if not refused.is_permission:
                raise
        return True

    def version(self) -> Object:
        """Return the API server's version (``gitVersion``, ``major``, ``minor``, ...)."""
        request = HttpRequest("GET", "/version")
        call = Call("get", Resource("", "", "version", "version", namespaced=False))
        return self._object(self._repeated(request, call), call)

    def allowed(self, verb: str, resource: Resource, subresource: str | None = None) -> bool:
        """Say whether the user may do this here. Everybody may ask."""
        attributes = {
            "namespace": self.namespace if resource.namespaced else "",
            "verb": verb,
            "group": resource.group,
            "version": resource.version,
            "resource": resource.plural,
            "subresource": subresource or "",
        }
        review = {
            "apiVersion": ACCESS_REVIEWS.api_version,
            "kind": ACCESS_REVIEWS.kind,
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        call = Call("create", ACCESS_REVIEWS)
        answer = self._object(self._repeated(HttpRequest("POST", ACCESS_REVIEWS.path(None), {}, review), call), call)
        return bool(mapping(answer.get("status")).get("allowed"))

    def watch(
        self, resource: Resource, labels: str, fields: str, resource_version: str, seconds: int, namespace: str = ""
    ) -> Watch:
        """Begin to watch what happens after a list, for at most ``seconds``. One request, sent once.

        Raises ``HttpError`` where no answer begins, ``Refused`` where the API server refuses.
        """
        call = Call("watch", resource, namespace or self.namespace)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
            "resourceVersion": resource_version,
            "labelSelector": labels,
            "fieldSelector": fields,
        }
        request = HttpRequest(
            "GET", resource.path(call.namespace), {key: value for key, value in query.items() if value}
        )
        stream = self._sender.stream(request, self.request_timeout, seconds + _WATCH_MARGIN_SECONDS)
        if stream.status != 200:
            try:
                reply = stream.reply()
            finally:
                stream.close()
            raise refusals.refusal(reply, call, self.host.redactor)
        return Watch(stream)

    def ended(self, resource: Resource, status: Mapping[str, Any]) -> Refused:
        """Return the error of a watch that ended with a Status object, as another request's answer would have it."""
        code = status.get("code")
        reply = HttpReply(code if isinstance(code, int) else 500, {}, json.dumps(status).encode("utf-8"))
        return refusals.refusal(reply, Call("watch", resource, self.namespace), self.host.redactor)

    def _repeated(self, request: HttpRequest, call: Call, patient: bool = True) -> HttpReply:
        """Send a request, again while that is useful; return an answer of any status."""
        webhook_failures = 0

        def attempt() -> HttpReply:
            nonlocal webhook_failures
            self.host.alive()
            reply = self._sender.send(request, self._retry.time_limit(self.request_timeout))
            if refusals.webhook_failed(reply):
                webhook_failures += 1
            if webhook_failures == _WEBHOOK_TRIES or refusals.is_final(reply):
                raise refusals.refusal(reply, call, self.host.redactor)
            return reply

        try:
            if not patient:
                return self._sender.send(request, self.request_timeout)
            return self._retry.call(attempt, BUSY_STATUSES.__contains__)
        except HttpError as error:
            raise refusals.unreachable(error, call.what, self._sender.access.address) from None

    def _object(self, reply: HttpReply, call: Call) -> Object:
        """Return the JSON object of a success; raise for every other answer."""
        if reply.status >= 400:
            raise refusals.refusal(reply, call, self.host.redactor)
        try:
            content = reply.json() if 200 <= reply.status < 300 else None
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise self._not_the_api(reply, call)
        return content

    def _not_the_api(self, reply: HttpReply, call: Call) -> GpuopsError:
        return refusals.not_the_api(reply, call)


def _dry(query: dict[str, str], dry_run: bool) -> dict[str, str]:
    return {**query, "dryRun": "All"} if dry_run else query
