# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom resources about fabrics: their definitions as a cluster serves them, and objects as operators write them.

The definitions have the real groups, versions, kinds, plurals, scopes and subresources (Mellanox/network-operator
config/crd/bases, k8snetworkplumbingwg/sriov-network-operator config/crd/bases,
k8snetworkplumbingwg/network-attachment-definition-client artifacts/networks-crd.yaml); any field is taken.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from support.cluster import ClusterHandle
from support.sandbox import until

from gpuops_cluster.objects import path_of

Object = dict[str, Any]

SRIOV_NAMESPACE = "my-project-open"


@dataclass(frozen=True)
class Kind:
    """A kind of custom resource."""

    group: str
    version: str
    plural: str
    kind: str
    is_namespaced: bool
    has_status: bool = True

    @property
    def path(self) -> str:
        """The path of all its objects, of every namespace."""
        return f"/apis/{self.group}/{self.version}/{self.plural}"

    def definition(self) -> Object:
        """Return the custom resource definition."""
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version: Object = {
            "name": self.version,
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
        }
        if self.has_status:
            version["subresources"] = {"status": {}}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{self.group}"},
            "spec": {
                "group": self.group,
                "scope": "Namespaced" if self.is_namespaced else "Cluster",
                "names": {"plural": self.plural, "kind": self.kind, "listKind": f"{self.kind}List"},
                "versions": [version],
            },
        }


_MELLANOX = ("mellanox.com", "v1alpha1")
_SRIOV = ("sriovnetwork.openshift.io", "v1")
KINDS = (
    Kind(*_MELLANOX, "nicclusterpolicies", "NicClusterPolicy", False),
    Kind(*_MELLANOX, "nicnodepolicies", "NicNodePolicy", False),
    Kind(*_MELLANOX, "hostdevicenetworks", "HostDeviceNetwork", False),
    Kind(*_MELLANOX, "macvlannetworks", "MacvlanNetwork", False),
    Kind(*_MELLANOX, "ipoibnetworks", "IPoIBNetwork", False),
    Kind(*_SRIOV, "sriovnetworknodepolicies", "SriovNetworkNodePolicy", True),
    Kind(*_SRIOV, "sriovnetworknodestates", "SriovNetworkNodeState", True),
    Kind("k8s.cni.cncf.io", "v1", "network-attachment-definitions", "NetworkAttachmentDefinition", True, False),
)
_BY_KIND = {kind.kind: kind for kind in KINDS}


def serve(cluster: ClusterHandle) -> None:
    """Let the cluster serve all kinds, and wait until it does."""
    cluster.apply(*(kind.definition() for kind in KINDS))
    until(lambda: all(_is_served(cluster, kind) for kind in KINDS), "the kinds are served")


def unserve(cluster: ClusterHandle) -> None:
    """Take the kinds, and with them all their objects, out of the cluster."""
    for kind in KINDS:
        cluster.api("DELETE", path_of(kind.definition()))
    until(lambda: not any(_is_served(cluster, kind) for kind in KINDS), "no kind is served")


def create(cluster: ClusterHandle, *objects: Object) -> None:
    """Create objects, then write their status as their operators do."""
    for content in objects:
        cluster.apply({key: value for key, value in content.items() if key != "status"})
        if "status" in content:
            cluster.patch_status(path_of(content), content["status"])


def delete_all(cluster: ClusterHandle) -> None:
    """Remove all objects of these kinds."""
    for kind in KINDS:
        for entry in cluster.items(kind.path):
            about = {"apiVersion": f"{kind.group}/{kind.version}", "kind": kind.kind, "metadata": entry["metadata"]}
            cluster.api("DELETE", path_of(about))


def _is_served(cluster: ClusterHandle, kind: Kind) -> bool:
    return cluster.api("GET", kind.path)[0] == 200


def fabric_object(kind: str, name: str, spec: Object, namespace: str | None = None, **more: Any) -> Object:
    """Return an object of one of these kinds; ``more`` are ``status`` and ``annotations``."""
    known = _BY_KIND[kind]
    metadata: Object = {"name": name, **({"namespace": namespace} if namespace else {})}
    if "annotations" in more:
        metadata["annotations"] = more.pop("annotations")
    return {
        "apiVersion": f"{known.group}/{known.version}",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
        **more,
    }


def nic_policy(
    shared: list[Object] | None = None,
    sriov: list[Object] | None = None,
    state: str = "ready",
    kind: str = "NicClusterPolicy",
    **spec: Any,
) -> Object:
    """Return a policy of the network operator with the configurations of its device plugins."""
    if shared is not None:
        spec["rdmaSharedDevicePlugin"] = {"config": json.dumps({"configList": shared})}
    if sriov is not None:
        spec["sriovDevicePlugin"] = {"config": json.dumps({"resourceList": sriov})}
    return fabric_object(kind, "nic-cluster-policy", spec, status={"state": state})


def sriov_policy(resource: str, name: str = "gpu-nics", **spec: Any) -> Object:
    """Return a policy of the SR-IOV operator."""
    whole = {"resourceName": resource, "nodeSelector": {}, "numVfs": 8, "nicSelector": {"vendor": "15b3"}, **spec}
    return fabric_object("SriovNetworkNodePolicy", name, whole, SRIOV_NAMESPACE)


def sriov_state(machine: str, resource: str, link_type: str, mode: str = "", sync: str = "Succeeded") -> Object:
    """Return what the SR-IOV operator's daemon writes of a machine."""
    address = "0000:0c:00.0"
    wanted = {"pciAddress": address, "numVfs": 8, "vfGroups": [{"resourceName": resource, "vfRange": "0-7"}]}
    status: Object = {
        "interfaces": [{"pciAddress": address, "vendor": "15b3", "linkType": link_type, "totalvfs": 16}],
        "syncStatus": sync,
    }
    if mode:
        status["system"] = {"rdmaMode": mode}
    return fabric_object("SriovNetworkNodeState", machine, {"interfaces": [wanted]}, SRIOV_NAMESPACE, status=status)


def network(name: str, namespace: str, resource: str = "", **config: Any) -> Object:
    """Return a network that Multus gives to pods."""
    annotations = {"k8s.v1.cni.cncf.io/resourceName": resource} if resource else {}
    text = json.dumps({"cniVersion": "0.3.1", "name": name, **config})
    return fabric_object("NetworkAttachmentDefinition", name, {"config": text}, namespace, annotations=annotations)
