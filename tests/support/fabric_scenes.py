# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fabrics as clusters show them: labels and devices of machines, custom resources, and what is to be read of them.

No such hardware is at hand: each scene is put together from the sources that its comment names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from support.cluster import ClusterHandle
from support.fabric_objects import Object, create, fabric_object, network, nic_policy, sriov_policy, sriov_state

MERGE = "application/merge-patch+json"
MELLANOX = {"feature.node.kubernetes.io/pci-15b3.present": "true"}
READY_DRIVER = {"network.nvidia.com/operator.mofed.wait": "false"}
# What the cluster's own namespace is called.
NAMESPACE = "my-project"


@dataclass(frozen=True)
class Scene:
    """``labels`` and ``devices`` are on every machine; ``said`` is, by resource, what is to be read of it: link layer,
    sharing, whether it is for RDMA, networks."""

    labels: dict[str, str] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    objects: tuple[Object, ...] = ()
    said: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    networks: tuple[str, ...] = ()


SCENES = {
    # Mellanox/network-operator, example/crs/mellanox.com_v1alpha1_nicclusterpolicy_cr-full.yaml, with the interface
    # names of its IPoIB example (docs.nvidia.com, ipoib-rdma-shared).
    "InfiniBand, shared devices": Scene(
        labels={**MELLANOX, **READY_DRIVER},
        devices={"rdma/rdma_shared_device_a": "63"},
        objects=(
            nic_policy(
                [{"resourceName": "rdma_shared_device_a", "rdmaHcaMax": 63, "selectors": {"ifNames": ["ibs2f0"]}}]
            ),
            fabric_object("IPoIBNetwork", "ipoib", {"networkNamespace": NAMESPACE, "master": "ibs2f0"}),
        ),
        said={"rdma/rdma_shared_device_a": ("InfiniBand", "shared", True, ("my-project/ipoib",))},
        networks=("my-project/ipoib",),
    ),
    # The same operator's host device network: a device of the machine moves into the pod. 1021 is a ConnectX-7.
    "InfiniBand, whole devices": Scene(
        labels={**MELLANOX, **READY_DRIVER},
        devices={"nvidia.com/hostdev": "8"},
        objects=(
            nic_policy(
                sriov=[
                    {
                        "resourcePrefix": "nvidia.com",
                        "resourceName": "hostdev",
                        "selectors": {
                            "vendors": ["15b3"],
                            "devices": ["1021"],
                            "linkTypes": ["infiniband"],
                            "isRdma": True,
                        },
                    }
                ]
            ),
            fabric_object("HostDeviceNetwork", "hostdev-net", {"resourceName": "hostdev"}),
            # What the operator makes of it (manifests/state-hostdevice-network).
            network("hostdev-net", "default", "nvidia.com/hostdev", type="host-device"),
        ),
        said={"nvidia.com/hostdev": ("InfiniBand", "whole", True, ("default/hostdev-net",))},
        networks=("default/hostdev-net",),
    ),
    # OpenShift documentation, "Configuring an SR-IOV network device"; the policy says no link type, the machines do.
    "RoCE, SR-IOV functions": Scene(
        labels={**MELLANOX, "feature.node.kubernetes.io/network-sriov.capable": "true"},
        devices={"openshift.io/mellanoxnics": "8"},
        objects=(
            sriov_policy("mellanoxnics", isRdma=True, deviceType="netdevice"),
            *(sriov_state(f"gpu-{number}", "mellanoxnics", "ETH", mode="exclusive") for number in (1, 2, 3, 4)),
            network("rdma-net", NAMESPACE, "openshift.io/mellanoxnics", type="sriov", vlan=0),
        ),
        said={"openshift.io/mellanoxnics": ("Ethernet", "virtual", True, ("my-project/rdma-net",))},
        networks=("my-project/rdma-net",),
    ),
    # Mellanox/network-operator, example/sriov-network/infiniband; the operator's prefix there is nvidia.com.
    "InfiniBand, SR-IOV functions": Scene(
        labels=MELLANOX,
        devices={"nvidia.com/mlnxnics": "8"},
        objects=(
            sriov_policy("mlnxnics", linkType="ib", isRdma=True, deviceType="netdevice"),
            network("ib-net", "default", "nvidia.com/mlnxnics", type="ib-sriov"),
        ),
        said={"nvidia.com/mlnxnics": ("InfiniBand", "virtual", True, ("default/ib-net",))},
        networks=("default/ib-net",),
    ),
    # Storage over Ethernet beside InfiniBand for computing, and functions for packets that are no RDMA.
    "mixed": Scene(
        labels=MELLANOX,
        devices={"rdma/rdma_storage": "63", "rdma/rdma_compute": "63", "openshift.io/dpdk": "4"},
        objects=(
            nic_policy(
                [
                    {"resourceName": "rdma_storage", "rdmaHcaMax": 63, "selectors": {"linkTypes": ["ether"]}},
                    {"resourceName": "rdma_compute", "rdmaHcaMax": 63, "selectors": {"linkTypes": ["infiniband"]}},
                ]
            ),
            sriov_policy("dpdk", isRdma=False, deviceType="vfio-pci"),
        ),
        said={
            "rdma/rdma_storage": ("Ethernet", "shared", True, ()),
            "rdma/rdma_compute": ("InfiniBand", "shared", True, ()),
            "openshift.io/dpdk": ("Ethernet", "virtual", False, ()),
        },
    ),
    # RoCE with the shared device plugin and a macvlan network on the same interface.
    "RoCE, shared devices": Scene(
        labels={**MELLANOX, **READY_DRIVER},
        devices={"rdma/rdma_shared_device_a": "63"},
        objects=(
            nic_policy(
                [{"resourceName": "rdma_shared_device_a", "rdmaHcaMax": 63, "selectors": {"ifNames": ["rail0"]}}]
            ),
            fabric_object("MacvlanNetwork", "macvlan", {"networkNamespace": "default", "master": "rail0"}),
        ),
        said={"rdma/rdma_shared_device_a": ("Ethernet", "shared", True, ("default/macvlan",))},
        networks=("default/macvlan",),
    ),
    # Clouds, by their labels and devices: skypilot-org/skypilot, sky/clouds/kubernetes.py, and the clouds' own pages.
    "EFA": Scene({"k8s.io/cloud-provider-aws": "f1e2"}, {"vpc.amazonaws.com/efa": "32"}),
    "GKE": Scene({"cloud.google.com/machine-family": "a3"}, {"networking.gke.io.networks/rdma-0": "1"}),
    "OCI": Scene({"oci.oraclecloud.com/rdma.local_block_id": "b-1", **MELLANOX}, {"nvidia.com/rdma-vf": "16"}),
    "CoreWeave": Scene({"ib.coreweave.cloud/speed": "400G"}, {"rdma/ib": "1k"}),
    "AKS": Scene(MELLANOX, {"rdma/shared_ib": "63"}),
    "no hardware": Scene(),
}


class FabricCluster:
    """A test cluster whose machines show a fabric."""

    def __init__(self, cluster: ClusterHandle) -> None:
        self.cluster = cluster

    def show(self, scene: Scene) -> None:
        """Let all machines have the scene's labels and devices, and no others; create its objects."""
        for node in self.cluster.items("/api/v1/nodes"):
            self.change_machine(node["metadata"]["name"], scene.labels, scene.devices)
        create(self.cluster, *scene.objects)

    def change_machine(self, name: str, labels: dict[str, str], devices: dict[str, str]) -> None:
        """Let a machine have these labels beside its own, and these devices beside its GPUs."""
        path = f"/api/v1/nodes/{name}"
        status, content = self.cluster.api("PATCH", path, {"metadata": {"labels": labels}}, MERGE)
        assert status == 200, content
        had = [resource for resource in content["status"]["allocatable"] if "/" in resource and "gpu" not in resource]
        now = {**dict.fromkeys(had), **devices}
        self.cluster.patch_status(path, {"allocatable": now, "capacity": now})
