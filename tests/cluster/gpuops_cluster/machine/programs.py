# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and command lines of what runs on the machine beside the control plane."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from gpuops_cluster.components import Layout
from gpuops_cluster.machine import settings
from gpuops_cluster.machine.inside import BRIDGE_ADDRESS
from gpuops_cluster.machine.namespaces import find_program
from gpuops_cluster.objects import GPUS, MACHINE
from gpuops_cluster.programs import Programs

# In the order in which they can start; an API server must be there from the second on.
CONTAINERD, REGISTRY, KUBELET, DNS, PROXY, DEVICES, STORAGE = (
    "containerd",
    "registry",
    "machine-kubelet",
    "dns",
    "proxy",
    "devices",
    "storage",
)
AFTER_THE_API = (KUBELET, DNS, PROXY, DEVICES, STORAGE)


def write_files(layout: Layout, control_group: str) -> None:
    """Write the configuration files, below the machine's folder."""
    folder = files_folder(layout)
    folder.mkdir()
    pairs, authority = layout.pairs, layout.authority.path
    (folder / "containerd.toml").write_text(settings.containerd(folder), encoding="utf-8")
    hosts = settings.registry_folder(folder) / "_default" / "hosts.toml"
    hosts.parent.mkdir(parents=True)
    hosts.write_text(settings.registry_hosts(layout.ports["registry"]), encoding="utf-8")
    (folder / "cni").mkdir()
    (folder / "cni" / "10-gpuops.conflist").write_text(json.dumps(settings.pod_network()), encoding="utf-8")
    server = pairs["machine-server"]
    kubelet = settings.kubelet(f"/{control_group}", authority, server.certificate, server.key)
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(kubelet), encoding="utf-8")
    (folder / "proxy.yaml").write_text(yaml.safe_dump(settings.proxy(layout.kubeconfig("proxy"))), encoding="utf-8")
    (folder / "Corefile").write_text(settings.dns(layout.kubeconfig("machines")), encoding="utf-8")


def files_folder(layout: Layout) -> Path:
    """Return where the configuration files lie."""
    return layout.folder / "machine"


def commands(layout: Layout, programs: Programs) -> dict[str, list[str]]:
    """Return the command line of every program, to be run inside the machine."""
    folder = files_folder(layout)
    machines = layout.pairs["machines"]
    return {
        CONTAINERD: [_path("containerd"), f"--config={folder / 'containerd.toml'}"],
        REGISTRY: [sys.executable, "-m", "gpuops_cluster.machine.registry", f"--port={layout.ports['registry']}"],
        KUBELET: [
            programs["kubelet"],
            f"--config={folder / 'kubelet.yaml'}",
            f"--kubeconfig={layout.kubeconfig('machine')}",
            f"--hostname-override={MACHINE}",
            f"--node-ip={BRIDGE_ADDRESS}",
            "--cert-dir=/var/lib/kubelet/pki",
        ],
        DNS: [programs["coredns"], f"-conf={folder / 'Corefile'}"],
        PROXY: [programs["kube-proxy"], f"--config={folder / 'proxy.yaml'}", f"--hostname-override={MACHINE}"],
        DEVICES: [sys.executable, "-m", "gpuops_cluster.machine.devices", f"--count={GPUS}"],
        STORAGE: [
            *(sys.executable, "-m", "gpuops_cluster.machine.storage", f"--api-url={layout.api_url}"),
            f"--ca={layout.authority.path}",
            *(f"--client-certificate={machines.certificate}", f"--client-key={machines.key}"),
        ],
    }


def image_import(archive: Path) -> list[str]:
    """Return the command that puts images where the kubelet looks for them."""
    program, socket = _path("ctr"), settings.CONTAINERD_SOCKET
    return [program, f"--address={socket}", "--namespace=k8s.io", "images", "import", "--digests=false", str(archive)]


def _path(name: str) -> str:
    return find_program(name) or name
