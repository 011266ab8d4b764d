# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for the options that only Kubernetes takes: what the cluster would refuse later is refused here.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_names import (
    check_dns_label,
    check_label_value,
    check_object_name,
    check_qualified_name,
    memory_bytes,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    REQUIRED,
    KubernetesSpec,
    NetworkClient,
    WorkloadSpec,
)

# Linux' own names without the prefix CAP_, as Kubernetes writes them.
_CAPABILITY = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_EVERY_CAPABILITY = "ALL"
# What ``k8s.io/api/core/v1`` knows as affinity: the rules, and the lists in each.
_NODE_AFFINITY = "nodeAffinity"
_POD_AFFINITIES = ("podAffinity", "podAntiAffinity")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_TERMS = "nodeSelectorTerms"
# The label whose value is another one on every machine.
_MACHINE = "kubernetes.io/hostname"
# Names of the volumes that every pod has anyway.
_OWN_VOLUMES = re.compile(r"shm|scratch|claim-\d+")


def check_kubernetes(spec: WorkloadSpec) -> None:
    """Refuse (``OptionError``) what Kubernetes does not take of the options that are its own."""
    own = spec.kubernetes
    _check_references(own)
    _check_placement(spec)
    _check_affinity(own.affinity)
    _check_extra_volumes(own)
    _check_capabilities(own)
    _check_sizes(spec)
    _check_service(own)
    _check_network_policy(own)
    if own.disruption_budget is not None and own.disruption_budget.max_unavailable < 1:
        raise OptionError.of(
            "disruption_budget.max_unavailable",
            f"With {own.disruption_budget.max_unavailable} no leader may ever be moved: every drain of its machine "
            "would wait for ever.",
            "Use 1 or more.",
            "budget_blocks_drains",
        )


def _check_references(own: KubernetesSpec) -> None:
    """Check the names of other objects."""
    for option, name, kind in (
        ("service_account", own.service_account, "service account"),
        ("priority_class", own.priority_class, "priority class"),
        ("scheduler", own.scheduler, "scheduler"),
    ):
        if name is not None:
            check_object_name(name, option, kind)
    if own.queue is not None:
        if not own.queue:
            raise OptionError.of("queue", "It is empty.", "Name the queue, or leave it out.")
        check_label_value(own.queue, "queue")


def _check_placement(spec: WorkloadSpec) -> None:
    """Check selectors and topologies, and that subgroups fill the group."""
    own = spec.kubernetes
    for name, value in own.node_selector.items():
        check_qualified_name(name, "node_selector", "a label")
        check_label_value(value, f"node_selector.{name}")
    for option, label in (
        ("exclusive_topology", own.exclusive_topology),
        ("subgroup_topology", own.subgroup_topology),
    ):
        if label is not None:
            check_qualified_name(label, option, "a label of machines")
    apart = spec.pods > 1 and spec.placement.spread == REQUIRED
    if apart and _MACHINE in (own.exclusive_topology, own.subgroup_topology):
        raise OptionError.of(
            "spread",
            f"It keeps the pods of a replica on different machines, and the topology {_MACHINE} on the same one.",
            "Use spread: preferred, or a topology of several machines.",
        )
    if own.subgroup_size is None:
        if own.subgroup_topology is not None:
            raise OptionError.of(
                "subgroup_topology", "There are no subgroups to place.", "Set subgroup_size, or leave it out."
            )
        return
    # LeaderWorkerSet 0.9, pkg/webhooks/leaderworkerset_webhook.go: the leader may be one too many.
    size = own.subgroup_size
    if not 1 <= size <= spec.pods or (spec.pods % size and (spec.pods - 1) % size):
        raise OptionError.of(
            "subgroup_size",
            f"{spec.pods} pods cannot be divided into subgroups of {size}.",
            "Use a number that divides pods, or pods less the leader.",
        )


def _check_affinity(affinity: Mapping[str, Any]) -> None:
    """Check the shape of an affinity as far as rules of our own are added to it; the API server checks the rest."""
    for kind, rules in affinity.items():
        if kind not in (_NODE_AFFINITY, *_POD_AFFINITIES):
            raise OptionError.of(
                f"affinity.{kind}",
                "Kubernetes knows no such affinity.",
                f"Use {_NODE_AFFINITY}, {' or '.join(_POD_AFFINITIES)}.",
            )
        if not isinstance(rules, Mapping):
            raise OptionError.of(f"affinity.{kind}", "It is no mapping of rules.", f"Write {_REQUIRED}: [...] in it.")
        for rule, terms in rules.items():
            _check_rule(f"affinity.{kind}.{rule}", kind, rule, terms)


def _check_rule(option: str, kind: str, rule: str, terms: Any) -> None:
    if rule not in (_REQUIRED, _PREFERRED):
        raise OptionError.of(option, "Kubernetes knows no such rule.", f"Use {_REQUIRED} or {_PREFERRED}.")
    if kind == _NODE_AFFINITY and rule == _REQUIRED:
        if not isinstance(terms, Mapping) or set(terms) != {_TERMS}:
            raise OptionError.of(option, "It is no node selector.", f"Write {_TERMS}: [...] in it, and nothing else.")
        option, terms = f"{option}.{_TERMS}", terms[_TERMS]
    if not isinstance(terms, list) or not all(isinstance(term, Mapping) for term in terms):
        raise OptionError.of(option, "It is no list of terms.", "Write a list of mappings.")


def _check_extra_volumes(own: KubernetesSpec) -> None:
    """Check names and sources; ``checks.check_volumes`` looks at the paths."""
    names: set[str] = set()
    for index, volume in enumerate(own.extra_volumes):
        option = f"extra_volumes[{index}]"
        check_dns_label(volume.name, f"{option}.name", "volume")
        if _OWN_VOLUMES.fullmatch(volume.name):
            raise OptionError.of(
                f"{option}.name", f"{volume.name!r} is a volume that every pod has anyway.", "Use another name."
            )
        if volume.name in names:
            raise OptionError.of(f"{option}.name", f"{volume.name!r} is there already.", "Give each its own name.")
        names.add(volume.name)
        if len(volume.source) != 1 or not all(isinstance(part, Mapping) for part in volume.source.values()):
            raise OptionError.of(
                f"{option}.source",
                "It is not one kind of volume with its settings.",
                "Write it as in a pod, without the name: {configMap: {name: my-certificates}}.",
            )


def _check_capabilities(own: KubernetesSpec) -> None:
    for index, capability in enumerate(own.capabilities):
        option = f"capabilities[{index}]"
        if capability.startswith("CAP_"):
            raise OptionError.of(
                option, f"Kubernetes writes {capability} without CAP_.", f"Use {capability.removeprefix('CAP_')}."
            )
        if capability == _EVERY_CAPABILITY or not _CAPABILITY.fullmatch(capability):
            raise OptionError.of(
                option, f"{capability!r} is no single capability of Linux.", "Name each that is needed: IPC_LOCK."
            )


def _check_sizes(spec: WorkloadSpec) -> None:
    """Check the sizes of the pod's own volumes; shared memory counts as the container's memory."""
    own = spec.kubernetes
    if own.scratch_size is not None:
        memory_bytes(own.scratch_size, "scratch_size")
    if own.shm_size is None:
        return
    shared = memory_bytes(own.shm_size, "shm_size")
    limit = spec.resources.memory_limit
    if limit is not None and shared > memory_bytes(limit, "resources.memory_limit"):
        raise OptionError.of(
            "shm_size",
            f"{own.shm_size} is more than resources.memory_limit ({limit}), and /dev/shm is memory.",
            "Use less shared memory, or a higher limit.",
        )


def _check_service(own: KubernetesSpec) -> None:
    """Check what is said of the Service and of who looks at its metrics."""
    for name in own.service.annotations:
        check_qualified_name(name.lower(), "service.annotations", "an annotation")
    for name, value in own.service_monitor_labels.items():
        check_qualified_name(name, "service_monitor_labels", "a label")
        check_label_value(value, f"service_monitor_labels.{name}")
    if own.service_monitor_labels and not own.service_monitor:
        raise OptionError.of(
            "service_monitor_labels",
            "They are given, but no ServiceMonitor is asked for.",
            "Set service_monitor: true, or leave them out.",
        )


def _check_network_policy(own: KubernetesSpec) -> None:
    """Refuse clients that name nobody, or somebody in two ways at once."""
    clients = own.network_policy.clients if own.network_policy else ()
    for index, client in enumerate(clients):
        _check_client(client, f"network_policy.clients[{index}]")


def _check_client(client: NetworkClient, option: str) -> None:
    selectors = {"namespace_labels": client.namespace_labels, "pod_labels": client.pod_labels}
    given = {name: labels for name, labels in selectors.items() if labels is not None}
    if client.cidr is None and not given:
        raise OptionError.of(option, "It names nobody.", "Set namespace_labels, pod_labels or cidr.")
    if client.cidr is not None:
        if given:
            raise OptionError.of(option, "Addresses and labels do not go together.", "Write two entries.")
        try:
            ipaddress.ip_network(client.cidr, strict=True)
        except ValueError as error:
            raise OptionError.of(
                f"{option}.cidr", f"{client.cidr!r} is no network: {error}.", "Write it like 10.0.0.0/8."
            ) from error
    for name, labels in given.items():
        for key, value in labels.items():
            check_qualified_name(key, f"{option}.{name}", "a label")
            check_label_value(value, f"{option}.{name}.{key}")
