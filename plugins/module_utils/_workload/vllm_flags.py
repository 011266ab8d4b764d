# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which of vLLM's flags ``vllm_args`` may carry, and how to read them.

vLLM's parser takes ``--flag value`` and ``--flag=value``, ``_`` for ``-``, unique beginnings of long flags, and
attached values of one-letter flags (``-n2``).

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

_BY_NUMBERING = "The plan gives every pod its place in the group; it follows from pods and gpus_per_pod."
_BY_LAYOUT = "The plan lays the engines out over the pods; set data_parallel_size."
_BY_PLATFORM = "The platform and its probe speak plain HTTP with serving.port."
_SECRET = (
    "A secret on a command line can be read by everybody who may see the pods. Use env with "
    "{}: {{secret: ..., key: ...}}."
)

# Flags that the plan decides, or that would break what it decides, and what to do instead.
_REFUSED: dict[tuple[str, ...], str] = {
    ("--tensor-parallel-size", "-tp"): "Set the option tensor_parallel_size.",
    ("--pipeline-parallel-size", "-pp"): "Set the option pipeline_parallel_size.",
    ("--data-parallel-size", "-dp"): "Set the option data_parallel_size.",
    ("--prefill-context-parallel-size", "-pcp"): "It multiplies the GPUs needed, which the plan does not cover yet.",
    ("--data-parallel-size-local", "-dpl"): _BY_LAYOUT,
    ("--data-parallel-start-rank", "-dpr"): _BY_LAYOUT,
    ("--data-parallel-rank", "-dpn"): _BY_LAYOUT,
    ("--data-parallel-address", "-dpa"): _BY_LAYOUT,
    ("--data-parallel-backend", "-dpb"): _BY_LAYOUT,
    ("--data-parallel-hybrid-lb", "-dph"): _BY_LAYOUT,
    ("--data-parallel-external-lb", "-dpe"): _BY_LAYOUT,
    ("--data-parallel-multi-port-external-lb",): _BY_LAYOUT,
    ("--nnodes", "-n"): _BY_NUMBERING,
    ("--node-rank", "-r"): _BY_NUMBERING,
    ("--master-addr",): _BY_NUMBERING,
    ("--master-port",): _BY_NUMBERING,
    ("--headless",): _BY_NUMBERING,
    ("--distributed-executor-backend",): "Set the option distributed_executor_backend.",
    ("--model",): "Set the option model.path.",
    ("--served-model-name",): "Set the option model.served_names.",
    ("--port",): "Set the option serving.port.",
    ("--host",): "The server always listens on all addresses of its pod: the platform has to reach it.",
    ("--config",): "A file could set what the plan decides and nobody would see it. Write its flags into vllm_args.",
    ("--uds",): _BY_PLATFORM,
    ("--ssl-keyfile",): _BY_PLATFORM,
    ("--ssl-certfile",): _BY_PLATFORM,
    ("--api-key",): _SECRET.format("VLLM_API_KEY"),
    ("--hf-token",): _SECRET.format("HF_TOKEN"),
}
_INSTEAD = {flag: instead for flags, instead in _REFUSED.items() for flag in flags}
REFUSED_FLAGS = frozenset(_INSTEAD)
_LONG = tuple(flag for flag in _INSTEAD if flag.startswith("--"))
# One-letter flags take their value without a space.
_ATTACHED = re.compile(r"(-[nr])(\d+)")
_NUMBER = re.compile(r"-\d+(\.\d+)?")

# Only the leader has an HTTP server; with --headless vLLM refuses this flag.
_LEADER_ONLY = ("--api-server-count", "-asc")


def flag_of(word: str) -> str | None:
    """Return the flag of ``word`` in vLLM's own spelling, without value and dotted key; ``None`` for a value."""
    if not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word):
        return None
    attached = _ATTACHED.fullmatch(word)
    if attached:
        return attached.group(1)
    name = word.partition("=")[0]
    if name.startswith("--"):
        return name.partition(".")[0].replace("_", "-")
    return name.partition(".")[0]


def value_in(word: str) -> str | None:
    """Return the value that a flag carries in its own word (``--flag=value``, ``-n2``), or ``None``."""
    attached = _ATTACHED.fullmatch(word)
    if attached:
        return attached.group(2)
    _name, equals, value = word.partition("=")
    return value if equals else None


def refused_flag(flag: str) -> str | None:
    """Return the refused flag that vLLM takes ``flag`` for (itself, negated or shortened), or ``None``."""
    if flag in REFUSED_FLAGS:
        return flag
    if not flag.startswith("--"):
        return None
    positive = "--" + flag[len("--no-") :] if flag.startswith("--no-") else flag
    if positive in REFUSED_FLAGS:
        return positive
    # argparse takes a unique beginning for the whole flag; no other flag of vLLM is a beginning of these.
    return next((long for long in _LONG if long.startswith(flag) and len(flag) > len("--")), None)


def check_flags(words: Sequence[str]) -> None:
    """Refuse (``OptionError`` naming ``vllm_args[index]``) flags that the plan decides or that would leak a secret."""
    for index, word in enumerate(words):
        option = f"vllm_args[{index}]"
        flag = flag_of(word)
        if flag is None:
            if index == 0:
                raise OptionError.of(
                    option, "The first word is not a flag.", "Begin with --flag; the model is given by model.path."
                )
            continue
        decided = refused_flag(flag)
        if decided is not None:
            raise OptionError.of(option, f"{decided} is not free.", _INSTEAD[decided], "flag_decided_by_plan")


def given_value(words: Sequence[str], flag: str) -> str | None:
    """Return the value given for ``flag`` (an empty text for a flag without one), ``None`` where it is not given."""
    for index, word in enumerate(words):
        if flag_of(word) != flag:
            continue
        value = value_in(word)
        if value is not None:
            return value
        following = words[index + 1] if index + 1 < len(words) else ""
        return following if following and flag_of(following) is None else ""
    return None


def without_leader_only(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words without those that only make sense where an HTTP server runs."""
    return tuple(_followers_words(words))


def _followers_words(words: Sequence[str]) -> Iterator[str]:
    skip_values = False
    for word in words:
        flag = flag_of(word)
        if flag is not None:
            skip_values = flag in _LEADER_ONLY
        if not skip_values:
            yield word
