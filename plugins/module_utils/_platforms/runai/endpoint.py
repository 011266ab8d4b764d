# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Sends a request to a workload's endpoint, with the right token or none.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    ENDPOINT_UNREACHABLE,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    Endpoint,
    HttpAnswer,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import EndpointConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    TIMED_OUT,
    UNTRUSTED,
    UNTRUSTED_ANSWER_BYTES,
    HttpError,
    HttpReply,
    Transport,
    Trust,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

NO_TOKEN = "no token"
ENDPOINT_TOKEN = "endpoint_token"
PLATFORM_TOKEN = "the platform's token"


@dataclass(frozen=True)
class PlatformToken:
    """The platform's own token: ``current`` returns it, ``renew`` returns another one than the refused."""

    current: Callable[[], str]
    renew: Callable[[str], str]


class EndpointClient:
    """Sends requests to endpoints. ``platform_ca_path`` is used where the endpoint has no CA file of its own."""

    def __init__(
        self,
        connection: EndpointConnection,
        platform_ca_path: str | None,
        platform_token: PlatformToken,
        transport: Transport | None = None,
    ) -> None:
        self._connection = connection
        self._platform_token = platform_token
        trust = Trust(connection.validate_certs, connection.ca_path or platform_ca_path)
        self._transport = transport or Transport(_usable(trust), UNTRUSTED_ANSWER_BYTES)

    def request(
        self, endpoint: Endpoint | None, method: str, path: str, body: Mapping[str, Any] | None, time_limit: float
    ) -> HttpAnswer:
        """Send one request and return the answer, whatever its status. Raises ``Unreachable``."""
        if endpoint is None:
            raise Unreachable("the platform reports no address for the endpoint yet.")
        if not endpoint.external:
            raise Unreachable(
                "the endpoint can be reached from inside the cluster only: set serving.external: true, or give a"
                " kubeconfig of the same cluster.",
                NOT_REACHABLE_FROM_HERE,
            )
        token, credential = self._token_for(endpoint)
        reply = self._send(endpoint, method, path, body, token, time_limit)
        if reply.status == 401 and credential == PLATFORM_TOKEN and token is not None:
            # A request that was not let in was not carried out; the token may have ended in the meantime.
            renewed = self._platform_token.renew(token)
            reply = self._send(endpoint, method, path, body, renewed, time_limit)
        return HttpAnswer(reply.status, reply.text(), reply.seconds, credential)

    def _token_for(self, endpoint: Endpoint) -> tuple[str | None, str]:
        """Return the token to send and its name. The platform's goes only where its access rule wants it, verified."""
        encrypted = endpoint.url.startswith("https://")
        if self._connection.token:
            if not encrypted:
                raise Unreachable(f"{endpoint.url} is not encrypted, so endpoint_token is not sent there.")
            return self._connection.token, ENDPOINT_TOKEN
        if not endpoint.requires_platform_token:
            return None, NO_TOKEN
        if not encrypted:
            raise Unreachable(f"{endpoint.url} is not encrypted, so the platform's token is not sent there.")
        if not self._connection.validate_certs:
            raise Unreachable(
                "the platform's token is sent over verified TLS only: set endpoint_ca_path instead of"
                " endpoint_validate_certs: false, or give an endpoint_token."
            )
        return self._platform_token.current(), PLATFORM_TOKEN

    def _send(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        token: str | None,
        time_limit: float,
    ) -> HttpReply:
        headers = {"Accept": "application/json", "User-Agent": "gpuops.inference"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode("utf-8")
        try:
            return self._transport.request(method, endpoint.url + path, headers, content, time_limit)
        except HttpError as error:
            cause = NO_ANSWER_IN_TIME if error.kind == TIMED_OUT else ENDPOINT_UNREACHABLE
            untrusted = error.kind == UNTRUSTED
            hint = " Set endpoint_ca_path to the file of its certificate authority." if untrusted else ""
            raise Unreachable(f"{endpoint.url}: {error.reason}.{hint}", cause) from None


def _usable(trust: Trust) -> Trust:
    """Return ``trust`` if its file can be used; raise ``OptionError`` otherwise."""
    if trust.ca_path:
        try:
            trust.context()
        except OSError as error:
            reason = error.strerror or "it holds no usable certificate"
            raise OptionError.of(
                "endpoint_ca_path", f"{trust.ca_path} cannot be used: {reason}.", "Give a PEM file."
            ) from None
    return trust
