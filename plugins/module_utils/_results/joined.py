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
    """Return the source of one file without what it takes from the others, which stand before it, and without the
    texts that only a reader needs: it travels as one argument of a command, which has a longest length."""
    source = inspect.getsource(module)
    own_folder = module.__name__.rpartition(".")[0]
    lines = source.splitlines(keepends=True)
    tree = ast.parse(source)
    left_out: list[ast.stmt] = [node for node in tree.body if _is_left_out(node, own_folder)]
    for node in ast.walk(tree):
        # One that has nothing but its text needs it.
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) and len(node.body) > 1:
            left_out.append(node.body[0])
    for node in left_out:
        first, last = node.lineno - 1, node.end_lineno or node.lineno
        lines[first:last] = [""] * (last - first)
    return "".join(lines)


def _is_left_out(node: ast.stmt, own_folder: str) -> bool:
    taken = isinstance(node, ast.ImportFrom) and (node.module or "").startswith((own_folder, "__future__"))
    return taken or isinstance(node, ast.Expr)
