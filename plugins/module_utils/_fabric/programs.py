# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The programs that run inside pods, as texts.

Each is one argument of ``python3 -c``: the files of a program cannot be sent into an image. ``import`` statements name
them for AnsiballZ, which ships what they name.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from ansible_collections.gpuops.inference.plugins.module_utils._fabric import (
    all_reduce,
    evidence,
    kinds,
    ports,
    probe,
    probe_answer,
    probe_main,
    probe_meeting,
    probe_memory,
    probe_network,
    probe_rdma,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.all_reduce import ProofTask
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe import ProbeTask
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_answer import AnswerTask
from ansible_collections.gpuops.inference.plugins.module_utils._results.joined import joined

# Nothing of the image's own settings or of the working folder counts; of its packages only for what needs torch.
_PYTHON = ("python3", "-I", "-B")
# The files that look, the lowest first.
_LOOKING = (probe_rdma, probe_memory, probe_network, probe_meeting, probe)


def probe_program() -> str:
    """Return the program that looks, as Python source that needs nothing but Python 3.8."""
    return joined((*_LOOKING, probe_main))


def probe_command(task: ProbeTask) -> tuple[str, ...]:
    """Return the command of a container that looks."""
    return (*_PYTHON, "-S", "-c", probe_program(), json.dumps(asdict(task)))


def answer_program() -> str:
    """Return the program that looks and answers one question, as Python source likewise. The rule by which it judges is
    that of the decision."""
    return joined((evidence, kinds, ports, *_LOOKING, probe_answer))


def answer_command(task: AnswerTask) -> tuple[str, ...]:
    """Return the command of a container whose exit status is the answer."""
    return (*_PYTHON, "-S", "-c", answer_program(), json.dumps(asdict(task)))


def proof_program() -> str:
    """Return the program of the collective, as Python source that needs torch."""
    return joined((all_reduce,))


def proof_command(task: ProofTask) -> tuple[str, ...]:
    """Return the command of a container that takes part in the collective."""
    return (*_PYTHON, "-c", proof_program(), json.dumps(asdict(task)))
