# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Why something in a pod did not answer, in the words of the platforms' interface. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    ENDPOINT_UNREACHABLE,
    NO_ANSWER_IN_TIME,
    NOT_REACHABLE_FROM_HERE,
    Unreachable,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.refusals import NotServed, Refused
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.transport import TIMED_OUT, HttpError

# The API server's words where it does not get through to a kubelet.
_NO_WAY_TO_KUBELET = "error dialing backend"


def told(refused: Refused) -> str:
    """Return what the API server said, with what to do."""
    return " ".join(f"{finding.evidence} {finding.hint}".strip() for finding in refused.findings)


def is_forbidden(refused: Refused) -> bool:
    """Say whether the user may not do this, or the cluster does not offer it."""
    return refused.code in (403, 405) or isinstance(refused, NotServed)


def refused_by_kubelets_way(refused: Refused) -> Unreachable:
    """Return why the way through the kubelet leads nowhere: closed, which says nothing of the pod, or a failure."""
    is_closed = is_forbidden(refused) or _NO_WAY_TO_KUBELET in refused.message
    return Unreachable(told(refused), NOT_REACHABLE_FROM_HERE if is_closed else ENDPOINT_UNREACHABLE)


def no_answer(pod: str, error: HttpError) -> Unreachable:
    """Return that a pod gave no answer."""
    is_late = error.kind == TIMED_OUT and error.maybe_executed
    return Unreachable(f"pod {pod}: {error.reason}.", NO_ANSWER_IN_TIME if is_late else ENDPOINT_UNREACHABLE)
