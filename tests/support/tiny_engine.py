# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real vLLM is told so that it serves a tiny model on a CPU (as in inventories/sandbox and sandbox-kubernetes)."""

from __future__ import annotations

FOR_A_CPU = ["--max-model-len", "256", "--kv-cache-memory-bytes", "16M"]
# The image of the test cluster has no compiler.
WITHOUT_A_COMPILER = [*FOR_A_CPU, "-cc.mode=1", "-cc.backend=eager"]
