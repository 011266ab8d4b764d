# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Whether a project is on the cluster that the user means.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.runai.place import Place
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding


def verify_cluster(connection: Connection, place: Place, handle: str | None) -> None:
    """Refuse another cluster than ``expect_cluster`` names; no request where nothing is expected. ``handle`` is the id
    of the cluster where it is known already, otherwise the project tells it."""
    expected = connection.expect_cluster
    if expected is None:
        return
    handle = handle or place.project().cluster
    cluster = place.cluster(handle)
    if cluster is None or expected not in (cluster.name, cluster.handle):
        found = f"project {connection.project} is on cluster {cluster.name if cluster else handle}, not {expected}."
        hint = "Check runai_url and project: this may be another environment than you mean. Nothing was changed."
        raise GpuopsError.from_finding(Finding(ERROR, "wrong_cluster", found, hint, "expect_cluster"))
