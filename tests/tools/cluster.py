# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes cluster for tests alone, in the foreground: a place to rehearse the playbooks. ^C ends it.

Usage: make cluster-api, or python tests/tools/cluster.py [--machines N]      (inside the environment `dev`; no root)
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
from typing import Any

import rehearsal
from places import INSTALLED_COLLECTIONS, REPOSITORY
from rehearsal import Interrupted, RehearsalFailure, Stopwatch, say

SOURCES = (REPOSITORY / "tests" / "cluster", REPOSITORY / "tests" / "tools")


def how_to_use(state: dict[str, Any]) -> str:
    """Return what to type in another terminal."""
    variables = {
        "KUBECONFIG": state["kubeconfig"],
        "K8S_AUTH_KUBECONFIG": state["kubeconfig"],
        "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED_COLLECTIONS),
    }
    exports = "\n".join(f"  export {name}={value}" for name, value in variables.items())
    playbook = pathlib.Path(sys.prefix) / "bin" / "ansible-playbook"
    return (
        f"{exports}\n"
        f"  {state['programs']['kubectl']} get nodes\n"
        f"  {playbook} gpuops.inference.status -i YOUR_INVENTORY   (gpuops_platform: kubernetes)\n"
        f"Namespaces: {', '.join(state['namespaces'])}; the claim with the models: {state['claim']}.\n"
        "Machines, GPUs and running containers are only records: nothing in a pod runs. A stand-in of the engine"
        " answers the smoke test."
    )


def stay(options: list[str]) -> None:
    """Start the cluster, say how to use it, and wait for a signal."""
    stopwatch = Stopwatch()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gpuops-cluster-"))
    try:
        with stopwatch.step("build and install the collection"):
            rehearsal.build_collection()
        with stopwatch.step("build the programs (once for each version) and start the cluster"):
            call("up", folder / "state", "--die-with-parent", *options)
        state = json.loads((folder / "state" / "state.json").read_text(encoding="utf-8"))
        say(f"\nThe cluster runs. In another terminal:\n\n{how_to_use(state)}\n\n^C ends it.")
        with contextlib.suppress(Interrupted):
            signal.pause()
    finally:
        rehearsal.ignore_signals()
        with stopwatch.step("clean up"):
            call("down", folder / "state")
            shutil.rmtree(folder, ignore_errors=True)


def call(verb: str, folder: pathlib.Path, *options: str) -> None:
    """Run one of the cluster's own commands."""
    command = [sys.executable, "-m", "gpuops_cluster", verb, "--state-dir", str(folder), *options]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, SOURCES))}
    if rehearsal.run_command(command, variables):
        raise RehearsalFailure(f"the cluster's `{verb}` failed")


def main(options: list[str]) -> int:
    """Run until a signal; return the exit status."""
    rehearsal.raise_on_signals()
    try:
        stay(options)
    except RehearsalFailure as failure:
        sys.stderr.write(f"FAILED: {failure}\n")
        return failure.code
    except Interrupted as interruption:
        sys.stderr.write(f"{interruption}: everything that was started has been ended.\n")
        return 128 + interruption.number
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
