# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A program that runs inside pods, as one text.

A program is several files, so that each stays short, and the files of a program cannot be sent into an image: so they
are joined here. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from types import ModuleType


def joined(modules: Sequence[ModuleType]) -> str:
    """Return the files of a program, the lowest first, as Python source. All lie in one folder, and nothing else is
    taken from it."""
    return "from __future__ import annotations\n" + "".join(map(_inner, modules))


def _inner(module: ModuleType) -> str:
    """Return the source of one file without what it takes from the others: they stand before it."""
    source = inspect.getsource(module)
    own_folder = module.__name__.rpartition(".")[0]
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        own = isinstance(node, ast.ImportFrom) and (node.module or "").startswith((own_folder, "__future__"))
        if own or isinstance(node, ast.Expr):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            lines[first:last] = [""] * (last - first)
    return "".join(lines)
