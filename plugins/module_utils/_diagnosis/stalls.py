# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What the logs of pods say that all run, and of which nothing gets ready. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_markers import (
    RANKS_CONNECTED,
    RANKS_STARTED,
    reached,
)
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis.log_rules import diagnose_log
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, WARNING, Finding

# Ranks that are started find each other within seconds, and a name is published within half a minute. The pods have
# their images by then: all of them run.
RENDEZVOUS_GRACE = 300.0
# What a follower says that goes on trying in vain. Alone it may pass: the leader may just be starting.
_IN_VAIN = ("leader_no_route", "leader_unreachable", "leader_name_unresolvable")


@dataclass(frozen=True)
class RunningLog:
    """The log of a container that runs. ``role`` is its pod's."""

    pod: str
    role: str
    text: str


def diagnose_stall(logs: Sequence[RunningLog], seconds: float) -> list[Finding]:
    """Return what the logs tell, the leader's first; ``seconds`` for how long all pods have been running.

    Nothing has ended, so all of it may pass (warnings), but for one thing: ranks that wait for one another for
    ``RENDEZVOUS_GRACE`` seconds while one of them says that it cannot reach the leader.
    """
    ordered = sorted(logs, key=lambda log: log.role != "leader")
    found = {
        finding.cause: replace(finding, severity=WARNING, object=log.pod)
        for log in reversed(ordered)
        for finding in reversed(diagnose_log(log.text, log.role))
    }
    findings = list(reversed(found.values()))
    waiting = [log.pod for log in ordered if _waits_for_others(log.text)]
    if not waiting or len(waiting) < len(ordered):
        return findings
    if seconds >= RENDEZVOUS_GRACE:
        findings = [replace(finding, severity=ERROR) if finding.cause in _IN_VAIN else finding for finding in findings]
    return [*findings, _stalled(waiting)]


def _waits_for_others(text: str) -> bool:
    """Say whether a rank was started and has found no other one yet."""
    steps = reached(text)
    return RANKS_STARTED in steps and RANKS_CONNECTED not in steps


def _stalled(waiting: Sequence[str]) -> Finding:
    return Finding(
        WARNING,
        "rendezvous_stalled",
        f"all pods run, and their ranks wait for one another: {', '.join(waiting)}.",
        "All TCP ports have to be open between the pods of a replica, not only that of the rendezvous: look at network "
        "policies, firewalls and GLOO_SOCKET_IFNAME. vLLM says nothing until its own time limit is over.",
        waiting[0],
    )
