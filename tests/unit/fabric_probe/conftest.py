# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree as /sys has it, that the serving user can read, and the stub of libibverbs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from probe_runs import build_stub, open_folder
from sys_trees import Tree


@pytest.fixture
def tree() -> Iterator[Tree]:
    """A machine of which nothing is known but the process itself, which has no capability."""
    with open_folder() as folder:
        tree = Tree(folder)
        tree.status("0000000000000000", "0000000000000000")
        yield tree


@pytest.fixture(scope="session")
def stub() -> Iterator[Path]:
    """The stub of libibverbs, compiled."""
    with open_folder() as folder:
        yield build_stub(folder)
