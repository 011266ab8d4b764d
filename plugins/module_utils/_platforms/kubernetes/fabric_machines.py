# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What machines with GPUs say of the fabric: labels, and allocatable devices that are no GPUs. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import FabricMachine
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.machines import Machine, usable
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import PlacementSpec

# Beginnings of the labels that say something of the fabric, by whoever writes them.
FABRIC_LABELS = (
    # Node feature discovery: PCI devices of Mellanox and Amazon by vendor, or by class and vendor; RDMA; SR-IOV.
    "feature.node.kubernetes.io/pci-15b3",
    "feature.node.kubernetes.io/pci-0200_15b3",
    "feature.node.kubernetes.io/pci-0207_15b3",
    "feature.node.kubernetes.io/pci-1d0f",
    "feature.node.kubernetes.io/pci-0200_1d0f",
    "feature.node.kubernetes.io/rdma.",
    "feature.node.kubernetes.io/custom-rdma.",
    "feature.node.kubernetes.io/network-sriov.",
    # NVIDIA's network operator: whether its drivers are ready.
    "network.nvidia.com/",
    # GPU feature discovery: several machines that share NVLink; GPUs that several pods share.
    "nvidia.com/gpu.clique",
    "nvidia.com/gpu.machine",
    "nvidia.com/gpu.replicas",
    # Clouds.
    "oci.oraclecloud.com/rdma.",
    "ib.coreweave.cloud/",
    "nebius.com/",
    "node-role.together.ai/",
    "k8s.io/cloud-provider-aws",
    "topology.k8s.aws/",
    "topology.ebs.csi.aws.com/",
    "cloud.google.com/machine-family",
    "cloud.google.com/gke-accelerator",
    "kubernetes.azure.com/cluster",
    "node.kubernetes.io/instance-type",
)
# Devices that compute: they carry nothing between machines.
_GPUS = re.compile(r"nvidia\.com/(gpu|mig-|pgpu)|amd\.com/gpu|gpu\.intel\.com/|habana\.ai/")


def fabric_machines(machines: Iterable[Machine]) -> tuple[FabricMachine, ...]:
    """Return the machines as the fabric sees them, by name."""
    found = [
        FabricMachine(
            name=machine.name,
            gpus=machine.gpus,
            gpu_product=machine.product,
            labels={name: value for name, value in machine.labels.items() if name.startswith(FABRIC_LABELS)},
            resources={name: count for name, count in machine.resources.items() if _is_device(name)},
        )
        for machine in machines
    ]
    return tuple(sorted(found, key=lambda machine: machine.name))


def left_out(machines: Sequence[Machine], placement: PlacementSpec) -> tuple[str, ...]:
    """Return what is to be said of machines with GPUs that pods with this placement cannot use."""
    if not machines:
        return ("No machine with GPUs is there.",)
    used = usable(machines, placement)
    missing = len(machines) - len(used)
    if not missing:
        return ()
    noun = "machine" if len(machines) == 1 else "machines"
    return (
        f"{missing} of {len(machines)} {noun} with GPUs left out: not ready, cordoned, or with taints that are not "
        "tolerated.",
    )


def selects(selector: Mapping[str, str], machines: Sequence[Machine]) -> bool:
    """Say whether labels that a policy asks for are on one of the machines; also where no machine is known."""
    return not machines or any(_has_all(machine.labels, selector) for machine in machines)


def _has_all(labels: Mapping[str, str], selector: Mapping[str, str]) -> bool:
    return all(labels.get(str(name)) == str(value) for name, value in selector.items())


def _is_device(name: str) -> bool:
    """Say whether an allocatable resource is an extended one (k8s.io/component-helpers, scheduling) and no GPU."""
    return "/" in name and "kubernetes.io/" not in name and not _GPUS.match(name)
