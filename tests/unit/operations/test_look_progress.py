# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of progress while a look runs: with what it prints of how far it is."""

from __future__ import annotations

from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import Looks
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import LookStatus, WorkloadStatus
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look, LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec
from scripted_platform import NAME, ScriptedPlatform, Stage

LOOK = Look(NAME, "files", LookPlace("registry.example.com/vllm:v1", RunAsSpec()), ("python3",), 60.0)
RUNNING = WorkloadStatus("running")


def test_it_says_how_far_the_walk_is() -> None:
    stage = Stage()
    platform = ScriptedPlatform(stage.clock)
    printed = ["", '{"pass": 1, "seen": 120000, "wrong": 14, "changed": 0, "seconds": 5}', "Traceback: a secret"]
    states = [LookStatus(RUNNING, printed=line) for line in printed]
    platform.carry_out = lambda look: [*states, LookStatus(RUNNING, True, 0, "{}")]
    assert Looks(platform, stage.host, False).run(LOOK, "the files of models") == {}
    line = f"{NAME}: looking inside the cluster at the files of models"
    assert [said.partition("] ")[2] for said in stage.lines] == [
        f"{line}: running",
        f"{line}: running: 120000 entries, 14 wrong",
        f"{line}: running",
        f"{line}: ended",
    ]
