# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The program that runs inside pods, as one text.

The walker is several files, so that each stays short, and the files of a program cannot be sent into an image: so they
are joined here, the lowest first. ``import`` statements name them for AnsiballZ, which ships what they name.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

from ansible_collections.gpuops.inference.plugins.module_utils._storage import (
    lanes,
    rights,
    tree,
    visitors,
    walker,
)

_OWN = __name__.rpartition(".")[0]


def program() -> str:
    """Return the program as Python source that needs nothing but Python 3.8."""
    return "from __future__ import annotations\n" + "".join(map(_inner, (rights, tree, lanes, visitors, walker)))


def _inner(module: ModuleType) -> str:
    """Return the source of one file without what it takes from the others: they stand before it."""
    source = inspect.getsource(module)
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        own = isinstance(node, ast.ImportFrom) and (node.module or "").startswith((_OWN, "__future__"))
        if own or isinstance(node, ast.Expr):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            lines[first:last] = [""] * (last - first)
    return "".join(lines)
