# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the bench: sets the stage, measures in groups, prints Markdown."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from importlib import import_module
from pathlib import Path

import ansible
from bench import (
    deployment,
    fabric,
    imports,
    kubernetes_many,
    kubernetes_news,
    kubernetes_scale,
    many,
    ownership,
    request_counts,
)
from bench.clusters import cluster_with_room
from bench.figures import Figure, table
from bench.stage import BenchFailure, Stage
from support.cluster import ClusterHandle
from support.sandbox import REPOSITORY, SandboxHandle

Measure = Callable[[], list[Figure]]
# A whole run takes about 4 minutes on two cores.
ITEMS = 100
MODULE_LOOP_ITEMS = 10
FILES = 200_000
# How many times as many are "very many".
SCALE = 10
KUBERNETES_GROUPS = ("kubernetes-requests", "kubernetes", "kubernetes-news", "kubernetes-scale")


def main(arguments: list[str]) -> int:
    """Measure what is asked for and print it."""
    options = _parser().parse_args(arguments)
    load = os.getloadavg()[0]
    began = time.monotonic()
    figures: list[Figure] = []
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpuops-bench-")))
            bench = Bench(stack, folder, options.items, options.module_loop_items, options.files)
            for name in options.only or list(bench.groups):
                print(f"measuring: {name}", file=sys.stderr, flush=True)
                figures += bench.groups[name]()
    except BenchFailure as failure:
        print(failure, file=sys.stderr)
        return 1
    print(table(figures))
    cores = len(os.sched_getaffinity(0))
    versions = f"Python {platform.python_version()}, ansible-core {ansible.__version__}"
    print(f"\n{cores} cores, load {load:.1f} at the start, {versions}; {time.monotonic() - began:.0f} s in all.")
    return 0


class Bench:
    """The groups of measurements. Sandboxes are started when the first measurement needs them."""

    def __init__(self, stack: ExitStack, folder: Path, items: int, module_loop_items: int, files: int) -> None:
        self._stack = stack
        self._files = files
        self._items = items
        self._module_loop_items = module_loop_items
        # A copy: all figures of a run are those of one state, whatever is edited meanwhile.
        checkout = folder / "collections"
        copy = checkout / "ansible_collections" / "gpuops" / "inference"
        for part in ("plugins", "meta"):
            shutil.copytree(REPOSITORY / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(REPOSITORY / "galaxy.yml", copy)
        sys.path.insert(0, str(checkout))
        self._stage = Stage(folder, checkout)
        self.groups: dict[str, Measure] = {
            "requests": lambda: request_counts.measure(self._stage, self._inert),
            "deployment": self._deployment,
            "polling": self._polling,
            "failures": self._failures,
            "many": lambda: many.measure(self._stage, self._inert, self._items, self._module_loop_items),
            "imports": lambda: imports.measure(self._stage, self._inert, _modules()),
            "kubernetes-requests": lambda: request_counts.measure_kubernetes(self._stage, self._cluster),
            "kubernetes": lambda: kubernetes_many.measure(
                self._stage, self._cluster, self._items, self._module_loop_items
            ),
            "kubernetes-news": lambda: kubernetes_news.measure(self._stage, self._cluster, self._items),
            "kubernetes-scale": lambda: kubernetes_scale.measure(self._stage, self._cluster, SCALE * self._items),
            "fabric": lambda: fabric.measure(self._stage.folder / "fabric", self._stage.checkout),
            "ownership": self._ownership,
        }

    @cached_property
    def _inert(self) -> SandboxHandle:
        """A sandbox whose pods are only records, with room for four GPUs for each of the many workloads."""
        machines = str(self._items // 2 + 8)
        return self._stack.enter_context(self._stage.sandbox("--runtime", "inert", "--machines", machines))

    @cached_property
    def _real(self) -> SandboxHandle | None:
        """A sandbox whose pods are processes (the stand-in for an engine), or ``None`` where that is impossible."""
        if os.geteuid() != 0:
            print("not root: what needs real pods is left out", file=sys.stderr)
            return None
        return self._stack.enter_context(self._stage.sandbox("--runtime", "bubblewrap"))

    @cached_property
    def _cluster(self) -> ClusterHandle:
        """A Kubernetes control plane whose pods are only records."""
        return self._stack.enter_context(cluster_with_room(self._stage.folder / "cluster"))

    def _deployment(self) -> list[Figure]:
        figures = deployment.measure_ready_at_once(self._stage, self._inert)
        return figures + (deployment.measure_ready_later(self._stage, self._real) if self._real else [])

    def _failures(self) -> list[Figure]:
        return deployment.measure_failures(self._stage, self._real) if self._real else []

    def _ownership(self) -> list[Figure]:
        if os.geteuid() != 0:
            print("not root: files cannot be given to other users, so this is left out", file=sys.stderr)
            return []
        # It is the collection's, which is found only now.
        name = "ansible_collections.gpuops.inference.plugins.module_utils._storage.program"
        program: str = import_module(name).program()
        return ownership.measure(self._stage.folder / "ownership", program, self._files)

    def _polling(self) -> list[Figure]:
        # It imports the collection, which is found only now.
        measure: Measure = import_module("bench.polling").measure
        return measure()


def _modules() -> list[str]:
    return sorted(path.stem for path in (REPOSITORY / "plugins" / "modules").glob("*.py"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests/bench", description=__doc__)
    groups = (
        *("requests", "deployment", "polling", "failures", "many", "imports", *KUBERNETES_GROUPS),
        *("fabric", "ownership"),
    )
    parser.add_argument("--only", nargs="+", choices=groups, metavar="GROUP", help=f"of: {', '.join(groups)}")
    parser.add_argument("--items", type=int, default=ITEMS, help="workloads without a change (default %(default)s)")
    parser.add_argument(
        "--module-loop-items", type=int, default=MODULE_LOOP_ITEMS, help="of these in loops as modules (%(default)s)"
    )
    parser.add_argument("--files", type=int, default=FILES, help="files of a model volume (default %(default)s)")
    return parser
