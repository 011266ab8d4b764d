# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The version of the collection, as it stands in ``galaxy.yml`` (a test holds the two together).

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

COLLECTION_VERSION = "0.1.0"
