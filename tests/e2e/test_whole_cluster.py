# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole cluster does what tests rely on: real containers, own devices, names, volumes; and nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.cluster import CLAIM, NAMESPACE, PODS
from support.real_cluster import RealClusterHandle, need_whole_cluster
from support.sandbox import until

from gpuops_cluster import launcher, processes
from gpuops_cluster.machine import control_groups, namespaces
from gpuops_cluster.machine.inside import KERNEL_SETTINGS
from gpuops_cluster.objects import MACHINE

CLAIMS = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
SAFE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SERVING_USER = 2000


def pod(name: str, image: str, *command: str, **more: Any) -> dict[str, Any]:
    container = {"name": "c", "image": image, "command": list(command), "securityContext": SAFE, **more}
    security = {"runAsNonRoot": True, "runAsUser": SERVING_USER, "seccompProfile": {"type": "RuntimeDefault"}}
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}
    container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    spec = {"securityContext": security, "containers": [container], "restartPolicy": "Never", "volumes": [claim]}
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def phase(cluster: RealClusterHandle, name: str) -> str:
    return str(cluster.get(f"{PODS}/{name}")["status"]["phase"])


def kernel_settings() -> dict[str, str]:
    paths = {name: Path("/proc/sys", name) for name in (*KERNEL_SETTINGS, "net/ipv4/ip_forward")}
    return {name: path.read_text(encoding="utf-8") for name, path in paths.items() if path.exists()}


def traces() -> dict[str, object]:
    """Return what a cluster could leave behind on this machine."""
    return {
        "settings": kernel_settings(),
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()},
        "interfaces": set(os.listdir("/sys/class/net")),
        "groups": {path.name for root in control_groups.hierarchies() for path in root.glob("gpuops-cluster-*")},
        "firewall": subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout.count("KUBE"),
    }


def test_pods_have_their_own_devices_names_and_volumes(real_cluster: RealClusterHandle) -> None:
    devices = {"resources": {"limits": {"nvidia.com/gpu": "2"}}}
    image = "registry.example.com/debian:stable"
    program = (
        "nvidia-smi --query-gpu=uuid --format=csv,noheader; id -u; getent hosts kubernetes.default.svc.cluster.local; "
        "touch /data/$HOSTNAME; sleep 600"
    )
    real_cluster.apply(*(pod(name, image, "sh", "-c", program, **devices) for name in ("first", "second")))
    for name in ("first", "second"):
        until(lambda of=name: real_cluster.log(of) if phase(real_cluster, of) == "Running" else "", f"{name} runs", 60)
        until(lambda of=name: len(real_cluster.log(of).splitlines()) == 4, f"{name} has said all", 60)
    said = [real_cluster.log(name).splitlines() for name in ("first", "second")]
    assert len({uuid for lines in said for uuid in lines[:2]}) == 4, said
    assert {lines[2] for lines in said} == {str(SERVING_USER)}
    assert all(lines[3].split()[0] == "10.96.0.1" for lines in said)
    written = real_cluster.volumes / NAMESPACE / CLAIM / "first"
    assert written.stat().st_uid == SERVING_USER


def test_an_image_that_is_nowhere_is_not_found(real_cluster: RealClusterHandle) -> None:
    real_cluster.apply(pod("absent", "registry.example.com/vllm-openai:no-such-tag", "true"))

    def told() -> str:
        events = real_cluster.items(f"/api/v1/namespaces/{NAMESPACE}/events")
        return " ".join(entry["message"] for entry in events if entry["involvedObject"]["name"] == "absent")

    until(
        told, "the pull has failed", 60, lambda text: "registry.example.com/vllm-openai:no-such-tag: not found" in text
    )


def test_claims_of_the_class_get_a_volume_and_grow(real_cluster: RealClusterHandle) -> None:
    def claim(size: str) -> dict[str, Any]:
        wanted = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": size}}}
        metadata = {"name": "grows", "namespace": NAMESPACE}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": wanted}

    for size in ("5Gi", "7Gi"):
        real_cluster.apply(claim(size))
        until(
            lambda: real_cluster.get(f"{CLAIMS}/grows")["status"].get("capacity", {}).get("storage"),
            f"the claim has {size}",
            60,
            lambda found, wanted=size: found == wanted,
        )
    assert (real_cluster.volumes / NAMESPACE / "grows").is_dir()


def test_the_machine_that_it_runs_on_is_left_as_it_is(real_cluster: RealClusterHandle) -> None:
    inside = real_cluster.in_machine("cat", "/proc/sys/vm/overcommit_memory").strip()
    outside = Path("/proc/sys/vm/overcommit_memory").read_text(encoding="utf-8").strip()
    assert (inside, outside) == ("1", "0"), "the kubelet has set its own copy"
    assert "cni0" in real_cluster.in_machine("ls", "/sys/class/net") or "cni0" in real_cluster.in_machine("ip", "link")
    assert "cni0" not in os.listdir("/sys/class/net")
    assert real_cluster.get(f"/api/v1/nodes/{MACHINE}")["status"]["nodeInfo"]["containerRuntimeVersion"]


def test_nothing_stays_when_its_owner_is_killed(tmp_path: Path) -> None:
    need_whole_cluster()
    before, folder = traces(), tmp_path / "state"
    program = (
        "import subprocess, sys, time\n"
        "subprocess.run([sys.executable, '-m', 'gpuops_cluster', 'up', '--whole', '--die-with-parent',"
        f" '--without-leaderworkersets', '--state-dir', {str(folder)!r}], check=True)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    variables = {**os.environ, **launcher.VARIABLES}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=variables) as owner:
        assert owner.stdout is not None
        until(lambda: (owner.stdout.readline() if owner.stdout else "") == "up\n", "the cluster is up", 180)
        running = processes.recorded(folder)
        assert {"etcd", "containerd", "machine-kubelet", "machine", "relay"} <= set(running)
        owner.send_signal(signal.SIGKILL)
    until(lambda: not any(entry.lives for entry in running.values()), "everything has ended", 60)
    until(lambda: not folder.exists(), "its folder is gone", 60)
    assert traces() == before


def test_a_machine_of_another_cluster_is_refused() -> None:
    need_whole_cluster()
    program = (
        "import subprocess\n"
        "from gpuops_cluster.machine import namespaces\n"
        "subprocess.run(['ip', 'link', 'add', 'flannel.1', 'type', 'bridge'], check=True)\n"
        "print(namespaces.kubernetes_of_the_host())\n"
    )
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", program],
        env={**os.environ, **launcher.VARIABLES},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "network interface flannel.1"
    assert namespaces.kubernetes_of_the_host() == ""
