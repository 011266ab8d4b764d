# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only etcd itself can do: forget old revisions."""

from __future__ import annotations

import json
import urllib.request


def compact(url: str, revision: int) -> None:
    """Make etcd forget everything older than a revision. Raises ``OSError`` where it refuses."""
    request = urllib.request.Request(
        f"{url}/v3/kv/compaction",
        data=json.dumps({"revision": str(revision), "physical": True}).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20).close()
