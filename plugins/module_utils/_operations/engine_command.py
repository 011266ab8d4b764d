# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Reads what a pod's command does with vLLM: directly, inside ``sh -c "..."``, or through Ray. Pure; never raises.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import RolePods
from ansible_collections.gpuops.inference.plugins.module_utils._workload.vllm_flags import flag_of, value_in

# How a pod takes part.
NATIVE = "native"
RAY = "ray"
OWN_ENGINE = "own_engine"
NOTHING = "nothing"

_SHELLS = ("sh", "bash", "dash", "ash", "zsh")
_SEPARATORS = re.compile(r"[;&|]+")
_VARIABLE = re.compile(r"\$(?:\((\w+)\)|\{(\w+)\}|(\w+))")
_NUMBER = re.compile(r"\d{1,6}")
_RAY_SCRIPT = "multi-node-serving.sh"
# A shell inside a shell inside a shell is as deep as anybody writes by hand; the bound keeps any input finite.
_DEEPEST_SCRIPT = 4
# Options of vLLM that decide the layout, with their short forms.
_TENSOR = ("--tensor-parallel-size", "-tp")
_PIPELINE = ("--pipeline-parallel-size", "-pp")
_DATA = ("--data-parallel-size", "-dp")
_NODES = ("--nnodes", "-n")
_NODE_RANK = ("--node-rank", "-r")
_MODEL = ("--model",)
_SERVED_NAMES = ("--served-model-name",)
_CONFIGURATION_FILE = "--config"
_DATA_PARALLEL_JOIN = ("--data-parallel-start-rank", "-dpr", "--data-parallel-rank", "-dpn")


@dataclass(frozen=True)
class EngineCommand:
    """What one role's command does.

    ``joins``: ``native`` (one engine over several pods by ``--nnodes`` or data parallel ranks), ``ray``, ``own_engine``
    (an engine of its own), ``nothing`` (no engine recognised). Sizes are ``None`` where they cannot be read. ``nodes``
    is the number of pods the command counts on; ``node_rank`` its own rank when it is a plain number.
    """

    joins: str = NOTHING
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    data_parallel_size: int | None = None
    nodes: int | None = None
    node_rank: int | None = None
    served_names: tuple[str, ...] = ()


def read_command(role: RolePods, pods: int, is_leader: bool) -> EngineCommand:
    """Return what the pods of ``role`` do; ``pods`` is the size of the group, for ``$(LWS_GROUP_SIZE)``."""
    commands = _simple_commands(list(role.words), _DEEPEST_SCRIPT)
    values = {**role.environment, "LWS_GROUP_SIZE": str(pods)}
    if is_leader:
        values["LWS_WORKER_INDEX"] = "0"
    else:
        # On a follower it differs from pod to pod: no plain number.
        values.pop("LWS_WORKER_INDEX", None)
    ray = _Arguments([word for command in commands if _is_ray(command) for word in command], values)
    engine = _engine_words(commands, role.entrypoint)
    if engine is None:
        return EngineCommand(joins=RAY if ray.words else NOTHING, nodes=ray.number("--ray-cluster-size"))
    arguments = _Arguments(engine, values)
    nodes = arguments.number(*_NODES)
    spread = (nodes or 1) > 1 or (nodes is None and arguments.has(*_NODES)) or arguments.has(*_DATA_PARALLEL_JOIN)
    backend = arguments.text("--distributed-executor-backend")
    if spread:
        joins = NATIVE
    elif ray.words or backend == "ray":
        joins = RAY
        nodes = ray.number("--ray-cluster-size")
    else:
        joins = OWN_ENGINE
    model = arguments.text(*_MODEL) or _positional_model(engine)
    return EngineCommand(
        joins=joins,
        tensor_parallel_size=arguments.size(*_TENSOR),
        pipeline_parallel_size=arguments.size(*_PIPELINE),
        data_parallel_size=arguments.size(*_DATA),
        nodes=nodes,
        # vLLM's default is rank 0, on every pod that does not say otherwise.
        node_rank=arguments.number(*_NODE_RANK) if arguments.has(*_NODE_RANK) else 0,
        served_names=arguments.all_texts(*_SERVED_NAMES) or ((model,) if model else ()),
    )


@dataclass(frozen=True)
class _Arguments:
    """The words of one command, asked by option name in vLLM's own spelling."""

    words: Sequence[str]
    values: Mapping[str, str]

    def all_texts(self, *names: str) -> tuple[str, ...]:
        """Return every value of the option (the words up to the next option), variables replaced where known."""
        found: list[str] = []
        for position, word in enumerate(self.words):
            if flag_of(word) not in names:
                continue
            value = value_in(word)
            following = takewhile(lambda text: flag_of(text) is None, self.words[position + 1 :])
            found = list(following) if value is None else [value]
        return tuple(self._replaced(text) for text in found)

    def has(self, *names: str) -> bool:
        """Say whether the option is given."""
        return any(flag_of(word) in names for word in self.words)

    def text(self, *names: str) -> str | None:
        """Return the option's first value, or ``None``."""
        return next(iter(self.all_texts(*names)), None)

    def number(self, *names: str) -> int | None:
        """Return the option's value as a number, ``None`` where it is not given or not a plain number."""
        text = self.text(*names) or ""
        return int(text) if _NUMBER.fullmatch(text) else None

    def size(self, *names: str) -> int | None:
        """Return a parallel size: vLLM's default 1 where it is not given, unless a file may give it."""
        if self.has(*names):
            return self.number(*names)
        return None if self.has(_CONFIGURATION_FILE) else 1

    def _replaced(self, text: str) -> str:
        def value_of(found: re.Match[str]) -> str:
            name = next(group for group in found.groups() if group)
            return self.values.get(name, found.group(0))

        return _VARIABLE.sub(value_of, text)


def _simple_commands(words: list[str], depth: int) -> list[list[str]]:
    """Return the simple commands of a command line: of the script where a shell runs one, else the line itself."""
    for position, word in enumerate(words):
        if depth and _basename(word) in _SHELLS:
            script = _script_after(words[position + 1 :])
            if script is not None:
                return [inner for command in _split_script(script) for inner in _simple_commands(command, depth - 1)]
    return [words] if words else []


def _script_after(words: Sequence[str]) -> str | None:
    """Return the script of ``sh -c SCRIPT`` (also ``-ec``, ``-l -c``), given the words after the shell's name."""
    for position, word in enumerate(words):
        if not word.startswith("-"):
            return None
        if not word.startswith("--") and "c" in word:
            return words[position + 1] if position + 1 < len(words) else None
    return None


def _split_script(script: str) -> list[list[str]]:
    """Split a shell script into simple commands; what cannot be read as shell is split at white space."""
    lines = script.replace("\\\n", " ").split("\n")
    text = " ; ".join(line for line in lines if not line.lstrip().startswith("#"))
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        lexer.commenters = ""
        tokens = list(lexer)
    except ValueError:
        tokens = text.split()
    commands: list[list[str]] = [[]]
    for token in tokens:
        if _SEPARATORS.fullmatch(token):
            commands.append([])
        else:
            commands[-1].append(token)
    return [command for command in commands if command]


def _basename(word: str) -> str:
    return word.rsplit("/", 1)[-1]


def _is_ray(command: Sequence[str]) -> bool:
    """Say whether a simple command starts Ray (``ray start``, or vLLM's script for it)."""
    names = [_basename(word) for word in command]
    starts = "ray" in names and names[names.index("ray") + 1 :][:1] == ["start"]
    return starts or _RAY_SCRIPT in names


def _engine_words(commands: Sequence[Sequence[str]], entrypoint: bool) -> list[str] | None:
    """Return the arguments of the vLLM server that is started, or ``None``.

    With ``entrypoint`` the image's own program runs, in vLLM's images ``vllm serve``: options alone are its arguments.
    """
    for command in commands:
        for position, word in enumerate(command):
            rest = list(command[position + 1 :])
            if _basename(word) == "vllm" and rest[:1] == ["serve"]:
                return rest[1:]
            if word == "-m" and rest and rest[0].startswith("vllm.entrypoints"):
                return rest[2:] if rest[1:2] == ["serve"] else rest[1:]
    if entrypoint and commands and any(word.startswith("--") for word in commands[0]):
        words = list(commands[0])
        return words[1:] if words[0] == "serve" else words
    return None


def _positional_model(words: Sequence[str]) -> str | None:
    """Return the model of ``vllm serve MODEL ...``."""
    return words[0] if words and not words[0].startswith("-") else None
