# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Whether a connection leads to the cluster that the user means.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import urllib.parse

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.connection import Connection
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import KubernetesClient
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding


def verify_cluster(connection: Connection, client: KubernetesClient) -> None:
    """Refuse a cluster that is not the expected one; no request."""
    expected = connection.expect_cluster
    known = (client.cluster, urllib.parse.urlsplit(client.address).hostname)
    if expected is None or expected in known:
        return
    names = " or ".join(sorted({name for name in known if name}))
    raise GpuopsError.from_finding(
        Finding(
            ERROR,
            "wrong_cluster",
            f"the connection leads to {names}, not to {expected}.",
            "Correct kubeconfig and context, or expect_cluster. Nothing was done.",
            "expect_cluster",
        )
    )
