# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes clusters for tests alone, in the foreground: places to rehearse the playbooks. ^C ends them.

Usage: make cluster, or python tests/tools/cluster.py --whole                 (as root)
       make cluster-api, or python tests/tools/cluster.py [--machines N]      (no root)
Both run inside the environment `dev`.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import signal
import sys
import tempfile

import rehearsal
from places import REPOSITORY
from rehearsal import Interrupted, RehearsalFailure, RunningPlace, Stopwatch, say

WHOLE = "--whole"
RECORDS = (
    "Machines, GPUs and running containers are only records: nothing in a pod runs. A stand-in of the engine"
    " answers the smoke test."
)
REAL = (
    "Pods are real containers on this machine, images named vllm-openai real vLLM on the CPU; GPUs are numbers, and"
    " nvidia-smi in a pod is a stand-in."
)


class RunningCluster(RunningPlace):
    """A test cluster that runs; ``options`` are those of ``python -m gpuops_cluster up``."""

    inventory = REPOSITORY / "inventories" / "sandbox-kubernetes"
    sources = tuple(str(REPOSITORY / "tests" / name) for name in ("cluster", "sandbox", "tools"))

    def __init__(self, *options: str) -> None:
        super().__init__(pathlib.Path(tempfile.mkdtemp(prefix="gpuops-cluster-")))
        self._options = options

    @property
    def is_whole(self) -> bool:
        """Whether it has a real machine, on which pods run."""
        return WHOLE in self._options

    def start(self, keep: bool) -> None:
        """Start the cluster; with a real machine, put the model on the claim."""
        self.call("up", *self._options, *(() if keep else ("--die-with-parent",)))
        self.state = json.loads((self.folder / "state" / "state.json").read_text(encoding="utf-8"))
        if self.is_whole:
            self.call("prepare")

    def end(self) -> None:
        """End the cluster and remove its files."""
        with contextlib.suppress(RehearsalFailure):
            self.call("down")

    def command(self, verb: str, *options: str) -> list[str]:
        """Return the command line of one of the cluster's own verbs."""
        return [sys.executable, "-m", "gpuops_cluster", verb, "--state-dir", str(self.folder / "state"), *options]

    def connection_variables(self) -> dict[str, str]:
        """Return the variables that tell the collection where the cluster is and how to log in."""
        return {"K8S_AUTH_KUBECONFIG": self.state["kubeconfig"]}

    def how_to_use(self) -> str:
        """Return what to type in another terminal."""
        return (
            f"  export KUBECONFIG={self.state['kubeconfig']}\n"
            f"  {self.state['programs']['kubectl']} get nodes\n"
            f"{super().how_to_use()}\n"
            f"Namespaces: {', '.join(self.state['namespaces'])}; the claim with the models: {self.state['claim']}.\n"
            f"{REAL if self.is_whole else RECORDS}"
        )

    def build(self) -> None:
        """Build the cluster's programs, once for each version."""
        if rehearsal.run_command([sys.executable, "-m", "gpuops_cluster", "build"], self.program_variables()):
            raise RehearsalFailure("the cluster's programs cannot be built")


def stay(cluster: RunningCluster) -> None:
    """Start the cluster, say how to use it, and wait for a signal."""
    stopwatch = Stopwatch()
    if cluster.is_whole:
        with stopwatch.step("build the engine and the model (once for each machine)"):
            rehearsal.build_engine()
    with stopwatch.step("build and install the collection"):
        rehearsal.build_collection()
    title = "build the programs (once for each version) and start the cluster"
    with rehearsal.running(cluster, title, stopwatch):
        say(f"\nThe cluster runs. In another terminal:\n\n{cluster.how_to_use()}\n\n^C ends it.")
        with contextlib.suppress(Interrupted):
            signal.pause()


if __name__ == "__main__":
    options = sys.argv[1:]
    sys.exit(rehearsal.main(lambda: stay(RunningCluster(*options)), "dev", "cluster" if WHOLE in options else None))
