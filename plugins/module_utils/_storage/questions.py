# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Questions about files whose answer is an exit status: 0 is yes, everything else is no, or not known. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.gpuops.inference.plugins.module_utils._storage.ownership import OwnershipSpec, command_of
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import (
    COMPARE,
    DIFFER,
    LOOK,
    NO_MANIFEST,
    OWNED,
    PROVE,
    REMEMBER,
    REPAIR,
    Task,
)

# A command's first words: the shell, the script and the program, which are the same for every task.
_SHARED_WORDS = 5
_ARE_THERE = (
    'cd "$1" && base=`pwd -P` && shift && for path; do place=./$path; '
    'if [ ! -d "$place" ]; then [ -e "$place" ] && [ ! -L "$place" ] || exit 1; place=${place%/*}; fi; '
    'real=`cd "$place" && pwd -P` || exit 1; case $real/ in "$base"/*) ;; *) exit 1 ;; esac; done'
)


def is_as_wanted(spec: OwnershipSpec, seconds: float, with_manifest: bool = False) -> tuple[str, ...]:
    """Return the command that asks, as the serving identity, whether all is as it should be.

    It reads everything, which is the only proof that it can; for an owner, group and mode of files it looks at them
    before. Who owns the files and may enter the folders sees all of that without being root. ``seconds`` is its limit.
    ``with_manifest`` asks besides whether the files are those of their manifest.
    """
    modes = (LOOK, PROVE) if spec.ensure == OWNED else (PROVE,)
    # Whether files are those of a manifest is another question, which no repair turns into a yes.
    tasks = [replace(_judging(spec, mode, seconds / len(modes)), manifest=NO_MANIFEST) for mode in modes]
    return _all_of([*tasks, _judging(spec, COMPARE, seconds)] if with_manifest else tasks)


def repaired(spec: OwnershipSpec, seconds: float) -> tuple[str, ...]:
    """Return the command that repairs, as root, and says whether no file is left to be repaired. It writes the manifest
    too, of which it says nothing."""
    return _all_of([_judging(spec, REPAIR, seconds)])


def is_written(spec: OwnershipSpec, seconds: float) -> tuple[str, ...]:
    """Return the command that writes the manifest, as root, where the files are not those of it, and says whether it
    did."""
    return _all_of([_judging(spec, REMEMBER, seconds)])


def is_another(spec: OwnershipSpec, seconds: float) -> tuple[str, ...]:
    """Return the command that asks whether files that the manifest has were changed or removed. That there is none, and
    everything that keeps it from being compared, is no."""
    return _all_of([_judging(spec, DIFFER, seconds)])


def are_there(spec: OwnershipSpec) -> tuple[str, ...]:
    """Return the command that asks whether all paths are there and lead through no link out of the volume."""
    return ("/bin/sh", "-c", _ARE_THERE, "sh", spec.mount_path, *(path or "." for path in spec.paths))


def _judging(spec: OwnershipSpec, mode: str, seconds: float) -> Task:
    return replace(spec.task(mode, seconds, ""), judge=True)


def _all_of(tasks: Sequence[Task]) -> tuple[str, ...]:
    """Return one command that carries out tasks until one says no. The program is long, so it is there once."""
    commands = [command_of(task) for task in tasks]
    shell, option, script, name, program = commands[0][:_SHARED_WORDS]
    line = " && ".join(f'{shell} {option} "$1" {name} "$2" {shlex.join(words[_SHARED_WORDS:])}' for words in commands)
    return (shell, option, line, name, script, program)
