# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Evidence as plain dictionaries, and back.

What is read may be damaged or hostile. Either it is whole and of sane size, or one clear error says where it is not.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ansible_collections.gpuops.inference.plugins.module_utils._fabric.evidence import Evidence, PodEvidence
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding

T = TypeVar("T")

_LONGEST_TEXT = 4096
_MOST_ENTRIES = 100_000
_LARGEST_NUMBER = 2**63
_HINT = "Look again; if it stays so, it is a fault of the collection, or the pod's image is not to be trusted."


def evidence_as_dict(evidence: Evidence) -> dict[str, Any]:
    """Return the plain dictionary of evidence; ``read_evidence`` makes the same evidence of it."""
    return {item.name: _plain(getattr(evidence, item.name)) for item in dataclasses.fields(evidence)}


def read_evidence(content: Any) -> Evidence:
    """Return the evidence of its dictionary. Keys that are not known are left out, those that are missing have their
    default. Raises ``GpuopsError`` that names what is damaged."""
    return _read_dataclass(Evidence, content, "evidence")


def checked(pod: PodEvidence) -> PodEvidence:
    """Return what one pod saw if every value in it has its type and a sane size: reports of pods promise nothing.

    Raises ``GpuopsError`` that names what is damaged.
    """
    return _read_dataclass(PodEvidence, _plain(pod), "report")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _damaged(where: str, found: str) -> GpuopsError:
    return GpuopsError.from_finding(Finding(ERROR, "evidence_damaged", found, _HINT, where))


def _read_dataclass(kind: Callable[..., T], content: Any, where: str) -> T:
    if not isinstance(content, Mapping):
        raise _damaged(where, f"It is no dictionary, but {_shown(content)}.")
    hints = get_type_hints(kind)
    values = {}
    for item in dataclasses.fields(cast(Any, kind)):
        if item.name in content:
            values[item.name] = _read(hints[item.name], content[item.name], f"{where}.{item.name}")
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise _damaged(f"{where}.{item.name}", "It is missing.")
    return kind(**values)


def _read(hint: Any, content: Any, where: str) -> Any:
    """Return ``content`` as the type that ``hint`` names."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if content is None else _read(arguments[0], content, where)
    if origin is tuple:
        entries = _entries(content, (list, tuple), where, "list")
        return tuple(_read(arguments[0], entry, f"{where}[{index}]") for index, entry in enumerate(entries))
    if origin is Mapping:
        entries = _entries(content, Mapping, where, "dictionary")
        return {_text(key, where): _read(arguments[1], entry, f"{where}.{key}") for key, entry in entries.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _read_dataclass(hint, content, where)
    return _READERS[hint](content, where)


def _entries(content: Any, kind: Any, where: str, word: str) -> Any:
    if not isinstance(content, kind):
        raise _damaged(where, f"It is no {word}, but {_shown(content)}.")
    if len(content) > _MOST_ENTRIES:
        raise _damaged(where, f"It has {len(content)} entries, more than {_MOST_ENTRIES}.")
    return content


def _text(content: Any, where: str) -> str:
    if not isinstance(content, str):
        raise _damaged(where, f"It is no text, but {_shown(content)}.")
    if len(content) > _LONGEST_TEXT:
        raise _damaged(where, f"It has {len(content)} characters, more than {_LONGEST_TEXT}.")
    return content


def _truth(content: Any, where: str) -> bool:
    if not isinstance(content, bool):
        raise _damaged(where, f"It is neither true nor false, but {_shown(content)}.")
    return content


def _whole_number(content: Any, where: str) -> int:
    if isinstance(content, bool) or not isinstance(content, int) or abs(content) >= _LARGEST_NUMBER:
        raise _damaged(where, f"It is no whole number of sane size, but {_shown(content)}.")
    return content


def _number(content: Any, where: str) -> float:
    if isinstance(content, float) and math.isfinite(content):
        return content
    return float(_whole_number(content, where))


def _shown(content: Any) -> str:
    """Return the beginning of a value, fit for one line."""
    is_short = isinstance(content, (str, bool, float, type(None)))
    return repr(content[:60] if isinstance(content, str) else content) if is_short else type(content).__name__


_READERS = {str: _text, bool: _truth, int: _whole_number, float: _number}
