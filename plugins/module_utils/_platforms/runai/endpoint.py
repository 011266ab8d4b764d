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
    ENDPOINT_NOT_TRUSTED,
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
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError

NO_TOKEN = "no token"
ENDPOINT_TOKEN = "endpoint_token"
PLATFORM_TOKEN = "the platform's token"
_CAUSES = {TIMED_OUT: NO_ANSWER_IN_TIME, UNTRUSTED: ENDPOINT_NOT_TRUSTED}


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
        self._has_renewed = False
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
                "the endpoint can be reached from inside the cluster only: with `serving.external: true`, or with a "
                "kubeconfig of the project's cluster, it can be asked from here.",
                NOT_REACHABLE_FROM_HERE,
            )
        token, credential = self._token_for(endpoint)
        reply = self._send(endpoint, method, path, body, token, time_limit)
        renewed = self._renewed_token(token) if reply.status == 401 and credential == PLATFORM_TOKEN else None
        if renewed is not None:
            reply = self._send(endpoint, method, path, body, renewed, time_limit)
        return HttpAnswer(reply.status, reply.text(), reply.seconds, credential)

    def _renewed_token(self, refused: str | None) -> str | None:
        """Return another token, once: the refused one may have ended. ``None`` where there is none to be had.

        A request that was not let in was not carried out, so it can be sent again whatever it is.
        """
        if refused is None or self._has_renewed:
            return None
        self._has_renewed = True
        try:
            return self._platform_token.renew(refused)
        except GpuopsError:
            return None

    def _token_for(self, endpoint: Endpoint) -> tuple[str | None, str]:
        """Return the token to send and its name. The platform's goes only where its access rule wants it, verified."""
        if self._connection.token:
            self._require_encryption(endpoint, ENDPOINT_TOKEN)
            return self._connection.token, ENDPOINT_TOKEN
        if not endpoint.requires_platform_token:
            return None, NO_TOKEN
        self._require_encryption(endpoint, PLATFORM_TOKEN)
        if not self._connection.validate_certs:
            raise Unreachable(
                "the platform's token is sent over verified TLS only: set endpoint_ca_path instead of"
                " endpoint_validate_certs: false, or give an endpoint_token.",
                ENDPOINT_NOT_TRUSTED,
            )
        return self._platform_token.current(), PLATFORM_TOKEN

    @staticmethod
    def _require_encryption(endpoint: Endpoint, credential: str) -> None:
        if not endpoint.url.startswith("https://"):
            reason = f"{endpoint.url} is not encrypted, so {credential} is not sent there."
            raise Unreachable(reason, ENDPOINT_NOT_TRUSTED)

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
            hint = " Set endpoint_ca_path to the file of its certificate authority." if error.kind == UNTRUSTED else ""
            cause = _CAUSES.get(error.kind, ENDPOINT_UNREACHABLE)
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
