# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision on the fabric of very many machines: time beside a plain list of them, memory, and requests."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.clusters import counted
from bench.figures import Figure
from bench.stage import BenchFailure
from support.cluster import ClusterHandle
from support.fabric_objects import create, serve, sriov_state
from support.fabric_scenes import SCENES, FabricCluster

from gpuops_cluster.objects import machine

GROUP = "The fabric of many machines, from the API"
FEW, MANY = 10, 1000
RUNS = 3
THREADS = 8
# KWOK makes machines ready, some dozens in a second.
READY_SECONDS = 300.0
LOOK_SECONDS = 10.0
# Objects in a page of a list.
PAGE = 500
OURS, PLAIN, BARE = "decision", "list_node", "json"
# What a kubelet reports by default (nodeStatusMaxImages): most of a real Node object.
IMAGES = [
    {"names": [f"registry.example.com/team/image-{at}{end}" for end in (f"@sha256:{at:064x}", ":v1")], "sizeBytes": at}
    for at in range(50)
]
# Runs one way of three in a process of its own, and prints its seconds and the memory that it took beyond its imports.
_PROGRAM = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
way, options = sys.argv[2], json.loads(sys.argv[3])
import kubernetes
from ansible_collections.gpuops.inference.plugins.module_utils._operations.fabric import read_fabric
from ansible_collections.gpuops.inference.plugins.module_utils._operations.perform import perform
from ansible_collections.gpuops.inference.plugins.module_utils._options.fabric_inputs import fabric_info_arguments
from ansible_collections.gpuops.inference.plugins.module_utils._results.host import Host
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

def decision():
    arguments = fabric_info_arguments()
    parameters = ArgumentSpecValidator(**arguments.keywords()).validate(options).validated_parameters
    result = perform(read_fabric, arguments.argument_spec, parameters, Host())
    assert not result.get("failed"), result["msg"]
    return sum(len(group["names"]) for group in result["evidence"]["cluster"]["machines"])

def pages(bare):
    nodes, following = [], None
    while True:
        page = api.list_node(limit=500, _continue=following, _preload_content=not bare)
        if bare:
            page = json.loads(page.data)
            nodes += page["items"]
            following = page["metadata"].get("continue")
        else:
            nodes += page.items
            following = page.metadata._continue
        if not following:
            return len(nodes)

# The package imports its parts when they are first used, which is not to count.
api = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(options["kubeconfig"]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.monotonic()
found = decision() if way == "decision" else pages(way == "json")
seconds = time.monotonic() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"found": found, "seconds": seconds, "kib": peak - before, "whole_kib": peak}))
"""


def measure(folder: Path, checkout: Path) -> list[Figure]:
    """Let a cluster have ten machines, then a thousand, that show InfiniBand by shared devices and by functions."""
    figures = []
    with _cluster(folder) as cluster:
        for number in (FEW, MANY):
            _grow(cluster, number)
            figures += _measured(cluster, checkout, number)
    return figures


@contextmanager
def _cluster(folder: Path) -> Iterator[ClusterHandle]:
    handle = ClusterHandle(folder, "--machines", "1")
    try:
        serve(handle)
        FabricCluster(handle).show(SCENES["InfiniBand, shared devices"])
        yield handle
    finally:
        handle.end()


def _grow(cluster: ClusterHandle, number: int) -> None:
    """Add machines, and what the SR-IOV operator would write of each, until there are so many."""
    there = len(cluster.items("/api/v1/nodes"))
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda at: _add(cluster, at), range(there + 1, number + 1)))
    deadline = time.monotonic() + READY_SECONDS
    while (ready := sum(map(_is_ready, cluster.items("/api/v1/nodes")))) < number:
        if time.monotonic() > deadline:
            raise BenchFailure(f"{ready} of {number} machines are ready after {READY_SECONDS:.0f} s")
        # Each look is a list of all, which keeps the API server from its work.
        time.sleep(LOOK_SECONDS)


def _is_ready(node: dict[str, Any]) -> bool:
    """Say whether a machine is ready, and the controllers have taken the taint away with which it begins."""
    conditions = node["status"].get("conditions", [])
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and not node["spec"].get("taints")


def _add(cluster: ClusterHandle, at: int) -> None:
    scene = SCENES["InfiniBand, shared devices"]
    node = machine(at)
    node["metadata"]["labels"].update(scene.labels)
    node["status"]["images"] = IMAGES
    for part in ("allocatable", "capacity"):
        node["status"][part].update(scene.devices)
    status, content = cluster.api("POST", "/api/v1/nodes", node)
    if status != 201:
        raise BenchFailure(f"POST of machine {at}: {status} {content}")
    create(cluster, sriov_state(f"gpu-{at}", "mlnxnics", "IB"))


def _measured(cluster: ClusterHandle, checkout: Path, number: int) -> list[Figure]:
    runs: dict[str, list[dict[str, Any]]] = {OURS: [], PLAIN: [], BARE: []}
    for _run in range(RUNS):
        for way, done in runs.items():
            cluster.forget_requests()
            done.append(_run_apart(cluster, checkout, way))
            if done[-1]["found"] != number:
                raise BenchFailure(f"{way}: {done[-1]['found']} machines instead of {number}")
            if way == OURS:
                requests = counted(cluster)
    seconds = {way: statistics.median(run["seconds"] for run in done) for way, done in runs.items()}
    memory = {way: statistics.median(run["kib"] for run in done) / 1024 for way, done in runs.items()}
    told = ", ".join(f"{times} x `{what}`" for what, times in requests.items() if times > 1)
    pages = f"{told}: {PAGE} objects a page" if told else "one for each kind"
    return [
        Figure(GROUP, f"{number} machines: time", seconds[OURS], "s", "",
               f"{seconds[OURS] / seconds[PLAIN]:.2f} x a plain `list_node` of the package `kubernetes` "
               f"({seconds[PLAIN]:.2f} s); its pages read as JSON alone: {seconds[BARE]:.2f} s"),
        Figure(GROUP, f"{number} machines: memory beyond the imports", memory[OURS], "MiB", "",
               f"{memory[PLAIN]:.0f} MiB for the plain `list_node`, {memory[BARE]:.0f} MiB as JSON alone"),
        Figure(GROUP, f"{number} machines: requests", sum(requests.values()), "", "", pages),
    ]  # fmt: skip


def _run_apart(cluster: ClusterHandle, checkout: Path, way: str) -> dict[str, Any]:
    """Run one way in a new interpreter."""
    options = {**cluster.connection, "gpus_per_pod": 8}
    command = [sys.executable, "-c", _PROGRAM, str(checkout), way, json.dumps(options)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    if done.returncode:
        raise BenchFailure(f"{way}: {done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
