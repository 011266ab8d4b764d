# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A workload as one LeaderWorkerSet. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.placement import scheduler_labels
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.pods import Place, pod_template
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import LEADERWORKERSETS
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    LWS_EXCLUSIVE_TOPOLOGY,
    LWS_GROUP_LABEL,
    LWS_SUBGROUP_TOPOLOGY,
    RESTART_POLICY,
    STARTUP_POLICY,
    manifest,
    object_key,
    object_labels,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import Plan

Body = dict[str, Any]


def leaderworkerset(plan: Plan) -> Body:
    """Return the LeaderWorkerSet by its key. Its ``size`` counts the leader, as ``pods`` does."""
    spec = plan.spec
    place = Place(group_label=LWS_GROUP_LABEL)
    template: Body = {
        "size": plan.topology.pods,
        "restartPolicy": RESTART_POLICY[spec.restart_policy],
        "leaderTemplate": pod_template(plan, plan.leader, place),
        # The API wants one even where no follower is made.
        "workerTemplate": pod_template(plan, plan.follower or plan.leader, place),
    }
    if spec.kubernetes.subgroup_size is not None:
        template["subGroupPolicy"] = {
            "subGroupPolicyType": "LeaderWorker",
            "subGroupSize": spec.kubernetes.subgroup_size,
        }
    body = {
        "replicas": 1 if plan.replicas is None else plan.replicas,
        "startupPolicy": STARTUP_POLICY[spec.startup_policy],
        # Each replica gets a headless Service of its own, called like its leader: so the workload's name stays free for
        # the Service that clients use.
        "networkConfig": {"subdomainPolicy": "UniquePerReplica"},
        # One replica at a time, and none beyond the number: GPUs for a further one are rarely free.
        "rolloutStrategy": {
            "type": "RollingUpdate",
            "rollingUpdateConfiguration": {"maxUnavailable": 1, "maxSurge": 0, "partition": 0},
        },
        "leaderWorkerTemplate": template,
    }
    labels = {**scheduler_labels(spec), **object_labels(spec.name)}
    topologies = {
        LWS_EXCLUSIVE_TOPOLOGY: spec.kubernetes.exclusive_topology,
        LWS_SUBGROUP_TOPOLOGY: spec.kubernetes.subgroup_topology,
    }
    annotations = {name: label for name, label in topologies.items() if label is not None}
    return {
        object_key(LEADERWORKERSETS.kind, spec.name): manifest(LEADERWORKERSETS, spec.name, body, labels, annotations)
    }
