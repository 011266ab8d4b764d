# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The kinds of objects that the collection knows and where the API server has them: known paths, no discovery. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote


@dataclass(frozen=True)
class Resource:
    """A kind of object. ``group`` is empty for the core group, ``plural`` the word in paths and permissions."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return what stands in a manifest: ``apps/v1``, ``v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_path(self) -> str:
        """Return the path of the group's version, which lists what is served in it."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of all objects of a namespace, of one of them, or of a subresource of that one."""
        parts = [self.group_path]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{quote(namespace, safe='')}")
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
            if subresource:
                parts.append(subresource)
        return "/".join(parts)


LEADERWORKERSETS = Resource("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
SERVICES = Resource("", "v1", "services", "Service")
JOBS = Resource("batch", "v1", "jobs", "Job")
PODS = Resource("", "v1", "pods", "Pod")
EVENTS = Resource("", "v1", "events", "Event")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
SERVICE_MONITORS = Resource("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
RESOURCE_QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
LIMIT_RANGES = Resource("", "v1", "limitranges", "LimitRange")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
STORAGE_CLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
PRIORITY_CLASSES = Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
# What the user is and may do, as the API server sees it. Everybody may ask.
RULES_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False
)
SELF_REVIEWS = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False)
# The pods of all namespaces at once: a right of the cluster.
ALL_PODS = replace(PODS, namespaced=False)
# What says which fabric there is. NVIDIA's network operator keeps its kinds for the whole cluster. Those of the SR-IOV
# operator lie in its own namespace, whichever that is, so they are read in all namespaces at once.
NIC_CLUSTER_POLICIES = Resource("mellanox.com", "v1alpha1", "nicclusterpolicies", "NicClusterPolicy", namespaced=False)
NIC_NODE_POLICIES = Resource("mellanox.com", "v1alpha1", "nicnodepolicies", "NicNodePolicy", namespaced=False)
HOST_DEVICE_NETWORKS = Resource("mellanox.com", "v1alpha1", "hostdevicenetworks", "HostDeviceNetwork", namespaced=False)
MACVLAN_NETWORKS = Resource("mellanox.com", "v1alpha1", "macvlannetworks", "MacvlanNetwork", namespaced=False)
IPOIB_NETWORKS = Resource("mellanox.com", "v1alpha1", "ipoibnetworks", "IPoIBNetwork", namespaced=False)
SRIOV_POLICIES = Resource(
    "sriovnetwork.openshift.io", "v1", "sriovnetworknodepolicies", "SriovNetworkNodePolicy", namespaced=False
)
SRIOV_STATES = Resource(
    "sriovnetwork.openshift.io", "v1", "sriovnetworknodestates", "SriovNetworkNodeState", namespaced=False
)
# The networks that Multus gives to pods beside their own: those of the namespace, and those of all.
NETWORKS = Resource("k8s.cni.cncf.io", "v1", "network-attachment-definitions", "NetworkAttachmentDefinition")
ALL_NETWORKS = replace(NETWORKS, namespaced=False)
OF_ALL_NAMESPACES = (ALL_PODS, SRIOV_POLICIES, SRIOV_STATES, ALL_NETWORKS)
# Everything about fabrics that is read of the whole cluster, beside its machines.
FABRIC_KINDS = (
    NIC_CLUSTER_POLICIES,
    NIC_NODE_POLICIES,
    SRIOV_POLICIES,
    SRIOV_STATES,
    HOST_DEVICE_NETWORKS,
    MACVLAN_NETWORKS,
    IPOIB_NETWORKS,
    ALL_NETWORKS,
)

RESOURCES = (
    LEADERWORKERSETS,
    DEPLOYMENTS,
    SERVICES,
    JOBS,
    PODS,
    EVENTS,
    NETWORK_POLICIES,
    DISRUPTION_BUDGETS,
    SERVICE_MONITORS,
    CLAIMS,
    SERVICE_ACCOUNTS,
    RESOURCE_QUOTAS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    STORAGE_CLASSES,
    PRIORITY_CLASSES,
    ACCESS_REVIEWS,
)
BY_KIND: Mapping[str, Resource] = {resource.kind: resource for resource in RESOURCES}
