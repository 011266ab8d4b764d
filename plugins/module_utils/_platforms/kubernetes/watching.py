# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Keeps lists of objects up to date by watches, so that whoever waits hears of a change when it happens.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Watch,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import (
    Refused,
    unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import Resource
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding

Object = dict[str, Any]
# How long one watch goes on: a connection that died silently is noticed after this and the watch's margin.
_WATCH_SECONDS = 60
# Delays double between these bounds (seconds); half of each is by chance, so that many plays do not come back at once.
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 5.0
# A refusal (permission, credentials) counts after this many in a row: roles and tokens are replaced while they run.
_REFUSALS = 3
# Waits are cut into pieces of this many seconds, so that the end of ansible-playbook is noticed.
_PIECE_SECONDS = 2.0
# How long `close` waits for the threads. One whose request has no answer yet ends by itself when that comes or its time
# is over; it does nothing more.
_CLOSE_SECONDS = 2.0
_GONE = 410
# A watch that ends sooner than this (seconds) is begun again after a pause only: something between may cut them all.
_SHORTEST_WATCH = 1.0


@dataclass(frozen=True)
class Subscription:
    """What to follow: a kind, and which of its objects by label and field selectors. Where the API server refuses an
    ``optional`` one, what it told before is all there is of it."""

    resource: Resource
    labels: str = ""
    fields: str = ""
    optional: bool = False


class _News:
    """Tells the waiting thread that something changed, and nothing twice."""

    def __init__(self) -> None:
        self._changed = threading.Event()

    def tell(self) -> None:
        self._changed.set()

    def wait(self, seconds: float) -> bool:
        """Say whether there are news since the last call, waiting for them."""
        if not self._changed.wait(seconds):
            return False
        self._changed.clear()
        return True


class _Follower(threading.Thread):
    """Keeps the objects of one subscription: lists them, then watches what happens, for ever."""

    def __init__(self, client: KubernetesClient, subscription: Subscription, news: _News) -> None:
        super().__init__(name=f"gpuops-watch-{subscription.resource.plural}", daemon=True)
        self.subscription = subscription
        self.failure: GpuopsError | None = None
        self.trouble: GpuopsError | None = None
        self.listed = threading.Event()
        self._client = client
        self._news = news
        self._lock = threading.Lock()
        self._objects: dict[str, Object] = {}
        self._version = ""
        self._watch: Watch | None = None
        self._closing = threading.Event()

    def objects(self) -> list[Object]:
        with self._lock:
            return list(self._objects.values())

    def run(self) -> None:
        """List and watch until told to end or refused for good."""
        troubles = refusals = 0
        while not self._closing.is_set():
            began = time.monotonic()
            trouble = self._followed()
            if trouble is None:
                troubles = refusals = 0
                if time.monotonic() - began < _SHORTEST_WATCH:
                    self._closing.wait(_delay(1))
                continue
            if self._closing.is_set():
                return
            troubles += 1
            refusals = refusals + 1 if _is_refusal(trouble) else 0
            self.trouble = trouble
            if refusals >= _REFUSALS:
                self.failure = trouble
            if self.failure is not None:
                self.listed.set()
                self._news.tell()
                return
            self._news.tell()
            self._closing.wait(_delay(troubles))

    def end(self) -> None:
        """Ask the thread to end, waking it where it waits for the API server."""
        self._closing.set()
        with self._lock:
            watch = self._watch
        if watch is not None:
            watch.interrupt()

    def _followed(self) -> GpuopsError | None:
        """Follow once; return why that ended, or ``None`` where the API server ended it in due course."""
        plural = self.subscription.resource.plural
        try:
            self._follow()
        except HttpError as error:
            return unreachable(error, f"watch {plural}", self._client.address)
        except GpuopsError as error:
            if isinstance(error, Refused) and error.code == _GONE:
                self._version = ""
            return error
        except Exception as error:
            # Nobody above this thread sees what it raises: a defect is handed over like a failure.
            text = self._client.host.redactor.text(str(error))
            evidence = f"watching {plural} met an unexpected {type(error).__name__}: {text}."
            self.failure = GpuopsError.from_finding(
                Finding(ERROR, "internal_error", evidence, "This is a defect of the collection: please report it.")
            )
            return self.failure
        return None

    def _follow(self) -> None:
        """List where that is needed, then follow one watch to its end."""
        subscription = self.subscription
        if not self._version:
            listing = self._client.list(subscription.resource, subscription.labels, subscription.fields, patient=False)
            self._replace({_identity(entry): entry for entry in listing.items}, listing.resource_version)
        watch = self._client.watch(
            subscription.resource, subscription.labels, subscription.fields, self._version, _WATCH_SECONDS
        )
        with self._lock:
            self._watch = watch
        self.trouble = None
        try:
            if self._closing.is_set():
                return
            for event in watch:
                if not self._take(event):
                    return
        finally:
            with self._lock:
                self._watch = None
            watch.close()

    def _replace(self, objects: dict[str, Object], version: str) -> None:
        with self._lock:
            changed = {key: _version_of(entry) for key, entry in self._objects.items()} != {
                key: _version_of(entry) for key, entry in objects.items()
            }
            self._objects, self._version = objects, version
        first = not self.listed.is_set()
        self.listed.set()
        if changed or first:
            self._news.tell()

    def _take(self, event: Mapping[str, Any]) -> bool:
        """Take one event over; return false where the watch cannot go on from here."""
        kind, found = event.get("type"), mapping(event.get("object"))
        if kind == "ERROR":
            # Mostly 410: what happened since the last version is forgotten. After any other error a list is safe, too.
            self._version = ""
            if found.get("code") != _GONE:
                raise self._client.ended(self.subscription.resource, found)
            return False
        with self._lock:
            self._version = _version_of(found) or self._version
            if kind == "BOOKMARK":
                return True
            if kind == "DELETED":
                self._objects.pop(_identity(found), None)
            else:
                self._objects[_identity(found)] = dict(found)
        self._news.tell()
        return True


class Feed:
    """Follows several kinds of objects at once, one daemon thread for each subscription.

    The threads write nothing and end with ``close``. ``failure`` is set where following is useless: permission lost,
    credentials no longer taken, kind not served.
    """

    def __init__(self, client: KubernetesClient, subscriptions: tuple[Subscription, ...]) -> None:
        self._client = client
        self._news = _News()
        self._followers = [_Follower(client, subscription, self._news) for subscription in subscriptions]
        for follower in self._followers:
            follower.start()

    @property
    def failure(self) -> GpuopsError | None:
        """Return why following ended, or ``None``."""
        return next((failure for failure in map(_failure_of, self._followers) if failure is not None), None)

    @property
    def trouble(self) -> GpuopsError | None:
        """Return why what is known may be old just now (the API server does not answer), or ``None``."""
        return next((follower.trouble for follower in self._followers if follower.trouble is not None), None)

    def objects(self, resource: Resource) -> list[Object]:
        """Return the followed objects of a kind as they are known now, waiting for the first list.

        Raises the failure, and ``PlatformUnreachable`` where no list came within the client's request timeout.
        """
        followers = [follower for follower in self._followers if follower.subscription.resource == resource]
        for follower in followers:
            self._first_list(follower)
        return [entry for follower in followers for entry in follower.objects()]

    def wait(self, seconds: float) -> bool:
        """Wait until something changed since the last call, for at most ``seconds``; say whether it did."""
        end = time.monotonic() + seconds
        while True:
            self._client.host.alive()
            left = end - time.monotonic()
            if self._news.wait(max(min(left, _PIECE_SECONDS), 0.0)):
                return True
            if left <= _PIECE_SECONDS:
                return False

    def close(self) -> None:
        """End all threads."""
        for follower in self._followers:
            follower.end()
        end = time.monotonic() + _CLOSE_SECONDS
        for follower in self._followers:
            follower.join(max(end - time.monotonic(), 0.0))

    def _first_list(self, follower: _Follower) -> None:
        end = time.monotonic() + self._client.request_timeout
        while not follower.listed.wait(min(max(end - time.monotonic(), 0.0), _PIECE_SECONDS)):
            self._client.host.alive()
            if follower.subscription.optional and follower.trouble is not None:
                return
            if time.monotonic() >= end:
                raise follower.trouble or unreachable(
                    HttpError("timed_out", "no list came in time", passing=True),
                    f"list {follower.subscription.resource.plural}",
                    self._client.address,
                )
        failure = _failure_of(follower)
        if failure is not None:
            raise failure


def _failure_of(follower: _Follower) -> GpuopsError | None:
    """Return why following ended, unless only something optional was refused."""
    is_optional = follower.subscription.optional and isinstance(follower.failure, Refused)
    return None if is_optional else follower.failure


def _is_refusal(trouble: GpuopsError) -> bool:
    """Say whether trying on may be useless: not during an outage, nor where only a version is forgotten."""
    forgotten = isinstance(trouble, Refused) and trouble.code == _GONE
    return not forgotten and not isinstance(trouble, PlatformUnreachable)


def _identity(entry: Mapping[str, Any]) -> str:
    metadata = mapping(entry.get("metadata"))
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"


def _version_of(entry: Mapping[str, Any]) -> str:
    return str(mapping(entry.get("metadata")).get("resourceVersion") or "")


def _delay(tries: int) -> float:
    doubled: float = min(_FIRST_DELAY * 2.0 ** min(tries - 1, 10), _LONGEST_DELAY)
    return doubled * (0.5 + random.random() / 2)
