# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of clouds, of TCP, of what cannot be seen, and of what users ask: what was seen, and what has to follow."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import (
    ETHERNET,
    ClusterEvidence,
    DeviceResource,
    DeviceUse,
    Evidence,
    RdmaPort,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from fabric_builders import (
    DEBUG,
    SOCKETS,
    Case,
    cluster,
    infiniband,
    machine,
    pods,
    proof,
    roce,
    two_interfaces,
)
from fabric_cases_rdma import SHARED, SHARED_PLUGIN, TWO

AWS = {"topology.k8s.aws/network-node-layer-1": "nn-1"}
EFA_PORTS = [RdmaPort(f"rdmap{number}s0", 1, "Unspecified", "ACTIVE", 100.0, 0, (), "efa") for number in (79, 80)]
EFA_VARIABLES = {"FI_PROVIDER": "efa", "NCCL_NET_PLUGIN": "ofi"}
ULTRA = {"cloud.google.com/machine-family": "a3", "node.kubernetes.io/instance-type": "a3-ultragpu-8g"}
MEGA = {"cloud.google.com/machine-family": "a3", "node.kubernetes.io/instance-type": "a3-megagpu-8g"}
OCI = {"oci.oraclecloud.com/rdma.network_block_id": "ocid1.block"}
OCI_VARIABLES = {"NCCL_IB_GID_INDEX": "3", "NCCL_IB_TC": "41", "NCCL_IB_TIMEOUT": "22"}
OCI_RESOURCE = DeviceResource(
    "nvidia.com/rdma-vf", ETHERNET, "virtual", True, ("default/rdma-vf",), "NetworkAttachmentDefinition/rdma-vf"
)
COREWEAVE = {"ib.coreweave.cloud/speed": "400G"}
RECIPE_ETHERNET = {"NCCL_IB_DISABLE": "1", "NCCL_P2P_DISABLE": "0"}
RECIPE_INFINIBAND = {
    "NCCL_IB_DISABLE": "0",
    "NCCL_IB_HCA": "mlx5_0",
    "NCCL_NET_GDR_LEVEL": "5",
    "NCCL_P2P_DISABLE": "0",
    "NCCL_SOCKET_IFNAME": "eth0",
}
INFINIBAND_SEEN = Evidence(cluster({SHARED: 63}, [SHARED_PLUGIN]), pods(TWO, requested_resources={SHARED: 1}))
ETHERNET_SEEN = Evidence(cluster(), pods())

CLOUD_CASES = (
    # A p5 has 32 EFA devices and 8 GPUs; vLLM's Dockerfile.efa sets NCCL_NET_PLUGIN=ofi, SkyPilot FI_PROVIDER=efa.
    Case(
        "efa",
        Evidence(
            cluster({"vpc.amazonaws.com/efa": 32}, labels=AWS),
            pods(EFA_PORTS, requested_resources={"vpc.amazonaws.com/efa": 8}),
        ),
        "efa",
        "usable",
        FabricInputs(gpus_per_pod=2),
        {**DEBUG, **EFA_VARIABLES},
        {"vpc.amazonaws.com/efa": 8},
        causes=frozenset({"efa_plugin_needed"}),
    ),
    # aws-ofi-nccl calls its network "AWS Libfabric" or, in newer versions, "Libfabric": it cannot be pinned unseen.
    Case(
        "efa_required",
        Evidence(cluster({"vpc.amazonaws.com/efa": 32}, labels=AWS)),
        "efa",
        "seen",
        FabricInputs(mode="require_rdma"),
        refused="network_name_unknown",
    ),
    Case(
        "efa_required_and_proven",
        Evidence(
            cluster({"vpc.amazonaws.com/efa": 32}, labels=AWS),
            pods(EFA_PORTS, requested_resources={"vpc.amazonaws.com/efa": 4}),
            proof("AWS Libfabric", "Using network AWS Libfabric"),
        ),
        "efa",
        "proven",
        FabricInputs(mode="require_rdma"),
        {**DEBUG, **EFA_VARIABLES, "NCCL_NET": "AWS Libfabric"},
        {"vpc.amazonaws.com/efa": 4},
        causes=frozenset({"efa_plugin_needed"}),
    ),
    # Google's page on GPUDirect: gIB on A3 Ultra and A4, TCPXO (NCCL's network FasTrak) on A3 Mega.
    Case(
        "gke_ultra",
        Evidence(cluster({"networking.gke.io.networks/rdma-0": 1}, labels=ULTRA)),
        "gke",
        "seen",
        causes=frozenset({"gke_plugin_needed"}),
    ),
    Case(
        "gke_mega_required",
        Evidence(cluster(labels=MEGA)),
        "gke",
        "seen",
        FabricInputs(mode="require_rdma"),
        {**DEBUG, "NCCL_NET": "FasTrak"},
        causes=frozenset({"gke_plugin_needed"}),
    ),
    # Oracle's published settings: GID index 3, traffic class 41, timeout 22 (service level 0 is NCCL's default).
    Case(
        "oci",
        Evidence(
            cluster({"nvidia.com/rdma-vf": 16}, [OCI_RESOURCE], labels=OCI),
            two_interfaces(
                [roce("mlx5_20", is_virtual=True)],
                requested_resources={"nvidia.com/rdma-vf": 2},
            ),
        ),
        "roce",
        "usable",
        variables={**DEBUG, **SOCKETS, **OCI_VARIABLES},
        resources={"nvidia.com/rdma-vf": 2},
        annotations={"k8s.v1.cni.cncf.io/networks": "default/rdma-vf,default/rdma-vf"},
        causes=frozenset({"oci_settings"}),
    ),
    # The bare-metal mode of OCI needs the host's network and a privileged pod: nothing is offered to ordinary pods.
    Case(
        "oci_bare_metal",
        Evidence(cluster(labels=OCI)),
        "unusable",
        "seen",
        causes=frozenset({"rdma_not_offered"}),
    ),
    # SkyPilot, clouds/kubernetes.py: rdma/ib: 1, NCCL_IB_HCA=ibp, interface eth0.
    Case(
        "coreweave",
        Evidence(cluster({"rdma/ib": 16}, labels=COREWEAVE)),
        "infiniband",
        "seen",
        variables={**DEBUG, "NCCL_IB_HCA": "ibp", "NCCL_SOCKET_IFNAME": "=eth0"},
        resources={"rdma/ib": 1},
    ),
    # The same after a look: its exact list counts.
    Case(
        "coreweave_looked",
        Evidence(
            cluster({"rdma/ib": 16}, labels=COREWEAVE),
            pods([infiniband("ibp0"), infiniband("ibp1")], requested_resources={"rdma/ib": 1}),
        ),
        "infiniband",
        "usable",
        variables={**DEBUG, "NCCL_IB_HCA": "=ibp0:1,ibp1:1", "NCCL_SOCKET_IFNAME": "=eth0"},
        resources={"rdma/ib": 1},
    ),
    # AKS's documentation: rdma/shared_ib, 63 for each machine, no secondary network.
    Case(
        "aks",
        Evidence(
            cluster({"rdma/shared_ib": 63}),
            pods([infiniband("mlx5_0", rate=200.0)], requested_resources={"rdma/shared_ib": 1}),
        ),
        "infiniband",
        "usable",
        variables={**DEBUG, "NCCL_IB_HCA": "=mlx5_0:1"},
        resources={"rdma/shared_ib": 1},
        causes=frozenset({"aks_topology_file"}),
    ),
    # Together, by SkyPilot: nvidia.com/rdma_ib, one for each GPU.
    Case(
        "together",
        Evidence(cluster({"nvidia.com/rdma_ib": 8}, labels={"node-role.together.ai/gpu": "true"})),
        "infiniband",
        "seen",
        FabricInputs(gpus_per_pod=4),
        resources={"nvidia.com/rdma_ib": 4},
    ),
)

UNSEEN_CASES = (
    # Only Ethernet, by the API alone and after a look.
    Case("no_hardware", Evidence(cluster()), "tcp", "seen"),
    Case("no_hardware_looked", ETHERNET_SEEN, "tcp", "usable"),
    # NFD's label says that a Mellanox card is there: it may be the management network's.
    Case(
        "card_by_label_only",
        Evidence(cluster(labels={"feature.node.kubernetes.io/pci-15b3.present": "true"})),
        "tcp",
        "seen",
        causes=frozenset({"rdma_hardware_without_resource"}),
    ),
    # Forbidden is unknown, never "no".
    Case(
        "no_permission",
        Evidence(ClusterEvidence(unseen={"Node": "forbidden", "NicClusterPolicy": "forbidden"})),
        "unknown",
        "unknown",
        causes=frozenset({"fabric_unknown"}),
    ),
    # The machines may be read, the custom resources may not, and a resource has a name of the owner's own.
    Case(
        "odd_name_unread",
        Evidence(cluster({"example.com/fast-lane": 4}, unseen={"SriovNetworkNodePolicy": "forbidden"})),
        "unknown",
        "unknown",
        causes=frozenset({"fabric_not_told", "fabric_unknown"}),
    ),
    # The network operator's usual resource does not say which link layer it leads to.
    Case(
        "link_layer_not_told",
        Evidence(cluster({SHARED: 63}, [SHARED_PLUGIN])),
        "unknown",
        "unknown",
        causes=frozenset({"fabric_not_told", "fabric_unknown"}),
    ),
    Case(
        "roce_network_not_told",
        Evidence(cluster({"rdma/roce_gdr": 100}, networks=("default/macvlan-a", "default/macvlan-b"))),
        "unknown",
        "unknown",
        causes=frozenset({"roce_network_unknown", "fabric_unknown"}),
    ),
    Case(
        "resource_on_some_machines",
        Evidence(ClusterEvidence(machines=(machine("gpu-1", {"rdma/ib": 63}), machine("gpu-2")))),
        "unknown",
        "unknown",
        causes=frozenset({"fabric_resource_not_everywhere", "fabric_unknown"}),
    ),
    Case("no_gpu_machine", Evidence(cluster(machines=0)), "unknown", "unknown", causes=frozenset({"fabric_unknown"})),
    # A look that was not scheduled in time.
    Case(
        "not_scheduled",
        Evidence(cluster({"rdma/ib": 63}), not_looked="no machine had room for it within 120 s"),
        "infiniband",
        "seen",
        resources={"rdma/ib": 1},
        causes=frozenset({"not_looked"}),
    ),
)

USER_CASES = (
    # The recipe's variables for Ethernet, on Ethernet and where InfiniBand can be used.
    Case(
        "recipe_ethernet",
        ETHERNET_SEEN,
        "tcp",
        "usable",
        FabricInputs(variables=RECIPE_ETHERNET),
        {**DEBUG, **RECIPE_ETHERNET},
    ),
    Case(
        "recipe_ethernet_on_infiniband",
        INFINIBAND_SEEN,
        "tcp",
        "usable",
        FabricInputs(variables=RECIPE_ETHERNET),
        {**DEBUG, **RECIPE_ETHERNET},
        causes=frozenset({"rdma_switched_off"}),
    ),
    # The recipe's variables for InfiniBand, literally.
    Case(
        "recipe_infiniband",
        INFINIBAND_SEEN,
        "infiniband",
        "usable",
        FabricInputs(variables=RECIPE_INFINIBAND),
        {**DEBUG, **RECIPE_INFINIBAND},
        {SHARED: 1},
    ),
    # A prefix that takes another device too, an interface that is not there.
    Case(
        "user_against_evidence",
        Evidence(
            cluster({SHARED: 63}, [SHARED_PLUGIN]),
            pods([infiniband("mlx5_1"), infiniband("mlx5_10")], requested_resources={SHARED: 1}),
        ),
        "infiniband",
        "usable",
        FabricInputs(variables={"NCCL_IB_HCA": "mlx5_1", "NCCL_SOCKET_IFNAME": "=ens3"}),
        {**DEBUG, "NCCL_IB_HCA": "mlx5_1", "NCCL_SOCKET_IFNAME": "=ens3"},
        {SHARED: 1},
        causes=frozenset({"nccl_hca_matches_more", "socket_interface_absent"}),
    ),
    Case(
        "user_names_absent_device",
        INFINIBAND_SEEN,
        "infiniband",
        "usable",
        FabricInputs(variables={"NCCL_IB_HCA": "=mlx5_7:1"}),
        {**DEBUG, "NCCL_IB_HCA": "=mlx5_7:1"},
        {SHARED: 1},
        causes=frozenset({"nccl_hca_absent"}),
    ),
    Case(
        "tcp_only",
        INFINIBAND_SEEN,
        "tcp",
        "usable",
        FabricInputs(mode="tcp_only"),
        {**DEBUG, "NCCL_NET": "Socket"},
    ),
    Case(
        "required",
        INFINIBAND_SEEN,
        "infiniband",
        "usable",
        FabricInputs(mode="require_rdma"),
        {**DEBUG, "NCCL_NET": "IB", "NCCL_IB_HCA": "=mlx5_0:1,mlx5_1:1"},
        {SHARED: 1},
    ),
    Case(
        "required_on_ethernet",
        ETHERNET_SEEN,
        "tcp",
        "usable",
        FabricInputs(mode="require_rdma"),
        refused="rdma_required",
    ),
    Case(
        "required_and_unusable",
        Evidence(cluster(), pods(TWO, uses=tuple(DeviceUse(port.device, is_visible=False) for port in TWO))),
        "unusable",
        "seen",
        FabricInputs(mode="require_rdma"),
        refused="rdma_required",
    ),
    Case(
        "required_and_switched_off",
        INFINIBAND_SEEN,
        "tcp",
        "usable",
        FabricInputs(mode="require_rdma", variables={"NCCL_IB_DISABLE": "1"}),
        refused="mode_contradicted",
    ),
    Case(
        "one_pod",
        INFINIBAND_SEEN,
        "infiniband",
        "usable",
        FabricInputs(pods=1, mode="require_rdma"),
        variables={},
    ),
    Case(
        "quiet",
        ETHERNET_SEEN,
        "tcp",
        "usable",
        FabricInputs(nccl_debug=False),
        variables={},
        causes=frozenset({"transport_not_visible"}),
    ),
    # Run:ai without a kubeconfig: what the user states is all there is.
    Case(
        "stated",
        Evidence(not_looked="Run:ai's API shows no machines' devices"),
        "infiniband",
        "stated",
        FabricInputs(
            mode="require_rdma",
            expect="infiniband",
            resources={"openshift.io/mellanoxnics": 1},
            annotations={"k8s.v1.cni.cncf.io/networks": "rdma-net"},
        ),
        {**DEBUG, "NCCL_NET": "IB"},
        {"openshift.io/mellanoxnics": 1},
        {"k8s.v1.cni.cncf.io/networks": "rdma-net"},
        causes=frozenset({"not_looked"}),
    ),
    # The same, and a training that can tell nothing but yes or no tried it.
    Case(
        "stated_and_confirmed",
        Evidence(confirmed=True),
        "infiniband",
        "usable",
        FabricInputs(mode="require_rdma", expect="infiniband", resources={"rdma/ib": 1}),
        {**DEBUG, "NCCL_NET": "IB"},
        {"rdma/ib": 1},
    ),
    Case(
        "stated_and_not_confirmed",
        Evidence(confirmed=False),
        "unusable",
        "seen",
        FabricInputs(expect="roce", resources={"openshift.io/mellanoxnics": 1}),
        {**DEBUG, "NCCL_IB_DISABLE": "1"},
        {"openshift.io/mellanoxnics": 1},
        causes=frozenset({"fabric_not_confirmed"}),
    ),
    Case(
        "required_and_not_confirmed",
        Evidence(confirmed=False),
        "unusable",
        "seen",
        FabricInputs(mode="require_rdma", expect="infiniband", resources={"rdma/ib": 1}),
        refused="rdma_required",
    ),
    Case(
        "confirmed_and_switched_off",
        Evidence(confirmed=True),
        "tcp",
        "unknown",
        FabricInputs(expect="infiniband", resources={"rdma/ib": 1}, variables={"NCCL_IB_DISABLE": "1"}),
        {**DEBUG, "NCCL_IB_DISABLE": "1"},
        {"rdma/ib": 1},
        causes=frozenset({"rdma_switched_off"}),
    ),
    Case(
        "stated_without_resource",
        Evidence(),
        "infiniband",
        "stated",
        FabricInputs(expect="infiniband"),
        causes=frozenset({"no_resource_known"}),
    ),
    Case(
        "stated_and_seen_otherwise",
        ETHERNET_SEEN,
        "tcp",
        "usable",
        FabricInputs(expect="infiniband"),
        causes=frozenset({"fabric_not_as_expected"}),
    ),
)
