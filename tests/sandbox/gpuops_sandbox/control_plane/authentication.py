# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens: both token routes, and the check of every bearer (facts, section 2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gpuops_sandbox.control_plane.errors import ApiError

V1_GRANTS = {
    "app_token",
    "client_credentials",
    "refresh_token",
    "exchange_token",
    "password",
    "external_token_exchange",
}
V2_GRANTS = {"authorization_code", "client_credentials", "password", "refresh_token"}
V1_FIELDS = {
    "granttype",
    "clientid",
    "clientsecret",
    "appid",
    "appsecret",
    "username",
    "password",
    "code",
    "redirecturi",
    "refreshtoken",
    "externaltoken",
}
HEADER = {"alg": "HS256", "typ": "JWT"}


@dataclass(frozen=True)
class Identity:
    """Who a token stands for."""

    subject: str
    groups: tuple[str, ...] = ()


@dataclass
class Accounts:
    """One service account, users with passwords, and the signing key of the tokens."""

    client_id: str = "gpuops-sandbox"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    users: dict[str, tuple[str, Identity]] = field(default_factory=dict)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _generation: int = 0

    def add_user(self, name: str, password: str, groups: tuple[str, ...]) -> None:
        """Make a user that the grant ``password`` knows."""
        self.users[name] = (password, Identity(name, groups))

    def service_account(self, client_id: str, client_secret: str) -> Identity | None:
        """Return the service account of these credentials."""
        good = hmac.compare_digest(client_id, self.client_id) and hmac.compare_digest(client_secret, self.client_secret)
        return Identity(client_id) if good else None

    def user(self, name: str, password: str) -> Identity | None:
        """Return the user of these credentials."""
        known, identity = self.users.get(name, ("", None))
        return identity if identity is not None and hmac.compare_digest(known, password) else None

    def issue(self, identity: Identity, lifetime_seconds: float) -> str:
        """Return a signed token with an expiry."""
        claims = {
            "sub": identity.subject,
            "groups": list(identity.groups),
            "iat": int(time.time()),
            "exp": int(time.time() + lifetime_seconds),
            "jti": secrets.token_hex(8),
            "generation": self._generation,
        }
        unsigned = f"{_encode(json.dumps(HEADER).encode())}.{_encode(json.dumps(claims).encode())}"
        return f"{unsigned}.{self._sign(unsigned)}"

    def identify(self, token: str) -> Identity | None:
        """Return who a token stands for, or None where it is not (or no longer) good."""
        unsigned, _dot, signature = token.rpartition(".")
        if not unsigned or not hmac.compare_digest(signature, self._sign(unsigned)):
            return None
        claims: dict[str, Any] = json.loads(_decode(unsigned.partition(".")[2]))
        if claims["exp"] <= time.time() or claims["generation"] != self._generation:
            return None
        return Identity(claims["sub"], tuple(claims["groups"]))

    def expire_all(self) -> None:
        """Make every token that was issued so far invalid."""
        self._generation += 1

    def _sign(self, text: str) -> str:
        return _encode(hmac.new(self._key, text.encode(), hashlib.sha256).digest())


def bearer_of(request: Request) -> str | None:
    """Return the bearer token of a request, or None."""
    scheme, _space, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def authenticate(request: Request) -> Identity:
    """Return who calls, or raise the 401 that Run:ai answers."""
    token = bearer_of(request)
    if token is None:
        raise ApiError(401, "Missing authorization header.")
    identity = _accounts(request).identify(token)
    if identity is None:
        raise ApiError(401, "Token is expired or invalid.")
    return identity


router = APIRouter()


@router.post("/api/v2/token")
async def grant_token_v2(request: Request) -> JSONResponse:
    """The OAuth 2 form."""
    sandbox = request.app.state.sandbox
    if not sandbox.switches.token_v2:
        raise ApiError(404, "Not Found")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise ApiError(415, "Content-Type must be application/x-www-form-urlencoded")
    text = (await request.body()).decode("utf-8", "replace")
    form = {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
    grant = form.get("grant_type")
    if grant not in V2_GRANTS:
        return _oauth_error(400, "unsupported_grant_type", f"grant_type must be one of {', '.join(sorted(V2_GRANTS))}")
    identity: Identity | None
    if grant == "client_credentials":
        identity = sandbox.accounts.service_account(form.get("client_id", ""), form.get("client_secret", ""))
    elif grant == "password":
        identity = sandbox.accounts.user(form.get("username", ""), form.get("password", ""))
    else:
        return _oauth_error(400, "invalid_grant", f"the simulator issues no {grant}")
    if identity is None:
        return _oauth_error(401, "invalid_client", "Invalid client or Invalid client credentials")
    lifetime = sandbox.switches.token_lifetime_seconds
    token = sandbox.accounts.issue(identity, lifetime)
    return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime)})


@router.post("/api/v1/token")
async def grant_token_v1(request: Request) -> JSONResponse:
    """The JSON form; the case of the keys does not matter (facts 2.1: official sources differ)."""
    sandbox = request.app.state.sandbox
    body = await _json_object(request)
    given = {name.lower(): value for name, value in body.items()}
    unknown = sorted(name for name in body if name.lower() not in V1_FIELDS)
    if unknown:
        raise ApiError(400, f'request body has an error: property "{unknown[0]}" is unsupported')
    grant = given.get("granttype")
    if grant not in V1_GRANTS:
        raise ApiError(400, f"grantType must be one of {', '.join(sorted(V1_GRANTS))}")
    pairs = {"client_credentials": ("clientid", "clientsecret"), "app_token": ("appid", "appsecret")}
    identity: Identity | None
    if grant in pairs:
        account, secret = pairs[grant]
        identity = sandbox.accounts.service_account(str(given.get(account, "")), str(given.get(secret, "")))
    elif grant == "password":
        identity = sandbox.accounts.user(str(given.get("username", "")), str(given.get("password", "")))
    else:
        raise ApiError(400, f"the simulator knows no {grant}")
    if identity is None:
        raise ApiError(401, "Invalid client or Invalid client credentials")
    lifetime = sandbox.switches.token_lifetime_seconds
    token = sandbox.accounts.issue(identity, lifetime)
    return JSONResponse({"accessToken": token, "idToken": "", "refreshToken": "", "expiresIn": int(lifetime)})


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise ApiError(400, "request body has an error: it is not JSON") from error
    if not isinstance(body, dict):
        raise ApiError(400, "request body has an error: a JSON object is needed")
    return body


def _oauth_error(status: int, error: str, description: str) -> JSONResponse:
    return JSONResponse({"error": error, "error_description": description}, status_code=status)


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.sandbox.accounts
    return accounts


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
