# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Texts that Kubernetes takes, from what YAML made of them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError


def read_texts(values: Mapping[str, Any], option: str) -> dict[str, str]:
    """Return a dictionary of texts, as labels and annotations are."""
    return {name: as_text(value, f"{option}.{name}") for name, value in values.items()}


def as_text(value: Any, option: str) -> str:
    """Return a scalar as the text that Kubernetes takes; ``true`` and ``false`` in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise OptionError.of(option, "it is neither a text nor a number.", "Quote the value if it is meant as a text.")
