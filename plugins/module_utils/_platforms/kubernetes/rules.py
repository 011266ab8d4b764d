# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What of a workload can be changed in place, and what that takes away. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import (
    NONE,
    OUTAGE,
    ROLLING,
    ChangeRules,
    LiveWorkload,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    LEADERWORKERSETS,
    NETWORK_POLICIES,
    SERVICE_MONITORS,
    SERVICES,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.vocabulary import (
    object_key,
)

# Kinds that hold no pods: changed, added and removed whenever it is wanted.
_WITHOUT_PODS = (SERVICES, NETWORK_POLICIES, DISRUPTION_BUDGETS, SERVICE_MONITORS)


def change_rules(live: LiveWorkload) -> ChangeRules:
    """Return the rules for a live workload.

    Every other path means recreating: what the API server does not change (selectors), what LeaderWorkerSet's webhook
    does not (subgroups), and another kind of controller. So does everything of a workload that the collection did not
    make: its containers have other names, and applying ours would add to them.
    """
    if not live.managed:
        return ChangeRules()
    in_place: dict[str, str] = {}
    for resource in _WITHOUT_PODS:
        in_place[object_key(resource.kind, live.name)] = NONE
    for key in live.body:
        kind = key.partition("/")[0]
        if kind == LEADERWORKERSETS.kind:
            in_place.update(_of_leaderworkerset(key, live))
        elif kind == DEPLOYMENTS.kind:
            in_place.update(_of_deployment(key, live))
        elif kind == SERVICES.kind:
            in_place[key] = NONE
    return ChangeRules(in_place, record_apart=True)


def _of_leaderworkerset(key: str, live: LiveWorkload) -> dict[str, str]:
    """LeaderWorkerSet 0.9: a change of the template or the network makes a new revision, rolled out replica by replica
    (``pkg/utils/revision``). Our annotations name topologies, which are copied onto the pods. The rest acts on what is
    created from then on."""
    by_pods = ROLLING if (live.replicas or 0) > 1 else OUTAGE
    template = f"{key}.spec.leaderWorkerTemplate"
    return {
        f"{key}.metadata": NONE,
        f"{key}.metadata.annotations": by_pods,
        f"{key}.spec.startupPolicy": NONE,
        f"{key}.spec.rolloutStrategy": NONE,
        f"{key}.spec.networkConfig": by_pods,
        f"{template}.size": by_pods,
        f"{template}.restartPolicy": by_pods,
        f"{template}.leaderTemplate": by_pods,
        f"{template}.workerTemplate": by_pods,
    }


def _of_deployment(key: str, live: LiveWorkload) -> dict[str, str]:
    return {
        f"{key}.metadata": NONE,
        f"{key}.spec.strategy": NONE,
        f"{key}.spec.progressDeadlineSeconds": NONE,
        f"{key}.spec.template": ROLLING if (live.replicas or 0) > 1 else OUTAGE,
    }
