# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The program that runs inside pods, as one text.

``import`` statements name its files for AnsiballZ, which ships what they name.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._results.joined import joined
from ansible_collections.gpuops.inference.plugins.module_utils._storage import (
    lanes,
    manifest,
    rights,
    tree,
    visitors,
    walker,
)


def program() -> str:
    """Return the program as Python source that needs nothing but Python 3.8."""
    return joined((rights, tree, lanes, visitors, manifest, walker))
