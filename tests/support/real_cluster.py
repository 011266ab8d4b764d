# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole cluster for tests: a real machine with real containers, and what can be done to it from outside."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support.cluster import NAMESPACE, PODS, ClusterHandle
from support.needs import missing

from gpuops_cluster import processes
from gpuops_cluster.failure import ClusterError
from gpuops_cluster.machine import namespaces
from gpuops_cluster.machine.programs import KUBELET
from gpuops_cluster.objects import MACHINE


def need_whole_cluster() -> None:
    """Stop the test unless a cluster with a real machine can run here."""
    try:
        namespaces.check_possible(Path("/tmp"))
    except ClusterError as error:
        missing(str(error))


class RealClusterHandle(ClusterHandle):
    """A running cluster with one real machine: ``python -m gpuops_cluster up --whole`` in ``folder``."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, "--whole", *options)

    @property
    def volumes(self) -> Path:
        """The folder of the machine's volumes: NAMESPACE/CLAIM in it."""
        return Path(self.description["volumes_directory"])

    def log(self, pod: str, namespace: str = NAMESPACE) -> str:
        """Return a pod's log, as its kubelet gives it."""
        status, text = self.api("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log")
        assert status == 200, f"log of {pod}: {status} {text}"
        return str(text)

    def execute(self, pod: str, *command: str, namespace: str = NAMESPACE) -> str:
        """Return what a command in a pod prints."""
        return self.kubectl("--namespace", namespace, "exec", pod, "--", *command)

    def in_machine(self, *command: str) -> str:
        """Run a command inside the machine's namespaces, as root there, and return what it prints."""
        words = [*namespaces.entering(self._machine()), *command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def address(self, pod: str) -> str:
        """Return a pod's address."""
        return str(self.get(f"{PODS}/{pod}")["status"]["podIP"])

    def kill_container(self, pod: str, namespace: str = NAMESPACE) -> None:
        """Kill the main process of a pod's first container, as the kernel or an engine's crash would."""
        (status, *_others) = self.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")["status"]["containerStatuses"]
        container = status["containerID"].rpartition("/")[2]
        tasks = self.in_machine("ctr", "--namespace", "k8s.io", "tasks", "list").splitlines()
        (pid,) = (line.split()[1] for line in tasks if line.split()[0] == container)
        self.in_machine("kill", "-KILL", pid)

    @contextlib.contextmanager
    def blocked(self, *rule: str) -> Iterator[None]:
        """Put a rule of the machine's firewall in front of the traffic between pods, for a time.

        ``rule`` is what iptables takes: ``--protocol tcp --destination-port 29501 --jump DROP``.
        """
        # Pods of one bridge reach each other without the firewall unless the bridge asks it; here each has a chain.
        self.in_machine("iptables", "--insert", "FORWARD", *rule)
        try:
            yield
        finally:
            self.in_machine("iptables", "--delete", "FORWARD", *rule)

    def stop_kubelet(self) -> None:
        """End the kubelet: the machine is not heard of any more, its containers run on."""
        self._run("stop", KUBELET)

    def start_kubelet(self) -> None:
        """Start the kubelet again."""
        self._run("start", KUBELET)

    def machine_is_ready(self) -> bool:
        """Say whether the control plane takes the machine for ready."""
        conditions = self.get(f"/api/v1/nodes/{MACHINE}")["status"]["conditions"]
        return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)

    def _machine(self) -> processes.Process:
        return processes.recorded(self.folder)[namespaces.NAME]
