# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Asks about the fabric where a pod tells nothing but yes or no: whether the serving user can use what the user states.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, replace

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.inputs import FabricInputs
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.kinds import (
    TITLES,
    UNKNOWN,
    UNUSABLE,
    USABLE,
    VERBS,
)
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.probe_answer import AnswerTask
from ansible_collections.gpuops.inference.plugins.module_utils._fabric.programs import answer_command
from ansible_collections.gpuops.inference.plugins.module_utils._operations.looks import Looks, NotLooked
from ansible_collections.gpuops.inference.plugins.module_utils._operations.watch import said
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import Look
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import WARNING, Finding

_DIGEST_LENGTH = 12
# The user's variables that the judgement of a port depends on.
_JUDGED_BY = ("NCCL_IB_ADDR_FAMILY",)


@dataclass(frozen=True)
class Answer:
    """Whether the serving user can use the fabric; ``None`` where that is not certain, and ``finding`` then says so."""

    confirmed: bool | None
    finding: Finding | None = None


def is_question(inputs: FabricInputs) -> bool:
    """Say whether the user states enough to ask: a fabric that a pod can try, and the devices to ask for."""
    return inputs.expect in VERBS and bool(inputs.resources)


def ask_fabric(looks: Looks, look: Look, inputs: FabricInputs, subject: str) -> Answer:
    """Have what the user states tried and return what came of it.

    That a pod did not say yes proves nothing: its image may lack what the program needs, or it was evicted. So a second
    one is asked the opposite. Raises ``NotLooked`` where the first could not be asked.
    """
    title = TITLES[inputs.expect or UNKNOWN]
    if looks.ask(_asking(look, inputs, USABLE), subject):
        return Answer(True)
    told = said(looks.last.status) if looks.last is not None else []
    # One that cannot be asked leaves it open, and nothing else.
    with contextlib.suppress(NotLooked):
        if looks.ask(_asking(look, inputs, UNUSABLE), f"whether something stands in the way of {title}"):
            return Answer(False)
    told_by_platform = f" Run:ai says: {'; '.join(told)}" if told else ""
    evidence = (
        f"a pod that tried {title} as UID {inputs.uid} did not say that it could use it, nor a second one that it "
        f"could not.{told_by_platform}"
    )
    hint = (
        "An image without python3 or libibverbs, and pods that are evicted, do so. Name the project's cluster by "
        "kubeconfig to be told why."
    )
    return Answer(None, Finding(WARNING, "fabric_not_answered", evidence, hint, subject))


def _asking(look: Look, inputs: FabricInputs, judgement: str) -> Look:
    """Return the job whose pod says whether that is the judgement. Plays of other names have jobs of their own."""
    variables = {name: inputs.variables[name] for name in _JUDGED_BY if name in inputs.variables}
    digest = hashlib.sha256(look.workload.encode()).hexdigest()[:_DIGEST_LENGTH]
    task = AnswerTask(inputs.expect or "", judgement, variables)
    return replace(look, what=f"{look.what}-{digest}", command=answer_command(task), copies=None)
