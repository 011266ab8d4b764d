# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand: what a network, a proxy or a tired server does to a request, scripted through the admin routes.

A rule: ``{"match": {"method", "path_regex", "nth"}, "times", "action": {...}}``. ``nth`` counts the matching requests
from the moment the rule was set (1: the first); from the nth on, ``times`` requests (default 1; 0: without end) suffer.
Actions, by ``type``: ``status`` (``status``, ``headers``, ``body``), ``reset`` (the connection is closed before the
handler), ``accept_then_reset`` (the handler runs, then the connection is closed without an answer),
``accept_then_hang`` (the handler runs, no answer ever), ``hang`` (nothing runs, no answer), ``delay`` (``seconds``,
then as usual), ``hold`` (kept until the rules are removed, then as usual, even where the client has gone meanwhile).
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpuops_sandbox.control_plane.request_log import RequestLog

ACTIONS = ("status", "reset", "accept_then_reset", "accept_then_hang", "hang", "delay", "hold")
SANDBOX_PREFIX = "/sandbox/"
HOLD_POLL_SECONDS = 0.01
TRANSPORT = "gpuops_sandbox.transport"

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class FaultError(ValueError):
    """A fault rule that cannot be understood."""


class ConnectionDropped(ConnectionError):
    """Raised instead of an answer where there is no socket to close (an application called in process)."""


@dataclass
class Rule:
    """One fault rule and how often it matched."""

    method: str | None
    path: re.Pattern[str]
    nth: int
    times: int
    action: dict[str, Any]
    matched: int = 0

    def takes(self, method: str, path: str) -> bool:
        """Count a request; return whether it suffers."""
        if (self.method is not None and self.method != method) or not self.path.search(path):
            return False
        self.matched += 1
        return self.matched >= self.nth and (self.times == 0 or self.matched < self.nth + self.times)


@dataclass
class Faults:
    """The rules in force, and the outage."""

    rules: list[Rule] = field(default_factory=list)
    outage_until: float = 0.0

    def add(self, raw: Any) -> None:
        """Add a rule. Raises ``FaultError`` with what is wrong."""
        if not isinstance(raw, dict) or set(raw) - {"match", "times", "action"}:
            raise FaultError("a fault is {match, times, action}")
        match, action = raw.get("match") or {}, raw.get("action") or {}
        if set(match) - {"method", "path_regex", "nth"}:
            raise FaultError("match has method, path_regex, nth")
        if action.get("type") not in ACTIONS:
            raise FaultError(f"action.type is one of {', '.join(ACTIONS)}")
        try:
            pattern = re.compile(match.get("path_regex", ""))
        except re.error as error:
            raise FaultError(f"match.path_regex: {error}") from error
        self.rules.append(
            Rule(match.get("method"), pattern, int(match.get("nth", 1)), int(raw.get("times", 1)), dict(action))
        )

    def action_for(self, method: str, path: str) -> dict[str, Any] | None:
        """Return what happens to a request, or None. Every rule counts it; the first that takes it decides."""
        taken = [rule for rule in self.rules if rule.takes(method, path)]
        if time.monotonic() < self.outage_until:
            return {"type": "reset"}
        return taken[0].action if taken else None

    def as_json(self) -> dict[str, Any]:
        """Return the rules with how often each matched."""
        rules = [
            {
                "match": {"method": rule.method, "path_regex": rule.path.pattern, "nth": rule.nth},
                "times": rule.times,
                "action": rule.action,
                "matched": rule.matched,
            }
            for rule in self.rules
        ]
        return {"faults": rules, "outage_seconds_left": max(0.0, self.outage_until - time.monotonic())}


class FaultMiddleware:
    """Logs every API request and does to it what the rules say. Admin routes are neither logged nor harmed."""

    def __init__(self, app: Application, faults: Faults, log: RequestLog) -> None:
        self._app = app
        self._faults = faults
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"].startswith(SANDBOX_PREFIX):
            await self._app(scope, receive, send)
            return
        began = time.time()
        action = self._faults.action_for(scope["method"], scope["path"])
        seen: dict[str, int] = {}

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
            await send(message)

        try:
            await self._perform(action, scope, receive, noting)
        finally:
            query = scope["query_string"].decode("latin-1")
            fault = action["type"] if action else None
            self._log.add(scope["method"], scope["path"], query, seen.get("status"), began, fault)

    async def _perform(self, action: dict[str, Any] | None, scope: Scope, receive: Receive, send: Send) -> None:
        kind = action["type"] if action else None
        if action is None or kind == "delay":
            await asyncio.sleep(float((action or {}).get("seconds", 0)))
            await self._app(scope, receive, send)
        elif kind == "hold":
            await self._hold(action, scope, receive, send)
        elif kind == "status":
            # An answer before the end of a long body would end the connection under whoever is still sending it.
            await _whole_request(receive)
            await _answer(action, send)
        elif kind == "reset":
            await drop_connection(scope, receive)
        elif kind == "hang":
            await _until_disconnect(receive)
        else:
            await self._app(scope, receive, _swallow)
            if kind == "accept_then_reset":
                await drop_connection(scope, receive)
            else:
                await _until_disconnect(receive)

    async def _hold(self, action: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> None:
        # The body is read first: a client that is gone would take it along.
        messages = await _whole_request(receive)

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        while any(rule.action is action for rule in self._faults.rules):
            await asyncio.sleep(HOLD_POLL_SECONDS)
        await self._app(scope, replay, send)


async def drop_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection with a TCP reset and without an answer. In process: raise ``ConnectionDropped``."""
    transport = scope.get("extensions", {}).get(TRANSPORT)
    if transport is None:
        raise ConnectionDropped("the connection was dropped by a fault")
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _until_disconnect(receive)


async def _answer(action: dict[str, Any], send: Send) -> None:
    status = int(action.get("status", 500))
    body = action.get("body", {"code": status, "message": "Something went wrong."})
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {
        "content-type": "application/json",
        **{str(k).lower(): str(v) for k, v in action.get("headers", {}).items()},
    }
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    pairs.append((b"content-length", str(len(raw)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": raw})


async def _whole_request(receive: Receive) -> list[Message]:
    """Read a request to its end and return its parts."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _swallow(message: Message) -> None:
    """Throw an answer away."""
