# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine from outside: whether it can be made here, how it is started, and how programs get into it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from system_packages import SYSTEM_FOLDERS, missing_packages

from gpuops_cluster import processes
from gpuops_cluster.api import wait_until
from gpuops_cluster.failure import ClusterError
from gpuops_cluster.machine import inside

NAME = "machine"
NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts")
START_SECONDS = 30.0
# Interfaces that only Kubernetes' networks have.
FOREIGN_INTERFACES = ("cni", "flannel", "cali", "cilium", "kube-", "weave", "antrea", "ovn-k8s")
# The exit status that says so.
PROGRAM_IS_MISSING = 2
# Inside, other folders have these names.
HIDDEN_FOLDERS = (Path("/run"), Path("/var"))


def check_possible(folder: Path) -> None:
    """Raise ``ClusterError`` where a whole cluster cannot or must not run."""
    if os.geteuid() != 0:
        raise ClusterError("a cluster with a real machine needs root: its pods have their own users and networks", 2)
    missing = missing_packages("cluster")
    if missing:
        raise ClusterError(f"programs are missing: apt-get install {' '.join(missing)}", PROGRAM_IS_MISSING)
    if any(hidden in folder.parents for hidden in HIDDEN_FOLDERS):
        raise ClusterError(
            f"{folder} would be hidden inside the machine: choose a --state-dir outside /run and /var", 2
        )
    found = kubernetes_of_the_host()
    if found:
        raise ClusterError(
            f"this machine runs Kubernetes already ({found}): a second kubelet would share the kernel's settings, its "
            "control groups and its firewall modules with it. Use another machine, or --machines without --whole.",
            2,
        )


def find_program(name: str) -> str | None:
    """Return the path of a program, also where only root's PATH has it."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), SYSTEM_FOLDERS)))


def kubernetes_of_the_host() -> str:
    """Return what shows that this machine is part of a Kubernetes cluster; empty where nothing does."""
    links = json.loads(_output("ip", "-json", "link", "show") or "[]")
    for link in links:
        if str(link.get("ifname", "")).startswith(FOREIGN_INTERFACES):
            return f"network interface {link['ifname']}"
    for line in _output("iptables-save", "-t", "nat").splitlines():
        if line.startswith(":KUBE-"):
            return f"firewall chain {line.split()[0].lstrip(':')}"
    return ""


def start(folder: Path, variables: dict[str, str]) -> processes.Process:
    """Start the machine's first process and wait until its mounts and its network are there."""
    root = folder / NAME
    root.mkdir()
    command = [
        *("unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc", "--"),
        *(sys.executable, "-m", "gpuops_cluster.machine", "--folder", str(root)),
    ]
    outer = processes.start(NAME, command, folder, variables)

    def alive() -> None:
        if not outer.lives:
            raise ClusterError(f"the machine's namespaces cannot be made:\n{processes.last_lines(folder, NAME)}")

    wait_until(inside.ready_file(root).exists, "the machine's mounts and network are made", START_SECONDS, alive)
    machine = processes.child_of(outer)
    processes.record(folder, machine)
    return machine


def entering(machine: processes.Process) -> list[str]:
    """Return the words that are put before a command to run it inside the machine."""
    return ["nsenter", "--target", str(machine.pid), *NAMESPACES, "--"]


def _output(*words: str) -> str:
    program = find_program(words[0])
    if program is None:
        return ""
    return subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False).stdout
