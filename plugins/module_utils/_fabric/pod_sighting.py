# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What pods saw that ran as the serving user, and so what the fabric is for that user.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import (
    EFA,
    IB,
    ROCE,
    SEEN,
    TCP,
    TITLES,
    UNKNOWN,
    UNUSABLE,
    USABLE,
    counted,
    listed,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.needs import Needs, network_unknown
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.ports import (
    NO_ADDRESS,
    NO_SUBNET_MANAGER,
    NOT_ACTIVE,
    NOT_OPENED,
    NOT_REGISTERED,
    NOT_VISIBLE,
    PodView,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.sighting import Sighting
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding

# What pods can see, the preferred first.
_KINDS = (IB, ROCE, EFA)

# What to do about what stands in the way of a port, by its cause.
HINTS = {
    NOT_ACTIVE: "Ask the machine's owner: a cable, a switch port, or a network that was never brought up.",
    NO_SUBNET_MANAGER: "Ask the fabric's owner for the subnet manager; a virtual function needs a GUID besides.",
    NOT_VISIBLE: "Let the pods ask for the RDMA device plugin's resource; where they do, the plugin gave no device.",
    NO_ADDRESS: "Attach the network that goes with the resource (annotation k8s.v1.cni.cncf.io/networks); a network "
    "with IPv6 only needs NCCL_IB_ADDR_FAMILY=AF_INET6.",
    NOT_OPENED: "The device's file must be readable and writable for the serving user.",
    NOT_REGISTERED: "Mostly the limit of locked memory: LimitMEMLOCK=infinity for the container runtime on the "
    "machines.",
}

# What is said of a port beside others of its kind that can be used; ports that are down are common.
_WORTH_A_WORD = (NO_SUBNET_MANAGER, NOT_OPENED, NOT_REGISTERED)


def sight_pods(views: Sequence[PodView], needs: Needs) -> Sighting | None:
    """Return what the pods say, ``None`` where they cannot tell: they asked for no device, and saw none."""
    for kind in _KINDS:
        if all(view.usable(kind) for view in views):
            return _found(kind, USABLE, views)
    for kind in _KINDS:
        if all(view.sound(kind) for view in views):
            return _found(kind, SEEN, views)
    present = [kind for kind in _KINDS if any(view.of(kind) for view in views)]
    asked = any(view.pod.requested_resources for view in views)
    if not present:
        return _nothing(views) if asked else None
    for kind in present:
        if needs.resources and not asked and all(_is_hidden(view, kind) for view in views):
            return _not_requested(kind, needs)
    return _broken(present[0], views)


def sight_no_device(views: Sequence[PodView]) -> Sighting:
    """Return what it means that pods saw no device and that nothing offers one: sockets, tried as far as pods could."""
    reaches = [reach for view in views for reach in view.pod.reaches]
    reason = f"{counted(len(views), 'pod')} looked and saw no RDMA device, and nothing offers one"
    if reaches and all(reach.is_reached for reach in reaches):
        return Sighting(TCP, USABLE, (reason, "the pods reached each other by TCP"), by_pods=True)
    return Sighting(TCP, SEEN, (reason,), by_pods=True)


def _found(kind: str, confidence: str, views: Sequence[PodView]) -> Sighting:
    machines = counted(len({view.pod.machine for view in views}), "machine")
    if confidence == USABLE:
        reason = f"{TITLES[kind]} on {machines}: devices opened and memory registered as the serving user"
    else:
        reason = f"{TITLES[kind]} on {machines}: nothing stands in the way, but not all devices were tried"
    better = _KINDS[: _KINDS.index(kind)]
    findings = [finding for other in better for finding in _troubles(other, views, tuple(HINTS))]
    findings += _troubles(kind, views, _WORTH_A_WORD)
    return Sighting(kind, confidence, (reason,), tuple(findings), by_pods=True)


def _is_hidden(view: PodView, kind: str) -> bool:
    """Say whether a pod saw devices in the kernel's list only."""
    causes = {port.trouble.cause for port in view.of(kind) if port.trouble is not None}
    return NOT_VISIBLE in causes and not view.sound(kind)


def _not_requested(kind: str, needs: Needs) -> Sighting:
    names = listed(sorted(needs.resources))
    reason = f"{TITLES[kind]} devices are in the kernel's list of pods that did not ask for {names}"
    if kind == ROCE and needs.lacks_network:
        return Sighting(reasons=(reason,), findings=(network_unknown(names),), hardware=ROCE, by_pods=True)
    evidence = (
        f"The kernel shows {TITLES[kind]} devices to every pod, and only pods that ask for {names} may open them."
    )
    finding = Finding(INFO, "rdma_not_requested", evidence, "Let the look ask for it too.", "fabric")
    return Sighting(kind, SEEN, (reason,), (finding,), by_pods=True)


def _nothing(views: Sequence[PodView]) -> Sighting:
    names = listed(sorted({name for view in views for name in view.pod.requested_resources}))
    finding = Finding(
        WARNING,
        "device_not_given",
        f"The pods asked for {names} and saw no RDMA device.",
        "With RDMA in exclusive mode the shared device plugin gives none (k8s-rdma-shared-dev-plugin#84): use SR-IOV "
        "or host devices, or the mode shared.",
        "fabric",
    )
    reason = f"pods that asked for {names} have no RDMA device"
    return Sighting(UNUSABLE, SEEN, (reason,), (finding,), hardware=UNKNOWN, by_pods=True)


def _broken(kind: str, views: Sequence[PodView]) -> Sighting:
    """Return what follows where at least one pod cannot use what was seen."""
    machines_of: dict[str, set[str]] = {}
    for view in views:
        if not view.sound(kind):
            machines_of.setdefault(_best_trouble(view, kind), set()).add(view.pod.machine)
    reasons = [
        f"{TITLES[kind]} on {listed(sorted(machines))}: {words}" for words, machines in sorted(machines_of.items())
    ]
    findings = [finding for other in _KINDS for finding in _troubles(other, views, tuple(HINTS))]
    return Sighting(UNUSABLE, SEEN, tuple(reasons), tuple(findings), hardware=kind, by_pods=True)


def _best_trouble(view: PodView, kind: str) -> str:
    """Return what stands in the way of the port that came nearest to being used."""
    order = tuple(HINTS)
    troubles = [(order.index(port.trouble.cause), port) for port in view.of(kind) if port.trouble is not None]
    if not troubles:
        return "no device, while other pods have one"
    _nearest, port = max(troubles, key=lambda trouble: trouble[0])
    return f"{port.name}: {port.trouble.words}" if port.trouble is not None else port.name


def _troubles(kind: str, views: Sequence[PodView], causes: tuple[str, ...]) -> list[Finding]:
    """Return a finding for each of ``causes`` that stands in the way of ports of a kind."""
    findings = []
    for cause in causes:
        ports = [
            (view.pod.machine, port, port.trouble.words)
            for view in views
            for port in view.of(kind)
            if port.trouble is not None and port.trouble.cause == cause
        ]
        if ports:
            names = listed(list(dict.fromkeys(port.name for _machine, port, _words in ports)))
            where = listed(sorted({machine for machine, _port, _words in ports}))
            evidence = f"{names} on {where} ({TITLES[kind]}): {ports[0][2]}."
            findings.append(Finding(WARNING, cause, evidence, HINTS[cause], "fabric"))
    return findings
