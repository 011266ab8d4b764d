# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What a module accepts: its argument spec with the rules between options, as one value.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.validation import check_type_dict, check_type_list

ArgumentSpec = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Arguments:
    """The arguments of one module, in the words of ``AnsibleModule``.

    The module hands them to ``AnsibleModule``, the action plugin to ``ArgumentSpecValidator``: both check the same.
    """

    argument_spec: ArgumentSpec
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    required_together: tuple[tuple[str, ...], ...] = ()
    required_one_of: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[Any, ...], ...] = ()

    def keywords(self) -> dict[str, Any]:
        """Return the keyword arguments that ``AnsibleModule`` and ``ArgumentSpecValidator`` have in common."""
        return {
            "argument_spec": self.argument_spec,
            "mutually_exclusive": self.mutually_exclusive,
            "required_together": self.required_together,
            "required_one_of": self.required_one_of,
            "required_if": self.required_if,
        }

    def shape_error(self, params: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the shape of nested options or a number, or ``None``.

        ``ArgumentSpecValidator`` ends in a ``TypeError`` where an option with sub-options is no dictionary, and in an
        ``OverflowError`` where a whole number is infinite (ansible-core 2.16 to 2.21), so this is asked first.
        """
        return _shape_error(self.argument_spec, params, "")


def _is_endless(value: Any) -> bool:
    """Say whether a number, a number written as text, or one in a list, is infinite."""
    if isinstance(value, (list, tuple)):
        return any(_is_endless(entry) for entry in value)
    texts = str(value).split(",") if isinstance(value, (str, float)) else []
    return any(text.strip().lower().lstrip("+-") in ("inf", "infinity") for text in texts)


def _shape_error(spec: ArgumentSpec, params: Mapping[str, Any], prefix: str) -> str | None:
    """Return the first option with sub-options that is not made of dictionaries, or infinite number."""
    for name, option in spec.items():
        value = params.get(name)
        path = f"{prefix}{name}"
        if "int" in (option["type"], option.get("elements")) and _is_endless(value):
            return f"{path}: {value!r} found, a whole number needed."
        if value is None or "options" not in option:
            continue
        try:
            entries = check_type_list(value) if option["type"] == "list" else [value]
            dictionaries = [check_type_dict(entry) for entry in entries]
        except TypeError:
            wanted = "a list of dictionaries" if option["type"] == "list" else "a dictionary"
            return f"{path}: {type(value).__name__} found, {wanted} needed."
        for dictionary in dictionaries:
            error = _shape_error(option["options"], dictionary, f"{path}.")
            if error is not None:
                return error
    return None
