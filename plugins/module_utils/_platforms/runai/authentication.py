# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Gets a token: by credentials (v2 form, else v1 JSON), as given, or from the login of the Run:ai command line.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import RunaiConnection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.retry import Retry
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai import refusals
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.token_cache import Token, TokenCache
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import (
    HttpError,
    HttpReply,
    Transport,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError, OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host

V2_PATH = "/api/v2/token"
V1_PATH = "/api/v1/token"
# A token is replaced this many seconds before it ends, as runapy 1.224 does (``token_refresh_margin``).
EXPIRY_MARGIN_SECONDS = 60.0
# Used where neither the answer nor the token says when it ends; the API's own example is 3600.
_ASSUMED_LIFETIME_SECONDS = 600.0
_WHAT = "log in to the control plane"
CLI_FOLDER = "~/.runai"


class Authenticator:
    """Holds the token of one control plane. ``wall_clock`` returns seconds since the epoch."""

    def __init__(
        self,
        connection: RunaiConnection,
        host: Host,
        transport: Transport,
        retry: Retry,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._host = host
        self._transport = transport
        self._retry = retry
        self._wall_clock = wall_clock
        self._token: Token | None = None
        secrets = (connection.client_id or "", connection.client_secret or "")
        self._cache = TokenCache(host.temporary_directory, connection.url, *secrets)
        host.redactor.learn(connection.token or "", connection.client_secret or "")

    def token(self) -> str:
        """Return a token, logging in where there is none that lasts for another minute."""
        token = self._token
        if token is None or not self._lasts(token):
            token = self._remembered() or self._obtained()
            self._token = token
        return token.value

    def renew(self, refused: str) -> str:
        """Return another token than the ``refused`` one; raise where there is no other."""
        self._cache.forget()
        token = self._obtained()
        if token.value == refused:
            raise self.not_taken()
        self._token = token
        return token.value

    def not_taken(self) -> GpuopsError:
        """Return the error of a token that the control plane does not take."""
        if self._connection.authentication == "cli":
            found, option = "the token of the Run:ai command line's login is not accepted (401).", "runai_auth"
            hint = "Log in again with `runai login`, or give runai_client_id and runai_client_secret."
        elif self._connection.token:
            found, option = "the token is not accepted (401).", "runai_token"
            hint = "It may have expired or belong to another control plane than runai_url: get a new one."
        else:
            found, option = "the control plane does not accept a token that it has just issued (401).", "runai_url"
            hint = "Check that the service account is enabled and that the clocks of the servers are right."
        return GpuopsError.from_finding(Finding(ERROR, "unauthorized", found, hint, option))

    def _lasts(self, token: Token) -> bool:
        return token.expires_at - EXPIRY_MARGIN_SECONDS > self._wall_clock()

    def _remembered(self) -> Token | None:
        """Return the token that an earlier task of this run kept, where it still lasts."""
        if not self._logs_in():
            return None
        token = self._cache.read()
        if token is None or not self._lasts(token):
            return None
        self._host.redactor.learn(token.value)
        return token

    def _obtained(self) -> Token:
        """Return a new token from the source that the connection names."""
        if self._logs_in():
            token = self._log_in()
            self._cache.write(token)
        elif self._connection.token:
            # How long it lasts is the control plane's to say.
            token = Token(self._connection.token, float("inf"))
        else:
            token = self._from_command_line()
        return token

    def _logs_in(self) -> bool:
        return self._connection.authentication != "cli" and not self._connection.token

    def _log_in(self) -> Token:
        """Log in with client id and secret: OAuth2 form (2.24 and later), else JSON (deprecated, up to 2.x)."""
        client_id, secret = self._connection.client_id or "", self._connection.client_secret or ""
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        reply = self._post(V2_PATH, "application/x-www-form-urlencoded", urlencode(form))
        if _has_no_v2(reply):
            fields = {"grantType": "client_credentials", "clientId": client_id, "clientSecret": secret}
            reply = self._post(V1_PATH, "application/json", json.dumps(fields))
        return self._read(reply)

    def _post(self, path: str, content_type: str, body: str) -> HttpReply:
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        url = self._connection.url + path

        def attempt() -> HttpReply:
            time_limit = self._retry.time_limit(self._connection.request_timeout)
            return self._transport.request("POST", url, headers, body.encode("utf-8", "surrogateescape"), time_limit)

        try:
            return self._retry.call(attempt)
        except HttpError as error:
            raise refusals.unreachable(error, _WHAT, self._connection.url) from None

    def _read(self, reply: HttpReply) -> Token:
        """Return the token of the answer, or raise an error that names the options and never the secret."""
        if reply.status in (400, 401, 403) and _object(reply):
            said = refusals.refusal(reply, _WHAT, self._host.redactor).said
            raise GpuopsError.from_finding(
                Finding(
                    ERROR,
                    "invalid_credentials",
                    f"the control plane does not accept them ({reply.status}): {said}",
                    "Check both options and that the service account is enabled on this control plane.",
                    "runai_client_id, runai_client_secret",
                )
            )
        if not 200 <= reply.status < 300:
            raise refusals.refusal(reply, _WHAT, self._host.redactor)
        content = _object(reply)
        value = content.get("access_token") or content.get("accessToken")
        if not isinstance(value, str) or not value.strip():
            raise refusals.not_json(reply, _WHAT)
        value = value.strip()
        self._host.redactor.learn(value)
        return Token(value, self._end_of(content, value))

    def _end_of(self, content: Mapping[str, Any], value: str) -> float:
        """Return when a token ends: as the answer says, else as the token itself says."""
        lifetime = content.get("expires_in", content.get("expiresIn"))
        if isinstance(lifetime, (int, float)) and not isinstance(lifetime, bool) and lifetime > 0:
            return self._wall_clock() + float(lifetime)
        return _end_of_jwt(value) or self._wall_clock() + _ASSUMED_LIFETIME_SECONDS

    def _from_command_line(self) -> Token:
        """Return the token that ``runai login`` left, provided that it was issued by this control plane."""
        folder = os.path.expanduser(CLI_FOLDER)
        settings = _json_file(os.path.join(folder, "config.json"))
        address = mapping(settings.get("control_plane")).get("url")
        if not isinstance(address, str) or _origin(address) != _origin(self._connection.url):
            found = f"the command line is logged in at {address}." if address else "the command line is not logged in."
            raise OptionError.of(
                "runai_auth",
                found,
                f"Log in with `runai login` at {self._connection.url}, or give credentials.",
                "invalid_credentials",
            )
        value = _json_file(os.path.join(folder, "authentication.json")).get("accessToken")
        if not isinstance(value, str) or not value.strip():
            raise OptionError.of(
                "runai_auth",
                f"{CLI_FOLDER}/authentication.json holds no access token.",
                "Log in with `runai login`.",
                "invalid_credentials",
            )
        token = _decoded(value.strip())
        self._host.redactor.learn(value.strip(), token)
        return Token(token, float("inf"))


def _has_no_v2(reply: HttpReply) -> bool:
    """Say whether the answer means that this control plane has only the older way to log in.

    Older ones answer 404, 405 or 415, or, behind a gateway, a web page or an error that is not OAuth2's.
    """
    if reply.status in (404, 405, 415):
        return True
    content = _object(reply)
    return reply.status in (200, 400, 401, 403) and "error" not in content and "access_token" not in content


def _object(reply: HttpReply) -> Mapping[str, Any]:
    try:
        return mapping(reply.json())
    except ValueError:
        return {}


def _json_file(path: str) -> Mapping[str, Any]:
    """Return the JSON object of a file, or an empty one."""
    try:
        with open(path, encoding="utf-8") as file:
            return mapping(json.load(file))
    except (OSError, ValueError):
        return {}


def _origin(address: str) -> tuple[str | None, int | None]:
    """Return host and port, by which two addresses of a control plane are compared."""
    parts = urlsplit(address if "://" in address else f"https://{address}")
    try:
        return parts.hostname, parts.port or 443
    except ValueError:
        return None, None


def _decoded(value: str) -> str:
    """Return the JWT, which the command line keeps in URL-safe base64 (where no dot occurs, as in a JWT itself)."""
    if "." in value:
        return value
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode("ascii").strip()
    except ValueError:
        return value


def _end_of_jwt(value: str) -> float | None:
    """Return the time ``exp`` of a JWT in seconds since the epoch, or ``None``."""
    parts = value.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return None
