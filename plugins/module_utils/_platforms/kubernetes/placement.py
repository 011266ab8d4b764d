# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Where the pods may run: affinity, tolerations, and what Run:ai's and KAI's schedulers read. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    HOSTNAME_LABEL,
    PREEMPTIBILITY,
    PREEMPTIBILITY_LABEL,
    PRIORITY_LABEL,
    QUEUE_LABELS,
    WORKLOAD_LABEL,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._workload.kubernetes_names import check_label_value
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import (
    NO_SPREAD,
    REQUIRED,
    TolerationSpec,
    WorkloadSpec,
)

Body = dict[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_TERMS = "nodeSelectorTerms"
_EXPRESSIONS = "matchExpressions"
# The highest weight that Kubernetes knows: to be apart matters more than any other preference.
_WEIGHT = 100


def affinity(spec: WorkloadSpec, group_label: str | None) -> Body:
    """Return the user's affinity with what keeps pods off machines and apart.

    ``group_label`` is the label whose value the pods of one replica share, where the controller sets one: then only
    these are kept apart (``matchLabelKeys``; Kubernetes before 1.31 ignores it and keeps all pods of the workload
    apart). Without one the workload has a single replica.
    """
    rules = {kind: dict(rule) for kind, rule in spec.kubernetes.affinity.items()}
    if spec.placement.exclude_machines:
        rules["nodeAffinity"] = _excluding(rules.get("nodeAffinity", {}), spec.placement.exclude_machines)
    if spec.pods > 1 and spec.placement.spread != NO_SPREAD:
        apart = rules.setdefault("podAntiAffinity", {})
        term: Body = {
            "labelSelector": {"matchLabels": {WORKLOAD_LABEL: spec.name}},
            "topologyKey": HOSTNAME_LABEL,
        }
        if group_label is not None:
            term["matchLabelKeys"] = [group_label]
        if spec.placement.spread == REQUIRED:
            apart[_REQUIRED] = [*apart.get(_REQUIRED, []), term]
        else:
            apart[_PREFERRED] = [*apart.get(_PREFERRED, []), {"weight": _WEIGHT, "podAffinityTerm": term}]
    return rules


def toleration(given: TolerationSpec) -> Body:
    """Return a toleration in Kubernetes' words."""
    body: Body = {"key": given.key, "operator": given.operator}
    if given.value:
        body["value"] = given.value
    if given.effect is not None:
        body["effect"] = given.effect
    if given.seconds is not None:
        body["tolerationSeconds"] = given.seconds
    return body


def scheduler_labels(spec: WorkloadSpec) -> dict[str, str]:
    """Return the labels that Run:ai's and KAI's schedulers read from pods and what runs them.

    Raises ``OptionError`` for a priority or preemptibility that nobody would look at.
    """
    own = spec.kubernetes
    has_scheduler = own.scheduler is not None or own.queue is not None
    if spec.priority is not None and not has_scheduler:
        raise OptionError.of(
            "priority",
            "It is a word of Run:ai's and KAI's schedulers, and neither scheduler nor queue is given.",
            "Use priority_class, which names a PriorityClass of the cluster, or give scheduler or queue.",
        )
    if spec.preemptibility is not None and not has_scheduler and own.priority_class is None:
        raise OptionError.of(
            "preemptibility",
            "On Kubernetes the priority class decides whose pods have to give way, and none is given.",
            "Set priority_class too (a class of low value makes a workload preemptible), or scheduler or queue.",
        )
    if not has_scheduler:
        return {}
    labels = dict.fromkeys(QUEUE_LABELS, own.queue) if own.queue is not None else {}
    if spec.priority is not None:
        check_label_value(spec.priority, "priority")
        labels[PRIORITY_LABEL] = spec.priority
    if spec.preemptibility is not None:
        labels[PREEMPTIBILITY_LABEL] = PREEMPTIBILITY[spec.preemptibility]
    return {name: value for name, value in labels.items() if value is not None}


def _excluding(rules: Body, machines: tuple[str, ...]) -> Body:
    """Return a node affinity without these machines. Its terms are alternatives, so every one has to exclude them."""
    expression = {"key": HOSTNAME_LABEL, "operator": "NotIn", "values": sorted(machines)}
    given = rules.get(_REQUIRED, {}).get(_TERMS) or [{}]
    terms = [{**term, _EXPRESSIONS: [*term.get(_EXPRESSIONS, []), expression]} for term in given]
    return {**rules, _REQUIRED: {_TERMS: terms}}
