# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Command lines for platforms that take one string and do not say how they split it.

Run:ai's ``command`` and ``args`` are single strings with undocumented splitting. A word is therefore accepted only
where splitting at white space, splitting like a shell and handing the whole string to ``sh -c`` all give the same
words.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

# The variable that holds the leader's start-up line with the Ray backend (see ``vllm_command``).
RAY_LEADER_VARIABLE = "GPUOPS_RAY_LEADER"

# Replaced by the kubelet before any shell sees them. The values of the LWS_ ones are a host name and numbers.
_PLACEHOLDERS = ("LWS_LEADER_ADDRESS", "LWS_GROUP_SIZE", "LWS_WORKER_INDEX", RAY_LEADER_VARIABLE)
_PLACEHOLDER = re.compile(r"\$\((?:" + "|".join(_PLACEHOLDERS) + r")\)")
_OTHER_DOLLAR = re.compile(r"\$(?!\((?:" + "|".join(_PLACEHOLDERS) + r")\))")
# What the standard library's shlex.quote leaves unquoted: no shell gives these characters a meaning inside a word.
_UNSAFE = re.compile(r"[^A-Za-z0-9_@%+=:,./-]")


def unsafe_character(word: str) -> str | None:
    """Return the first character of ``word`` that one of the three ways of splitting would change, or ``None``."""
    found = _UNSAFE.search(_PLACEHOLDER.sub("", word))
    return found.group() if found else None


def check_word(word: str, option: str) -> None:
    """Refuse (``OptionError`` naming ``option``) a word that would not arrive unchanged."""
    if not word:
        raise OptionError.of(
            option,
            "It is empty, and an empty word is lost when the platform splits the command line.",
            "Leave it out, or use the --option=value form.",
            "unsafe_word",
        )
    character = unsafe_character(word)
    if character is not None:
        raise OptionError.of(
            option,
            f"It contains {character!r}. The platform takes the command line as one string and does not say how it "
            "splits it, so only letters, digits and _ @ % + = : , . / - arrive unchanged.",
            _way_out(character),
            "unsafe_word",
        )


def check_words(words: Iterable[str], option: str) -> None:
    """Refuse the first word that would not arrive unchanged; the error names ``option[index]``."""
    for index, word in enumerate(words):
        check_word(word, f"{option}[{index}]")


def join_words(words: Sequence[str], option: str = "command") -> str:
    """Return the words as the one string that every way of splitting takes apart into the same words.

    Raises ``OptionError`` naming ``option[index]`` for a word outside the safe set.
    """
    check_words(words, option)
    return " ".join(words)


def protect_expansion(value: str) -> str:
    """Return an environment value such that the process sees ``value``: the kubelet turns ``$$`` into ``$``."""
    return value.replace("$", "$$")


def protect_word(word: str) -> str:
    """Return a word of a command line such that the process sees ``word`` with nothing but the placeholders replaced:
    the kubelet would replace any other ``$(NAME)`` too, and turns ``$$`` into ``$``."""
    return _OTHER_DOLLAR.sub("$$", word)


def _way_out(character: str) -> str:
    if character.isspace():
        return "Give every word its own list item ('--max-model-len', '256'), or a file where a text needs spaces."
    if character in "{}[]\"'":
        return (
            "Instead of JSON use vLLM's dotted form, such as --compilation-config.mode=1 or -cc.mode=1 "
            "(list items: --compilation-config.cudagraph_capture_sizes+=8)."
        )
    if character == "$":
        return f"Only these placeholders are replaced: {', '.join(f'$({name})' for name in _PLACEHOLDERS[:3])}."
    return "Rename what it stands for, or use an environment variable (env) or a file where vLLM reads one."
