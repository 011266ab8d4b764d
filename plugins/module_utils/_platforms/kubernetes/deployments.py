# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A workload as Deployments: the reference recipe's layout for several pods, and a plain one for a single pod. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.placement import scheduler_labels
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pods import Place, pod_template
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import DEPLOYMENTS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    GROUP_ANNOTATION,
    POD_INDEX_LABEL,
    RECIPE_ROLE_LABEL,
    RECIPE_ROLES,
    WORKLOAD_LABEL,
    follower_name,
    head_name,
    leader_selector,
    manifest,
    object_key,
    object_labels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._results.plain import short_hash
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import FOLLOWER, Plan

Body = dict[str, Any]

_ADDRESS = "$(LWS_LEADER_ADDRESS)"
_INDEX = "$(LWS_WORKER_INDEX)"
_SIZE = "$(LWS_GROUP_SIZE)"


def deployment(plan: Plan) -> Body:
    """Return the Deployment of a workload whose replicas are single pods, by its key."""
    spec = plan.spec
    template = pod_template(plan, plan.leader, Place(_words_of(plan, 0, "localhost")))
    # One replica at a time, and none beyond the number: GPUs for a further one are rarely free.
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    replicas = 1 if plan.replicas is None else plan.replicas
    return {
        object_key(DEPLOYMENTS.kind, spec.name): _manifest(
            plan, spec.name, replicas, leader_selector(spec.name), template, strategy
        )
    }


def deployments(plan: Plan) -> Body:
    """Return a Deployment for each pod of the one replica by their keys, the leader's last.

    Every pod has its fixed place. Pods of one replica cannot join a running group, so all of them carry a digest of the
    whole replica: a change of any of them recreates them together.
    """
    spec = plan.spec
    address = head_name(spec.name)
    templates = {}
    for index in range(1, plan.topology.pods if plan.follower else 1):
        place = Place(_words_of(plan, index, address), {POD_INDEX_LABEL: str(index)})
        templates[follower_name(spec.name, index)] = pod_template(plan, plan.follower or plan.leader, place)
    head = Place(_words_of(plan, 0, address), {POD_INDEX_LABEL: "0"})
    templates[address] = pod_template(plan, plan.leader, head)
    group = {GROUP_ANNOTATION: short_hash(templates)}
    replicas = 1 if plan.replicas is None else plan.replicas
    return {
        object_key(DEPLOYMENTS.kind, name): _manifest(
            plan, name, replicas, _selector(spec.name, template), _annotated(template, group), {"type": "Recreate"}
        )
        for name, template in templates.items()
    }


def _words_of(plan: Plan, index: int, address: str) -> Mapping[str, str]:
    """Return what the variables of a LeaderWorkerSet, which no Deployment sets, stand for."""
    return {_ADDRESS: address, _INDEX: str(index), _SIZE: str(plan.topology.pods)}


def _selector(name: str, template: Body) -> dict[str, str]:
    labels = template["metadata"]["labels"]
    if labels[RECIPE_ROLE_LABEL] == RECIPE_ROLES[FOLLOWER]:
        return {
            WORKLOAD_LABEL: name,
            RECIPE_ROLE_LABEL: RECIPE_ROLES[FOLLOWER],
            POD_INDEX_LABEL: labels[POD_INDEX_LABEL],
        }
    return leader_selector(name)


def _annotated(template: Body, annotations: Mapping[str, str]) -> Body:
    metadata = template["metadata"]
    return {**template, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **annotations}}}


def _manifest(
    plan: Plan, name: str, replicas: int, selector: Mapping[str, str], template: Body, strategy: Body
) -> Body:
    body = {
        "replicas": replicas,
        "selector": {"matchLabels": dict(selector)},
        "strategy": strategy,
        # Kubernetes calls a Deployment stuck after 600 s by itself; loading a large model takes longer.
        "progressDeadlineSeconds": plan.timeouts.start,
        "template": template,
    }
    return manifest(DEPLOYMENTS, name, body, {**scheduler_labels(plan.spec), **object_labels(plan.spec.name)})
