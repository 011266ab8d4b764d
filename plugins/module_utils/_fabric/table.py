# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The table that a person reads: what was seen on the left, what follows on the right, the reasons below.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from ansible_collections.gpuops.inference.plugins.module_utils._results.fabric import FabricDecision, FabricVariable
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import MASK, looks_secret

WIDTH = 100
_GAP = "  "
_COLUMN = (WIDTH - len(_GAP)) // 2

# What a line of the left column is about, in the order of the table, and which variables follow from it.
ASKED = "asked"
MACHINES = "machines"
RESOURCES = "resources"
NETWORKS = "networks"
PORTS = "ports"
MEMORY = "memory"
INTERFACES = "interfaces"
REACH = "reach"
PROOF = "proof"
USER = "user"
_TOPICS = (ASKED, MACHINES, RESOURCES, NETWORKS, PORTS, MEMORY, INTERFACES, REACH, PROOF, USER)
_TOPIC_OF = {
    "NCCL_IB_HCA": PORTS,
    "NCCL_IB_DISABLE": PORTS,
    "NCCL_SOCKET_IFNAME": INTERFACES,
    "GLOO_SOCKET_IFNAME": INTERFACES,
    "NCCL_NET": ASKED,
    "NCCL_DEBUG": ASKED,
    "NCCL_DEBUG_SUBSYS": ASKED,
}


def draw(
    title: str,
    seen: Mapping[str, Sequence[str]],
    decision: FabricDecision,
    reasons: Sequence[str],
    findings: Iterable[Finding],
    of_user: Iterable[str],
) -> list[str]:
    """Return the table's lines. ``seen`` are the left column's texts by topic, ``of_user`` the user's own variables."""
    follows = _follows(decision, set(of_user))
    lines = [
        *_wrapped(title, ""),
        "",
        *_side_by_side("What was seen", "What follows"),
        *_side_by_side("-" * _COLUMN, "-" * _COLUMN),
    ]
    for topic in _TOPICS:
        for left, right in zip_longest(seen.get(topic, ()), follows.get(topic, ()), fillvalue=""):
            lines += _side_by_side(left, right)
    lines += ["", "Why", *(line for reason in reasons for line in _wrapped(f"Fabric: {reason}."))]
    lines += [line for variable in decision.variables for line in _wrapped(_reason(variable))]
    notes = [f"{finding.severity}: {finding.sentence()}" for finding in findings if finding.severity != INFO]
    if notes:
        lines += ["", "To know", *(line for note in notes for line in _wrapped(note))]
    return [line.rstrip() for line in lines]


def _follows(decision: FabricDecision, of_user: set[str]) -> dict[str, list[str]]:
    follows: dict[str, list[str]] = {}
    for name, count in sorted(decision.resources.items()):
        follows.setdefault(RESOURCES, []).append(f"each pod asks for {name}: {count}")
    for name, value in sorted(decision.annotations.items()):
        follows.setdefault(NETWORKS, []).append(f"annotation {name}: {value}")
    for variable in decision.variables:
        topic = USER if variable.name in of_user else _TOPIC_OF.get(variable.name, MACHINES)
        follows.setdefault(topic, []).append(_setting(variable))
    return follows


def _setting(variable: FabricVariable) -> str:
    value = MASK if looks_secret(variable.name) else variable.value
    return f"{variable.name}={value}"


def _reason(variable: FabricVariable) -> str:
    return f"{variable.name}: {variable.reason}. [{variable.source}]"


def _side_by_side(left: str, right: str) -> list[str]:
    lefts, rights = _broken(left, _COLUMN), _broken(right, _COLUMN)
    return [f"{a:<{_COLUMN}}{_GAP}{b}" for a, b in zip_longest(lefts, rights, fillvalue="")]


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return [f"{indent}{line}" for line in _broken(text, WIDTH - len(indent))]


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines at spaces, and behind commas: lists of devices and networks have no spaces."""

    wordsep_simple_re = re.compile(r"(\s+|(?<=,)(?=\S))")


def _broken(text: str, width: int) -> list[str]:
    """Return a text in lines, the later ones indented; it never breaks a word that fits into a line."""
    return _Wrapper(width, subsequent_indent="  ", break_on_hyphens=False).wrap(text) or [""]
