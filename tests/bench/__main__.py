# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python tests/bench``: measures the figures of docs/figures.md on this machine and prints them (``--help``)."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), *(str(TESTS / name) for name in ("cluster", "sandbox", "tools"))]
    sys.exit(import_module("bench.command").main(sys.argv[1:]))
