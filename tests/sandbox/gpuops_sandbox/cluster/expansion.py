# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Kubernetes and Run:ai turn strings into the words of a process: ``$(NAME)`` expansion and command splitting."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from gpuops_sandbox.control_plane.switches import CommandSplitting


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand ``$(NAME)`` exactly as the kubelet does.

    ``$$`` is a literal ``$``; an unknown name and an unclosed ``$(`` stay as they are; ``$x`` stays ``$x``.
    Source: Kubernetes, third_party/forked/golang/expansion (its documented rules).
    """
    result: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character != "$" or position + 1 == len(text):
            result.append(character)
            position += 1
            continue
        following = text[position + 1]
        closing = text.find(")", position + 2) if following == "(" else -1
        if closing >= 0:
            name = text[position + 2 : closing]
            result.append(variables.get(name, f"$({name})"))
            position = closing + 1
        else:
            result.append("$" if following == "$" else f"${following}")
            position += 2
    return "".join(result)


def expand_environment(given: list[tuple[str, str, bool]]) -> dict[str, str]:
    """Build a container's environment from (name, value, expandable) in order; each value sees the ones before it."""
    environment: dict[str, str] = {}
    for name, value, expandable in given:
        environment[name] = expand(value, environment) if expandable else value
    return environment


def split_command(
    command: str | None, arguments: str | None, how: CommandSplitting
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split Run:ai's single-string ``command`` and ``args`` into words, by the way the switch names.

    Which way Run:ai takes is not documented (facts, section 12, point 6). Raises ``ValueError`` on unbalanced quotes.
    """
    if how is CommandSplitting.WHITESPACE:
        return tuple((command or "").split()), tuple((arguments or "").split())
    if how is CommandSplitting.SHELL_WORDS or not command:
        return tuple(shlex.split(command or "")), tuple(shlex.split(arguments or ""))
    line = f"{command} {arguments}" if arguments else command
    return ("sh", "-c", line), ()
