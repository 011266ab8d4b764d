# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the cluster from the beginning: namespaces, machines, classes, volumes, the test user's rights."""

from __future__ import annotations

from typing import Any

from gpuops_cluster.api import Api

TEST_USER = "gpuops-tests"
# The group of every user that tests act as: what its members do is written into the audit log.
CLIENTS = "gpuops:clients"
CLAIM = "my-project-models"
NAMESPACE = "my-project"
QUOTA_NAMESPACE = "my-project-quota"
# Namespace -> the level of pod security that is enforced there.
NAMESPACES = {
    NAMESPACE: "restricted",
    "my-project-baseline": "baseline",
    "my-project-open": "privileged",
    QUOTA_NAMESPACE: "restricted",
}
STORAGE_CLASS = "shared-files"
UNBOUND_CLASS = "never-binds"
PRIORITIES = {"gpuops-low": 1_000, "gpuops-high": 100_000}
RACK_LABEL = "topology.gpuops.test/rack"
# What an H100's GPU feature discovery writes; memory in MiB.
GPU_LABELS = {
    "nvidia.com/gpu.present": "true",
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.family": "hopper",
    "nvidia.com/gpu.memory": "81559",
    "nvidia.com/gpu.compute.major": "9",
    "nvidia.com/gpu.compute.minor": "0",
    "nvidia.com/mig.strategy": "none",
}
GPUS = 8
# The real machine of a whole cluster; the others are gpu-1, gpu-2, ...
MACHINE = "machine-1"
# Where the machines keep their volumes.
VOLUMES = "/var/lib/gpuops"
PROVISIONER = "gpuops.test/shared-files"
MACHINES_PER_RACK = 2

Object = dict[str, Any]


def machine(number: int) -> Object:
    """Return a GPU machine: gpu-1, gpu-2, ..."""
    name = f"gpu-{number}"
    size = {
        "cpu": "128",
        "memory": "1Ti",
        "ephemeral-storage": "1Ti",
        "pods": "500",
        "nvidia.com/gpu": str(GPUS),
        "rdma/rdma_shared_device_a": "1k",
    }
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        # The older names, which the controller manager adds.
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": "zone-a",
        RACK_LABEL: f"rack-{(number - 1) // MACHINES_PER_RACK + 1}",
        "nvidia.com/gpu.count": str(GPUS),
        **GPU_LABELS,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"allocatable": size, "capacity": size},
    }


def namespaces() -> list[Object]:
    """Return the test namespaces."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": level}},
        }
        for name, level in NAMESPACES.items()
    ]


def storage(namespace: str) -> list[Object]:
    """Return the claim with the models and the volume that it is bound to, made for each other."""
    volume = f"{namespace}-models"
    size = {"storage": "1Ti"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {
                "capacity": size,
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "",
                "hostPath": {"path": f"{VOLUMES}/{namespace}/{CLAIM}"},
                "claimRef": {"namespace": namespace, "name": CLAIM},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": namespace},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "",
                "volumeName": volume,
                "resources": {"requests": size},
            },
        },
    ]


def quota() -> Object:
    """Return the quota of the namespace that has one: four GPUs, four pods."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "gpus", "namespace": QUOTA_NAMESPACE},
        "spec": {"hard": {"requests.nvidia.com/gpu": "4", "pods": "4"}},
    }


def classes() -> list[Object]:
    """Return storage and priority classes."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
    return [
        # KWOK's stage "volume-provision" plays this provisioner.
        {
            **kind,
            "metadata": {"name": STORAGE_CLASS, "annotations": default},
            "provisioner": PROVISIONER,
            "allowVolumeExpansion": True,
        },
        {**kind, "metadata": {"name": UNBOUND_CLASS}, "provisioner": "gpuops.test/nobody"},
        *(
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": name},
                "value": value,
            }
            for name, value in PRIORITIES.items()
        ),
    ]


def rights() -> Object:
    """Return the binding that lets the usual test user do everything; narrower users are made by the tests."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": TEST_USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": TEST_USER}],
    }


_PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "ConfigMap": "configmaps",
    "CustomResourceDefinition": "customresourcedefinitions",
    "Deployment": "deployments",
    "Event": "events",
    "HostDeviceNetwork": "hostdevicenetworks",
    "IPoIBNetwork": "ipoibnetworks",
    "LeaderWorkerSet": "leaderworkersets",
    "MacvlanNetwork": "macvlannetworks",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
    "Namespace": "namespaces",
    "NetworkAttachmentDefinition": "network-attachment-definitions",
    "NetworkPolicy": "networkpolicies",
    "NicClusterPolicy": "nicclusterpolicies",
    "NicNodePolicy": "nicnodepolicies",
    "Node": "nodes",
    "PersistentVolume": "persistentvolumes",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "PriorityClass": "priorityclasses",
    "ResourceQuota": "resourcequotas",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "ServiceMonitor": "servicemonitors",
    "SriovNetworkNodePolicy": "sriovnetworknodepolicies",
    "SriovNetworkNodeState": "sriovnetworknodestates",
    "StatefulSet": "statefulsets",
    "StorageClass": "storageclasses",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
}


def path_of(content: Object) -> str:
    """Return the API path of an object. Raises ``KeyError`` for a kind that is not in the table above."""
    version = content["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = content["metadata"].get("namespace")
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{within}/{_PLURALS[content['kind']]}/{content['metadata']['name']}"


def create_all(api: Api, machines: int) -> None:
    """Create everything of this file."""
    for content in [*namespaces(), *classes(), rights(), quota()]:
        api.apply(path_of(content), content)
    for namespace in NAMESPACES:
        for content in storage(namespace):
            api.apply(path_of(content), content)
    for number in range(1, machines + 1):
        # As a kubelet registers itself: an applied object would lose its status.
        api.request("POST", "/api/v1/nodes", machine(number))
