# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The places that the tools of this folder share. Standard library only: it runs before any environment exists."""

from __future__ import annotations

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# Everything that a checkout produces lies here and is ignored by git; `make clean` removes it.
BUILD = REPOSITORY / ".build"

# The collection as users get it: built, then installed from the tarball (`make install`).
INSTALLED_COLLECTIONS = BUILD / "collections"


def cache_directory() -> pathlib.Path:
    """Return the folder of what outlives a checkout (environments, downloads); `make clean-cache` removes it."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(base) / "gpuops-inference"
