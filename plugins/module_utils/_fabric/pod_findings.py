# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is to be said of the pods that looked, whatever the fabric: locked memory, capabilities, reachability.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import PodEvidence, Reach
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import IB, counted, listed
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import (
    IPC_LOCK,
    PodView,
    address_of,
    in_mebibytes,
    locks_too_little,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, INFO, WARNING, Finding


def tell_pods(views: Sequence[PodView], uid: int) -> list[Finding]:
    """Return the findings about pods that looked as the user ``uid``."""
    findings = _unreachable([(view.pod.machine, reach) for view in views for reach in view.pod.reaches])
    with_devices = [view.pod for view in views if view.ports]
    findings += _memory(with_devices, uid)
    findings += _capability(with_devices, uid)
    findings += _subnets(views)
    if len({view.pod.machine for view in views}) == 1:
        evidence = f"Only {views[0].pod.machine} was looked at: nothing is known of what is between machines."
        findings.append(Finding(INFO, "one_machine_only", evidence, "Let the looks run on two machines.", "machines"))
    return findings


def _unreachable(reaches: Sequence[tuple[str, Reach]]) -> list[Finding]:
    """Say that pods do not reach each other: with RDMA too they meet by TCP."""
    missed = [(machine, reach) for machine, reach in reaches if not reach.is_reached]
    if not missed:
        return []
    machine, first = missed[0]
    pairs = sorted({f"{source} -> {reach.machine}" for source, reach in missed})
    because = f" ({first.error})" if first.error else ""
    return [
        Finding(
            ERROR,
            "pods_not_reachable",
            f"{len(missed)} of {counted(len(reaches), 'attempt')} between pods failed by TCP, such as "
            f"port {first.port} of {first.machine} from {machine}{because}: {listed(pairs)}.",
            "Most likely a network policy or a firewall: pods of a replica need all TCP ports among themselves, since "
            "NCCL, "
            'gloo and vLLM choose them at random. This is what shows as "NCCL timeout between workers".',
            machine,
        )
    ]


def _memory(pods: Sequence[PodEvidence], uid: int) -> list[Finding]:
    small = [(pod.memlock, pod.machine) for pod in pods if pod.memlock is not None and locks_too_little(pod)]
    if not small:
        return []
    least, _machine = min(small)
    where = listed(sorted({machine for _limit, machine in small}))
    return [
        Finding(
            WARNING,
            "rdma_memlock_small",
            f"UID {uid} may lock {in_mebibytes(least)} of memory on {where}, and RDMA needs about 1 GiB and more: RDMA "
            "that root can use can fail for this user.",
            "Have the container runtime on the machines started with LimitMEMLOCK=infinity. The capability IPC_LOCK "
            "does not help a user that is not root.",
            "machines",
        )
    ]


def _capability(pods: Sequence[PodEvidence], uid: int) -> list[Finding]:
    """Say that IPC_LOCK was added and does nothing: Linux clears it at execve for every user but root."""
    inert = [
        pod for pod in pods if IPC_LOCK in pod.bounding_capabilities and IPC_LOCK not in pod.effective_capabilities
    ]
    if not inert or uid == 0:
        return []
    severity = WARNING if any(locks_too_little(pod) for pod in inert) else INFO
    return [
        Finding(
            severity,
            "capability_not_effective",
            f"The capability {IPC_LOCK} was added and is not effective: Linux takes it from every process whose UID is "
            f"not 0 (here {uid}), and Kubernetes cannot make it ambient.",
            "Leave it out, which also lets the pods into namespaces with pod security baseline; raise the limit of "
            "locked memory on the machines instead.",
            "capabilities",
        )
    ]


def _subnets(views: Sequence[PodView]) -> list[Finding]:
    """Say that machines lie in different InfiniBand subnets, which do not reach each other."""
    prefixes: dict[str, set[str]] = {}
    for view in views:
        for port in view.sound(IB):
            for address in [address_of(gid) for gid in port.port.gids if gid.index == 0]:
                if address is not None:
                    prefixes.setdefault(view.pod.machine, set()).add(address.exploded[:19])
    if len({frozenset(found) for found in prefixes.values()}) < 2:
        return []
    told = [f"{machine}: {listed(sorted(found))}" for machine, found in sorted(prefixes.items())]
    return [
        Finding(
            WARNING,
            "infiniband_subnets_differ",
            f"The machines are in different InfiniBand subnets: {listed(told, 3)}.",
            "Ports of different subnets do not reach each other without a router: choose machines of one fabric.",
            "machines",
        )
    ]
