# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Keeps a token in ansible's per-run folder, so that the tasks of one run log in once.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from dataclasses import dataclass

# A token with its date is about 2 KiB; what is larger is not ours.
_LARGEST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Token:
    """A bearer token. ``expires_at`` is in seconds since the epoch."""

    value: str
    expires_at: float


class TokenCache:
    """One file, 0600, named by a hash of what the token was issued for; nothing at all where there is no folder."""

    def __init__(self, folder: str | None, *issued_for: str) -> None:
        digest = hashlib.sha256("\0".join(issued_for).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._path = None if folder is None else os.path.join(folder, f"gpuops-runai-token-{digest}.json")

    def read(self) -> Token | None:
        """Return the kept token, or ``None`` where there is none or the file is not safely ours."""
        if self._path is None:
            return None
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            private = stat.S_ISREG(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
            if not private or found.st_uid != os.geteuid() or found.st_size > _LARGEST_BYTES:
                return None
            try:
                content = json.loads(file.read())
                return Token(str(content["token"]), float(content["expires_at"]))
            except (OSError, ValueError, KeyError, TypeError):
                return None

    def write(self, token: Token) -> None:
        """Keep ``token``: a new private file is renamed into place. A folder that cannot be written keeps nothing."""
        if self._path is None:
            return
        fresh = f"{self._path}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(fresh, flags, 0o600)
        except OSError:
            return
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump({"token": token.value, "expires_at": token.expires_at}, file)
            os.replace(fresh, self._path)
        except OSError:
            _remove(fresh)

    def forget(self) -> None:
        """Remove what is kept: the platform no longer takes it."""
        if self._path is not None:
            _remove(self._path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
