# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Keeps secrets out of everything that leaves the collection.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MASK = "********"

# Names whose value is taken for a secret although it was given in the clear.
_SECRET_NAME = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)(_|$)", re.IGNORECASE
)
# Secrets shorter than this would mask ordinary words of every text ("a", "no").
_SHORTEST_SECRET = 4
# A value that is only taken for a secret because of its variable's name may be an ordinary word ("true", "EMPTY").
_SHORTEST_GUESS = 8


def looks_secret(name: str) -> bool:
    """Say whether an environment variable of this name probably holds a secret (``HF_TOKEN``, ``S3_SECRET_KEY``)."""
    return bool(_SECRET_NAME.search(name))


class Redactor:
    """Masks known secret values, wherever they occur, in text and in nested plain values."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Add values that have to be masked from now on (a token that was just fetched)."""
        self._secrets.update(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)

    def learn_guesses(self, *guesses: str) -> None:
        """Add values that are probably secret: from 8 characters on, so that ``true`` or ``test`` is not masked."""
        self._secrets.update(guess for guess in guesses if len(guess) >= _SHORTEST_GUESS)

    def text(self, text: str) -> str:
        """Return ``text`` with every secret replaced by the mask, the longest first."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def value(self, value: Any) -> Any:
        """Return a copy of a plain value with the secrets in its texts masked; keys are our own words."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value
