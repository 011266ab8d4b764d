# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks on one workload whose claim is a folder of this machine, which the jobs of the cluster for tests take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.cluster import CLAIM, IMAGE, ClusterHandle
from support.playbook import Playbooks, PlayResult
from support.walks import make_folder

BASELINE = "my-project-baseline"
NAME = "my-llm-inference"


class ModelPlays:
    """A playbook on one workload, whose model is a folder as root makes it."""

    def __init__(self, playbooks: Playbooks, folder: Path, playbook: str) -> None:
        self.folder = folder / "volume"
        self.model = make_folder(self.folder / "model", 0o755, 0, 0)
        self._playbooks = playbooks
        self._playbook = playbook
        self._inventory = folder / "inventory.json"

    def play(
        self, variables: dict[str, Any], *arguments: str, playbook: str | None = None, **environment: str
    ) -> PlayResult:
        """Run the playbook, or another one; ``variables`` are the workload's, beside those of its files. One that is
        ``None`` is not set."""
        given = {
            "gpuops_image": IMAGE,
            "gpuops_model_path": str(self.model),
            "gpuops_claim": CLAIM,
            "gpuops_claim_path": str(self.folder),
            **variables,
        }
        kept = {name: value for name, value in given.items() if value is not None}
        group = {"hosts": {NAME: {}}, "vars": kept}
        self._inventory.write_text(json.dumps({"vllm_workloads": group}), encoding="utf-8")
        environment = {"ANSIBLE_SHOW_CUSTOM_STATS": "True", **environment}
        return self._playbooks.run_playbook(
            f"gpuops.inference.{playbook or self._playbook}",
            *arguments,
            inventory=str(self._inventory),
            environment=environment,
        )


def on(cluster: ClusterHandle) -> dict[str, Any]:
    """Return where the workload is, in the words of an inventory: a namespace that lets pods be root."""
    connection = cluster.connection_in(BASELINE)
    return {
        "gpuops_platform": "kubernetes",
        "gpuops_namespace": BASELINE,
        "gpuops_kubeconfig": connection["kubeconfig"],
    }


def handed_on(result: PlayResult) -> dict[str, Any]:
    """Return what the next job of a workflow gets of the workload; nothing where nothing is handed on."""
    for line in result.stdout.splitlines():
        if line.strip().startswith("RUN: "):
            workloads = json.loads(line.strip().removeprefix("RUN: "))["gpuops_inference"]["workloads"]
            assert list(workloads) == [NAME]
            return dict(workloads[NAME])
    return {}
