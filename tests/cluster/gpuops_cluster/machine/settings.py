# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of the machine's programs: container runtime, pod network, kubelet, DNS, Services. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpuops_cluster.machine.images import PAUSE_IMAGE
from gpuops_cluster.machine.inside import BRIDGE, BRIDGE_ADDRESS, POD_NETWORK

# All of these are paths inside the machine.
CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")
NETWORK_PLUGINS = Path("/usr/lib/cni")
KUBELET_PORT = 10250
CLUSTER_DOMAIN = "cluster.local"
# How often the kubelet tells that it lives, and after how many seconds of silence its machine is lost. Kubernetes' own
# are 10 and 50; tests wait for it.
HEARTBEAT_SECONDS = 4
LOST_SECONDS = 20
# How long pods then stay before they are deleted (Kubernetes: 300).
LOST_POD_SECONDS = 5


def containerd(folder: Path) -> str:
    """Return the container runtime's configuration (TOML)."""
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# Without them runc needs rights that a container of a build system lacks, or a controller that this kernel lacks.
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
disable_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{NETWORK_PLUGINS}"
conf_dir = "{folder / "cni"}"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{registry_folder(folder)}"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def registry_folder(folder: Path) -> Path:
    """Return where the runtime looks up which registry to ask."""
    return folder / "registries"


def registry_hosts(port: int) -> str:
    """Return the file that leads every pull to the registry of this machine, which has nothing."""
    address = f"http://127.0.0.1:{port}"
    return f'server = "{address}"\n\n[host."{address}"]\ncapabilities = ["pull", "resolve"]\n'


def pod_network() -> dict[str, Any]:
    """Return the list of network plugins that connect a pod to the bridge."""
    return {
        "cniVersion": "0.4.0",
        "name": "gpuops",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": True,
                "hairpinMode": True,
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": POD_NETWORK}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": "/run/cni-addresses",
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(cgroup_root: str, authority: Path, certificate: Path, key: Path) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "port": KUBELET_PORT,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup_root,
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": ["pods"],
        # Machines with control groups of version 1 are still about, this one may be.
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [BRIDGE_ADDRESS],
        "resolvConf": "",
        "nodeStatusUpdateFrequency": f"{HEARTBEAT_SECONDS}s",
        "nodeStatusReportFrequency": "1m",
        "nodeLeaseDurationSeconds": LOST_SECONDS,
        # The disk of a developer's machine may be nearly full.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
        "registerNode": True,
    }


def proxy(kubeconfig: Path) -> dict[str, Any]:
    """Return the configuration of what makes Services' addresses lead to pods."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": POD_NETWORK,
        # The table of connections belongs to the whole kernel: it is left as it is.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def dns(kubeconfig: Path) -> str:
    """Return the configuration of the cluster's DNS: names of Services and pods, and no others."""
    return f"""\
.:53 {{
    bind {BRIDGE_ADDRESS}
    errors
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {kubeconfig}
        ttl 1
    }}
}}
"""
