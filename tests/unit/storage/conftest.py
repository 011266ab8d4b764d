# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume that every user can enter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.walks import need_root, open_folder


@pytest.fixture
def volume() -> Iterator[Path]:
    """An empty volume of root's own, as a fresh claim is."""
    need_root()
    with open_folder() as folder:
        yield folder
