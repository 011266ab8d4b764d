# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Plain types: what passes the door is str, int, float, bool, None, list and dict, and nothing else.

ansible-core 2.19 and later hands in tagged subclasses of these; they break YAML dumping, JMESPath and API clients.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def to_plain(value: Any) -> Any:
    """Return ``value`` rebuilt recursively from exact built-in types. Unknown types become their text."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


def canonical_json(value: Any) -> str:
    """Return the one compact JSON text of a plain value: sorted keys, no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def short_hash(value: Any) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def hash_clear_value(name: str, value: str) -> str:
    """Return what is kept and shown of a clear environment value: enough to see a change, not the value itself.

    The variable's name goes into the hash, so that equal values of two variables do not look equal.
    """
    return f"sha256:{short_hash([name, value])}"
