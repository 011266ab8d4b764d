# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection on other versions of ansible-core than the main one: the same life with the same results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from environments import make_environment
from interpreters import find_python
from support.playbook import REPOSITORY, Playbooks, PlayResult
from support.sandbox import SandboxHandle

# ansible-core with the Pythons that its controller runs on, the one that is tried first in front.
CORES = {
    "2.16": ("3.10", "3.11", "3.12"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.13", "3.12", "3.14"),
}
NAME = "w-versions"
CANARY = "canary-of-an-environment-variable"
# A task in the background runs as a module, in a process of its own.
IN_BACKGROUND = {"async": 60, "poll": 1}
INVENTORY = REPOSITORY / "inventories" / "sandbox"


@dataclass
class Life:
    """What came out of one workload's life on one version of ansible-core."""

    tasks: PlayResult
    playbooks: dict[str, PlayResult]


def live(sandbox: SandboxHandle, playbooks: Playbooks) -> Life:
    """Create a workload by tasks, look at it and prove it; then serve, show and delete one by the playbooks."""
    look = {**sandbox.connection, "name": NAME, "query": "[].pods[].role"}
    wanted = sandbox.workload(NAME, env={"HF_TOKEN": CANARY})
    proof = {**sandbox.connection, **sandbox.endpoint_connection, "name": NAME}
    tasks = [
        {"name": "Create", "gpuops.inference.vllm_workload": wanted},
        {"name": "Create again", "gpuops.inference.vllm_workload": wanted},
        {"name": "Look", "gpuops.inference.vllm_workload_info": look},
        {"name": "Prove", "gpuops.inference.vllm_smoke_test": proof},
        {"name": "Change as a module", "gpuops.inference.vllm_workload": {**wanted, "replicas": 2}, **IN_BACKGROUND},
    ]
    environment = {
        "RUNAI_URL": sandbox.description["api_url"],
        "RUNAI_CLIENT_ID": sandbox.description["client_id"],
        "RUNAI_CLIENT_SECRET": sandbox.description["client_secret"],
        "RUNAI_CA_PATH": sandbox.description["ca_path"],
    }
    return Life(
        playbooks.run(tasks, "-vvvv", "--diff"),
        {
            name: playbooks.run_playbook(
                f"gpuops.inference.{name}", "-vvvv", inventory=str(INVENTORY), environment=environment
            )
            for name in ("deploy", "status", "teardown")
        },
    )


@pytest.fixture(scope="module")
def main_life(
    sandbox_server: SandboxHandle, checkout_link: Path, tmp_path_factory: pytest.TempPathFactory
) -> Life:
    """The life on the version that everything else is tested with."""
    sandbox_server.reset()
    return live(sandbox_server, Playbooks(tmp_path_factory.mktemp("main"), checkout_link))


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    """The Python of an environment with one version of ansible-core.

    Skipped, also in CI, where the machine has no Python that this version runs on: unlike everything else that tests
    need, an interpreter cannot be installed by a command that is right everywhere.
    """
    pythons = CORES[request.param]
    python = next(filter(None, map(find_python, pythons)), None)
    if python is None:
        pytest.skip(f"MISSING HERE: ansible-core {request.param} needs a Python {' or '.join(pythons)}: pyenv install {pythons[0]}")
    return str(make_environment(f"core-{request.param}", python) / "bin" / "python")


def test_dump(core: str, main_life: Life, sandbox: SandboxHandle, tmp_path: Path, checkout_link: Path) -> None:
    life = live(sandbox, Playbooks(tmp_path, checkout_link, core))
    out = Path("/tmp/plan/L-dump"); out.mkdir(exist_ok=True)
    for label, one in (("main", main_life), (core.split("/")[-3], life)):
        for name, play in {"tasks": one.tasks, **one.playbooks}.items():
            (out / f"{label}-{name}.json").write_text(json.dumps([play.rc, play.results], indent=1))
            (out / f"{label}-{name}.out").write_text(play.stdout)
            (out / f"{label}-{name}.err").write_text(play.stderr)
