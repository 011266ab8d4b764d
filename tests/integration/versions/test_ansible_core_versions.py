# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection on other versions of ansible-core than the main one: the same life of a workload, the same results."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from environments import make_environment
from interpreters import find_python
from support.playbook import REPOSITORY, Playbooks, PlayResult
from support.sandbox import SandboxHandle

# Each ansible-core with the Pythons that its controller runs on, the one that is tried first in front.
CORES = {
    "2.16": ("3.10", "3.11", "3.12"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.13", "3.12", "3.14"),
}
NAME = "w-versions"
CANARY = "canary-of-an-environment-variable"
PLAYBOOKS = tuple(f"gpuops.inference.{name}" for name in ("deploy", "status", "teardown"))
# A task in the background runs as a module, in a process of its own.
IN_BACKGROUND = {"async": 60, "poll": 1}
# What differs from run to run, at any depth of a result. The messages of the playbooks' last tasks hold times.
VARYING = {
    "address", "ansible_job_id", "events", "invocation", "msg", "results_file", "second_seconds", "seconds",
    "timings",
}  # fmt: skip
SECONDS = re.compile(r"\b\d+\.\d+ s\b")


@dataclass
class Life:
    """What came out of the lives of two workloads on one version of ansible-core."""

    python: str
    by_tasks: PlayResult
    by_playbooks: PlayResult

    @property
    def output(self) -> str:
        """Everything that anybody could read."""
        plays = (self.by_tasks, self.by_playbooks)
        return "".join(play.stdout + play.stderr + str(play.results) for play in plays)


def live(sandbox: SandboxHandle, checkout: Path, folder: Path, python: str) -> Life:
    """Create, look at, prove and scale a workload by tasks; then serve, show and delete one by the playbooks."""
    sandbox.reset()
    playbooks = Playbooks(folder, checkout, python)
    wanted = sandbox.workload(NAME, env={"HF_TOKEN": CANARY})
    look = {**sandbox.connection, "name": NAME, "query": "[].pods[].role"}
    proof = {**sandbox.connection, **sandbox.endpoint_connection, "name": NAME}
    tasks: list[dict[str, Any]] = [
        {"name": "Create", "gpuops.inference.vllm_workload": wanted},
        {"name": "Create again", "gpuops.inference.vllm_workload": wanted},
        {"name": "Look", "gpuops.inference.vllm_workload_info": look},
        {"name": "Prove", "gpuops.inference.vllm_smoke_test": proof},
        {"name": "Scale as a module", "gpuops.inference.vllm_workload": {**wanted, "replicas": 2}, **IN_BACKGROUND},
    ]
    environment = {
        "RUNAI_URL": sandbox.description["api_url"],
        "RUNAI_CLIENT_ID": sandbox.description["client_id"],
        "RUNAI_CLIENT_SECRET": sandbox.description["client_secret"],
        "RUNAI_CA_PATH": sandbox.description["ca_path"],
    }
    inventory = str(REPOSITORY / "inventories" / "sandbox")
    return Life(
        python,
        playbooks.run(tasks, "-vvvv", "--diff"),
        playbooks.run_playbook(*PLAYBOOKS, "-vvvv", inventory=inventory, environment=environment),
    )


@pytest.fixture(scope="module")
def main_life(sandbox_server: SandboxHandle, checkout_link: Path, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """The life on the version that everything else is tested with."""
    return live(sandbox_server, checkout_link, tmp_path_factory.mktemp("core-main"), sys.executable)


@pytest.fixture(scope="module", params=CORES)
def life(
    request: pytest.FixtureRequest,
    sandbox_server: SandboxHandle,
    checkout_link: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Life:
    """The life on another version.

    Skipped, also in CI, where the machine has no Python that this version runs on: unlike everything else that tests
    need, there is no one command that installs an interpreter.
    """
    core = request.param
    python = next(filter(None, map(find_python, CORES[core])), None)
    if python is None:
        wanted = " or ".join(CORES[core])
        pytest.skip(f"MISSING HERE: Python {wanted}, for ansible-core {core}: install python{CORES[core][0]}")
    program = make_environment(f"core-{core}", python) / "bin" / "python"
    return live(sandbox_server, checkout_link, tmp_path_factory.mktemp(f"core-{core}"), str(program))


def lasting(value: Any) -> Any:
    """Return the parts of a result that all versions have in common."""
    if isinstance(value, dict):
        kept = {key: part for key, part in value.items() if key not in VARYING and not key.startswith("_ansible")}
        return {key: lasting(part) for key, part in kept.items()}
    if isinstance(value, list):
        return [lasting(part) for part in value]
    return SECONDS.sub("some s", value) if isinstance(value, str) else value


def test_it_runs_on_the_version_that_it_says(life: Life, request: pytest.FixtureRequest) -> None:
    program = "import ansible.release; print(ansible.release.__version__)"
    version = subprocess.run([life.python, "-c", program], capture_output=True, text=True, check=True).stdout
    assert version.startswith(request.node.callspec.params["life"] + ".")


def test_tasks_give_the_same_results(life: Life, main_life: Life) -> None:
    results = life.by_tasks.check().results
    assert [(result["task"], result["status"], result["changed"]) for result in results] == [
        ("Create", "ok", True),
        ("Create again", "ok", False),
        ("Look", "ok", False),
        ("Prove", "ok", False),
        ("Scale as a module", "ok", True),
    ]
    assert results[2]["query_result"] == ["leader", "follower"]
    assert results[3]["verdict"] == "passed"
    assert [change["path"] for change in results[4]["changes"]] == ["replicas"]
    assert lasting(results) == lasting(main_life.by_tasks.check().results)


def test_playbooks_give_the_same_results(life: Life, main_life: Life) -> None:
    done = life.by_playbooks.check()
    assert done.changed == 2
    assert done.stats == main_life.by_playbooks.check().stats
    assert lasting(done.results) == lasting(main_life.by_playbooks.results)


def test_nothing_secret_and_no_deprecation_is_said(life: Life, sandbox_server: SandboxHandle) -> None:
    assert CANARY not in life.output
    assert sandbox_server.description["client_secret"] not in life.output
    assert "DEPRECATION WARNING" not in life.output
