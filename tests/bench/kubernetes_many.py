# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred workloads on Kubernetes that need no change: ours against ``kubernetes.core.k8s`` over the same objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.clusters import manifests, settled, told
from bench.figures import Figure
from bench.many import DEBUG, IN_PROCESS, PING, Shape, Way, item_of
from bench.stage import AS_MODULE, Stage, workload_task
from environments import make_environment
from support.cluster import ClusterHandle

GROUP = "Many workloads on Kubernetes that need no change"
EACH_OBJECT = "`kubernetes.core.k8s`, each object"
WHOLE = "`kubernetes.core.k8s`, both objects at once"
AIM = "30 or more"
RUNS = 3
# Ansible's default; with two cores more gain nothing.
FORKS = 5


def measure(stage: Stage, cluster: ClusterHandle, items: int, module_loop_items: int) -> list[Figure]:
    """Create ``items`` workloads, apply their objects by the other collection too, then go over all unchanged."""
    install_peer(stage.checkout)
    names = [f"many-{number}" for number in range(items)]
    stage.play(
        [workload_task(cluster.workload("{{ inventory_hostname }}", wait=False))], "--forks", str(FORKS), hosts=names
    )
    settled(cluster, names)
    # Once before: it writes an annotation of its own into each object.
    stage.play([_peer_task(cluster, names[0], "{{ inventory_hostname }}")], "--forks", str(FORKS), hosts=names)
    figures = []
    for forks in (None, FORKS):
        shape = Shape(stage, GROUP, names, cluster.forget_requests, lambda: told(cluster), forks)
        ours = workload_task(cluster.workload(item_of(shape)))
        whole = _peer_task(cluster, names[0], item_of(shape))
        by_object = [_peer_task(cluster, names[0], item_of(shape), kind) for kind in ("LeaderWorkerSet", "Service")]
        in_a_loop = module_loop_items if forks is None else items
        ways = (
            Way("`debug`", [DEBUG], {}, items),
            Way("`ping`", [PING], {}, in_a_loop),
            Way(EACH_OBJECT, by_object, {}, items),
            Way(WHOLE, [whole], {}, items),
            Way(IN_PROCESS, [ours], {}, items, RUNS),
            Way("as module", [ours], AS_MODULE, in_a_loop),
        )
        figures += [shape.go(way) for way in ways]
        figures += _ratios(shape)
    return figures


def install_peer(collections: Path) -> None:
    """Let ``kubernetes.core`` lie beside our collection, for the same ansible and the same Python."""
    link = collections / "ansible_collections" / "kubernetes" / "core"
    if link.exists():
        return
    (found,) = make_environment("bench").glob("lib/python*/site-packages/ansible_collections/kubernetes/core")
    link.parent.mkdir()
    link.symlink_to(found)


def _peer_task(cluster: ClusterHandle, made: str, name: str, kind: str | None = None) -> dict[str, Any]:
    """Return the task of ``kubernetes.core`` that applies what we applied as ``made`` for a workload called ``name``,
    without our record: the object of one kind, or all."""
    wanted = [entry for entry in manifests(cluster, made, name) if kind in (None, entry["kind"])]
    for entry in wanted:
        entry["metadata"].pop("annotations", None)
    connection = {key: cluster.connection[key] for key in ("kubeconfig", "context", "namespace")}
    keywords = {**connection, "state": "present", "apply": True, "definition": wanted}
    return {"name": "apply", "kubernetes.core.k8s": keywords}


def _ratios(shape: Shape) -> list[Figure]:
    """Return how many times as long the other collection takes."""
    ours = shape.costs[IN_PROCESS]
    aim = AIM if shape.forks is None else ""
    return [
        Figure(GROUP, f"{shape.label}: {other}, against ours in process", shape.costs[other] / ours, "x", own_aim)
        for other, own_aim in ((EACH_OBJECT, aim), (WHOLE, ""))
    ]
