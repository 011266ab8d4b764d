# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""When credentials end, read from themselves: for the message after the API server no longer takes them. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import base64
import json
import ssl
from datetime import datetime, timezone

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


def end_of_token(token: str) -> datetime | None:
    """Return when a JWT ends (its claim ``exp``), or ``None`` for a token that does not say."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), timezone.utc)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None


def end_of_certificate(pem: str) -> datetime | None:
    """Return when the first X.509 certificate of a PEM text ends (``notAfter``), or ``None`` where it is none."""
    start = pem.find(ssl.PEM_HEADER)
    end = pem.find(ssl.PEM_FOOTER, start)
    if start < 0 or end < 0:
        return None
    try:
        certificate = ssl.PEM_cert_to_DER_cert(pem[start : end + len(ssl.PEM_FOOTER)])
        return _not_after(certificate)
    except (ValueError, IndexError):
        return None


def _not_after(certificate: bytes) -> datetime | None:
    """Walk to the validity: certificate > to-be-signed > version?, serial, algorithm, issuer, validity (RFC 5280)."""
    _tag, outer, _rest = _element(certificate)
    _tag, signed, _rest = _element(outer)
    tag, _content, rest = _element(signed)
    if tag == _VERSION:
        _tag, _content, rest = _element(rest)
    for _skipped in ("algorithm", "issuer"):
        _tag, _content, rest = _element(rest)
    tag, validity, _rest = _element(rest)
    if tag != _SEQUENCE:
        return None
    _tag, _not_before, rest = _element(validity)
    tag, text, _rest = _element(rest)
    form = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}.get(tag)
    return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=timezone.utc) if form else None


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag and content of the first DER element, and what follows it."""
    length, start = data[1], 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
    return data[0], data[start : start + length], data[start + length :]
