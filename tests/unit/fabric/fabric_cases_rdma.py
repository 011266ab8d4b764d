# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of InfiniBand and RoCE: what was seen, and what has to follow."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ETHERNET,
    INFINIBAND,
    DeviceResource,
    DeviceUse,
    Evidence,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from fabric_builders import (
    DEBUG,
    MIB,
    SOCKETS,
    Case,
    cluster,
    eth0,
    infiniband,
    net1,
    pod,
    pods,
    proof,
    roce,
    two_interfaces,
)

SHARED = "rdma/rdma_shared_device_a"
SHARED_PLUGIN = DeviceResource(SHARED, None, "shared", True, (), "NicClusterPolicy/nic-cluster-policy")
HOSTDEV = DeviceResource(
    "nvidia.com/hostdev", INFINIBAND, "whole", True, ("default/hostdev-net",), "HostDeviceNetwork/hostdev-net"
)
VIRTUAL = DeviceResource(
    "openshift.io/mellanoxnics",
    ETHERNET,
    "virtual",
    True,
    ("default/rdma-net",),
    "SriovNetworkNodePolicy/mellanox-policy",
)
EIGHT = [infiniband(f"mlx5_{number}") for number in range(8)]
EIGHT_NAMES = "=" + ",".join(f"mlx5_{number}:1" for number in range(8))
TWO = [infiniband("mlx5_0"), infiniband("mlx5_1")]
FUNCTION = [roce("mlx5_14", is_virtual=True)]
NO_GRANT = tuple(DeviceUse(port.device, is_visible=False) for port in TWO)
REFUSED = tuple(DeviceUse(port.device, True, True, False, "ibv_reg_mr: Cannot allocate memory") for port in TWO)

CASES = (
    # Host devices of the NVIDIA network operator, all eight in one pod; the variable's form is that of NCCL's env.rst.
    Case(
        "infiniband_whole",
        Evidence(
            cluster({"nvidia.com/hostdev": 8}, [HOSTDEV]),
            pods(EIGHT, requested_resources={"nvidia.com/hostdev": 8}, gpudirect="nvidia_peermem"),
        ),
        "infiniband",
        "usable",
        FabricInputs(gpus_per_pod=8),
        {**DEBUG, "NCCL_IB_HCA": EIGHT_NAMES},
        {"nvidia.com/hostdev": 8},
        {"k8s.v1.cni.cncf.io/networks": ",".join(["default/hostdev-net"] * 8)},
    ),
    # The same with a quarter of the machine in each pod: the device plugin chooses which devices a pod gets.
    Case(
        "infiniband_part_of_a_machine",
        Evidence(
            cluster({"nvidia.com/hostdev": 8}, [HOSTDEV]),
            pods(EIGHT[2:4], requested_resources={"nvidia.com/hostdev": 2}),
        ),
        "infiniband",
        "usable",
        FabricInputs(gpus_per_pod=2),
        resources={"nvidia.com/hostdev": 2},
        annotations={"k8s.v1.cni.cncf.io/networks": "default/hostdev-net,default/hostdev-net"},
    ),
    # The shared device plugin and a collective that ran: its lines as NCCL 2.30.7 writes them.
    Case(
        "infiniband_proven",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            pods(TWO, requested_resources={SHARED: 1}),
            proof("IB", "NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB ; OOB eth0:10.244.1.17<0>", "Using network IB"),
        ),
        "infiniband",
        "proven",
        variables={**DEBUG, "NCCL_IB_HCA": "=mlx5_0:1,mlx5_1:1"},
        resources={SHARED: 1},
    ),
    # vllm-project/vllm#42750: libmlx5 lacks a symbol, and NCCL takes sockets without a word.
    Case(
        "infiniband_fell_back",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            pods(TWO, requested_resources={SHARED: 1}),
            proof("Socket", "NET/IB : No device found.", "Using network Socket", bandwidth=1.1),
        ),
        "unusable",
        "seen",
        variables={**DEBUG, "NCCL_IB_DISABLE": "1"},
        causes=frozenset({"nccl_fell_back_to_sockets"}),
    ),
    # What cannot be used is kept out of the proof too: that sockets ran says nothing new.
    Case(
        "unusable_and_proven_sockets",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            pods(TWO, uses=REFUSED, memlock=8 * MIB, requested_resources={SHARED: 1}),
            proof("Socket", "Using network Socket", bandwidth=1.1),
        ),
        "unusable",
        "seen",
        variables={**DEBUG, "NCCL_IB_DISABLE": "1"},
        causes=frozenset({"memory_not_registered", "rdma_memlock_small"}),
    ),
    # SR-IOV functions of OpenShift, as the sequel of the published recipe has them: names differ from pod to pod
    # (SkyPilot, clouds/kubernetes.py).
    Case(
        "roce_virtual_functions",
        Evidence(
            cluster({"openshift.io/mellanoxnics": 8}, [VIRTUAL]),
            two_interfaces(FUNCTION, requested_resources={"openshift.io/mellanoxnics": 1}),
        ),
        "roce",
        "usable",
        variables={**DEBUG, **SOCKETS},
        resources={"openshift.io/mellanoxnics": 1},
        annotations={"k8s.v1.cni.cncf.io/networks": "default/rdma-net"},
    ),
    # Two functions for two GPUs: the network is named once for each.
    Case(
        "roce_by_the_api_alone",
        Evidence(cluster({"openshift.io/mellanoxnics": 8}, [VIRTUAL]), not_looked="check mode starts no looks"),
        "roce",
        "seen",
        FabricInputs(gpus_per_pod=2),
        resources={"openshift.io/mellanoxnics": 2},
        annotations={"k8s.v1.cni.cncf.io/networks": "default/rdma-net,default/rdma-net"},
        causes=frozenset({"not_looked"}),
    ),
    # NCCL refuses to mix link layers (nccl-tests issues; env.rst): the storage network's card is left out.
    Case(
        "mixed_storage_and_compute",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            two_interfaces(
                [infiniband("mlx5_0"), infiniband("mlx5_3"), infiniband("mlx5_5", rate=100.0), roce("mlx5_2")],
                requested_resources={SHARED: 1},
            ),
        ),
        "infiniband",
        "usable",
        variables={**DEBUG, **SOCKETS, "NCCL_IB_HCA": "=mlx5_0:1,mlx5_3:1"},
        resources={SHARED: 1},
    ),
    # Mellanox/k8s-rdma-shared-dev-plugin#93 and Mellanox/network-operator#738: in shared mode every pod sees
    # /sys/class/infiniband, and only a pod with the resource has /dev/infiniband.
    Case(
        "shared_without_request",
        Evidence(cluster({SHARED: 63}, [SHARED_PLUGIN]), pods(TWO, uses=NO_GRANT)),
        "infiniband",
        "seen",
        variables=DEBUG,
        resources={SHARED: 1},
        causes=frozenset({"rdma_not_requested"}),
    ),
    # The same where no device plugin runs.
    Case(
        "sysfs_without_device",
        Evidence(cluster(), pods(TWO, uses=NO_GRANT)),
        "unusable",
        "seen",
        variables={**DEBUG, "NCCL_IB_DISABLE": "1"},
        causes=frozenset({"device_not_visible"}),
    ),
    # k8s-rdma-shared-dev-plugin#84, #87: exclusive mode hides the devices, and the shared plugin's grant is empty.
    Case(
        "exclusive_mode",
        Evidence(cluster({SHARED: 63}, [SHARED_PLUGIN]), pods(requested_resources={SHARED: 1})),
        "unusable",
        "seen",
        causes=frozenset({"device_not_given"}),
    ),
    # A bond has one device for two ports of the card, and no number behind mlx5_.
    Case(
        "bonded",
        Evidence(
            cluster(
                {"rdma/roce_gdr": 100}, [DeviceResource("rdma/roce_gdr", ETHERNET, "shared", True, ("nets/bond",))]
            ),
            two_interfaces([roce("mlx5_bond_0", rate=200.0)], requested_resources={"rdma/roce_gdr": 1}),
        ),
        "roce",
        "usable",
        variables={**DEBUG, **SOCKETS, "NCCL_IB_HCA": "=mlx5_bond_0:1"},
        resources={"rdma/roce_gdr": 1},
        annotations={"k8s.v1.cni.cncf.io/networks": "nets/bond"},
    ),
    # LID 0: nobody runs a subnet manager.
    Case(
        "lid_0",
        Evidence(
            cluster({"rdma/ib": 63}),
            pods([infiniband("mlx5_0", lid=0)], requested_resources={"rdma/ib": 1}),
        ),
        "unusable",
        "seen",
        variables={**DEBUG, "NCCL_IB_DISABLE": "1"},
        causes=frozenset({"no_subnet_manager"}),
    ),
    # A RoCE port without an address in the pod: the resource came without its network.
    Case(
        "roce_without_network",
        Evidence(
            cluster({"rdma/roce_gdr": 100}),
            pods([roce("mlx5_0", address=None)], requested_resources={"rdma/roce_gdr": 1}),
        ),
        "unusable",
        "seen",
        variables={**DEBUG, "NCCL_IB_DISABLE": "1"},
        causes=frozenset({"roce_without_address"}),
    ),
    # Measured: memlock 8 MiB, UID 2000, ENOMEM (also NVIDIA/nvidia-container-toolkit#2037).
    Case(
        "memlock_8_mib",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            pods(TWO, uses=REFUSED, memlock=8 * MIB, requested_resources={SHARED: 1}),
        ),
        "unusable",
        "seen",
        variables={**DEBUG, "NCCL_IB_DISABLE": "1"},
        causes=frozenset({"memory_not_registered", "rdma_memlock_small"}),
    ),
    # The same with IPC_LOCK added: in the bounding set, not effective, as measured there.
    Case(
        "capability_not_effective",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            pods(
                TWO,
                uses=REFUSED,
                memlock=8 * MIB,
                bounding_capabilities=("IPC_LOCK",),
                requested_resources={SHARED: 1},
            ),
        ),
        "unusable",
        "seen",
        variables={**DEBUG, "NCCL_IB_DISABLE": "1"},
        causes=frozenset({"memory_not_registered", "rdma_memlock_small", "capability_not_effective"}),
    ),
    # One machine lost a card, and its names moved: a list for all pods still takes the right ports on each.
    Case(
        "machines_differ",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            (
                pod(1, TWO, requested_resources={SHARED: 1}),
                pod(2, TWO[:1], memlock=2048 * MIB, requested_resources={SHARED: 1}),
            ),
        ),
        "infiniband",
        "usable",
        variables={**DEBUG, "NCCL_IB_HCA": "=mlx5_0:1,mlx5_1:1"},
        resources={SHARED: 1},
        causes=frozenset({"machines_differ"}),
    ),
    # The storage card of one machine has the name of the other's compute card.
    Case(
        "machines_with_swapped_names",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            (
                pod(
                    1,
                    [infiniband("mlx5_0"), roce("mlx5_1")],
                    interfaces=(eth0(1), net1(1)),
                    requested_resources={SHARED: 1},
                ),
                pod(
                    2,
                    [infiniband("mlx5_1"), roce("mlx5_0")],
                    interfaces=(eth0(2), net1(2)),
                    requested_resources={SHARED: 1},
                ),
            ),
        ),
        "infiniband",
        "usable",
        variables={**DEBUG, **SOCKETS},
        resources={SHARED: 1},
        causes=frozenset({"machines_differ", "device_list_not_possible"}),
    ),
    # The recipe's "NCCL timeout between workers": a network policy closes the random ports.
    Case(
        "blocked_port",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            (pod(1, TWO, reached=False, requested_resources={SHARED: 1}), pod(2, TWO, requested_resources={SHARED: 1})),
        ),
        "infiniband",
        "usable",
        variables={**DEBUG, "NCCL_IB_HCA": "=mlx5_0:1,mlx5_1:1"},
        resources={SHARED: 1},
        causes=frozenset({"pods_not_reachable"}),
    ),
)
