# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Runs commands in pods, and says in the words of the platforms' interface why one did not run.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    COMMAND_FAILED,
    CommandResult,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.client import (
    KubernetesClient,
    Refused,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.commands import NotRun
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.failures import (
    no_answer,
    refused_by_kubelets_way,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import HttpError


def run_in_pod(
    client: KubernetesClient, pod: str, container: str, command: Sequence[str], time_limit: float
) -> CommandResult:
    """Run a command in a container of a pod; ``time_limit`` in seconds. Raises ``Unreachable``."""
    try:
        return client.execute(pod, container, command, time_limit)
    except Refused as refused:
        raise refused_by_kubelets_way(refused) from None
    except NotRun as error:
        reason = f"pod {pod}: {command[0]} could not be started: {error.reason}"
        raise Unreachable(reason, COMMAND_FAILED, pod) from None
    except HttpError as error:
        raise no_answer(pod, error) from None
