# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where it is chosen what stands below the control plane."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpuops_sandbox.cluster.cluster import Cluster
from gpuops_sandbox.cluster.inert_runtime import InertRuntime
from gpuops_sandbox.cluster.objects import Machine
from gpuops_sandbox.cluster.volumes import Tables
from gpuops_sandbox.control_plane.sandbox import CLAIM, NAMESPACE, Sandbox, make_sandbox
from gpuops_sandbox.control_plane.switches import Switches
from gpuops_sandbox.runtime.contract import PodRuntime

INERT = "inert"
BUBBLEWRAP = "bubblewrap"


@dataclass(frozen=True)
class Size:
    """How big the simulated cluster is, and what the first project owns of it (None: everything)."""

    machines: int = 4
    gpus_per_machine: int = 8
    deserved_gpus: int | None = None


def choose_sandbox(
    folder: Path,
    switches: Switches,
    *,
    runtime: str = INERT,
    size: Size | None = None,
    kubeconfig: Path | None = None,
) -> Sandbox:
    """Build a simulator whose state lies in ``folder``: over the cluster of a kubeconfig, else over a simulated one.

    Raises ``KubeconfigError`` on a kubeconfig that cannot be used.
    """
    if kubeconfig is not None:
        # Not before it is needed: the simulated cluster starts quicker without it.
        from gpuops_sandbox.kubernetes.cluster import KubernetesCluster
        from gpuops_sandbox.kubernetes.kubeconfig import read_kubeconfig

        # The cluster says at its start how many GPUs there are.
        return make_sandbox(KubernetesCluster(read_kubeconfig(kubeconfig, folder), switches), folder, 0)
    there = size or Size()
    machines = [Machine(f"gpu-machine-{number}", there.gpus_per_machine) for number in range(1, there.machines + 1)]
    tables = Tables(folder)
    tables.make_claim(NAMESPACE, CLAIM)
    everything = there.machines * there.gpus_per_machine
    deserved = everything if there.deserved_gpus is None else there.deserved_gpus
    return make_sandbox(Cluster(_make_runtime(runtime, folder), tables, machines, switches), folder, deserved)


def _make_runtime(kind: str, folder: Path) -> PodRuntime:
    if kind == INERT:
        return InertRuntime(folder)
    from gpuops_sandbox.runtime.images import ImageTable
    from gpuops_sandbox.runtime.pods import BubblewrapRuntime

    return BubblewrapRuntime(folder, ImageTable())
