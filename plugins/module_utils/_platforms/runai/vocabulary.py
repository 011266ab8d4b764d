# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Words of the Run:ai API (control plane 2.22 to 2.25) and how ours map to them.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import base
from ansible_collections.gpuops.inference.plugins.module_utils._workload import spec
from ansible_collections.gpuops.inference.plugins.module_utils._workload.plan import PlatformTraits

# Our kinds of workload are the path segments of the API.
DISTRIBUTED = "distributed-inferences"
INFERENCE = "inferences"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "gpuops.inference"
WORKLOAD_LABEL = "gpuops.inference/workload"
# The labels of the reference recipe's selectors; Run:ai itself sets others (``workloadName``).
RECIPE_WORKLOAD_LABEL = "run.ai/workload"
RECIPE_ROLE_LABEL = "run.ai/role"
RECIPE_ROLES = {"leader": "head", "follower": "worker"}
OUR_LABELS = (MANAGED_BY_LABEL, WORKLOAD_LABEL, RECIPE_WORKLOAD_LABEL, RECIPE_ROLE_LABEL)
OUR_PREFIX = "gpuops.inference/"
RECORD_ANNOTATION = "gpuops.inference/applied"
RECORD_VARIABLE = "GPUOPS_APPLIED"

ACCESS = {
    spec.PUBLIC: "public",
    spec.AUTHENTICATED_USERS: "authenticatedUsers",
    spec.AUTHORIZED_USERS: "authorizedUsers",
    spec.AUTHORIZED_GROUPS: "authorizedGroups",
}
PREEMPTIBILITY = {"preemptible": "preemptible", "non_preemptible": "non-preemptible"}
RESTART_POLICY = {spec.RECREATE_GROUP: "RecreateGroupOnPodRestart", spec.NO_RESTART: "None"}
STARTUP_POLICY = {spec.LEADER_CREATED: "LeaderCreated", spec.LEADER_READY: "LeaderReady"}
PULL_POLICY = {"always": "Always", "if_not_present": "IfNotPresent", "never": "Never"}

# Names of labels and annotations: 1 to 63 characters with their prefix (runapy 1.224, models Label and Annotation).
LONGEST_METADATA_NAME = 63

PHASES = {
    "Creating": base.CREATING,
    "Pending": base.PENDING,
    "Initializing": base.INITIALIZING,
    "Resuming": base.INITIALIZING,
    "Updating": base.INITIALIZING,
    "Running": base.RUNNING,
    "Degraded": base.DEGRADED,
    "Stopped": base.STOPPED,
    "Stopping": base.STOPPED,
    "Completed": base.STOPPED,
    "Failed": base.FAILED,
    "Deleting": base.DELETING,
    "Terminating": base.DELETING,
}

TRAITS = PlatformTraits(
    name="runai",
    leader_address="$(LWS_LEADER_ADDRESS)",
    rank="$(LWS_WORKER_INDEX)",
    # The API has no field for it, so Kubernetes' default holds (Pod.spec.terminationGracePeriodSeconds).
    stop_grace_seconds=30,
    access_modes=tuple(ACCESS),
    foreign_options={
        "controller": "Leave it out: Run:ai chooses what runs the pods.",
        "priority_class": "Use priority.",
        "scheduler": "Leave it out: Run:ai's own scheduler places the pods.",
        "queue": "Leave it out: the project is the queue.",
        "service_account": "Leave it out: the API has no field for it.",
        "node_selector": "Use node_pools or node_type.",
        "affinity": "Use exclude_machines, node_pools or node_type.",
        "extra_volumes": "Use volumes: claims are what the plan mounts on Run:ai.",
        "capabilities": "Leave them out: for pods that do not run as root they have no effect.",
        "shm_size": "Leave it out: the pods get as much as their memory allows.",
        "scratch_size": "Leave it out: the API has no field for it.",
        "exclusive_topology": "Use node_pools.",
        "subgroup_size": "Leave it out: the API has no field for it.",
        "subgroup_topology": "Leave it out: the API has no field for it.",
        "service": "Use serving.external: Run:ai makes the Service.",
        "network_policy": "Use serving.access: Run:ai checks who calls.",
        "disruption_budget": "Leave it out: the API has no field for it.",
        "service_monitor": "Leave it out: Run:ai collects metrics itself.",
        "service_monitor_labels": "Leave them out: Run:ai collects metrics itself.",
        "serving.api_key_secret": "Use serving.access: authenticated_users, authorized_users or authorized_groups.",
    },
)

# Where a body holds the number of replicas.
REPLICA_PATHS = {
    DISTRIBUTED: ("spec.replicas",),
    INFERENCE: ("spec.autoscaling.minReplicas", "spec.autoscaling.maxReplicas"),
}
