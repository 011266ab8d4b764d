# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a real distributed vLLM, deployed by the installed collection, twice, looked at, and torn down.

Usage: make demo, or make demo PLATFORM=kubernetes (as root)

On Run:ai (default) it runs in the sandbox, on Kubernetes in the whole test cluster. KEEP=1 in the environment leaves it
running and says how to call it and how to stop it.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys

import rehearsal
from cluster import WHOLE, RunningCluster
from places import REPOSITORY
from rehearsal import RehearsalFailure, RunningPlace, RunningSandbox, Stopwatch, say

RUNAI, KUBERNETES = "runai", "kubernetes"
# The Python environment, and the set of system programs.
NEEDS = {RUNAI: ("sandbox", "sandbox"), KUBERNETES: ("dev", "cluster")}
WORKLOAD = "my-llm-inference"
SERVED_NAME = "mistral4"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
RECAP = re.compile(rf"^{WORKLOAD}\s*:.*\bchanged=(\d+)\b")


def run_playbook(place: RunningPlace, name: str, *options: str) -> int:
    """Run a playbook of the installed collection, its output on the screen; return how many tasks changed something."""
    changed: list[int] = []

    def show(line: str) -> None:
        say(line)
        recap = RECAP.match(COLOURS.sub("", line))
        if recap:
            changed.append(int(recap[1]))

    program = str(pathlib.Path(sys.prefix) / "bin" / "ansible-playbook")
    words = [
        "ansible-playbook",
        f"gpuops.inference.{name}",
        "-i",
        str(place.inventory.relative_to(REPOSITORY)),
        *options,
    ]
    say(f"$ {' '.join(words)}")
    status = rehearsal.run_command(
        [program, *words[1:3], str(place.inventory), *options], place.ansible_variables(), show
    )
    if status:
        raise RehearsalFailure(f"the playbook {name} ended with exit status {status}")
    if len(changed) != 1:
        raise RehearsalFailure(f"the playbook {name} did not run for {WORKLOAD}")
    return changed[0]


def demonstrate(platform: str) -> None:
    """Do everything, step by step."""
    keep = os.environ.get("KEEP", "") not in ("", "0")
    stopwatch = Stopwatch()
    with stopwatch.step("build the engine and the model (once for each machine)"):
        rehearsal.build_engine()
    with stopwatch.step("build and install the collection"):
        rehearsal.build_collection()
    place, title = _place(platform, stopwatch)
    with rehearsal.running(place, title, stopwatch, keep):
        with stopwatch.step("deploy: 2 pods x 2 GPUs, four ranks of real vLLM"):
            if not run_playbook(place, "deploy"):
                raise RehearsalFailure("the first run changed nothing")
        with stopwatch.step("deploy again: nothing to change"):
            if run_playbook(place, "deploy"):
                raise RehearsalFailure("the second run changed something")
        if platform == KUBERNETES:
            with stopwatch.step("logs, and what nvidia-smi says in the pods"):
                run_playbook(place, "status", "-e", "gpuops_logs=true")
                run_playbook(place, "smoke_test", "-e", "gpuops_smoke_test_up_to=L4")
        if keep:
            say(how_to_call(place) if isinstance(place, RunningSandbox) else how_to_stop(place))
        else:
            with stopwatch.step("tear down"):
                run_playbook(place, "teardown")
    say(f"\nIt works. Seconds:\n{stopwatch.table()}")


def _place(platform: str, stopwatch: Stopwatch) -> tuple[RunningPlace, str]:
    if platform == RUNAI:
        return rehearsal.new_sandbox(), "start the sandbox"
    cluster = RunningCluster(WHOLE)
    with stopwatch.step("build Kubernetes (once for each version: about ten minutes on two cores)"):
        cluster.build()
    return cluster, "start the cluster"


def how_to_stop(place: RunningPlace) -> str:
    """Return what to type to use the cluster that was left running, and to stop it."""
    return f"""
It keeps running.

{place.how_to_use()}

To stop it, with all that belongs to it:

  PYTHONPATH={os.pathsep.join(place.sources)} {" ".join(place.command("down"))}"""


def how_to_call(sandbox: RunningSandbox) -> str:
    """Return what to type to chat with the model that was left running, and to stop it."""
    state = sandbox.state
    curl = f"curl --silent --show-error --cacert {state['ca_path']}"
    endpoint = f"{state['endpoint_base']}/{state['namespace']}/{WORKLOAD}"
    question = f'{{"model": "{SERVED_NAME}", "messages": [{{"role": "user", "content": "Hello"}}], "max_tokens": 16}}'
    return f"""
It keeps running. A token, valid for an hour, and a chat (the model is random, so is what it says):

  TOKEN=$({curl} {state["api_url"]}/api/v2/token -d grant_type=client_credentials \\
    -d client_id={state["client_id"]} -d client_secret={state["client_secret"]} \\
    | {sys.executable} -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
  {curl} {endpoint}/v1/chat/completions -H "Authorization: Bearer $TOKEN" \\
    -H 'Content-Type: application/json' -d '{question}'

The playbooks:

{sandbox.how_to_use()}

To stop it, with all that belongs to it:

  PYTHONPATH={os.pathsep.join(sandbox.sources)} {" ".join(sandbox.command("down"))}"""


if __name__ == "__main__":
    wanted = os.environ.get("PLATFORM") or RUNAI
    if wanted not in (RUNAI, KUBERNETES):
        sys.exit(f"PLATFORM is {wanted!r}: choose {RUNAI} or {KUBERNETES}")
    sys.exit(rehearsal.main(lambda: demonstrate(wanted), *NEEDS[wanted]))
