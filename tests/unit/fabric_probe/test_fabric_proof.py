# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collective that proves a fabric, for real between two processes: over gloo, since there is no GPU here."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.all_reduce import (
    REPORT_BYTES,
    ProofTask,
    short_enough,
    telling_lines,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import ProofEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.pod_report import proof_evidence
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.programs import proof_program
from support.needs import missing

from gpuops_sandbox.engine.environment import find_environment

LINES = ["NCCL INFO Using network IB", "NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/IB/0/GDRDMA"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def engine_python() -> Path:
    """Return the Python of the engine's environment, which has torch."""
    try:
        return find_environment().python
    except FileNotFoundError as error:
        missing(str(error))


def taking_part(task: ProofTask, *indexes: int) -> list[dict[str, Any]]:
    """Let some of two copies take part, and return their reports."""
    names = {"GPUOPS_LOOK_COPIES": "127.0.0.1 localhost", "GLOO_SOCKET_IFNAME": "lo", "PATH": os.environ["PATH"]}
    command = [str(engine_python()), "-I", "-B", "-c", proof_program(), json.dumps(asdict(task))]
    processes = [
        subprocess.Popen(
            command,
            env={**names, "JOB_COMPLETION_INDEX": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in indexes
    ]
    outputs = [process.communicate(timeout=180) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return [json.loads(output) for output, _errors in outputs]


def test_two_processes_sum_up() -> None:
    reports = taking_part(ProofTask(free_port(), backend="gloo", size=1 << 20), 0, 1)
    assert [report["error"] for report in reports] == ["", ""]
    assert all(report["bandwidth"] > 0 for report in reports)
    proof = proof_evidence(reports)
    assert (proof.network, proof.error, proof.bandwidth) == (None, "", reports[0]["bandwidth"])


def test_one_that_finds_no_other_says_so() -> None:
    [report] = taking_part(ProofTask(free_port(), backend="gloo", meet_seconds=0.1, seconds=60), 1)
    assert report["bandwidth"] is None
    assert "was not reached" in report["error"]


def test_a_collective_that_hangs_ends() -> None:
    [report] = taking_part(ProofTask(free_port(), backend="gloo", meet_seconds=5, seconds=5), 0)
    assert report["bandwidth"] is None and report["error"]


def test_without_a_gpu_nccl_says_why() -> None:
    [report] = taking_part(ProofTask(free_port(), backend="nccl", meet_seconds=5, seconds=5), 0)
    assert report["bandwidth"] is None and report["error"]


def test_lines_are_kept_once_and_without_their_beginning() -> None:
    text = "\n".join(f"pod:71:{20 + n} [0] NCCL INFO Channel 0{n}/0 : 0[0] -> 1[0] via NET/IB/{n}" for n in range(8))
    assert telling_lines(f"loading\n{text}\nready") == ["NCCL INFO Channel 00/0 : 0[0] -> 1[0] via NET/IB/0"]


def test_a_long_report_fits() -> None:
    report = {"bandwidth": 1.5, "error": "x" * 600, "lines": [f"NCCL INFO {'y' * 280}{n}" for n in range(60)]}
    text = short_enough(report)
    assert len(text.encode()) <= REPORT_BYTES
    kept = json.loads(text)["lines"]
    assert kept[0] == report["lines"][0] and kept[-1] == report["lines"][-1]


def test_evidence_of_both_copies() -> None:
    reports = [{"bandwidth": 46.1, "error": "", "lines": LINES}, {"bandwidth": 46.0, "error": "", "lines": LINES[:1]}]
    assert proof_evidence(reports) == ProofEvidence("IB", 46.1, tuple(LINES))


def test_one_failure_is_no_proof() -> None:
    reports = [{"bandwidth": 46.1, "error": "", "lines": LINES}, {"bandwidth": None, "error": "lost", "lines": []}]
    proof = proof_evidence(reports)
    assert (proof.bandwidth, proof.error) == (None, "lost")
