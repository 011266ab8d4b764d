# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which of a container's logs tells most, and its end.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)


def end_of_log(
    client: KubernetesClient, pod: str, container: str | None, lines: int, was_restarted: bool
) -> str | None:
    """Return the last ``lines`` of a container's log; of the one before where it ``was_restarted`` and has not got
    ready, unless that log is there no more. ``None``: there is none, or it may not be read."""
    for previous in (True, False) if was_restarted else (False,):
        try:
            return client.logs(pod, container=container, tail_lines=lines, previous=previous)
        except Refused:
            continue
    return None
